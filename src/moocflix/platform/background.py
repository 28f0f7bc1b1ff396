"""What a process does beside its requests for as long as it lives."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any

import structlog

_log = structlog.get_logger()


class Background:
    """Endless work. Where a part of it ends, the process does too: whoever supervises it starts it anew."""

    def __init__(self) -> None:
        """Nothing runs before `start`."""
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Do this until `stop`."""
        task = asyncio.create_task(work)
        task.add_done_callback(_end_process)
        self._tasks.append(task)

    async def stop(self) -> None:
        """End all of it, then raise what any of it has failed with: whoever supervises must see a failure."""
        failed = [task for task in self._tasks if task.done() and not task.cancelled()]
        for task in self._tasks:
            task.remove_done_callback(_end_process)
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for task in failed:
            task.result()


def _end_process(task: "asyncio.Task[None]") -> None:
    if task.cancelled():
        return
    _log.error("background.ended", work=getattr(task.get_coro(), "__qualname__", "?"), exc_info=task.exception())
    signal.raise_signal(signal.SIGTERM)
