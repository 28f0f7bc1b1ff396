"""Servers that the distributed mode stands on, started on this machine: for tests, and to try the whole of it."""
