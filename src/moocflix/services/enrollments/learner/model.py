"""A person as enrollments knows them."""

from uuid import UUID

from moocflix.platform.errors import Conflict


class LearnerNotActive(Conflict):
    """An admin may enrol only people whose account is active."""

    def __init__(self, user_id: UUID) -> None:
        super().__init__(f"The account of user {user_id} is not active, so it cannot be enrolled.")
