"""Whatever is killed, stopped or frozen: what was acknowledged is there once, in order, and known to all who should.

`make faults COMMANDS=… SEED=…` runs it at another length, or again: a seed makes the same commands and the same
injuries. What meets what to the millisecond is the machine's.
"""

import os
import sys
from pathlib import Path

import pytest

from tests.distributed.conftest import Spread
from tests.faults.distributed.run import Run

COMMANDS = int(os.environ.get("COMMANDS") or 2000)
SEED = os.environ.get("SEED") or "1"


@pytest.mark.timeout(0)
async def test_everything_acknowledged_is_done_once_and_known_everywhere(
    spread: Spread, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = Run(SEED, COMMANDS)
    await run.go(spread, tmp_path)
    with capfd.disabled():
        sys.stdout.write(f"\n{run.summary()}\n")
    assert not run.differences, "\n".join([run.summary(), *run.differences])
    assert sum(run.ledger.acknowledged.values()) == COMMANDS
