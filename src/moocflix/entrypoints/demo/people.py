"""The demo's accounts: made once, signed in to after."""

from dataclasses import dataclass

from moocflix.entrypoints.demo.catalogue import Person
from moocflix.entrypoints.demo.client import Caller, CallFailedError

CONFLICT = 409
UNAUTHORIZED = 401


@dataclass(frozen=True, kw_only=True)
class Account:
    """A person with a token."""

    id: str
    person: Person
    api: Caller


class Door:
    """Signs people up, or in where they are here already.

    Sign-ups and sign-ins are few a minute: the first sign-in tells which of the two to try first for the rest.
    """

    def __init__(self, api: Caller, *, password: str) -> None:
        self._api = api
        self._password = password
        self._known: bool | None = None

    def open(self, person: Person, role: str) -> Account:
        """This person's account."""
        if self._known is None:
            self._known = self._sign_in(person) is not None
        entered = self._sign_in(person) or self._sign_up(person, role) if self._known else self._sign_up(person, role)
        if entered is None:
            entered = self._sign_in(person)
        if entered is None:
            raise CallFailedError(
                f"{person.email} is here with another password; say which with --password.", UNAUTHORIZED
            )
        return Account(id=entered["userId"], person=person, api=self._api.signed_in(entered["token"]))

    def _sign_in(self, person: Person) -> dict[str, str] | None:
        try:
            return self._api.post("/api/v1/users/login", {"email": person.email, "password": self._password})
        except CallFailedError as refused:
            if refused.status == UNAUTHORIZED:
                return None
            raise

    def _sign_up(self, person: Person, role: str) -> dict[str, str] | None:
        body = {"name": person.name, "email": person.email, "password": self._password, "role": role}
        try:
            return self._api.post("/api/v1/users/signup", body)
        except CallFailedError as refused:
            if refused.status == CONFLICT:
                return None
            raise
