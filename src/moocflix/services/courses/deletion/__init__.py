"""The deletion of a course or a module, with all that it takes along."""
