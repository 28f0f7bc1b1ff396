"""What a client asks for, one command after the other: chosen by its seed, whatever happens to the platform meanwhile.

Each command is chosen once the one before is acknowledged, from what the client's world then is; that is the same in
every run, and so are the commands. Only the ids in them are the platform's.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from tests.faults.distributed.world import Course, Enrollment, Lesson, Module, Person, World

PASSWORD = "a pass phrase of some length"
T = TypeVar("T")
Said = dict[str, Any]


@dataclass(frozen=True)
class Command:
    """One request, until it is acknowledged."""

    kind: str
    person: Person
    method: str
    path: str
    body: Said | None
    acknowledged: Callable[[Said], None]
    """Makes the world what it is from then on, with the data of the answer."""
    if_match: int | None = None
    file: bytes | None = None
    """What is uploaded, with the body as the fields of a form."""
    version: int | None = None
    """The version that the answer must tell, if it tells one: another was raised twice, or not at all."""


class Stream:
    """One client's commands."""

    def __init__(self, seed: str, *, video: bytes) -> None:
        """Begins with an empty world; `video` is what teachers upload."""
        self.world = World()
        self._video = video
        self._seed = seed
        self._chance = random.Random(seed)
        self._number = 0
        self._kinds: dict[Callable[[], Command | None], int] = {
            self._sign_up: 4,
            self._rename: 6,
            self._create_course: 5,
            self._update_course: 11,
            self._create_module: 6,
            self._update_module: 6,
            self._create_lesson: 10,
            self._update_lesson: 9,
            self._delete_lesson: 3,
            self._delete_module: 1,
            self._delete_course: 2,
            self._enroll: 12,
            self._drop: 5,
            self._learn: 20,
            self._upload: 2,
        }

    def next(self) -> Command:
        """The next command that makes sense in this world."""
        self._number += 1
        while True:
            (make,) = self._chance.choices(list(self._kinds), list(self._kinds.values()))
            command = make()
            if command is not None:
                return command

    def _one_of(self, found: Sequence[T]) -> T | None:
        return self._chance.choice(found) if found else None

    def _text(self, what: str) -> str:
        return f"{what} {self._seed} {self._number}"

    def _sign_up(self) -> Command:
        role = "instructor" if self._number == 1 or self._chance.random() < 0.3 else "student"
        name = self._text("Person").replace("-", " ")
        person = Person(f"{self._seed}-{self._number}@example.org", name, role)

        def known(said: Said) -> None:
            person.id, person.token = said["userId"], said["token"]
            self.world.people.append(person)

        body = {"name": name, "email": person.email, "password": PASSWORD, "role": role}
        return Command("sign up", person, "POST", "/api/v1/users/signup", body, known)

    def _rename(self) -> Command | None:
        person, name = self._one_of(self.world.people), self._text("Name").replace("-", " ")
        if person is None:
            return None

        def renamed(_said: Said) -> None:
            person.name, person.version = name, person.version + 1

        path = "/api/v1/users/profile/update"
        return Command("rename", person, "PUT", path, {"name": name}, renamed, if_match=person.version)

    def _create_course(self) -> Command | None:
        teacher = self._one_of([person for person in self.world.people if person.role == "instructor"])
        if teacher is None:
            return None
        course = Course(teacher, self._text("Course"), published=self._chance.random() < 0.7)
        body = {
            "title": course.title, "description": "One of its kind.", "category": "Science", "difficulty": "Beginner",
            "price": 0, "currency": "EUR", "status": _status(published=course.published),
        }  # fmt: skip

        def made(said: Said) -> None:
            course.id = said["courseId"]
            self.world.courses.append(course)

        return Command("create course", teacher, "POST", "/api/v1/courses", body, made, version=1)

    def _update_course(self) -> Command | None:
        course, title = self._one_of(self.world.courses), self._text("Course")
        if course is None:
            return None

        def changed(_said: Said) -> None:
            course.title, course.published, course.version = title, True, course.version + 1

        body = {"title": title, "status": "published"}
        return self._teach("update course", course, "PUT", "", changed, body=body, before=course.version)

    def _create_module(self) -> Command | None:
        course = self._one_of(self.world.courses)
        if course is None:
            return None
        module = Module(self._text("Module"))

        def made(said: Said) -> None:
            module.id = said["moduleId"]
            course.modules.append(module)

        body = {"title": module.title, "status": "published"}
        return self._teach("create module", course, "POST", "/modules", made, body=body, before=0)

    def _update_module(self) -> Command | None:
        found, title = self._some_module(), self._text("Module")
        if found is None:
            return None
        course, module = found

        def changed(_said: Said) -> None:
            module.title, module.version = title, module.version + 1

        path = f"/modules/{module.id}"
        return self._teach("update module", course, "PUT", path, changed, body={"title": title}, before=module.version)

    def _create_lesson(self) -> Command | None:
        found = self._some_module()
        if found is None:
            return None
        course, module = found
        lesson = Lesson(self._text("Lesson"), published=self._chance.random() < 0.8)

        def made(said: Said) -> None:
            lesson.id = said["lessonId"]
            module.lessons.append(lesson)

        body = {"title": lesson.title, "type": "ARTICLE", "status": _status(published=lesson.published)}
        path = f"/modules/{module.id}/lessons"
        return self._teach("create lesson", course, "POST", path, made, body=body, before=0)

    def _update_lesson(self) -> Command | None:
        found, title = self._some_lesson(), self._text("Lesson")
        if found is None:
            return None
        course, _, lesson = found

        def changed(_said: Said) -> None:
            lesson.title, lesson.published, lesson.version = title, True, lesson.version + 1

        body = {"title": title, "status": "published"}
        path = f"/lessons/{lesson.id}"
        return self._teach("update lesson", course, "PUT", path, changed, body=body, before=lesson.version)

    def _delete_lesson(self) -> Command | None:
        found = self._some_lesson()
        if found is None:
            return None
        course, module, lesson = found
        path = f"/lessons/{lesson.id}"
        return self._teach("delete lesson", course, "DELETE", path, lambda _: self.world.bury_lesson(module, lesson))

    def _delete_module(self) -> Command | None:
        found = self._some_module()
        if found is None:
            return None
        course, module = found
        path = f"/modules/{module.id}"
        return self._teach("delete module", course, "DELETE", path, lambda _: self.world.bury_module(course, module))

    def _delete_course(self) -> Command | None:
        course = self._one_of([course for course in self.world.courses if not course.is_kept])
        if course is None:
            return None
        return self._teach("delete course", course, "DELETE", "", lambda _: self.world.bury_course(course))

    def _teach(
        self, kind: str, course: Course, method: str, path: str, acknowledged: Callable[[Said], None], *,
        body: Said | None = None, before: int | None = None,
    ) -> Command:  # fmt: skip
        """A command about a course; `before` is the version of what it changes."""
        after = None if before is None else before + 1
        path = f"/api/v1/courses/{course.id}{path}"
        return Command(kind, course.teacher, method, path, body, acknowledged, if_match=before or None, version=after)

    def _upload(self) -> Command | None:
        course, title = self._one_of(self.world.courses), self._text("Video")
        if course is None:
            return None

        def stored(said: Said) -> None:
            course.videos[said["videoId"]], course.is_kept = title, True

        body = {"courseId": course.id, "title": title}
        return Command("upload", course.teacher, "POST", "/api/v1/content/upload", body, stored, file=self._video)

    def _enroll(self) -> Command | None:
        learner = self._one_of(self.world.people)
        course = self._one_of([one for one in self.world.courses if one.published and one.teacher is not learner])
        if learner is None or course is None:
            return None
        held = next((one for one in self.world.enrollments if (one.learner, one.course) == (learner, course)), None)
        if held is not None and held.active:
            return None

        def enrolled(said: Said) -> None:
            course.is_kept = True
            if held is None:
                self.world.enrollments.append(Enrollment(learner, course, said["enrollmentId"]))
            else:
                held.active, held.enrolled = True, held.enrolled + 1

        return Command("enrol", learner, "POST", f"/api/v1/courses/{course.id}/enroll", None, enrolled)

    def _drop(self) -> Command | None:
        held = self._one_of(self._active())
        if held is None:
            return None

        def dropped(_said: Said) -> None:
            held.active, held.dropped = False, held.dropped + 1

        return Command("drop", held.learner, "DELETE", f"/api/enrollments/{held.id}", None, dropped)

    def _learn(self) -> Command | None:
        held = self._one_of([one for one in self._active() if one.course.open_lessons])
        if held is None:
            return None
        module, lesson = self._chance.choice(held.course.open_lessons)
        done, seconds = self._chance.choice([0.25, 0.5, 0.75, 1.0]), self._chance.randint(1, 60)

        def learned(_said: Said) -> None:
            held.seconds[lesson.id] = held.seconds.get(lesson.id, 0) + seconds
            held.best[lesson.id] = max(held.best.get(lesson.id, 0.0), done)

        body = {
            "enrollmentId": held.id, "moduleId": module.id, "lessonId": lesson.id, "progress": done,
            "timeSpent": seconds,
        }  # fmt: skip
        return Command("learn", held.learner, "POST", "/api/progress/update", body, learned)

    def _active(self) -> list[Enrollment]:
        return [one for one in self.world.enrollments if one.active]

    def _some_module(self) -> tuple[Course, Module] | None:
        return self._one_of([(course, module) for course in self.world.courses for module in course.modules])

    def _some_lesson(self) -> tuple[Course, Module, Lesson] | None:
        return self._one_of([(course, *place) for course in self.world.courses for place in course.lessons])


def _status(*, published: bool) -> str:
    return "published" if published else "draft"
