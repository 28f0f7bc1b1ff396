"""The pages and files that a browser gets from the platform itself."""
