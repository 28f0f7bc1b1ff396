"""A process of the platform: its loop, its log, and how it is told to stop."""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop

from moocflix.platform import logs
from moocflix.platform.process import die_with_parent


def run_until_told(main: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
    """Run it with an event that SIGTERM and SIGINT set; it ends with its parent, and its log is written to the end."""
    die_with_parent(parent=os.getppid())
    lines = logs.configure()

    async def run() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await main(stop)

    try:
        uvloop.run(run())
    finally:
        lines.flush()
