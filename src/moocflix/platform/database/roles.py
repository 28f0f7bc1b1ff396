"""Roles, schemas and rights: a service can read and write its own schema's rows, and nothing else anywhere.

The owner role migrates; a service's role has rights on data only; the bus may read outboxes.
"""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from moocflix.platform.database.connect import Connection
from moocflix.platform.database.urls import origin_of_password
from moocflix.platform.migration_files import MigrationError

_SCRAM_ITERATIONS = 4096
_TRIES = 20
_MARK = "MoocFlix, password "
# What PostgreSQL says to the second of two that change one role, or one database's rights, at once.
_COLLISIONS = (asyncpg.InternalServerError, asyncpg.UniqueViolationError, asyncpg.DuplicateObjectError)


async def ensure_database(admin: str, name: str) -> None:
    """Make the platform's database where it is missing."""
    try:
        await (await asyncpg.connect(admin)).close()
    except asyncpg.InvalidCatalogNameError:
        connection = await asyncpg.connect(urlunsplit(urlsplit(admin)._replace(path="/postgres")))
        try:
            await connection.execute(f"CREATE DATABASE {_quoted(name)}")
        except (asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
            return  # another start was faster
        finally:
            await connection.close()


async def ensure_roles(
    connection: Connection, passwords: Mapping[str, str], search_paths: Mapping[str, str], *, change: bool = False
) -> None:
    """Make the roles with these passwords, and let `search_paths` lead those of services to their schemas.

    Raises MigrationError where one has been given another password, unless that is to `change`. Roles belong to the
    whole cluster: two databases of it may be migrated at once, so a collision is tried again.
    """
    for attempt in range(_TRIES):
        try:
            async with connection.transaction():
                for role, password in passwords.items():
                    await _ensure_role(connection, role, password, search_paths.get(role), change=change)
        except _COLLISIONS:
            if attempt == _TRIES - 1:
                raise
            await asyncio.sleep(0.05 * (attempt + 1))
        else:
            return


async def _ensure_role(
    connection: Connection, role: str, password: str, search_path: str | None, *, change: bool
) -> None:
    verifier = _scram_verifier(role, password)
    given = f"{_MARK}{hashlib.sha256(verifier.encode()).hexdigest()[:16]},"
    mark = f"{given} schema {search_path or '-'}"
    found = await connection.fetchrow(
        "SELECT shobj_description(oid, 'pg_authid') AS mark FROM pg_roles WHERE rolname = $1", role
    )
    if found is not None and found["mark"] == mark:
        return
    # One that somebody else has made is without a mark, and is taken over.
    if found is not None and not change and (found["mark"] or "").startswith(_MARK) and given not in found["mark"]:
        raise MigrationError(
            f"The role {role} was given another password before, and processes may be using it. The one given now "
            f"{origin_of_password(search_path)}: let that be the same as before, or, to change the role's, run "
            "`moocflix migrate --new-passwords`."
        )
    verb = "CREATE" if found is None else "ALTER"
    await connection.execute(f"{verb} ROLE {_quoted(role)} LOGIN PASSWORD '{verifier}'")
    if search_path is not None:
        await connection.execute(f"ALTER ROLE {_quoted(role)} SET search_path = {_quoted(search_path)}")
    await connection.execute(f"COMMENT ON ROLE {_quoted(role)} IS '{mark}'")


async def ensure_database_rights(connection: Connection, *, owner: str, bus: str) -> None:
    """Let the owner make schemas in this database, and nobody else anything in its public one."""
    database = _quoted(await connection.fetchval("SELECT current_database()"))
    if not await connection.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"):
        await connection.execute(f"GRANT {_quoted(owner)} TO CURRENT_USER")
    for attempt in range(_TRIES):
        try:
            async with connection.transaction():
                await connection.execute(f"GRANT CONNECT, CREATE ON DATABASE {database} TO {_quoted(owner)}")
                await connection.execute(f"GRANT CONNECT ON DATABASE {database} TO {_quoted(bus)}")
                await connection.execute(f"REVOKE TEMPORARY, CREATE ON DATABASE {database} FROM PUBLIC")
                await connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        except _COLLISIONS:
            if attempt == _TRIES - 1:
                raise
            await asyncio.sleep(0.05 * (attempt + 1))
        else:
            return


async def ensure_schema(connection: Connection, schema: str, *, role: str, bus: str) -> None:
    """Make a service's schema, as the owner; what comes into it later is its role's to read and write."""
    name, service = _quoted(schema), _quoted(role)
    await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {name}")
    await connection.execute(f"GRANT USAGE ON SCHEMA {name} TO {service}, {_quoted(bus)}")
    rights = f"ALTER DEFAULT PRIVILEGES IN SCHEMA {name} GRANT"
    await connection.execute(f"{rights} SELECT, INSERT, UPDATE, DELETE ON TABLES TO {service}")
    await connection.execute(f"{rights} USAGE, SELECT ON SEQUENCES TO {service}")


def _scram_verifier(role: str, password: str) -> str:
    """What PostgreSQL keeps of a password (RFC 5803), so that the password itself is in no statement and no log.

    The salt follows from both, so that the verifier of one password is always the same.
    """
    salt = hashlib.sha256(f"{role}:{password}".encode()).digest()[:16]
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _SCRAM_ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    encoded = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${_SCRAM_ITERATIONS}:{encoded[0]}${encoded[1]}:{encoded[2]}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
