"""The copy of a user: the name behind an enrolment, and whether the account is active."""
