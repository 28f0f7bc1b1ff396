"""The one description of the content service that a process needs."""

from pathlib import Path

from moocflix.contracts.content import TOPICS
from moocflix.platform.service import Service
from moocflix.services.content.settings import ContentSettings

service = Service(
    name="content",
    summary="Videos: uploaded, transcoded and played.",
    migrations=Path(__file__).parent / "migrations",
    routes=(),
    topics=TOPICS,
    settings=(ContentSettings,),
)
