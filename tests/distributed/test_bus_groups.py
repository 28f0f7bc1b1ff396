"""Where a group stands: when it begins over a broker, when it is rewound, and when there is nothing to do."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from moocflix.platform.events import resending
from moocflix.platform.events.envelope import Topic
from tests.distributed.bus_office import BusOffice, books, each_in_order
from tests.platform.post_office import archive

pytestmark = pytest.mark.parametrize("carrier", ["kafka", "rabbitmq"], indirect=True)


async def test_what_is_handled_while_a_rewind_begins_comes_again_too(bus: BusOffice) -> None:
    shelf, service, broker = books(2), archive(), bus.broker()
    prepare = broker.prepare

    async def meanwhile(topics: Sequence[Topic[Any]], groups: Mapping[str, Sequence[Topic[Any]]]) -> None:
        await prepare(topics, groups)
        await bus.publish(shelf, [2])
        await bus.handled(shelf, 4)

    broker.prepare = meanwhile  # type: ignore[method-assign] # something happens between two of its steps
    async with bus.at_work(service):
        await bus.publish(shelf, [1])
        await bus.handled(shelf, 2)
        await resending.rewind(service, bus.archive, {"library": bus.outboxes()}, broker, time=None)
        await bus.handled(shelf, 8)
    assert each_in_order((await bus.effects(shelf))[4:], shelf, [1, 2])
