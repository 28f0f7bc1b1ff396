"""What processes keep for a moment: the port and its implementations."""
