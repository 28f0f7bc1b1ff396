"""What services hold of a person: all of it is declared, exported for its owner alone, and can be erased."""

import json
from uuid import UUID

import asyncpg
import pytest

from moocflix.entrypoints.services import SERVICES
from moocflix.platform.ids import new_id
from moocflix.platform.service import PersonalTable
from tests.factories.courses import upload
from tests.factories.platform import PASSWORD, Course, Person, TestPlatform, data_of
from tests.factories.videos import VideoShelf

PHONES = {"adalove": "+4930123401", "bobhope": "+4930123402"}
# Columns that hold somebody's id. The platform's own tables, the same in each schema, are pruned by age.
OF_PEOPLE = """
SELECT table_schema || '.' || table_name AS name
  FROM information_schema.columns
 WHERE table_schema = ANY($1) AND column_name = ANY('{user_id,uploaded_by,requested_by,instructor_id}')
   AND table_name NOT IN (SELECT table_name FROM information_schema.tables WHERE table_schema = ANY($1)
                           GROUP BY 1 HAVING count(*) = cardinality($1))
 ORDER BY 1
"""
# An id and nothing else of the person, whom only users can name.
IDS_ALONE = {
    "users.issued_revocations",  # goes when the tokens that it ends have expired
    "content.courses_copy",  # whose course it is
    "enrollments.courses_copy",
    "progress.courses_copy",
}
# Rows that others point to stay, without what they said of the person.
REDACTED = {"users.users", "courses.instructors", "enrollments.users_copy"}
# Erased with the rows that they belong to.
GONE = {"progress.lesson_progress"}
PLACES = [(service.name, table) for service in SERVICES for table in service.personal_data]


class People:
    """Two who teach each a course of their own, and learn in that of the other."""

    def __init__(self, platform: TestPlatform, ada: Person, bob: Person) -> None:
        self.platform = platform
        self.ada = ada
        self.bob = bob

    async def export(self, person_id: UUID) -> dict[str, list[str]]:
        """What each declared table gives for this id."""
        return {f"{service}.{table.table}": await self._rows(service, table, person_id) for service, table in PLACES}

    async def erase(self, person_id: UUID) -> None:
        """Run every erasure that is declared, in its order."""
        for service, table in PLACES:
            if table.erase is not None:
                async with self.platform.database(service).transaction() as tx:
                    await tx.execute(table.erase, person_id)

    async def count(self, service: str, table: str) -> int:
        """How many rows there are of anybody."""
        return int(await self.platform.database(service).reader.fetchval(f"SELECT count(*) FROM {table}"))

    async def text_of(self, service: str, table: str) -> str:
        """All that a table says, of anybody."""
        rows = await self.platform.database(service).reader.fetch(f"SELECT t::text AS row FROM {table} AS t ORDER BY 1")
        return "\n".join(row["row"] for row in rows)

    async def _rows(self, service: str, table: PersonalTable, person_id: UUID) -> list[str]:
        rows = await self.platform.database(service).reader.fetch(table.export, person_id)
        return [json.dumps(dict(row), default=str) for row in rows]


@pytest.fixture
async def people(platform: TestPlatform, videos: VideoShelf) -> People:
    """Ada and Bob, with rows in every table that is declared."""
    ada, bob = [await _teacher(platform, name) for name in PHONES]
    courses = [await platform.course(owner=person) for person in (ada, bob)]
    for course in courses:
        await upload(course.owner, course.id, videos.content(), transcode="true")
    await platform.settle()
    for person, course in ((ada, courses[1]), (bob, courses[0])):
        await _learn(platform, person, course)
        await _pay_and_upload(platform, person, course)
    return People(platform, ada, bob)


async def _teacher(platform: TestPlatform, name: str) -> Person:
    person = await platform.person(role="instructor", name=name)
    avatar = f"https://faces.example/{name}.png"
    body = {"username": f"{name}s-name", "avatarUrl": avatar, "phone": PHONES[name], "currentPassword": PASSWORD}
    data_of(await person.put("/api/v1/users/profile/update", body))
    await platform.settle()
    return person


async def _learn(platform: TestPlatform, person: Person, course: Course) -> None:
    enrollment = str(await platform.enrollment(person, course))
    module, lesson = course.all_lessons[0]
    noted = {"enrollmentId": enrollment, "moduleId": str(module), "lessonId": str(lesson), "progress": 0.5}
    data_of(await person.post("/api/progress/update", noted))
    await platform.settle()


async def _pay_and_upload(platform: TestPlatform, person: Person, course: Course) -> None:
    """What nobody tells of yet, and what is there for a moment only."""
    async with platform.database("enrollments").transaction() as tx:
        paid = "INSERT INTO payments_copy (payment_id, user_id, course_id, status) VALUES ($1, $2, $3, 'completed')"
        await tx.execute(paid, new_id(), person.id, course.id)
    async with platform.database("content").transaction() as tx:
        begun = "INSERT INTO uploads (id, user_id, course_id) VALUES ($1, $2, $3)"
        await tx.execute(begun, new_id(), person.id, course.id)


async def test_every_table_with_somebodys_id_is_declared(platform: TestPlatform) -> None:
    connection = await asyncpg.connect(platform.urls.admin)
    found = await connection.fetch(OF_PEOPLE, [service.name for service in SERVICES])
    await connection.close()
    declared = {f"{service}.{table.table}" for service, table in PLACES}
    assert [row["name"] for row in found if row["name"] not in declared | IDS_ALONE] == []


async def test_an_export_holds_all_rows_of_the_person_and_nobody_elses(people: People) -> None:
    adas, bobs = await people.export(people.ada.id), await people.export(people.bob.id)
    for service, table in PLACES:
        name = f"{service}.{table.table}"
        assert adas[name], name
        assert not set(adas[name]) & set(bobs[name]), name
        assert len(adas[name]) + len(bobs[name]) == await people.count(service, table.table), name
    assert not any((await people.export(new_id())).values())


async def test_an_erasure_leaves_nothing_that_says_who_it_was(people: People) -> None:
    ada, bob = people.ada, people.bob
    kept = await people.export(bob.id)
    # Users tells of an erasure, and enrollments ends what the person is in: a drop stands for that.
    (enrollment,) = data_of(await ada.get("/api/enrollments"))["enrollments"]
    data_of(await ada.delete(f"/api/enrollments/{enrollment['enrollmentId']}"))
    await people.platform.settle()
    await people.erase(ada.id)
    once = {place: await people.text_of(place[0], place[1].table) for place in PLACES}
    left = {name for name, rows in (await people.export(ada.id)).items() if rows}
    assert left == REDACTED | {f"{service}.{table.table}" for service, table in PLACES if table.erase is None} - GONE
    said = "\n".join(once.values())
    assert [word for word in _words(ada) if word in said] == []
    assert [word for word in _words(bob) if word not in said] == []
    assert await people.export(bob.id) == kept
    await people.erase(ada.id)
    assert {place: await people.text_of(place[0], place[1].table) for place in PLACES} == once


def _words(person: Person) -> list[str]:
    """What says who it is."""
    return [person.name, f"{person.name}s-name", f"faces.example/{person.name}", person.email, PHONES[person.name]]
