"""Counting anew: what a change of a course's outline makes of everybody's progress in it."""
