"""Making, changing and deleting lessons, and what becomes of them when their video does."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import msgspec

from moocflix.contracts.courses import LESSON_CREATION, LESSON_DELETED, LESSON_UPDATED
from moocflix.platform.database.transaction import Tx
from moocflix.platform.versions import IfMatch, check_version
from moocflix.services.courses.course import sql as courses
from moocflix.services.courses.course.model import Viewer
from moocflix.services.courses.lesson import sql
from moocflix.services.courses.lesson.model import (
    Lesson,
    LessonFields,
    TooManyLessons,
    TooMuchContent,
    managed_lesson,
    tombstone,
)
from moocflix.services.courses.module import sql as modules
from moocflix.services.courses.module.model import managed_module, moved, passed, placed
from moocflix.services.courses.video import sql as videos
from moocflix.services.courses.video.model import Video, usable

_ANYBODY = Viewer(is_admin=True)


async def create(
    tx: Tx,
    *,
    new_id: UUID,
    course_id: UUID,
    module_id: UUID,
    viewer: Viewer,
    fields: LessonFields,
    order: int | None,
    most: int,
    most_bytes: int,
    now: datetime,
) -> Lesson:
    """Put a lesson at its place in a module, last without one; those behind it step back."""
    course = await courses.lock(tx, course_id=course_id, viewer=viewer)
    module = await modules.find(tx, course_id=course_id, module_id=module_id)
    managed_module(course, module, course_id=course_id, module_id=module_id, viewer=viewer)
    fields = await _timed(tx, fields.checked(), course_id=course_id)
    in_course, in_module = await sql.count(tx, course_id=course_id, module_id=module_id)
    if in_course >= most:
        raise TooManyLessons(most)
    await _check_content(tx, course_id=course_id, more=fields.content_bytes, most=most_bytes)
    position = placed(order, count=in_module)
    await _shift(tx, module_id=module_id, first=position, last=in_module, by=1, now=now)
    lesson = Lesson(
        **msgspec.structs.asdict(fields),
        id=new_id,
        module_id=module_id,
        course_id=course_id,
        position=position,
        version=1,
        created_at=now,
        updated_at=now,
    )
    await sql.insert(tx, lesson=lesson)
    await courses.recount(tx, course_id=course_id)
    tx.publish(LESSON_CREATION, lesson.state())
    return lesson


async def update(
    tx: Tx,
    *,
    course_id: UUID,
    module_id: UUID | None,
    lesson_id: UUID,
    viewer: Viewer,
    changes: Mapping[str, object],
    order: int | None,
    if_match: IfMatch,
    most_bytes: int,
    now: datetime,
) -> Lesson:
    """Change any of a lesson's fields or its place within the module; saying what is so already changes nothing."""
    lesson = await _managed(tx, course_id=course_id, module_id=module_id, lesson_id=lesson_id, viewer=viewer)
    check_version(lesson.version, if_match)
    fields = await _changed(tx, lesson, changes)
    _, count = await sql.count(tx, course_id=course_id, module_id=lesson.module_id)
    position = moved(lesson.position, order, count=count)
    changed = msgspec.structs.replace(lesson, **msgspec.structs.asdict(fields), position=position)
    if changed == lesson:
        return lesson
    more = changed.content_bytes - lesson.content_bytes
    await _check_content(tx, course_id=course_id, more=more, most=most_bytes)
    first, last, by = passed(lesson.position, position)
    await _shift(tx, module_id=lesson.module_id, first=first, last=last, by=by, now=now)
    changed = msgspec.structs.replace(changed, version=lesson.version + 1, updated_at=now)
    await sql.update(tx, lesson=changed)
    await courses.recount(tx, course_id=course_id)
    tx.publish(LESSON_UPDATED, changed.state())
    return changed


async def delete(
    tx: Tx,
    *,
    course_id: UUID,
    module_id: UUID | None,
    lesson_id: UUID,
    viewer: Viewer,
    if_match: IfMatch,
    now: datetime,
) -> Lesson:
    """Delete a lesson; those behind it move up."""
    lesson = await _managed(tx, course_id=course_id, module_id=module_id, lesson_id=lesson_id, viewer=viewer)
    check_version(lesson.version, if_match)
    _, count = await sql.count(tx, course_id=course_id, module_id=lesson.module_id)
    await sql.delete(tx, lesson_ids=[lesson.id])
    tx.publish(LESSON_DELETED, tombstone(lesson.state()))
    await _shift(tx, module_id=lesson.module_id, first=lesson.position + 1, last=count, by=-1, now=now)
    await courses.recount(tx, course_id=course_id)
    return lesson


async def apply_video(tx: Tx, *, video: Video, now: datetime) -> None:
    """Keep what has become of a video: lessons take its duration, or lose it when it is deleted."""
    await courses.lock(tx, course_id=video.course_id, viewer=_ANYBODY)
    if not await videos.upsert(tx, video=video):
        return
    if video.deleted:
        lessons = await sql.lose_video(tx, video_id=video.id, now=now)
    elif video.duration is not None:
        lessons = await sql.take_duration(
            tx, video_id=video.id, course_id=video.course_id, seconds=video.duration, now=now
        )
    else:
        return
    for lesson in lessons:
        tx.publish(LESSON_UPDATED, lesson)
    if lessons:
        await courses.recount(tx, course_id=video.course_id)


async def _managed(tx: Tx, *, course_id: UUID, module_id: UUID | None, lesson_id: UUID, viewer: Viewer) -> Lesson:
    course = await courses.lock(tx, course_id=course_id, viewer=viewer)
    found = await sql.find(tx, course_id=course_id, lesson_id=lesson_id)
    return managed_lesson(course, found, course_id=course_id, module_id=module_id, lesson_id=lesson_id, viewer=viewer)


async def _changed(tx: Tx, lesson: Lesson, changes: Mapping[str, object]) -> LessonFields:
    fields = msgspec.structs.replace(lesson.fields(), **changes).checked()
    if fields.video_id == lesson.video_id:
        return fields
    if "duration" not in changes:  # it was the other video's
        fields = msgspec.structs.replace(fields, duration=None)
    return await _timed(tx, fields, course_id=lesson.course_id)


async def _check_content(tx: Tx, *, course_id: UUID, more: int, most: int) -> None:
    # Who writes a lesson holds the course's row: nobody else adds to this meanwhile.
    if more > 0 and await sql.content_bytes(tx, course_id=course_id) + more > most:
        raise TooMuchContent(most)


async def _timed(tx: Tx, fields: LessonFields, *, course_id: UUID) -> LessonFields:
    if fields.video_id is None:
        return fields
    video = usable(await videos.video(tx, video_id=fields.video_id), course_id=course_id)
    if fields.duration is not None or fields.type != "VIDEO":
        return fields
    return msgspec.structs.replace(fields, duration=video.duration)


async def _shift(tx: Tx, *, module_id: UUID, first: int, last: int, by: int, now: datetime) -> None:
    if first > last:
        return
    for lesson in await sql.shift(tx, module_id=module_id, first=first, last=last, by=by, now=now):
        tx.publish(LESSON_UPDATED, lesson)
