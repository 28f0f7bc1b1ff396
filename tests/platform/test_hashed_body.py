"""What a streamed body's hash tells apart, and what it does not."""

import pytest

from moocflix.platform.errors import Invalid
from moocflix.platform.http.hashed_body import HashedBody

FORM = "multipart/form-data; boundary="


def body(content: bytes, *, content_type: str | None = None, step: int = 5, ends: bool = True) -> HashedBody:
    """A body that comes in small pieces."""
    parts = [content[at : at + step] for at in range(0, len(content), step)]
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    messages.append({"type": "http.request", "more_body": False} if ends else {"type": "http.disconnect"})
    pending = iter(messages)

    async def receive() -> object:
        return next(pending)

    return HashedBody(receive, content_type=content_type)  # type: ignore[arg-type]


def form(*parts: tuple[str, str], boundary: str = "b", step: int = 5) -> HashedBody:
    text = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{content}\r\n' for name, content in parts
    )
    return body(f"{text}--{boundary}--\r\n".encode(), content_type=f"{FORM}{boundary}", step=step)


async def said(given: HashedBody) -> tuple[int, bytes]:
    assert await given.ends_within(1000)
    return given.size, given.digest()


async def test_a_form_says_the_same_behind_any_boundary_and_in_any_pieces() -> None:
    first = await said(form(("a", "1"), ("file", "content")))
    assert first == await said(form(("a", "1"), ("file", "content"), boundary="another", step=11))
    assert first[0] == len("1content")


@pytest.mark.parametrize(
    "parts",
    [
        (("a", "1"), ("file", "Content")),
        (("a", "1"), ("other", "content")),
        (("file", "content"), ("a", "1")),
        (("a", "1c"), ("file", "ontent")),
        (("a", "1"), ("file", "content"), ("z", "")),
    ],
)
async def test_other_names_contents_and_orders_say_something_else(parts: tuple[tuple[str, str], ...]) -> None:
    assert await said(form(*parts)) != await said(form(("a", "1"), ("file", "content")))


@pytest.mark.parametrize("content_type", [None, "video/mp4", "multipart/form-data", f"{FORM}b"])
async def test_what_is_no_form_is_told_apart_by_its_bytes(content_type: str | None) -> None:
    given = [await said(body(one, content_type=content_type)) for one in (b"--b?one", b"--b?one", b"--b?two")]
    assert given[0] == given[1] != given[2]


async def test_a_body_is_read_no_further_than_asked() -> None:
    assert not await body(bytes(100)).ends_within(50)
    assert await body(bytes(100)).ends_within(100)


async def test_a_body_that_breaks_off_is_refused() -> None:
    with pytest.raises(Invalid, match="whole"):
        await body(b"half", ends=False).ends_within(1000)
