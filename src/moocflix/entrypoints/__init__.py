"""The processes: the only place that knows every service."""
