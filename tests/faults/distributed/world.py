"""What there must be, once everything that was acknowledged is done: each client keeps a world of its own."""

from dataclasses import dataclass, field


@dataclass(eq=False)
class Person:
    """Somebody with an account; `token` is the access token of their last session."""

    email: str
    name: str
    role: str
    id: str = ""
    version: int = 1
    token: str = ""


@dataclass(eq=False)
class Lesson:
    title: str
    published: bool
    id: str = ""
    version: int = 1


@dataclass(eq=False)
class Module:
    title: str
    id: str = ""
    version: int = 1
    lessons: list[Lesson] = field(default_factory=list)


@dataclass(eq=False)
class Course:
    teacher: Person
    title: str
    published: bool
    id: str = ""
    version: int = 1
    modules: list[Module] = field(default_factory=list)
    videos: dict[str, str] = field(default_factory=dict)
    """Their titles by their ids."""
    is_kept: bool = False
    """Whether there were students or videos in it: such a course is not deleted."""

    @property
    def lessons(self) -> list[tuple[Module, Lesson]]:
        return [(module, lesson) for module in self.modules for lesson in module.lessons]

    @property
    def open_lessons(self) -> list[tuple[Module, Lesson]]:
        """Those that a learner may begin."""
        return [(module, lesson) for module, lesson in self.lessons if lesson.published]


@dataclass(eq=False)
class Enrollment:
    learner: Person
    course: Course
    id: str = ""
    active: bool = True
    enrolled: int = 1
    dropped: int = 0
    seconds: dict[str, int] = field(default_factory=dict)
    """Spent on each lesson: they add up, so that nothing may be counted twice."""
    best: dict[str, float] = field(default_factory=dict)
    """How much of each lesson is done: it never falls."""


@dataclass
class World:
    """Everything that one client has had acknowledged."""

    people: list[Person] = field(default_factory=list)
    courses: list[Course] = field(default_factory=list)
    enrollments: list[Enrollment] = field(default_factory=list)
    buried: dict[str, dict[str, int]] = field(default_factory=lambda: {"courses": {}, "modules": {}, "lessons": {}})
    """The versions of the tombstones of what was deleted."""

    def bury_lesson(self, module: Module, lesson: Lesson) -> None:
        """Those behind it move up, and are new versions."""
        place = module.lessons.index(lesson)
        for later in module.lessons[place + 1 :]:
            later.version += 1
        self._forget_lesson(module, lesson)

    def bury_module(self, course: Course, module: Module) -> None:
        place = course.modules.index(module)
        for later in course.modules[place + 1 :]:
            later.version += 1
        self._forget_module(course, module)

    def bury_course(self, course: Course) -> None:
        for module in list(course.modules):
            self._forget_module(course, module)
        self.courses.remove(course)
        self.buried["courses"][course.id] = course.version + 1

    def _forget_module(self, course: Course, module: Module) -> None:
        for lesson in list(module.lessons):
            self._forget_lesson(module, lesson)
        course.modules.remove(module)
        self.buried["modules"][module.id] = module.version + 1

    def _forget_lesson(self, module: Module, lesson: Lesson) -> None:
        module.lessons.remove(lesson)
        self.buried["lessons"][lesson.id] = lesson.version + 1
