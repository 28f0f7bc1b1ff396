"""Who may call a route, as values beside it: the edge, the docs and the tests read the same one."""

from dataclasses import dataclass

from moocflix.platform.auth.principal import Principal, Role, ServicePrincipal
from moocflix.platform.errors import Forbidden, Unauthorized


class NotSignedIn(Unauthorized):
    """The route needs a person, and there is none."""

    def __init__(self) -> None:
        super().__init__("Sign in first: this needs an access token.")


class RoleNeeded(Forbidden):
    """The person's role is not among those that may."""

    def __init__(self, access: "Access") -> None:
        super().__init__(f"Only {access.people} may do this.")


class NotAService(Unauthorized):
    """The route is for the platform's own services."""

    def __init__(self) -> None:
        super().__init__("This is for the platform's own services: it needs a service token.")


class NotYourCall(Forbidden):
    """The route is for services, and not for this one."""

    def __init__(self, caller: ServicePrincipal) -> None:
        super().__init__(f"The {caller.name} service has nothing to ask here.")


@dataclass(frozen=True, slots=True)
class Access:
    """Who may call. `roles` are those of the people who may; `callers` opens it to these services alone."""

    name: str
    people: str
    """Who that is, in words that fit a sentence."""
    roles: frozenset[Role] = frozenset()
    anonymous: bool = False
    callers: frozenset[str] = frozenset()

    @property
    def services(self) -> bool:
        """Whether it is for services."""
        return bool(self.callers)

    def check(self, principal: Principal | ServicePrincipal | None) -> None:
        """Return where this one may call. Raises Unauthorized where nobody fit was named, Forbidden for a role."""
        if self.anonymous:
            return
        if self.services:
            if not isinstance(principal, ServicePrincipal):
                raise NotAService
            if principal.name not in self.callers:
                raise NotYourCall(principal)
        elif not isinstance(principal, Principal):
            raise NotSignedIn
        elif principal.role not in self.roles:
            raise RoleNeeded(self)


_EVERY_ROLE: frozenset[Role] = frozenset({"student", "instructor", "admin"})

ANYONE = Access("anyone", "anyone", anonymous=True)
HOLDER = Access("holder", "whoever holds the token in the address", anonymous=True)
CALLER = Access("caller", "people who are signed in", roles=_EVERY_ROLE)
INSTRUCTOR = Access("instructor", "instructors and admins", roles=frozenset({"instructor", "admin"}))


def services(first: str, *others: str) -> Access:
    """These services alone, by name; `platform` is every process, asking on its own behalf."""
    return Access("service", "the platform's services", callers=frozenset({first, *others}))
