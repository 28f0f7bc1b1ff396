"""Every route, and what each caller gets for it: the policy of the platform in one table.

The statuses stand in the order of `stage.CALLERS`: anonymous, stranger, student, other instructor, owner, admin.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tests.factories.platform import PASSWORD

OPEN = "200"
UPLOAD = "a form with a video"
FILE = "a file"

COURSE = {
    "title": "T", "description": "D", "category": "C", "difficulty": "Beginner", "price": 0, "currency": "EUR",
}  # fmt: skip
MODULE = {"title": "M"}
LESSON = {"title": "L", "type": "ARTICLE"}
SIGNUP = {"name": "New", "email": "new@example.org", "password": PASSWORD}
LOGIN = {"email": "{spare_email}", "password": PASSWORD}
PROGRESS = {"enrollmentId": "{enrollment_id}", "moduleId": "{module_id}", "lessonId": "{lesson_id}", "progress": 1}
ENROLL = {"courseId": "{course_id}", "userId": "{me}"}
ENROLL_ANOTHER = {"courseId": "{course_id}", "userId": "{user_id}"}
ORDER = {"modules": [{"id": "{module_id}", "lessons": ["{lesson_id}"]}]}


@dataclass(frozen=True)
class Row:
    """One route over one target: who may call, and the status that each caller gets."""

    method: str
    path: str
    who: str
    target: str
    statuses: tuple[int, ...]
    body: Any = None
    callers: frozenset[str] = frozenset()
    """The services that may, where it is internal."""

    @property
    def name(self) -> str:
        return f"{self.method} {self.path} of {self.target}"


def row(route: str, who: str, statuses: str, *, of: str = "published", body: Any = None) -> Row:
    """`route` is method and path, `of` the target whose ids fill it; one status stands for all."""
    method, path = route.split()
    numbers = [int(status) for status in statuses.split()]
    return Row(method, path, who, of, tuple(numbers if len(numbers) > 1 else numbers * 6), body)


def internal(route: str, callers: str, *, of: str = "published", body: Any = None) -> Row:
    """A route for these services alone."""
    return replace(row(route, "service", OPEN, of=of, body=body), callers=frozenset(callers.split()))


def rows(routes: Sequence[str], who: str, by_target: dict[str, str], *, body: Any = None) -> Iterable[Row]:
    """The same statuses for several paths, by target."""
    for route in routes:
        for target, statuses in by_target.items():
            yield row(route, who, statuses, of=target, body=body)


SIGNED_IN = "401 200 200 200 200 200"
_COURSE = "/api/v1/courses/{course_id}"
_MODULE = _COURSE + "/modules/{module_id}"
_LESSON = (_MODULE + "/lessons/{lesson_id}", _COURSE + "/lessons/{lesson_id}")

# A stranger to a draft may not learn that it is there; of what is published, that it is not theirs.
SEEN = {"published": "200", "draft": "404 404 404 404 200 200"}
SEEN_BELOW = SEEN | {"draft module": "404 404 404 404 200 200"}
CHANGED = {"published": "401 403 403 403 200 200", "draft": "401 404 404 404 200 200"}
CHANGED_BELOW = CHANGED | {"draft module": "401 404 404 404 200 200"}
ADDED = {"published": "401 403 403 403 201 201", "draft": "401 404 404 404 201 201"}

USERS = (
    row("POST /api/v1/users/signup", "anyone", "201", body=SIGNUP),
    row("POST /api/auth/user/register", "anyone", OPEN, body=SIGNUP),
    row("POST /api/v1/users/login", "anyone", OPEN, body=LOGIN),
    row("POST /api/auth/user/login", "anyone", OPEN, body=LOGIN),
    row("POST /api/v1/users/refresh", "anyone", OPEN, body={"refreshToken": "{refresh_token}"}),
    row("POST /api/v1/users/logout", "caller", SIGNED_IN),
    row("GET /api/v1/users/profile", "caller", SIGNED_IN),
    row("GET /api/auth/user/profile", "caller", SIGNED_IN),
    row("PUT /api/v1/users/profile/update", "caller", SIGNED_IN, body={"name": "Another"}),
    row("PUT /api/auth/user/profile", "caller", SIGNED_IN, body={"name": "Another"}),
    row("DELETE /api/v1/users/deactivate", "caller", SIGNED_IN),
    row("GET /api/v1/users/sessions", "caller", SIGNED_IN),
    row("DELETE /api/v1/users/sessions/{session_id}", "caller", "401 404 200 404 404 404"),
    row("GET /.well-known/jwks.json", "anyone", OPEN),
    internal("GET /internal/users", "courses enrollments"),
    internal("GET /internal/users/{user_id}", "courses enrollments"),
    internal("GET /internal/revocations", "platform"),
    internal("GET /internal/signing-keys", "platform"),
)

COURSES = (
    row("GET /api/v1/courses", "anyone", OPEN),
    row("GET /api/courses/catalog/list", "anyone", OPEN),
    row("GET /api/v1/courses/categories", "anyone", OPEN),
    *rows(
        ["POST /api/v1/courses", "POST /api/v1/courses/create"],
        "instructor", {"published": "401 403 403 201 201 201"}, body=COURSE,
    ),
    *rows([f"GET {_COURSE}", f"GET {_COURSE}/modules", "GET /api/courses/{course_id}/structure"], "anyone", SEEN),
    *rows([f"PUT {_COURSE}", f"PUT {_COURSE}/update"], "caller", CHANGED, body={"title": "Other"}),
    *rows(
        [f"DELETE {_COURSE}", f"DELETE {_COURSE}/delete"],
        "caller",
        {
            "published": "401 403 403 403 409 409",
            "draft": "401 404 404 404 200 200",
            "empty": "401 403 403 403 200 200",
        },
    ),
    *rows(
        [f"PUT {_COURSE}/order"],
        "caller", {"empty": CHANGED["published"], "draft": CHANGED["draft"]}, body=ORDER,
    ),
    *rows([f"GET {_MODULE}"], "anyone", SEEN_BELOW),
    *rows([f"POST {_COURSE}/modules", f"POST {_COURSE}/modules/create"], "caller", ADDED, body=MODULE),
    *rows([f"PUT {_MODULE}", f"PUT {_MODULE}/update"], "caller", CHANGED_BELOW, body={"title": "Other"}),
    *rows([f"DELETE {_MODULE}", f"DELETE {_MODULE}/delete"], "caller", CHANGED_BELOW),
    *rows(
        [f"POST {_MODULE}/lessons"],
        "caller", ADDED | {"draft module": "401 404 404 404 201 201"}, body=LESSON,
    ),
    *rows(
        [f"GET {path}" for path in _LESSON],
        "anyone", SEEN_BELOW | {"draft lesson": "404 404 404 404 200 200", "preview": "200"},
    ),
    *rows(
        [f"PUT {path}" for path in _LESSON],
        "caller", CHANGED_BELOW | {"draft lesson": "401 404 404 404 200 200"}, body={"title": "Other"},
    ),
    *rows(
        [f"DELETE {path}" for path in _LESSON],
        "caller", CHANGED_BELOW | {"draft lesson": "401 404 404 404 200 200"},
    ),
    internal("GET /internal/courses", "content enrollments progress"),
    internal("GET /internal/courses/{course_id}", "content enrollments progress"),
    internal("GET /internal/courses/{course_id}", "content enrollments progress", of="draft"),
    internal("GET /internal/courses/{course_id}/outline", "progress"),
    internal("GET /internal/courses/{course_id}/outline", "progress", of="draft"),
    internal("GET /internal/modules", "content"),
    internal("GET /internal/modules/{module_id}", "content progress"),
    internal("GET /internal/lessons", "content"),
    internal("GET /internal/lessons/{lesson_id}", "content progress"),
)  # fmt: skip

ENROLLMENTS = (
    *rows(
        [f"POST {_COURSE}/enroll"],
        "caller",
        {
            "published": "401 201 409 201 403 201",
            "draft": "401 404 404 404 403 409",
            "priced": "401 402 402 402 403 402",
        },
    ),
    *rows(
        ["POST /api/enrollments/enroll"],
        "caller",
        {
            "published": "401 201 409 201 403 201",
            "draft": "401 404 404 404 403 409",
            "priced": "401 402 402 402 403 402",
        },
        body=ENROLL,
    ),
    row("POST /api/enrollments/enroll", "caller", "401 201 403 403 403 201", of="stranger", body=ENROLL_ANOTHER),
    row("GET /api/enrollments", "caller", SIGNED_IN),
    row("GET /api/enrollments/{enrollment_id}", "caller", "401 404 200 404 200 200"),
    row("DELETE /api/enrollments/{enrollment_id}", "caller", "401 404 200 404 403 403"),
    *rows([f"GET {_COURSE}/students", f"GET {_COURSE}/enrollments"], "caller", CHANGED),
    internal("GET /internal/enrollments", "content courses progress"),
    internal("GET /internal/enrollments/{enrollment_id}", "content courses progress"),
    internal("GET /internal/enrollments/find?userId={user_id}&courseId={course_id}", "content courses"),
    internal("POST /internal/courses/{course_id}/close", "courses", of="empty", body={"force": False}),
    internal("POST /internal/courses/{course_id}/reopen", "courses", of="empty"),
)

PROGRESS_ROWS = (
    row("POST /api/progress/update", "caller", "401 404 200 404 403 403", body=PROGRESS),
    row("GET /api/progress/{enrollment_id}", "caller", "401 404 200 404 200 200"),
)

_VIDEO = "/api/v1/content/{video_id}"

CONTENT = (
    *rows(
        ["POST /api/v1/content/upload"],
        "instructor",
        {"published": "401 403 403 403 201 201", "draft": "401 403 403 404 201 201"},
        body=UPLOAD,
    ),
    *rows(
        [f"GET {_VIDEO}"],
        "caller",
        {
            "published": "401 404 200 404 200 200",
            "draft": "401 404 404 404 200 200",
            "preview": "401 404 200 404 200 200",
        },
    ),
    *rows(
        [f"POST {_VIDEO}/transcode"],
        "caller", {"published": "401 404 403 404 202 202", "draft": "401 404 404 404 202 202"},
    ),
    *rows(
        [f"DELETE {_VIDEO}", f"DELETE {_VIDEO}/delete"],
        "caller", {"published": "401 404 403 404 200 200", "draft": "401 404 404 404 200 200"},
    ),
    row(f"GET {_VIDEO}/stream", "anyone", "401 404 200 404 200 200"),
    *rows(
        [f"GET {_VIDEO}/stream?format=file"],
        "anyone",
        {
            "published": "401 404 200 404 200 200",
            "draft": "401 404 404 404 200 200",
            "preview": "200",
        },
    ),
    row("GET /api/v1/content/play/{token}/{file}", "holder", OPEN),
    row("GET /api/v1/files/{signature}/{key}", "holder", OPEN, of="reading"),
    row("GET /api/v1/files/{signature}/{key}", "holder", "403", of="putting"),
    row("PUT /api/v1/files/{signature}/{key}", "holder", OPEN, of="putting", body=FILE),
    row("PUT /api/v1/files/{signature}/{key}", "holder", "403", of="reading", body=FILE),
    internal("GET /internal/videos", "courses"),
    internal("GET /internal/videos/{video_id}", "courses"),
    internal("GET /internal/videos/{video_id}", "courses", of="draft"),
)  # fmt: skip

SYSTEM = (
    row("GET /health/live", "anyone", OPEN),
    row("GET /health/ready", "anyone", OPEN),
    internal("GET /internal/health", "platform"),
    row("GET /metrics", "anyone", OPEN),
    row("GET /openapi.json", "anyone", OPEN),
    row("GET /", "anyone", OPEN),
    row("GET /docs", "anyone", OPEN),
    row("GET /assets/{name}", "anyone", OPEN, of="asset"),
)

TABLE = (*USERS, *COURSES, *ENROLLMENTS, *PROGRESS_ROWS, *CONTENT, *SYSTEM)
