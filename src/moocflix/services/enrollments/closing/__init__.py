"""The closing of a course: nobody is enrolled, and nobody gets in after, so that it may be deleted."""
