"""Making and changing courses."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import msgspec

from moocflix.contracts.courses import COURSE_CREATION, COURSE_UPDATE
from moocflix.platform.database.transaction import Tx
from moocflix.platform.versions import IfMatch, check_version
from moocflix.services.courses.course import sql
from moocflix.services.courses.course.model import Course, CourseFields, Viewer, managed
from moocflix.services.courses.instructor import sql as instructors
from moocflix.services.courses.instructor.model import InstructorUnknown


async def create(tx: Tx, *, new_id: UUID, instructor_id: UUID, fields: CourseFields, now: datetime) -> Course:
    """Make a course. Its instructor's name is here from then on, so that no read needs to ask for it."""
    said = msgspec.structs.asdict(fields.checked())
    if not await instructors.known(tx, instructor_id=instructor_id):
        raise InstructorUnknown(instructor_id)
    course = Course(
        **said,
        id=new_id,
        instructor_id=instructor_id,
        version=1,
        created_at=now,
        updated_at=now,
        published_at=now if fields.status == "published" else None,
    )
    await sql.insert(tx, course=course)
    tx.publish(COURSE_CREATION, course.state())
    return course


async def update(
    tx: Tx, *, course_id: UUID, viewer: Viewer, changes: Mapping[str, object], if_match: IfMatch, now: datetime
) -> Course:
    """Change what is said of a course; saying what it says already changes nothing, its version neither."""
    course = managed(await sql.lock(tx, course_id=course_id, viewer=viewer), course_id=course_id, viewer=viewer)
    check_version(course.version, if_match)
    fields = msgspec.structs.replace(course.fields(), **changes).checked()
    if fields == course.fields():
        return course
    published_at = course.published_at or (now if fields.status == "published" else None)
    if fields.title != course.title:  # the structure shows it
        await sql.recount(tx, course_id=course_id)
    course = msgspec.structs.replace(
        course,
        **msgspec.structs.asdict(fields),
        version=course.version + 1,
        updated_at=now,
        published_at=published_at,
    )
    await sql.update(tx, course=course)
    tx.publish(COURSE_UPDATE, course.state())
    return course
