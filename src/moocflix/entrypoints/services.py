"""The services that there are, in the order in which they were added to the platform."""

from moocflix.platform.errors import OperatorError
from moocflix.platform.service import Service
from moocflix.services.content.service import service as content
from moocflix.services.courses.service import service as courses
from moocflix.services.enrollments.service import service as enrollments
from moocflix.services.progress.service import service as progress
from moocflix.services.users.service import service as users

SERVICES: tuple[Service, ...] = (users, courses, enrollments, progress, content)


class UnknownService(OperatorError):
    """A name that no service has."""

    def __init__(self, name: str) -> None:
        known = ", ".join(service.name for service in SERVICES)
        super().__init__(f"There is no service {name!r}; there are {known}.")


def chosen(names: tuple[str, ...]) -> tuple[Service, ...]:
    """The services of these names; all, where none is given. Raises UnknownService."""
    by_name = {service.name: service for service in SERVICES}
    for name in names:
        if name not in by_name:
            raise UnknownService(name)
    return tuple(by_name[name] for name in names) or SERVICES
