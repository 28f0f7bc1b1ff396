"""What a careless or hostile caller sends: values, bodies, headers, paths, and what every answer to them must be."""

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

import httpx

# JSON text, since most of it no Python value stands for.
VALUES: dict[str, str | bytes] = {
    "null": "null",
    "true": "true",
    "a number": "7",
    "a negative number": "-1",
    "a huge number": "9" * 400,
    "beyond 64 bits": "18446744073709551616",
    "a huge exponent": "1e400",
    "a tiny exponent": "1e-400",
    "not a number": "NaN",
    "infinite": "-Infinity",
    "a fraction": "0.30000000000000004",
    "an empty text": '""',
    "a blank text": '" \\t\\n"',
    "a text": '"text"',
    "a long text": '"' + "x" * 70_000 + '"',
    "a NUL": '"a\\u0000b"',
    "a raw NUL": '"a\x00b"',
    "half a surrogate": '"\\ud800"',
    "a raw surrogate": b'"\xed\xa0\x80"',
    "no UTF-8": b'"\xff\xfe"',
    "turned around": '"\\u202eabc\\u2066"',
    "marks on marks": json.dumps("Z" + "\u0351" * 500),
    "an escape": '"\\u001b[31m"',
    "SQL": json.dumps("'; DROP TABLE users; --"),
    "markup": json.dumps("<script>alert(1)</script>"),
    "a path": '"../../../../etc/passwd"',
    "a template": '"{{7*7}}${7*7}%s%n"',
    "an id": '"00000000-0000-0000-0000-000000000000"',
    "an id in braces": '"{0192f7a0-0000-7000-8000-000000000000}"',
    "a list": "[]",
    "a list of everything": '[null,1,"a",{},[]]',
    "an object": "{}",
    "an object of itself": '{"a":{"a":{"a":{}}}}',
    "too deep": "[" * 20_000 + "]" * 20_000,
}

BODIES: dict[str, bytes] = {
    "nothing": b"",
    "null": b"null",
    "a list": b"[]",
    "a text": b'"text"',
    "a number": b"1",
    "half an object": b'{"title":',
    "two objects": b"{}{}",
    "rubbish after": b"{} x",
    "no UTF-8": b'{"\xff":"\xff"}',
    "a mark of UTF-8": b"\xef\xbb\xbf{}",
    "UTF-16": '{"title":"a"}'.encode("utf-16"),
    "too deep": b'{"card":' * 50_000,
    "a list too deep": b"[" * 100_000,
    "NaN": b'{"price":NaN}',
    "single quotes": b"{'title':'a'}",
    "a form": b"title=a&price=1",
    "XML": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "NULs": b"\x00" * 64,
    "too large": b'{"title":"' + b"a" * (2 * 1024 * 1024) + b'"}',
}

MEDIA_TYPES = (
    "", "text/plain", "application/xml", "multipart/form-data", "multipart/form-data; boundary=", "a/b/c", "\x00",
    "application/x-www-form-urlencoded", "application/json; charset=\xff", "application/" + "x" * 8000,
)  # fmt: skip

_LONG = b"9" * 5000

HEADERS: dict[str, list[tuple[bytes, bytes]]] = {
    "a correlation id of two lines": [(b"x-correlation-id", b"a\r\nset-cookie: a=b")],
    "a long correlation id": [(b"x-correlation-id", b"a" * 5000)],
    "two correlation ids": [(b"x-correlation-id", b"a"), (b"x-correlation-id", b"\xff")],
    "a bad traceparent": [(b"traceparent", b"00-" + b"z" * 32 + b"-1-1")],
    "a key of two lines": [(b"idempotency-key", b"a\r\nb: c")],
    "a key with a NUL": [(b"idempotency-key", b"a\x00")],
    "no key": [(b"idempotency-key", b"")],
    "a long key": [(b"idempotency-key", b"k" * 5000)],
    "a key of no text": [(b"idempotency-key", b"\xff\xfe")],
    "a version that is none": [(b"if-match", b"abc")],
    "a huge version": [(b"if-match", b'"' + _LONG + b'"')],
    "a version with a line": [(b"if-match", b'"1"\r\na: b')],
    "a negative version": [(b"if-match", b'"-1"')],
    "superscript versions": [(b"if-match", b'"\xb2\xb3"')],
    "many versions": [(b"if-none-match", b",".join([b'"a"'] * 2000))],
    "a backward range": [(b"range", b"bytes=5-1")],
    "a huge range": [(b"range", b"bytes=" + _LONG + b"-" + _LONG)],
    "many ranges": [(b"range", b"bytes=" + b",".join([b"0-0"] * 2000))],
    "superscript ranges": [(b"range", b"bytes=\xb2-\xb3")],
    "a range of nothing": [(b"range", b"bytes=-0")],
    "a range of something else": [(b"range", b"\x00=0-1")],
    "a range if it was never": [(b"range", b"bytes=0-1"), (b"if-range", b"Thu, 99 Foo 99999 99:99:99 GMT")],
    "a negative length": [(b"content-length", b"-1")],
    "a superscript length": [(b"content-length", b"\xb2")],
    "a huge length": [(b"content-length", _LONG)],
    "a length that is none": [(b"content-length", b"abc")],
    "a token of no kind": [(b"authorization", b"\xff\xfe")],
    "a token of nothing": [(b"authorization", b"Bearer ")],
    "a token of dots": [(b"authorization", b"Bearer ..")],
    "a long token": [(b"authorization", b"Bearer " + b"a" * 20_000)],
    "nonsense": [(b"authorization", b"Bearer eyJhbGciOiJFZERTQSIsImtpZCI6W119.e30.\xff")],  # pragma: allowlist secret
    "a password": [(b"authorization", b"Basic YWRtaW46YWRtaW4=")],
    "another address": [(b"x-forwarded-for", b"\x00, " + b"1" * 5000), (b"forwarded", b"for=evil")],
    "another host": [(b"host", b"evil.example\r\nx: y"), (b"x-forwarded-host", b"evil.example")],
    "another origin": [(b"origin", b"null\r\na: b")],
    "another method": [(b"x-http-method-override", b"DELETE")],
    "a browser of no name": [(b"user-agent", b"\x00\xff" * 300)],
    "anything but": [(b"accept", b"\xff;q=NaN"), (b"accept-encoding", b"x" * 8000), (b"accept-language", b"\x00")],
    "a cookie": [(b"cookie", b"=;" * 4000)],
    "something expected": [(b"expect", b"200-ok"), (b"upgrade", b"h2c"), (b"te", b"trailers")],
}

