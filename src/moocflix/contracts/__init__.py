"""What each service says to the others: topics, event payloads and internal replies."""
