"""HTTP: the edge around the framework, routes and replies."""
