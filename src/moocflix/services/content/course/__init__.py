"""The copy of a course and of its lessons: whose it is, and which videos anybody may watch."""
