"""What Rasa remembers of conversations: a table in its own database that Rasa makes and fills.

One row each, by the conversation's id; `data` is a token of the keys that encrypt everything else, `updated_at` are
seconds since 1970 in UTC. Rasa's side is `bot/tracker_table.py`.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from frontdesk.db import Database
from frontdesk.settings import Settings, installed_driver

AT_ONCE = 500

TRACKERS = sa.Table(
    "trackers",
    sa.MetaData(),
    sa.Column("sender_id", sa.String(255), primary_key=True),
    sa.Column("data", sa.Text, nullable=False),
    sa.Column("updated_at", sa.Float(53), nullable=False),
)


class Trackers:
    """Rasa's table as the front desk uses it; there may be none yet. Each call is one short transaction."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def exist(self) -> bool:
        """Tell whether Rasa has made its table. Asking makes no file."""
        if self.file is not None and not self.file.exists():
            return False
        with self.database.engine.connect() as connection:
            return sa.inspect(connection).has_table(TRACKERS.name)

    @property
    def file(self) -> Path | None:
        """Return the file of an SQLite database."""
        address = self.database.engine.url
        is_file = address.get_backend_name() == "sqlite" and address.database not in (None, "", ":memory:")
        return Path(str(address.database)) if is_file else None

    def create(self) -> None:
        """Make the table as Rasa would, unless it is there."""
        if self.file is not None:
            self.file.touch(mode=0o600, exist_ok=True)
        TRACKERS.metadata.create_all(self.database.engine)

    def tokens(self, ids: Collection[str]) -> dict[str, str]:
        """Return what Rasa remembers of these conversations, encrypted."""
        if not self.exist():
            return {}
        found: dict[str, str] = {}
        with self.database.engine.connect() as connection:
            for some in in_batches(ids):
                rows = connection.execute(
                    sa.select(TRACKERS.c.sender_id, TRACKERS.c.data).where(TRACKERS.c.sender_id.in_(some))
                )
                found |= {row.sender_id: row.data for row in rows}
        return found

    def untouched_since(self, moment: datetime) -> Iterator[list[str]]:
        """Yield the ids of conversations in which Rasa has said nothing since then, so many at a time."""
        if not self.exist():
            return
        after = ""
        while True:
            query = (
                sa.select(TRACKERS.c.sender_id)
                .where(TRACKERS.c.updated_at < moment.timestamp(), TRACKERS.c.sender_id > after)
                .order_by(TRACKERS.c.sender_id)
                .limit(AT_ONCE)
            )
            with self.database.engine.connect() as connection:
                ids = list(connection.scalars(query))
            if not ids:
                return
            yield ids
            after = ids[-1]

    def delete(self, ids: Collection[str]) -> int:
        """Forget these conversations; return how many of them Rasa remembered."""
        if not ids or not self.exist():
            return 0
        deleted = 0
        for some in in_batches(ids):
            with self.database.engine.begin() as connection:
                deleted += connection.execute(sa.delete(TRACKERS).where(TRACKERS.c.sender_id.in_(some))).rowcount
        return deleted


def open_trackers(settings: Settings) -> Trackers:
    """Return Rasa's table; raise DatabaseUnavailable for an address that cannot be used."""
    return Trackers(Database(installed_driver(settings.tracker_database)))


@contextmanager
def opened_trackers(settings: Settings) -> Iterator[Trackers]:
    """Open Rasa's table and close it at the end; raise DatabaseUnavailable."""
    trackers = open_trackers(settings)
    try:
        yield trackers
    finally:
        trackers.database.close()


def in_batches(ids: Collection[str]) -> Iterator[Sequence[str]]:
    """Yield the ids, so many at a time: a statement takes only so many values."""
    listed = sorted(ids)
    for start in range(0, len(listed), AT_ONCE):
        yield listed[start : start + AT_ONCE]
