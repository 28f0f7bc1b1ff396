"""The catalogue: published courses, found by what is asked for and shown page by page."""
