"""A session: one device that somebody signed in on, its refresh tokens, and its end."""
