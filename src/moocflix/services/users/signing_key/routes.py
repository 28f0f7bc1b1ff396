"""The public keys, for anybody and for the platform's services."""

from moocflix.platform.auth.access import ANYONE, services
from moocflix.platform.auth.published import JsonWebKeySet
from moocflix.platform.http.reply import Answer, Reply, json_reply, reply
from moocflix.platform.http.request import Request
from moocflix.platform.http.routes import get
from moocflix.services.users.signing_key import sql
from moocflix.services.users.signing_key.model import PublishedKeys

_CACHE = {"cache-control": "public, max-age=60"}


@get("/.well-known/jwks.json", who=ANYONE, rate="none", summary="The public keys that sign access tokens")
async def jwks(request: Request) -> Answer:
    """A JSON Web Key Set (RFC 7517) of Ed25519 keys (RFC 8037), without the envelope."""
    return json_reply(await request.context.part(PublishedKeys).get(), headers=_CACHE)


@get("/internal/signing-keys", who=services("platform"), summary="The public keys, for the platform's services")
async def signing_keys(request: Request) -> Reply[JsonWebKeySet]:
    """The same keys in the envelope."""
    return reply(await sql.published(request.db, now=request.now))


routes = (jwks, signing_keys)
