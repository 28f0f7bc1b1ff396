"""What is frozen (SIGSTOP) is worse than what is dead: its connections stay open, and it comes back with old work."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator

import pytest

from moocflix.platform.events.unsent import unsent
from tests.distributed.bus_office import BusOffice, books, each_in_order
from tests.distributed.frozen import frozen
from tests.platform.post_office import archive
from tests.waiting import until

pytestmark = pytest.mark.parametrize("carrier", ["kafka", "rabbitmq"], indirect=True)

# Longer than RabbitMQ's connections are waited for, and than Kafka's consumers may be silent.
FROZEN_SECONDS = 12


@pytest.fixture
def other_relay(bus: BusOffice) -> Iterator["subprocess.Popen[bytes]"]:
    """A relay that is a process of its own."""
    urls = bus.office.urls
    values = [f"{name}={value}" for name, value in bus.carrier.values.items()]
    command = [sys.executable, "-m", "tests.distributed.relay_process", urls.admin, urls.key.hex(), *values]
    with subprocess.Popen(command) as process:
        try:
            yield process
        finally:
            process.kill()


async def test_a_frozen_broker_holds_events_up_and_loses_none(bus: BusOffice) -> None:
    shelf, versions = books(4), range(1, 41)
    async with bus.at_work(archive()):
        await bus.publish(shelf, versions[:10])
        await bus.handled(shelf, 20)
        pid = bus.server.pid
        assert pid is not None
        with frozen(pid):
            await bus.publish(shelf, versions[10:])
            await asyncio.sleep(FROZEN_SECONDS)
            assert (await unsent(bus.library.reader)).events > 0
        await bus.handled(shelf, 160, seconds=100)
    assert each_in_order(await bus.effects(shelf), shelf, versions)


async def test_another_relay_goes_on_for_one_that_is_frozen(
    bus: BusOffice, other_relay: "subprocess.Popen[bytes]"
) -> None:
    shelf, versions = books(8), range(1, 121)
    async with bus.running(bus.worker(archive())):
        await bus.publish(shelf, versions[:20])
        await bus.handled(shelf, 1)
        publishing = asyncio.create_task(bus.publish(shelf, versions[20:80]))
        await bus.handled(shelf, 200)
        with frozen(other_relay.pid):
            await publishing
            # However fast it was: these it cannot have sent.
            await bus.publish(shelf, versions[80:])
            async with bus.running(bus.relay(archive())):
                await bus.handled(shelf, 960)
                await until(lambda: bus.library.reader.fetchval("SELECT bool_and(token > 1) FROM relays"))
        # It wakes up with events in hand that the other has sent: they may come again, and change nothing.
        await bus.publish(shelf, [121])
        await bus.handled(shelf, 968)
    assert each_in_order(await bus.effects(shelf), shelf, range(1, 122))
