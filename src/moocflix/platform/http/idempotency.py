"""`Idempotency-Key`: the same key and body give the same answer byte for byte, and the work is done once.

A transaction holds its key by an advisory lock and stores the answer with its commit: killed before, the key is
free; killed after, the answer is there. Work that commits in steps (intents, uploads) holds its key as a leased row,
which lapses soon after its process has died. Whoever held it longer than that and comes back finds that the work is
another's: an answer is kept once. Keys are kept for 24 hours, by user and route.

What a streamed body says is known only once it has been read: its fingerprint is stored with the answer, and a
repetition is read to its end before it gets that.
"""

import asyncio
import hashlib
import hmac
from contextlib import suppress
from uuid import UUID

import asyncpg

from moocflix.platform.auth.principal import Principal
from moocflix.platform.database.transaction import Database, Record, Tx
from moocflix.platform.errors import Conflict, Invalid, Unavailable
from moocflix.platform.http.call import Call
from moocflix.platform.http.hashed_body import WRAPPING_BYTES, HashedBody
from moocflix.platform.http.reply import Answer

LONGEST_KEY = 255
LEASE_SECONDS = 30
_RENEW_SECONDS = 5

_SIZE_BYTES = 8

_KEPT_HEADERS = (b"content-type", b"etag", b"location")

_TRY_LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended($1, 7))"
_FIND = """
SELECT fingerprint, status, headers, body FROM idempotency_keys
 WHERE user_id = $1 AND route = $2 AND key = $3 AND created_at > clock_timestamp() - interval '24 hours'
"""
_STORE = """
INSERT INTO idempotency_keys AS kept (user_id, route, key, fingerprint, status, headers, body)
VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (user_id, route, key) DO UPDATE
   SET fingerprint = excluded.fingerprint, status = excluded.status, headers = excluded.headers,
       body = excluded.body, created_at = clock_timestamp(), leased_until = NULL
"""
_LEASE = """
INSERT INTO idempotency_keys AS kept (user_id, route, key, fingerprint, leased_until)
VALUES ($1, $2, $3, $4, clock_timestamp() + make_interval(secs => $5))
    ON CONFLICT (user_id, route, key) DO UPDATE
   SET fingerprint = excluded.fingerprint, status = NULL, headers = NULL, body = NULL,
       created_at = clock_timestamp(), leased_until = excluded.leased_until
 WHERE kept.created_at <= clock_timestamp() - interval '24 hours'
    OR (kept.status IS NULL AND kept.leased_until < clock_timestamp() AND kept.fingerprint = excluded.fingerprint)
RETURNING 1
"""
_RENEW = """
UPDATE idempotency_keys SET leased_until = clock_timestamp() + make_interval(secs => $4)
 WHERE user_id = $1 AND route = $2 AND key = $3 AND status IS NULL
RETURNING 1
"""
_KEEP = """
UPDATE idempotency_keys
   SET status = $4, headers = $5, body = $6, fingerprint = $7, created_at = clock_timestamp(), leased_until = NULL
 WHERE user_id = $1 AND route = $2 AND key = $3 AND status IS NULL
"""
_RELEASE = "DELETE FROM idempotency_keys WHERE user_id = $1 AND route = $2 AND key = $3 AND status IS NULL"


class StillRunning(Conflict):
    """The first request under this key has not answered yet."""

    def __init__(self) -> None:
        super().__init__("A request under this Idempotency-Key is still running.", field="Idempotency-Key")


class KeyReused(Conflict):
    """The key was used for another request."""

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key was used with another body.", field="Idempotency-Key")


def read_key(value: str) -> str:
    """Check the header's value. Raises Invalid."""
    if not 1 <= len(value) <= LONGEST_KEY or not value.isprintable():
        raise Invalid(f"An Idempotency-Key has 1 to {LONGEST_KEY} printable characters.", field="Idempotency-Key")
    return value


