"""What users does on a schedule."""

from datetime import timedelta

from moocflix.platform.clock import utc_now
from moocflix.platform.service import JobRun
from moocflix.services.users.session import operations

_AT_ONCE = 5_000
_KEPT = timedelta(days=30)


async def forget_sessions(run: JobRun) -> None:
    """Drop sessions that ended a month ago, tokens that expired, and attempts and revocations past their time."""
    now = utc_now()
    more = True
    while more:
        async with run.context.database.transaction() as tx:
            more = await operations.forget(tx, ended_before=now - _KEPT, now=now, limit=_AT_ONCE)
