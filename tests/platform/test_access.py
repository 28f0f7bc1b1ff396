"""Who may call, by role."""

from uuid import UUID

import pytest

from moocflix.platform.auth.access import (
    ANYONE,
    CALLER,
    INSTRUCTOR,
    Access,
    NotAService,
    NotSignedIn,
    NotYourCall,
    RoleNeeded,
    services,
)
from moocflix.platform.auth.principal import Principal, Role, ServicePrincipal
from moocflix.platform.clock import utc_now

SOME_ID = UUID(int=1)


def person(role: Role) -> Principal:
    return Principal(id=SOME_ID, role=role, session_id=SOME_ID, generation=0, expires_at=utc_now())


@pytest.mark.parametrize(
    ("access", "roles"),
    [
        (CALLER, {"student", "instructor", "admin"}),
        (INSTRUCTOR, {"instructor", "admin"}),
    ],
)
@pytest.mark.parametrize("role", ["student", "instructor", "admin"])
def test_it_lets_exactly_the_named_roles_in(access: Access, roles: set[str], role: Role) -> None:
    if role in roles:
        access.check(person(role))
    else:
        with pytest.raises(RoleNeeded, match=access.people):
            access.check(person(role))


@pytest.mark.parametrize("access", [CALLER, INSTRUCTOR])
def test_it_asks_the_anonymous_to_sign_in(access: Access) -> None:
    with pytest.raises(NotSignedIn):
        access.check(None)


@pytest.mark.parametrize("access", [CALLER, INSTRUCTOR])
def test_a_service_is_no_person(access: Access) -> None:
    with pytest.raises(NotSignedIn):
        access.check(ServicePrincipal("courses"))


@pytest.mark.parametrize("principal", [None, person("student"), person("admin")])
def test_an_internal_route_refuses_people_admins_too(principal: Principal | None) -> None:
    with pytest.raises(NotAService):
        services("courses").check(principal)


def test_an_internal_route_lets_the_services_in_that_it_names() -> None:
    access = services("courses", "content")
    access.check(ServicePrincipal("courses"))
    access.check(ServicePrincipal("content"))
    with pytest.raises(NotYourCall, match="The progress service has nothing to ask here"):
        access.check(ServicePrincipal("progress"))


@pytest.mark.parametrize("principal", [None, person("student"), ServicePrincipal("courses")])
def test_anyone_means_anyone(principal: Principal | ServicePrincipal | None) -> None:
    ANYONE.check(principal)


def test_a_principal_says_whether_it_may_rule() -> None:
    assert [person(role).is_admin for role in ("student", "instructor", "admin")] == [False, False, True]
