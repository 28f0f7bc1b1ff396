"""Who calls: a person, or another service of the platform."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

Role = Literal["student", "instructor", "admin"]


@dataclass(frozen=True, slots=True)
class Principal:
    """A signed-in person, as their access token states it.

    `generation` counts how often all tokens of this person were ended at once.
    """

    id: UUID
    role: Role
    session_id: UUID
    generation: int
    expires_at: datetime
    subject: str = field(init=False, repr=False, compare=False)
    """The id as text: it is needed with each request, and dear to make."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "subject", str(self.id))

    @property
    def is_admin(self) -> bool:
        """Whether the whole platform is theirs."""
        return self.role == "admin"


@dataclass(frozen=True, slots=True)
class ServicePrincipal:
    """A service that calls another one's internal routes."""

    name: str
