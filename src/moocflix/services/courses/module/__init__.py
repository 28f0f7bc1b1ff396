"""A module: one part of a course, at its position among the others."""
