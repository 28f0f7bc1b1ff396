"""A course: what its instructor says of it, and who may see and change it."""
