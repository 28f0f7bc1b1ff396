"""How events are kept, read and tried again."""

from typing import Annotated, ClassVar

from msgspec import Meta

from moocflix.platform.settings import Section


class EventsSettings(Section, frozen=True, kw_only=True):
    """Outboxes, consumer groups, retries."""

    section: ClassVar[str] = "events"

    aliases: Annotated[
        bool, Meta(description="Publish each event under the other spellings of its topic, too (brokers only).")
    ] = True
    batch: Annotated[int, Meta(ge=1, le=5000, description="Events that a group reads at once.")] = 200
    poll_seconds: Annotated[
        float, Meta(gt=0, le=60, description="How often the log is looked at without having been told of news.")
    ] = 1.0
    attempts: Annotated[int, Meta(ge=1, description="How often a failing event is tried before it is parked.")] = 6
    backoff_seconds: Annotated[
        float, Meta(gt=0, description="Wait before the second try; each later wait is four times as long.")
    ] = 1.0
    backoff_limit_seconds: Annotated[float, Meta(gt=0, description="The longest wait between two tries.")] = 300.0
    lease_seconds: Annotated[
        float, Meta(ge=1, description="After how long another worker takes over the group of a silent one.")
    ] = 15.0
    outbox_days: Annotated[int, Meta(ge=1, description="How long published events are kept.")] = 30
    inbox_days: Annotated[
        int, Meta(ge=1, description="How long a group remembers what it has handled; longer than events are kept.")
    ] = 60
