"""The copy of an enrolment: who may watch a course's videos."""