SEGMENTS = (
    "x", "0", "-1", "null", "%00", "%ff", "%ED%A0%80", "..%2f..%2fetc%2fpasswd", "%252e%252e", "%5c..%5c", "*", "a;b=c",
    "a%0d%0aset-cookie:a=b", "'%20OR%201=1--", "%F0%9F%92%A9", "{id}", "%7F", "%E2%80%AE", "%D9%A1" * 32, "f" * 6000,
    "9" * 6000, "00000000-0000-0000-0000-000000000000", "0192f7a000007000800000000000000g",
)  # fmt: skip

ARGUMENTS = (
    "", "x", "-1", "0", "101", "1e3", "1.5", "NaN", "-Infinity", "1e999999", "9" * 400, "%00", "%ff", "%ED%A0%80",
    "true", "null", "[]", "%F0%9F%92%A9" * 50, "a" * 5000, "'%20OR%201=1--", "00000000-0000-0000-0000-000000000000",
    "..%2f", "%25%5f%5c", "%0d%0aa:b", "2026-13-45",
)  # fmt: skip

QUERIES = ("", "&&&===", "%00=1", "a[b][c]=d", "a=%00", "%ff=%ff", "a" * 8000, "&".join(["a=b"] * 2000))

_ID = "00000000-0000-0000-0000-000000000000"
_CURSORS: tuple[Any, ...] = (
    [], [None], [[]], [1e308], [-(2**62)], ["a\x00b"], ["2020-01-01T00:00:00"], ["0001-01-01T00:00:00Z"],
    ["9999-12-31T23:59:59Z", _ID], ["newest", "9999-12-31T23:59:59Z", _ID],
    ["newest", "0001-01-01T00:00:00+14:00", _ID],
    ["price", "NaN", _ID], ["price", 1e300, _ID],
    ["popular", 2**62, _ID], ["relevance", 1e308, _ID], {"a": 1}, "a", 7,
)  # fmt: skip

_TELLTALE = re.compile(
    r"Traceback|File \"|\.py\b|SELECT |INSERT |UPDATE |DELETE FROM|asyncpg|litestar|msgspec|sqlstate|relation \"|"
    r"column \"|syntax error|Exception|0x[0-9a-f]{6}",
)


def cursors() -> Iterator[str]:
    """Cursors that no list has given."""
    for content in _CURSORS:
        yield base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()
    yield base64.urlsafe_b64encode(b'["\xff"]').decode()
    yield base64.urlsafe_b64encode(b"[" * 700).decode()


def raw(value: str | bytes) -> bytes:
    """A value as it goes into a body."""
    return value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")


def with_value(body: dict[str, Any], field: str, value: str | bytes) -> bytes:
    """The body with a field's value replaced by this text."""
    others = [
        json.dumps(name).encode() + b":" + json.dumps(held).encode() for name, held in body.items() if name != field
    ]
    return b"{" + b",".join([*others, json.dumps(field).encode() + b":" + raw(value)]) + b"}"


def faults(answer: httpx.Response) -> list[str]:
    """What is wrong with an answer, whatever was asked."""
    found = []
    if answer.status_code >= 500:
        found.append(f"{answer.status_code}")
    if answer.status_code >= 400:
        found += _envelope_faults(answer)
        told = _TELLTALE.search(answer.text)
        if told:
            found.append(f"tells of its inside: {told[0]}")
    for name, value in answer.headers.multi_items():
        if "\r" in value or "\n" in value or name == "set-cookie":
            found.append(f"a header was put in: {name}")
    return found


def _envelope_faults(answer: httpx.Response) -> list[str]:
    if answer.request.method == "HEAD":
        return []
    try:
        content = answer.json()
        error = content["error"]
        whole = (content["status"], content["data"], error["errorCode"]) == ("error", None, answer.status_code)
        named = answer.status_code != 400 or all(detail["field"] and detail["message"] for detail in error["details"])
    except (ValueError, KeyError, TypeError):
        return [f"not the envelope, or no field named: {answer.text[:200]}"]
    return [] if whole and named and error["message"] else [f"a broken envelope: {answer.text[:200]}"]
