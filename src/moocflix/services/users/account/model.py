"""An account: who somebody is, and the rules for what they say of themselves."""

import re
import unicodedata
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import chain
from typing import Any
from uuid import UUID

import msgspec

from moocflix.contracts.users import AccountState, UserState
from moocflix.platform.auth.principal import Role
from moocflix.platform.errors import Conflict, Invalid, NotFound
from moocflix.platform.texts import is_visible, is_web_address

MAX_NAME = 100
MAX_AVATAR_URL = 2048
MIN_USERNAME = 3
MAX_USERNAME = 30
USERNAME_ATTEMPTS = 8

_USERNAME = re.compile(r"[a-z0-9](?:[a-z0-9]|[._-](?![._-])){1,28}[a-z0-9]\Z")
_FILLING = re.compile(r"[^a-z0-9]+")
_MAX_STEM = 20
# They turn the direction of what follows, so that a name could read as another one.
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class AccountNotFound(NotFound):
    def __init__(self) -> None:
        super().__init__("User not found.")


class AccountClosed(Conflict):
    """Closed by its owner, for good: nobody else opens it, and there is nobody to be blocked."""

    def __init__(self, state: AccountState) -> None:
        super().__init__(f"This account is {state}.")


class EmailTaken(Conflict):
    def __init__(self) -> None:
        super().__init__("There is an account with this e-mail address already.", field="email")


class PhoneTaken(Conflict):
    def __init__(self) -> None:
        super().__init__("There is an account with this phone number already.", field="phone")


class UsernameTaken(Conflict):
    def __init__(self) -> None:
        super().__init__("Somebody has this username already.", field="username")


class NameNotAllowed(Invalid):
    def __init__(self) -> None:
        super().__init__(f"A name has at least one visible character, and at most {MAX_NAME}.", field="name")


class UsernameNotAllowed(Invalid):
    def __init__(self) -> None:
        super().__init__(
            f"A username has {MIN_USERNAME} to {MAX_USERNAME} letters from a to z and digits, "
            "with single dots, dashes and underscores between them.",
            field="username",
        )


class AvatarUrlNotAllowed(Invalid):
    def __init__(self) -> None:
        super().__init__(
            f"avatarUrl must be a full http or https address of at most {MAX_AVATAR_URL} characters.",
            field="avatarUrl",
        )


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody says of themselves and can change."""

    name: str
    email: str
    phone: str | None
    avatar_url: str | None


class NewAccount(Profile, frozen=True, kw_only=True):
    """An account about to be made."""

    id: UUID
    role: Role
    password_hash: str
    created_at: datetime


class Account(Profile, frozen=True, kw_only=True):
    """An account as its row has it; `version` is its ETag."""

    id: UUID
    username: str
    email_verified: bool
    role: Role
    state: AccountState
    version: int
    created_at: datetime
    updated_at: datetime

    def public(self) -> UserState:
        """What others may know of it."""
        return UserState(
            version=self.version,
            user_id=self.id,
            username=self.username,
            name=self.name,
            avatar_url=self.avatar_url,
            role=self.role,
            state=self.state,
            created_at=self.created_at,
        )

    def changed(self, changes: dict[str, Any], *, now: datetime) -> "Account":
        """The account after these changes; the same object where they change nothing."""
        after = msgspec.structs.replace(self, **changes)
        if after == self:
            return self
        verified = self.email_verified and after.email == self.email
        return msgspec.structs.replace(after, email_verified=verified, version=self.version + 1, updated_at=now)


def checked_name(text: str) -> str:
    """The name with single spaces. Raises NameNotAllowed."""
    name = " ".join(unicodedata.normalize("NFC", text).split())
    hidden = any(unicodedata.category(letter) == "Cc" or letter in _TURNING for letter in name)
    if not is_visible(name) or hidden or len(name) > MAX_NAME:
        raise NameNotAllowed
    return name


def checked_username(text: str) -> str:
    """The username in lower case. Raises UsernameNotAllowed."""
    username = text.strip().lower()
    if not _USERNAME.match(username):
        raise UsernameNotAllowed
    return username


def checked_avatar_url(text: str) -> str:
    """The address of a picture. Raises AvatarUrlNotAllowed."""
    if not is_web_address(text, most=MAX_AVATAR_URL):
        raise AvatarUrlNotAllowed
    return text


def usernames_for(name: str, *, chance: Callable[[int], int]) -> Iterator[str]:
    """Usernames made from a name, each less likely to be taken: john_doe, john_doe_48, … `chance(n)` is below n."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    stem = _FILLING.sub("_", plain).strip("_")[:_MAX_STEM].strip("_")
    if len(stem) < MIN_USERNAME:
        stem = f"user_{stem}" if stem else "user"
    numbered = (f"{stem}_{chance(10 ** (digits + 1))}" for digits in range(1, USERNAME_ATTEMPTS))
    return chain([stem], numbered)
