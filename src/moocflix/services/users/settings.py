"""What users alone reads."""

from datetime import timedelta
from typing import Annotated, ClassVar

from msgspec import Meta

from moocflix.platform.settings import Section


class UsersSettings(Section, frozen=True, kw_only=True):
    """Signing in: tokens, sessions and passwords."""

    section: ClassVar[str] = "users"

    access_token_seconds: Annotated[
        int, Meta(ge=60, le=3600, description="How long an access token counts, unless it is revoked.")
    ] = 900
    refresh_token_days: Annotated[
        int, Meta(ge=1, le=365, description="After how many days without use a session ends.")
    ] = 30
    session_days: Annotated[
        int, Meta(ge=1, le=3650, description="After how many days a session ends, however much it is used.")
    ] = 180
    revocation_hours: Annotated[
        int,
        # A player's token counts for a day at most, and an hour more for clocks that differ and rows that go late.
        Meta(ge=25, le=720, description="How long an ended session is remembered: no token of one may count longer."),
    ] = 26
    password_memory_kib: Annotated[int, Meta(ge=8, description="argon2id: memory of one computation, in KiB.")] = 19_456
    password_passes: Annotated[int, Meta(ge=1, description="argon2id: passes over that memory.")] = 2
    password_threads: Annotated[
        int, Meta(ge=0, le=256, description="How many passwords are hashed at once; 0: half the cores.")
    ] = 0
    password_queue: Annotated[
        int, Meta(ge=0, description="How many more may wait for that; beyond it the answer is 503.")
    ] = 256
    login_failures: Annotated[
        int, Meta(ge=1, description="Wrong passwords for one account from one address before it has to wait.")
    ] = 10
    login_failures_anywhere: Annotated[
        int, Meta(ge=1, description="Wrong passwords for one account from all addresses before everybody has to wait.")
    ] = 100
    login_window_seconds: Annotated[
        int, Meta(ge=1, description="The time in which wrong passwords are counted, and the longest wait.")
    ] = 300

    @property
    def access_token_life(self) -> timedelta:
        """How long an access token counts."""
        return timedelta(seconds=self.access_token_seconds)
