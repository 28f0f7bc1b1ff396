"""Stored files behind signed, expiring URLs, where storage is a local folder."""
