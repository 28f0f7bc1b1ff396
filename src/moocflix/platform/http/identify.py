"""Who calls: the bearer token of a request, checked by this process alone."""

from moocflix.platform.auth.access import HOLDER
from moocflix.platform.auth.principal import Principal
from moocflix.platform.auth.service_tokens import ServiceTokenVerifier
from moocflix.platform.auth.tokens import TokenRefused, TokenVerifier, UnknownKey
from moocflix.platform.http.call import Call


class Identify:
    """Reads `Authorization: Bearer` and says who that is."""

    def __init__(self, people: TokenVerifier, services: ServiceTokenVerifier) -> None:
        """`people` verifies access tokens, `services` the tokens of internal calls."""
        self._people = people
        self._services = services

    async def __call__(self, call: Call) -> None:
        """Set the call's principal. Raises Unauthorized for a token that does not count."""
        value = call.headers.get(b"authorization")
        # Where the address itself allows it, who else the caller may be changes nothing.
        if value is None or call.route.who is HOLDER:
            return
        kind, _, token = value.decode("latin-1").partition(" ")
        if kind.lower() != "bearer" or not token:
            if call.route.optional_token:
                return
            raise TokenRefused("must be sent as `Authorization: Bearer …`")
        if call.route.who.services:
            call.principal = self._services.verify(token, audience=call.context.name)
            return
        try:
            call.principal = await self._person(token)
        except TokenRefused:
            if not call.route.optional_token:
                raise

    async def _person(self, token: str) -> Principal:
        try:
            return self._people.verify(token)
        except UnknownKey:
            return await self._people.verify_with_fresh_keys(token)
