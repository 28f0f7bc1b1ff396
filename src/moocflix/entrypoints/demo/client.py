"""The demo's door to the platform: its own HTTP API, with patience where the platform asks for it."""

import time
from collections.abc import Callable
from typing import Any

import httpx

from moocflix.platform.errors import OperatorError

TRIES = 20
LATER = (429, 503)


class CallFailedError(OperatorError):
    """The platform refused, or did not answer."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class Caller:
    """Somebody who calls the API; without a token, nobody in particular."""

    def __init__(self, http: httpx.Client, *, token: str | None = None, waits: Callable[[int], None]) -> None:
        """`waits` is told before each wait, with its seconds."""
        self._http = http
        self._headers = {"authorization": f"Bearer {token}"} if token else {}
        self._waits = waits

    def signed_in(self, token: str) -> "Caller":
        """The same door, for the holder of this token."""
        return Caller(self._http, token=token, waits=self._waits)

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """The `data` of an answer."""
        return self._call("GET", path, params=query)

    def post(self, path: str, body: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        """The `data` of an answer to a JSON body, or to the form that `more` describes."""
        return self._call("POST", path, json=body, **more)

    def put(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The `data` of an answer to a JSON body."""
        return self._call("PUT", path, json=body)

    def pages(self, path: str, noun: str, **query: Any) -> list[dict[str, Any]]:
        """All items of a list, page by page."""
        items: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            page = self.get(path, limit=100, **query, **({"cursor": cursor} if cursor else {}))
            items += page[noun]
            cursor = page["nextCursor"]
            if cursor is None:
                return items

    def _call(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        answer = self._send(method, path, request)
        for _ in range(TRIES):
            if answer.status_code not in LATER:
                break
            seconds = int(answer.headers.get("retry-after", "1"))
            self._waits(seconds)
            time.sleep(seconds)
            answer = self._send(method, path, request)
        return _data(answer)

    def _send(self, method: str, path: str, request: dict[str, Any]) -> httpx.Response:
        for _, (name, content, *_type) in request.get("files", []):
            if name:
                content.seek(0)  # an earlier try has read it
        try:
            return self._http.request(method, path, headers=self._headers, **request)
        except httpx.ConnectError as error:
            raise CallFailedError(
                f"Nothing answers at {self._http.base_url}. Start the platform first: make run"
            ) from error
        except httpx.HTTPError as error:
            raise CallFailedError(f"{method} {path}: {str(error) or type(error).__name__}") from error


def _data(answer: httpx.Response) -> dict[str, Any]:
    try:
        said = answer.json()
    except ValueError:
        said = {}
    if answer.is_success and isinstance(said.get("data"), dict):
        data: dict[str, Any] = said["data"]
        return data
    reason = (said.get("error") or {}).get("message", answer.text[:200])
    raise CallFailedError(
        f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {reason}", answer.status_code
    )
