"""A worker as a process of its own, to be killed: its reaction and its job stop in the middle and wait."""

import asyncio
import sys
from pathlib import Path

from moocflix.platform.database.transaction import Tx
from moocflix.platform.database.urls import DatabaseUrls
from moocflix.platform.events.envelope import Message
from moocflix.platform.process import die_with_parent
from moocflix.platform.service import Job, JobRun, Reaction
from tests.platform.post_office import BOOK_UPDATE, BookState, PostOffice, archive, note, settings_with


async def work(admin: str, key: bytes, marker: Path) -> None:
    """Say by `marker` that the middle is reached."""

    async def react(tx: Tx, book: BookState, message: Message) -> None:
        await note(tx, book, message)
        marker.touch()
        await asyncio.sleep(3600)

    async def run(job: JobRun) -> None:
        await job.progress(0.5)
        marker.touch()
        await asyncio.sleep(3600)

    office = PostOffice(DatabaseUrls(admin=admin, key=key), settings_with(events_lease_seconds="1"))
    service = archive(reactions=(Reaction(topic=BOOK_UPDATE, run=react),), jobs=(Job(name="slow", run=run),))
    await office.worker(service).run(asyncio.Event())


if __name__ == "__main__":
    die_with_parent()
    asyncio.run(work(sys.argv[1], bytes.fromhex(sys.argv[2]), Path(sys.argv[3])))
