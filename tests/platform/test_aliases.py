"""Under which names the relay sends an event."""

from collections.abc import Mapping, Sequence
from typing import Any, cast
from uuid import uuid4

import pytest

from moocflix.platform.events.broker import Broker, Parcel
from moocflix.platform.events.envelope import Topic
from moocflix.platform.events.relay import Relay
from moocflix.platform.events.settings import EventsSettings
from tests.platform.post_office import SERVICES, BookState, PostOffice, settings_with

SPELLED = Topic("Book-Update", "library", BookState, key="book_id", aliases=("book_update", "BookUpdate"))


class Recorder:
    """A broker that writes down what it is to send."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, int]] = []

    async def prepare(self, topics: Sequence[Any], groups: Mapping[str, Any]) -> None:
        """Nothing is needed."""

    async def publish(self, parcels: Sequence[Parcel]) -> None:
        ids = list(dict.fromkeys(parcel.message.id for parcel in parcels))
        self.sent += [(parcel.address, ids.index(parcel.message.id)) for parcel in parcels]

    async def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize(
    ("aliases", "names"),
    [("true", ["Book-Update", "book_update", "BookUpdate"]), ("false", ["Book-Update"])],
)
async def test_an_event_goes_out_under_its_topics_other_names_where_they_are_wanted(
    office: PostOffice, aliases: str, names: list[str]
) -> None:
    await office.publish(uuid4(), 1)
    recorder = Recorder()
    relay = Relay(
        ["library"],
        dict.fromkeys(SERVICES, office.outboxes()),
        cast("Broker", recorder),
        topics=[SPELLED],
        groups={},
        settings=settings_with(events_aliases=aliases).of(EventsSettings),
    )
    try:
        await relay.settle()
    finally:
        await relay.close()
    # Each is the same event.
    assert recorder.sent == [(name, 0) for name in names]
