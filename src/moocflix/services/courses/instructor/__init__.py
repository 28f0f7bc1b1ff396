"""The copy of a user: the name under a course."""
