"""What the users service tells others."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from moocflix.platform.auth.principal import Role
from moocflix.platform.entity import Entity
from moocflix.platform.events.envelope import Page, State, Topic

AccountState = Literal["active", "blocked", "deactivated", "erased"]


class UserState(State, frozen=True, kw_only=True):
    """A person as others may know them: never an e-mail address or a phone number."""

    user_id: UUID
    username: str
    name: str
    avatar_url: str | None
    role: Role
    state: AccountState
    created_at: datetime


class UserPage(Page, frozen=True, kw_only=True):
    """`GET /internal/users`: users by id, for the filling of copies."""

    users: list[UserState]


USER = Entity(owner="users", path="/internal/users", state=UserState, page=UserPage, listed=lambda page: page.users)

USER_CREATION = Topic("User-Creation", "users", UserState, key="user_id")
USER_UPDATE = Topic("User-Update", "users", UserState, key="user_id")
USER_DEACTIVATION = Topic("User-Deactivation", "users", UserState, key="user_id")

TOPICS = (USER_CREATION, USER_UPDATE, USER_DEACTIVATION)
