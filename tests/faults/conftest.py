"""A whole installation to break, as the journeys have one to use."""

from tests.journeys.conftest import http, installation

__all__ = ["http", "installation"]
