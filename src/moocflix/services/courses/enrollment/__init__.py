"""The copy of an enrolment: who sees a course whole, and how many students it has."""
