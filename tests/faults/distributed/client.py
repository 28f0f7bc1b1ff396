"""A client that remembers every acknowledgement, and repeats under its key what was not answered."""

import asyncio
import hashlib
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.faults.distributed.commands import PASSWORD, Command, Said, Stream
from tests.faults.distributed.world import Person

PATIENCE = 180.0
"""How long a command may take to be acknowledged: longer than any injury lasts, with all that follows from it."""

ANSWER_SECONDS = 30.0
"""Every request is answered by then, be it by a refusal: the gateway's own limit is a third of it."""

IMPATIENT, REPEATED = 0.03, 0.05
SIGN_UP, LOGIN = "/api/v1/users/signup", "/api/v1/users/login"


@dataclass(frozen=True)
class Keyed:
    """An acknowledged command whose answer must stay what it was."""

    command: Command
    key: str
    digest: bytes


@dataclass
class Ledger:
    """What all clients remember together."""

    acknowledged: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    keyed: list[Keyed] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    given_up: int = 0
    """Requests whose answer a client did not wait for."""
    slowest: float = 0.0

    @property
    def requests(self) -> int:
        return sum(self.statuses.values()) + self.given_up


class Client:
    """Works through its stream, one command after the other."""

    def __init__(
        self, url: str, stream: Stream, ledger: Ledger, *, seed: str, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        """`seed` also decides when it loses its patience; `transport` is another way there than the network."""
        self.stream = stream
        self._ledger = ledger
        self._seed = seed
        self._chance = random.Random(f"patience {seed}")
        self._http = httpx.AsyncClient(base_url=url, timeout=ANSWER_SECONDS, transport=transport)

    async def run(self, commands: int, turn: Callable[[], Awaitable[None]]) -> None:
        """Have so many commands acknowledged; each waits for its `turn`."""
        for number in range(commands):
            await turn()
            await self._have_done(self.stream.next(), key=f"{self._seed}-{number}")

    async def close(self) -> None:
        await self._http.aclose()

    async def ask_again(self, keyed: Keyed) -> None:
        """Repeat what was acknowledged: the answer is the same, byte for byte."""
        answer = await self._until_answered(keyed.command, keyed.key)
        if _digest(answer) != keyed.digest:
            self._ledger.wrong.append(f"{keyed.key} ({keyed.command.kind}) was answered anew: {answer.text}")

    async def _have_done(self, command: Command, *, key: str) -> None:
        begun = time.monotonic()
        answer = await self._until_answered(command, key)
        said: Said = answer.json()["data"] if answer.is_success else {}
        if command.version is not None and said.get("version", command.version) != command.version:
            self._ledger.wrong.append(f"{key} ({command.kind}) gave version {said}, not {command.version}")
        command.acknowledged(said)
        self._ledger.acknowledged[command.kind] += 1
        self._ledger.slowest = max(self._ledger.slowest, time.monotonic() - begun)
        if command.method == "POST" and command.path != SIGN_UP:
            keyed = Keyed(command, key, _digest(answer))
            self._ledger.keyed.append(keyed)
            if self._chance.random() < REPEATED:
                await self.ask_again(keyed)

    async def _until_answered(self, command: Command, key: str) -> httpx.Response:
        """The answer that acknowledges it: a success, or what says that it was done when it was asked for before."""
        deadline, repeated, if_match = time.monotonic() + PATIENCE, False, command.if_match
        while time.monotonic() < deadline:
            answer = await self._try(command, key, if_match)
            if answer is None:
                pass
            elif answer.is_success or (repeated and command.method == "DELETE" and answer.status_code == 404):
                return answer
            elif repeated and command.method == "PUT" and answer.status_code == 412:
                # Saying what is so already changes nothing, and tells the version.
                if_match = None
            elif repeated and command.path == SIGN_UP and answer.status_code == 409:
                return await self._signed_in(command.person)
            elif answer.status_code == 401:
                command.person.token = (await self._signed_in(command.person)).json()["data"]["token"]
            elif not self._may_be_tried_again(command, key, answer):
                raise AssertionError(f"{key}: {command.kind} was answered {answer.status_code} {answer.text}")
            else:
                await asyncio.sleep(self._chance.uniform(0.02, 0.3))
            repeated = True
        raise AssertionError(f"{key}: {command.kind} was not acknowledged within {PATIENCE:.0f} s")

    def _may_be_tried_again(self, command: Command, key: str, answer: httpx.Response) -> bool:
        if answer.status_code == 409:
            # The first request is still at it.
            return "under this Idempotency-Key is still running" in answer.text or (
                command.kind == "delete course" and "is being deleted" in answer.text
            )
        if answer.status_code > 500 and answer.status_code != 503:
            self._ledger.wrong.append(f"{key} ({command.kind}) was answered {answer.status_code} {answer.text}")
        return answer.status_code >= 500

    async def _signed_in(self, person: Person) -> httpx.Response:
        body = {"email": person.email, "password": PASSWORD}
        return await self._until_answered(Command("sign in", person, "POST", LOGIN, body, _nothing), "")

    async def _try(self, command: Command, key: str, if_match: int | None) -> httpx.Response | None:
        """The answer; None where there was none, or nobody waited for it."""
        impatient = self._chance.random() < IMPATIENT
        seconds = self._chance.uniform(0.005, 0.2) if impatient else ANSWER_SECONDS
        try:
            answer = await self._http.request(
                command.method,
                command.path,
                **_body(command),
                headers=_headers(command, key, if_match),
                timeout=seconds,
            )
        except httpx.TimeoutException:
            if not impatient:
                self._ledger.wrong.append(f"{key} ({command.kind}) was not answered within {seconds:.0f} s")
        except httpx.TransportError as error:
            self._ledger.wrong.append(f"{key} ({command.kind}): the gateway hung up: {error!r}")
        else:
            self._ledger.statuses[answer.status_code] += 1
            return answer
        self._ledger.given_up += 1
        return None


def _headers(command: Command, key: str, if_match: int | None) -> dict[str, str]:
    headers = {"idempotency-key": key} if key else {}
    if command.person.token and command.path not in {SIGN_UP, LOGIN}:
        headers["authorization"] = f"Bearer {command.person.token}"
    if if_match is not None:
        headers["if-match"] = f'"{if_match}"'
    return headers


def _body(command: Command) -> dict[str, Any]:
    return {"json": command.body} if command.file is None else {"data": command.body, "files": {"file": command.file}}


def _digest(answer: httpx.Response) -> bytes:
    return hashlib.sha256(b"%d %b" % (answer.status_code, answer.content)).digest()


def _nothing(_said: Any) -> None:
    return
