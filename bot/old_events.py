"""Databases from before conversations were encrypted: Rasa's own table `events`, one row an event, in clear text."""

import json
import logging
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from rasa.shared.core.events import Event, SessionStarted

from bot.compaction import compacted, slots_named_in
from bot.encryption import Keyring
from bot.tracker_table import trackers

logger = logging.getLogger(__name__)

events = sa.table("events", *(sa.column(name) for name in ("id", "sender_id", "timestamp", "type_name", "data")))


def convert_events(connection: sa.engine.Connection, keyring: Keyring) -> int:
    """Move every conversation of an old table to the new one, drop the old one; return how many there were.

    A conversation that cannot be read, which Rasa could not read either, is left out.
    """
    if not _is_there(connection):
        return 0
    moved = 0
    for sender_id in connection.scalars(sa.select(events.c.sender_id).distinct()).all():
        rows = connection.scalars(
            sa.select(events.c.data).where(events.c.sender_id == sender_id).order_by(events.c.id)
        ).all()
        try:
            kept, updated_at = _latest_session(rows)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            logger.warning("old_conversation_unreadable conversation=%s error=%s", sender_id, type(error).__name__)
            continue
        token = keyring.encrypt(json.dumps(kept))
        connection.execute(sa.insert(trackers).values(sender_id=sender_id, data=token, updated_at=updated_at))
        moved += 1
    connection.execute(sa.text("DROP TABLE events"))
    return moved


def _is_there(connection: sa.engine.Connection) -> bool:
    inspector = sa.inspect(connection)
    if not inspector.has_table(events.name):
        return False
    # Another program's table may have the same name.
    return {column["name"] for column in inspector.get_columns(events.name)} >= set(events.c.keys())


def _latest_session(rows: Sequence[str]) -> tuple[list[dict[str, Any]], float]:
    """Return what to keep of a conversation, and when it was last written to; raise what unreadable JSON raises."""
    found: list[Event] = []
    for row in rows:
        event = Event.from_parameters(json.loads(row))
        if event is None:
            raise ValueError("not an event")
        if isinstance(event, SessionStarted):
            found.clear()
        found.append(event)
    return compacted(found, slots_named_in(found)), float(found[-1].timestamp)
