"""Making and changing modules. Their deletion, which takes lessons along, is in `deletion`."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import msgspec

from moocflix.contracts.courses import MODULE_CREATION, MODULE_UPDATED, Status
from moocflix.platform.database.transaction import Tx
from moocflix.platform.versions import IfMatch, check_version
from moocflix.services.courses.course import sql as courses
from moocflix.services.courses.course.model import MAX_TITLE, Viewer, managed, text
from moocflix.services.courses.module import sql
from moocflix.services.courses.module.model import Module, TooManyModules, managed_module, moved, passed, placed


async def create(
    tx: Tx,
    *,
    new_id: UUID,
    course_id: UUID,
    viewer: Viewer,
    title: str,
    status: Status,
    order: int | None,
    most: int,
    now: datetime,
) -> Module:
    """Put a module at its place, last without one; those behind it step back."""
    managed(await courses.lock(tx, course_id=course_id, viewer=viewer), course_id=course_id, viewer=viewer)
    title = text(title, field="title", most=MAX_TITLE)
    count = await sql.count(tx, course_id=course_id)
    if count >= most:
        raise TooManyModules(most)
    position = placed(order, count=count)
    await _shift(tx, course_id=course_id, first=position, last=count, by=1, now=now)
    module = Module(
        id=new_id,
        course_id=course_id,
        title=title,
        position=position,
        status=status,
        version=1,
        created_at=now,
        updated_at=now,
    )
    await sql.insert(tx, module=module)
    await courses.recount(tx, course_id=course_id)
    tx.publish(MODULE_CREATION, module.state())
    return module


async def update(
    tx: Tx,
    *,
    course_id: UUID,
    module_id: UUID,
    viewer: Viewer,
    changes: Mapping[str, object],
    order: int | None,
    if_match: IfMatch,
    now: datetime,
) -> Module:
    """Change a module's title, status or place; saying what is so already changes nothing."""
    course = await courses.lock(tx, course_id=course_id, viewer=viewer)
    found = await sql.find(tx, course_id=course_id, module_id=module_id)
    module = managed_module(course, found, course_id=course_id, module_id=module_id, viewer=viewer)
    check_version(module.version, if_match)
    position = moved(module.position, order, count=await sql.count(tx, course_id=course_id))
    changed = msgspec.structs.replace(module, **changes, position=position)
    changed = msgspec.structs.replace(changed, title=text(changed.title, field="title", most=MAX_TITLE))
    if changed == module:
        return module
    first, last, by = passed(module.position, position)
    await _shift(tx, course_id=course_id, first=first, last=last, by=by, now=now)
    changed = msgspec.structs.replace(changed, version=module.version + 1, updated_at=now)
    await sql.update(tx, module=changed)
    await courses.recount(tx, course_id=course_id)
    tx.publish(MODULE_UPDATED, changed.state())
    return changed


async def _shift(tx: Tx, *, course_id: UUID, first: int, last: int, by: int, now: datetime) -> None:
    if first > last:
        return
    for module in await sql.shift(tx, course_id=course_id, first=first, last=last, by=by, now=now):
        tx.publish(MODULE_UPDATED, module.state())
