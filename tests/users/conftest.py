"""What the tests of users ask for again and again."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from moocflix.platform.auth.passwords import PasswordHasher
from moocflix.platform.database.transaction import Database
from moocflix.services.users.session.model import Lives
from moocflix.services.users.settings import UsersSettings
from tests.factories.platform import TestPlatform

SIGNUP = "/api/v1/users/signup"
LOGIN = "/api/v1/users/login"
REFRESH = "/api/v1/users/refresh"
PROFILE = "/api/v1/users/profile"
UPDATE = "/api/v1/users/profile/update"
SESSIONS = "/api/v1/users/sessions"
LOGOUT = "/api/v1/users/logout"


@pytest.fixture
def database(platform: TestPlatform) -> Database:
    """The tables of users, to look behind the door."""
    return platform.database("users")


@pytest.fixture
def lives() -> Lives:
    """How long things of a session last, as shipped."""
    return Lives.of(UsersSettings())


@pytest.fixture
def hashes_as_shipped(platform: TestPlatform) -> Iterator[None]:
    """Passwords are hashed with the parameters that the platform is shipped with."""
    context, shipped = platform.context("users"), UsersSettings()
    weak = context.part(PasswordHasher)
    strong = PasswordHasher(
        memory_kib=shipped.password_memory_kib, passes=shipped.password_passes, threads=1, queue=shipped.password_queue
    )
    context.keep(strong)
    yield
    context.keep(weak)
    strong.close()


def refusal(response: Any) -> tuple[int, str, list[str]]:
    """A refusal's status, message and the fields at fault."""
    error = response.json()["error"]
    assert error["errorCode"] == response.status_code
    return response.status_code, error["message"], [detail["field"] for detail in error.get("details", [])]


async def events(database: Database, topic: str) -> list[dict[str, Any]]:
    """What was said of a topic, the oldest first."""
    rows = await database.reader.fetch("SELECT data FROM outbox WHERE topic = $1 ORDER BY seq", topic)
    return [row["data"] for row in rows]


async def known_everywhere(platform: TestPlatform) -> None:
    """What the broadcast of a revocation does in a running platform."""
    await platform.runtime.watch.revocations.poll()


async def generation_of(database: Database, user_id: UUID) -> Any:
    return await database.reader.fetchval("SELECT generation FROM users WHERE id = $1", user_id)
