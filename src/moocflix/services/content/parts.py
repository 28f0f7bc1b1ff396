"""What content keeps for as long as its process lives."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from moocflix.platform.auth.revocations import Revocations
from moocflix.platform.data_folder import own_folder
from moocflix.platform.expiring import ExpiringSet
from moocflix.platform.secrets import Secrets
from moocflix.platform.service import ServiceContext
from moocflix.platform.settings import PlatformSettings
from moocflix.services.content.media.examination import Examiner
from moocflix.services.content.media.findings import Bounds
from moocflix.services.content.memory import KnownPrefixes
from moocflix.services.content.settings import ContentSettings
from moocflix.services.content.tokens import PlaybackTokens

_NO_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The parts of one process."""

    examiner: Examiner
    tokens: PlaybackTokens
    scratch: Path
    """A folder for files that are being worked on, on this machine."""
    transcoders: asyncio.Semaphore
    recently_refused: ExpiringSet[tuple[UUID, UUID]] = field(default_factory=lambda: ExpiringSet(seconds=_NO_SECONDS))
    """Who was not let into which course a moment ago, so that one who keeps asking is asked about once."""
    prefixes: KnownPrefixes = field(default_factory=KnownPrefixes)


async def set_up(context: ServiceContext) -> None:
    """Make the parts; once in each process."""
    settings = context.settings.of(ContentSettings)
    data = context.settings.of(PlatformSettings).data.expanduser().absolute()
    parts = Parts(
        examiner=Examiner(Bounds(pixels=settings.largest_pixels, seconds=settings.longest_seconds)),
        tokens=PlaybackTokens(
            Secrets.of(context.settings).key("platform", purpose="playback tokens"),
            seconds=settings.playback_seconds,
            revoked=context.part(Revocations),
        ),
        scratch=own_folder(own_folder(data / "scratch") / "content"),
        transcoders=asyncio.Semaphore(settings.transcodes_at_once),
    )
    context.keep(parts)
