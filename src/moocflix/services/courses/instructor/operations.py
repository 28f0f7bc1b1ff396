"""What happens to the copy of users."""

from moocflix.contracts.users import UserState
from moocflix.platform.database.transaction import Tx
from moocflix.services.courses.instructor import sql


async def apply_user(tx: Tx, user: UserState) -> None:
    """Keep the name and picture of whoever teaches or has taught; of students there is nothing to keep."""
    if user.role == "student":
        await sql.update(tx, user)
    else:
        await sql.upsert(tx, user)
