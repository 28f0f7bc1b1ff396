"""The body of a close."""

from moocflix.platform.http.reply import Body


class Close(Body):
    """`force` takes out whoever is enrolled."""

    force: bool = False
