"""Uploads: a `multipart/form-data` body (RFC 7578) taken apart as it comes, its file never held in memory."""

from collections.abc import AsyncIterator
from typing import Any

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from moocflix.platform.errors import Invalid, TooLarge, UnsupportedMedia

_FIELD_BYTES = 16 * 1024
_PARTS = 32


class NotAForm(UnsupportedMedia):
    """The body is no multipart form."""

    def __init__(self) -> None:
        super().__init__("The body must be a form with a file: Content-Type multipart/form-data with a boundary.")


class FormBroken(Invalid):
    """The body is a form by its type, but not by its bytes."""

    def __init__(self, why: object) -> None:
        super().__init__(f"The form cannot be read: {why}.", field="body")


class FileMissing(Invalid):
    """There is no file in the form."""

    def __init__(self, name: str) -> None:
        super().__init__("The form has no file in it.", field=name)


class FileTooLarge(TooLarge):
    """The file has more bytes than are taken here."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"The file is larger than {limit} bytes.")


class UploadForm:
    """A form with fields and one file; the fields that decide about the file come before it.

    form = UploadForm(content_type, chunks, file_limit=…)
    await form.fields_before("file")
    async for piece in form.file(): …
    await form.finish()
    form.fields                             # those after the file too
    """

    def __init__(self, content_type: str | None, chunks: AsyncIterator[bytes], *, file_limit: int) -> None:
        """`chunks` is the request's body. Raises NotAForm."""
        kind, options = parse_options_header(content_type or "")
        if kind != "multipart/form-data" or not options.get("boundary"):
            raise NotAForm
        self.fields: dict[str, str] = {}
        self._file_limit = file_limit
        self._events = _events(options["boundary"], chunks)

    async def fields_before(self, name: str) -> dict[str, str]:
        """Read up to the file called `name`; the fields so far. Raises Invalid where there is no such file."""
        async for event in self._events:
            if isinstance(event, MultipartSegment):
                if event.name == name:
                    return self.fields
                await self._take_field(event)
        raise FileMissing(name)

    async def file(self) -> AsyncIterator[bytes]:
        """The file's bytes. Raises FileTooLarge, or FormBroken where the body ends before the file does."""
        size = 0
        async for event in self._events:
            if event is None:
                return
            size += len(event)
            if size > self._file_limit:
                raise FileTooLarge(self._file_limit)
            yield event

    async def finish(self) -> None:
        """Read what follows the file."""
        async for event in self._events:
            if isinstance(event, MultipartSegment):
                await self._take_field(event)

    async def _take_field(self, segment: MultipartSegment) -> None:
        if segment.filename is not None:
            raise Invalid("The form has a file that nobody asked for.", field=segment.name)
        content = b""
        async for event in self._events:
            if event is None:
                break
            content += event
            if len(content) > _FIELD_BYTES:
                raise Invalid(f"A field holds at most {_FIELD_BYTES} bytes.", field=segment.name)
        self.fields[segment.name] = _text(segment.name, content)


def _text(name: str, content: bytes) -> str:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise Invalid("The field is not UTF-8.", field=name) from None
    if "\x00" in text:
        raise Invalid("The field holds a NUL character.", field=name)
    return text


async def _events(boundary: str, chunks: AsyncIterator[bytes]) -> AsyncIterator[Any]:
    """The parser's events: a segment, its bytes in pieces, None at its end."""
    try:
        with PushMultipartParser(boundary, max_segment_count=_PARTS) as parser:
            async for chunk in chunks:
                if chunk:
                    for event in parser.parse(chunk):
                        yield event
    except MultipartError as error:
        raise FormBroken(error) from None
