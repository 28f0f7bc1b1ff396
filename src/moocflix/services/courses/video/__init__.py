"""The copy of a video: how long it is, and whether it is still there."""
