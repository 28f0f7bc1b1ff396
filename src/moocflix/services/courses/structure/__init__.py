"""The structure of a course: its modules and lessons in their order."""
