"""The copy of a course: what enrolling must know of it, and whether anybody still gets in."""
