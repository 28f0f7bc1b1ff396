"""Databases of tests' own, beside the platform's on the one server."""

from dataclasses import replace
from urllib.parse import quote, urlsplit, urlunsplit

from moocflix.platform.database.urls import DatabaseUrls


def in_database(urls: DatabaseUrls, database: str) -> DatabaseUrls:
    """The same roles in another database of the cluster."""
    parts = urlsplit(urls.admin)
    return replace(urls, admin=urlunsplit(parts._replace(path=f"/{quote(database, safe='')}")))
