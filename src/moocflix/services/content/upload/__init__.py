"""A video on its way in."""
