"""A video: its state, its transcodings and its end."""
