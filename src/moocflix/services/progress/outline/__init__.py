"""The outline of a course: its modules and lessons, as far as they decide what counts."""
