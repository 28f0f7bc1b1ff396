"""Somebody who teaches on a platform that is being broken: uploads, slow ones too, and what is left of them."""

import asyncio
import http.client
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from moocflix.platform.postgres_address import running_address
from tests.factories.platform import data_of
from tests.faults.platform_process import PASSWORD, Up

BOUNDARY = "a-boundary-that-no-video-holds"


class Studio:
    """An instructor with a course of their own."""

    def __init__(self, up: Up) -> None:
        self.up = up
        person = {"name": "Ada", "email": f"{os.urandom(6).hex()}@example.org", "password": PASSWORD}
        token = data_of(self._post("/api/v1/users/signup", {**person, "role": "instructor"}))["token"]
        self.headers = {"authorization": f"Bearer {token}"}
        course = {
            "title": "T", "description": "D", "category": "Arts", "difficulty": "Beginner",
            "price": 0, "currency": "EUR",
        }  # fmt: skip
        self.course_id = data_of(self._post("/api/v1/courses", course, headers=self.headers))["courseId"]

    def _post(self, path: str, body: Any, **options: Any) -> httpx.Response:
        return self.up.http.post(path, json=body, **options)

    def get(self, path: str) -> httpx.Response:
        return self.up.http.get(path, headers=self.headers)

    def upload(self, content: bytes, *, transcode: bool = False) -> str:
        """The id of a video that came in whole."""
        return str(data_of(self.send(content, transcode=transcode))["videoId"])

    def send(self, content: bytes, *, transcode: bool = False) -> httpx.Response:
        fields = {"courseId": self.course_id, "transcode": str(transcode).lower()}
        files = {"file": ("a.mp4", content, "video/mp4")}
        return self.up.http.post("/api/v1/content/upload", data=fields, files=files, headers=self.headers, timeout=60)

    def video(self, video_id: str) -> Any:
        return data_of(self.get(f"/api/v1/content/{video_id}"))

    def begin_upload(self, content: bytes) -> "SlowUpload":
        """An upload of which half has been sent."""
        return SlowUpload(self, content)

    def rows(self, sql: str, *arguments: Any) -> Sequence[Any]:
        """What the database says, asked by its owner."""
        address = running_address(self.up.data)
        assert address is not None
        return asyncio.run(_rows(address.dsn("moocflix"), sql, arguments))

    def stored(self, video_id: str) -> list[str]:
        """The files of a video, half ones too, as paths below its folder."""
        folder = self.up.data / "files" / "objects" / "videos" / video_id
        return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())

    def scratch(self) -> list[Path]:
        """What the transcoder works on."""
        return list((self.up.data / "scratch" / "content").iterdir())


class SlowUpload:
    """A client that sends half of a video, and the rest when it is told to."""

    def __init__(self, studio: Studio, content: bytes) -> None:
        part = f"--{BOUNDARY}\r\nContent-Disposition: form-data; name="
        head = f'{part}"courseId"\r\n\r\n{studio.course_id}\r\n{part}"file"; filename="a.mp4"\r\n\r\n'
        body = head.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()
        half = len(body) // 2
        self._rest = body[half:]
        self._http = http.client.HTTPConnection("127.0.0.1", studio.up.port, timeout=60)
        self._http.putrequest("POST", "/api/v1/content/upload")
        announced = {
            **studio.headers,
            "content-type": f"multipart/form-data; boundary={BOUNDARY}",
            "content-length": str(len(body)),
        }
        for name, value in announced.items():
            self._http.putheader(name, value)
        self._http.endheaders(body[:half])

    def finish(self) -> int:
        """Send the rest; the status of the answer. Raises OSError or HTTPException where nobody answers."""
        try:
            self._http.send(self._rest)
            return self._http.getresponse().status
        finally:
            self._http.close()


async def _rows(dsn: str, sql: str, arguments: Sequence[Any]) -> Sequence[Any]:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetch(sql, *arguments)
    finally:
        await connection.close()
