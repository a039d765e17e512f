"""Many conversations in the databases, fast: one that was really held, again and again under other ids.

Ours are written by our own tables and keys, each transcript encrypted anew; Rasa's events as Rasa left them.
"""

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from benchmarks.versus_stock import assistants
from benchmarks.versus_stock.assistants import NoAnswer, Talk
from benchmarks.versus_stock.projects import BenchmarkFailed
from frontdesk.chat.models import Conversation, Message
from frontdesk.chat.tokens import SessionTokens
from frontdesk.db import Base, new_id, open_database
from frontdesk.review.models import Turn, TurnTopic
from frontdesk.settings import Settings
from frontdesk.trackers import TRACKERS, opened_trackers

HELD = ("hello", "how long does one infusion take", "who can drive me home afterwards")
SPREAD_DAYS = 60  # younger than what is deleted by age
AT_ONCE = 500  # conversations in a transaction
# What is kept of a conversation besides itself, in the order in which one refers to the other.
TABLES: tuple[type[Base], ...] = (Message, Turn, TurnTopic)

Row = dict[str, Any]


class OurFilling:
    """Front desk's transcripts and Rasa's trackers."""

    def __init__(self, assistant: assistants.Ours) -> None:
        self._settings = _settings_of(assistant)
        self._model_id = self._held(assistant)

    def fill(self, count: int) -> int:
        """Bring the database to so many conversations; return how many there are."""
        with opened_trackers(self._settings) as trackers:
            database = open_database(self._settings)
            try:
                with database.session() as session:
                    there = session.scalar(sa.select(sa.func.count()).select_from(Conversation)) or 0
                    held = {table: _rows(session, table, self._model_id) for table in TABLES}
                token = trackers.tokens([self._model_id])[self._model_id]
                for some in _batches(count - there):
                    copies = [_copy(held) for _ in range(some)]
                    with database.session() as session:
                        session.execute(sa.insert(Conversation), [conversation for conversation, _ in copies])
                        for table in held:
                            if rows := [row for _, copied in copies for row in copied[table]]:
                                session.execute(sa.insert(table), rows)
                    remembered = [
                        {
                            "sender_id": conversation["id"],
                            "data": token,
                            "updated_at": conversation["last_message_at"].timestamp(),
                        }
                        for conversation, _ in copies
                    ]
                    with trackers.database.engine.begin() as connection:
                        connection.execute(sa.insert(TRACKERS), remembered)
            finally:
                database.close()
        return max(count, there)

    def _held(self, assistant: assistants.Ours) -> str:
        """Hold the conversation and return its id."""
        talk = assistant.talk()
        _hold(talk)
        token = talk.token
        assert token is not None
        return SessionTokens(self._settings.secret("session"), self._settings.session_hours).read(token).conversation_id


class StockFilling:
    """Rasa's events in its SQL tracker store."""

    def __init__(self, assistant: assistants.Stock) -> None:
        self._file = assistant.tracker_file
        talk = assistant.talk()
        _hold(talk)
        self._model_id = talk.sender

    def fill(self, count: int) -> int:
        """Bring the database to so many conversations; return how many there are."""
        columns = "type_name, timestamp, intent_name, action_name, data"
        with closing(sqlite3.connect(self._file, timeout=30)) as connection:
            there: int = connection.execute("SELECT count(DISTINCT sender_id) FROM events").fetchone()[0]
            held = connection.execute(
                f"SELECT {columns} FROM events WHERE sender_id = ? ORDER BY id",  # noqa: S608
                (self._model_id,),
            ).fetchall()
            for some in _batches(count - there):
                ids = [new_id() for _ in range(some)]
                with connection:
                    connection.executemany(
                        f"INSERT INTO events (sender_id, {columns}) VALUES (?, ?, ?, ?, ?, ?)",  # noqa: S608
                        ((sender, *row) for sender in ids for row in held),
                    )
        return max(count, there)


def _settings_of(assistant: assistants.Ours) -> Settings:
    """Return its settings: whatever the environment says of another assistant's databases and keys is not meant."""
    folder = assistant.data
    return Settings(  # type: ignore[call-arg]
        _env_file=None,
        data_dir=folder,
        database_url=f"sqlite:///{folder / 'ketalink.db'}",
        tracker_database_url=f"sqlite:///{folder / 'conversations.db'}",
        encryption_keys=None,
        lookup_secret=None,
        session_secret=None,
    )


def _hold(talk: Talk) -> None:
    try:
        for text in HELD:
            talk.say(text)
    except NoAnswer as error:
        raise BenchmarkFailed(f"The conversation to be copied was not answered: {error}") from error
    finally:
        talk.close()


def _rows(session: Session, table: type[Base], conversation_id: str) -> list[Row]:
    """Return what a table holds of a conversation, decrypted."""
    query = sa.select(table)
    if table is TurnTopic:
        query = query.join(Turn, Turn.message_id == TurnTopic.message_id)
    of_it = (Message if table is Message else Turn).conversation_id == conversation_id
    return [
        {column.name: getattr(one, column.name) for column in table.__table__.columns}
        for one in session.scalars(query.where(of_it))
    ]


def _copy(held: dict[type[Base], list[Row]]) -> tuple[Row, dict[type[Base], list[Row]]]:
    """Return the same conversation, held by somebody else on another day."""
    earlier = timedelta(days=SPREAD_DAYS * random.random())  # noqa: S311
    fresh = {message["id"]: new_id() for message in held[Message]}
    conversation_id = new_id()

    def again(row: Row) -> Row:
        copied = {name: fresh.get(value, value) if isinstance(value, str) else value for name, value in row.items()}
        copied |= {name: value - earlier for name, value in row.items() if isinstance(value, datetime)}
        return copied | ({"conversation_id": conversation_id} if "conversation_id" in row else {})

    copies = {table: [again(row) for row in rows] for table, rows in held.items()}
    at = copies[Message][-1]["created_at"]
    return {"id": conversation_id, "channel": "widget", "created_at": at, "last_message_at": at}, copies


def _batches(count: int) -> Iterator[int]:
    while count > 0:
        yield min(count, AT_ONCE)
        count -= AT_ONCE
