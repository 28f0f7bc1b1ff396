"""What accounts look like from outside."""

import secrets
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from moocflix.platform.auth.principal import Role
from moocflix.platform.errors import Invalid
from moocflix.platform.http.reply import Body
from moocflix.services.users.account.model import (
    Account,
    NewAccount,
    checked_avatar_url,
    checked_name,
    checked_username,
)
from moocflix.services.users.credential.model import checked_email, checked_password, checked_phone

Text = Annotated[str, Meta(max_length=4096)]

_CHECKS = {
    "name": checked_name,
    "username": checked_username,
    "email": checked_email,
    "phone": checked_phone,
    "avatar_url": checked_avatar_url,
}
_PROVEN = ("email", "phone")


class CurrentPasswordMissing(Invalid):
    def __init__(self) -> None:
        super().__init__(
            "Changing e-mail address, phone number or password takes the current password.", field="currentPassword"
        )


class SignUpIn(Body):
    """Who wants an account. `phone` as in E.164; admins are made by admins."""

    name: Text
    email: Text
    password: Text
    phone: Text | None = None
    avatar_url: Text | None = None
    role: Literal["student", "instructor"] = "student"

    def checked(self) -> "SignUpIn":
        """The same in canonical spelling. Raises Invalid, naming the field."""
        return SignUpIn(
            name=checked_name(self.name),
            email=checked_email(self.email),
            password=checked_password(self.password),
            phone=None if self.phone is None else checked_phone(self.phone),
            avatar_url=None if self.avatar_url is None else checked_avatar_url(self.avatar_url),
            role=self.role,
        )

    def account(self, *, id: UUID, password_hash: str, now: datetime) -> NewAccount:
        """The account to be made."""
        return NewAccount(
            id=id,
            name=self.name,
            email=self.email,
            phone=self.phone,
            avatar_url=self.avatar_url,
            role=self.role,
            password_hash=password_hash,
            created_at=now,
        )


class UpdateIn(Body):
    """What is to change; null takes an avatar or a phone number away."""

    name: Text | UnsetType = UNSET
    username: Text | UnsetType = UNSET
    avatar_url: Text | UnsetType | None = UNSET
    phone: Text | UnsetType | None = UNSET
    email: Text | UnsetType = UNSET
    password: Text | UnsetType = UNSET
    current_password: Text | UnsetType = UNSET

    def changes(self) -> dict[str, Any]:
        """The fields to change but for the password, in canonical spelling. Raises Invalid."""
        said = {field: getattr(self, field) for field in _CHECKS}
        changes = {
            field: None if value is None else _CHECKS[field](value)
            for field, value in said.items()
            if value is not UNSET
        }
        if not changes and self.password is UNSET:
            raise Invalid("Say what is to change.", field="body")
        return changes

    def new_password(self) -> str | None:
        """The new password. Raises Invalid."""
        return None if isinstance(self.password, UnsetType) else checked_password(self.password)

    def proof(self) -> str | None:
        """The current password, where the changes take it. Raises CurrentPasswordMissing."""
        if self.password is UNSET and all(getattr(self, field) is UNSET for field in _PROVEN):
            return None
        if isinstance(self.current_password, UnsetType):
            raise CurrentPasswordMissing
        return self.current_password


class ProfileOut(Body):
    """An account as its owner sees it."""

    user_id: UUID
    username: str
    email: str
    name: str
    avatar_url: str | None
    role: Role
    phone: str | None
    email_verified: bool
    created_at: datetime

    @classmethod
    def of(cls, account: Account) -> "ProfileOut":
        """Everything but what is the platform's own affair."""
        return cls(
            user_id=account.id,
            username=account.username,
            email=account.email,
            name=account.name,
            avatar_url=account.avatar_url,
            role=account.role,
            phone=account.phone,
            email_verified=account.email_verified,
            created_at=account.created_at,
        )


class ChangedOut(Body):
    """What was done to whose account."""

    user_id: UUID
    message: str


def chance(below: int) -> int:
    """A number from 0 that nobody can foresee."""
    return secrets.randbelow(below)
