"""Whatever is killed, stopped or frozen: what was acknowledged is there once, in order, and known to all who should.

`make faults COMMANDS=… SEED=…` runs it at another length, or again: a seed makes the same commands and the same
injuries. What meets what to the millisecond is the machine's.
"""

import os
import sys
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from tests.distributed.conftest import Spread
from tests.factories.videos import VideoShelf
from tests.faults.distributed.injuries import inflict_all, plan
from tests.faults.distributed.run import Run
from tests.faults.distributed.victims import Victims

COMMANDS = int(os.environ.get("COMMANDS") or 2000)
SEED = os.environ.get("SEED") or "1"


@pytest.mark.timeout(0)
async def test_everything_acknowledged_is_done_once_and_known_everywhere(
    spread: Spread, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run, injuries = Run(SEED, COMMANDS, VideoShelf(tmp_path).content()), plan(seed=SEED, commands=COMMANDS)
    manners = Counter(injury.manner for injury in injuries)
    run.hurt = f"{len(injuries)} injuries (" + ", ".join(f"{n} {manner}" for manner, n in sorted(manners.items())) + ")"
    with Victims(spread, tmp_path).at_work() as victims:
        await run.go(spread, partial(inflict_all, injuries, victims))
    with capfd.disabled():
        sys.stdout.write(f"\n{run.summary()}\n")
    assert not run.differences, "\n".join([run.summary(), *run.differences])
    assert sum(run.ledger.acknowledged.values()) == COMMANDS
