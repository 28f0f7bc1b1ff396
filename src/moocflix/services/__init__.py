"""The services; none of them imports another."""
