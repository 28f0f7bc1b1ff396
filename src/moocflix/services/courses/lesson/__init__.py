"""A lesson: one step of a module, and what only some may see of it."""
