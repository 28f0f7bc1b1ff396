"""Progress: of a learner in a lesson, and in the course that it belongs to."""
