"""The copy of an enrolment: whose it is, in which course, and whether it was dropped."""
