"""Everything that the services have stored, as a digest to compare and as a state to come back to."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from moocflix.entrypoints.services import SERVICES
from moocflix.platform.storage.port import Storage
from tests.factories.platform import KEPT_TABLES, TestPlatform

# What counts requests, not what people have: a refused one leaves its trace there.
BOOKKEEPING = ("idempotency_keys", "login_attempts", "intents")

_TABLES = """
SELECT table_schema AS schema, table_name AS name,
       string_agg(quote_ident(column_name), ', ') FILTER (WHERE is_generated = 'NEVER') AS columns
  FROM information_schema.columns
  JOIN information_schema.tables USING (table_schema, table_name)
 WHERE table_type = 'BASE TABLE' AND table_schema = ANY($1) AND table_name <> ALL($2)
 GROUP BY 1, 2 ORDER BY 1, 2
"""


@dataclass
class Ledger:
    """The services' tables and the stored objects."""

    platform: TestPlatform
    connection: "asyncpg.Connection[asyncpg.Record]"
    tables: list[Any] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)

    @classmethod
    async def open(cls, platform: TestPlatform) -> "Ledger":
        """With what the tables hold now as the state to come back to."""
        ledger = cls(platform, await asyncpg.connect(platform.urls.admin))
        names = [service.name for service in SERVICES]
        ledger.tables = list(await ledger.connection.fetch(_TABLES, names, list(KEPT_TABLES)))
        for number, table in enumerate(ledger.tables):
            await ledger.connection.execute(f"CREATE TEMP TABLE kept_{number} AS TABLE {_name(table)}")
        ledger.kept = await ledger.digest()
        ledger.folders = {_folder(key) for key, _ in await ledger._objects()}
        return ledger

    async def changed(self) -> list[str]:
        """The tables that are not as they were when this was opened, and "objects" where what is stored is not."""
        now = await self.digest()
        return [name for name, rows in self.kept.items() if now[name] != rows]

    async def digest(self) -> dict[str, str]:
        """Each table's rows and the stored objects, in a few letters each."""
        counted = [table for table in self.tables if table["name"] not in BOOKKEEPING]
        selects = [
            f"SELECT '{_name(table)}' AS name, md5(coalesce(string_agg(t::text, E'\\n' ORDER BY t::text), '')) AS rows"
            f" FROM {_name(table)} AS t"
            for table in counted
        ]
        rows = await self.connection.fetch(" UNION ALL ".join(selects))
        return {row["name"]: row["rows"] for row in rows} | {"objects": str(await self._objects())}

    async def restore(self) -> None:
        """Bring back what was there when this was opened."""
        statements = [
            f"DELETE FROM {_name(table)}; INSERT INTO {_name(table)} ({table['columns']}) OVERRIDING SYSTEM VALUE"
            f" SELECT {table['columns']} FROM kept_{number}"
            for number, table in enumerate(self.tables)
        ]
        script = "; ".join(statements)
        await self.connection.execute(f"BEGIN; SET LOCAL session_replication_role = replica; {script}; COMMIT")
        for key, _ in await self._objects():
            if _folder(key) not in self.folders:
                await self._storage.delete_prefix(_folder(key))
        for service in SERVICES:
            self.platform.runtime.pages.drop(service.name)

    async def close(self) -> None:
        """Let go of the connection, and with it of the state."""
        await self.connection.close()

    async def _objects(self) -> Sequence[tuple[str, int]]:
        return sorted([(found.key, found.size) async for found in self._storage.list("videos/")])

    @property
    def _storage(self) -> Storage:
        return self.platform.context("content").storage


def _name(table: Any) -> str:
    return f'"{table["schema"]}"."{table["name"]}"'


def _folder(key: str) -> str:
    """Where all of one video is stored."""
    return "/".join(key.split("/")[:2]) + "/"