class KeyedCall:
    """One call under its key."""

    def __init__(self, call: Call, *, secret: bytes) -> None:
        """`secret` keys the fingerprint of the body, so that what is stored tells no more of it than a size.

        A body that is streamed goes through here on its way to the handler.
        """
        if not isinstance(call.principal, Principal) or call.idempotency_key is None:
            raise RuntimeError("only a signed-in caller's request with a key can be held")
        self._user_id: UUID = call.principal.id
        self._route = f"{call.method} {call.path}"
        self._key = call.idempotency_key
        self._secret = secret
        self._query: bytes = call.scope["query_string"]
        self._streamed: HashedBody | None = None
        if call.route.writes == "stream":
            call.receive = self._streamed = HashedBody(call.receive, content_type=call.header(b"content-type"))
        self._content = call.body
        self._kept = False

    async def begin(self, tx: Tx) -> Answer | None:
        """Lock the key for this transaction; the stored answer where there is one. Raises Conflict."""
        if not await tx.fetchval(_TRY_LOCK, f"{self._user_id} {self._route} {self._key}"):
            raise StillRunning
        # A statement of its own: one that also took the lock would look with a snapshot from before it.
        return self._stored(await tx.fetchrow(_FIND, *self._place))

    async def store(self, tx: Tx, answer: Answer) -> None:
        """Keep the answer, with the transaction that it tells of."""
        await tx.execute(_STORE, *self._place, self._fingerprint, answer.status, _kept(answer), answer.body)

    async def lease(self, database: Database) -> Answer | None:
        """Hold the key while work goes on that commits in steps; the stored answer where there is one.

        Raises Conflict, and Invalid where a streamed body breaks off.
        """
        if await database.reader.fetchval(_LEASE, *self._place, self._fingerprint, LEASE_SECONDS):
            return None
        row = await database.reader.fetchrow(_FIND, *self._place)
        if row is not None and row["status"] is not None and self._streamed is not None:
            size = int.from_bytes(row["fingerprint"][:_SIZE_BYTES])
            if not await self._streamed.ends_within(size + WRAPPING_BYTES):
                raise KeyReused
        stored = self._stored(row)
        if stored is None:
            raise StillRunning
        return stored

    async def keep_alive(self, database: Database) -> None:
        """Hold a leased key for as long as this runs; cancel it to end it."""
        while True:
            await asyncio.sleep(_RENEW_SECONDS)
            with suppress(Unavailable, asyncpg.PostgresError):
                await database.reader.fetchval(_RENEW, *self._place, LEASE_SECONDS)

    async def keep(self, tx: Tx, answer: Answer) -> None:
        """Keep the answer of leased work. Raises StillRunning where another request has done the work meanwhile."""
        if self._streamed is not None and not self._streamed.ended:
            raise RuntimeError("an answer can be kept only when the whole body has been read")
        if not await tx.execute(_KEEP, *self._place, answer.status, _kept(answer), answer.body, self._fingerprint):
            raise StillRunning
        self._kept = True

    async def finish(self, database: Database, answer: Answer) -> None:
        """Keep the answer of leased work, unless that was done with the work itself."""
        if not self._kept:
            async with database.transaction() as tx:
                await self.keep(tx, answer)

    async def release(self, database: Database) -> None:
        """Free the key: the work was refused."""
        async with database.transaction() as tx:
            await tx.execute(_RELEASE, *self._place)

    @property
    def _place(self) -> tuple[UUID, str, str]:
        return (self._user_id, self._route, self._key)

    @property
    def _fingerprint(self) -> bytes:
        """What tells two requests under one key apart; of a streamed body, as far as it was read."""
        if self._streamed is None:
            return self._sealed(self._content)
        return self._streamed.size.to_bytes(_SIZE_BYTES) + self._sealed(self._streamed.digest())

    def _sealed(self, content: bytes) -> bytes:
        return hmac.digest(self._secret, b"%b\n%b" % (self._query, content), hashlib.sha256)

    def _stored(self, row: Record | None) -> Answer | None:
        if row is None:
            return None
        if not hmac.compare_digest(row["fingerprint"], self._fingerprint):
            raise KeyReused
        if row["status"] is None:
            raise StillRunning
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in row["headers"]]
        return Answer(row["body"], status=row["status"], headers=[*headers, (b"idempotent-replayed", b"true")])


def _kept(answer: Answer) -> list[tuple[str, str]]:
    return [
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in answer.headers if name in _KEPT_HEADERS
    ]
