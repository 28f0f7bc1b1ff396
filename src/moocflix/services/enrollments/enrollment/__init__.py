"""An enrolment: one learner in one course."""
