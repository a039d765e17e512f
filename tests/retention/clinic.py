"""A clinic with patients: both databases as an assistant that has run for a while leaves them."""

import json
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from frontdesk.backup.tables import LEFT_OUT, records, stored_tables, table_names
from frontdesk.chat import store
from frontdesk.chat.models import Channel, Conversation, Message
from frontdesk.console.accounts import create_account
from frontdesk.console.models import Role
from frontdesk.db import Base, Database, open_database, utc_now
from frontdesk.encryption import keyring_of
from frontdesk.leads import repository
from frontdesk.leads.models import Lead, LeadNote, LeadStatus
from frontdesk.leads.repository import Consent, NewLead, PreferredTime
from frontdesk.retention.policy import Policy
from frontdesk.retention.purge import Purge
from frontdesk.settings import Settings
from frontdesk.sms import store as sms_store
from frontdesk.trackers import TRACKERS, Trackers, open_trackers
from tests.conftest import NEW_YORK

NOW = utc_now().replace(microsecond=0)
ANA, BO, CAM = "+15165550142", "+15165550143", "+15165550144"
SECRET_OF_TESTS = "only for tests, at least 32 characters"
WORDS = "May the clinic contact you?"


def days(number: float) -> timedelta:
    """Return so many days."""
    return timedelta(days=number)


@dataclass
class Clinic:
    """One assistant's data, and the hands to put more there. Times in the past are given as days ago."""

    settings: Settings
    database: Database
    trackers: Trackers

    @classmethod
    def opened(cls, settings: Settings, remembering: bool = True) -> "Clinic":
        """Open a clinic's databases; `remembering`: Rasa has run too."""
        database = open_database(settings)
        database.migrate()
        trackers = open_trackers(settings)
        if remembering:
            trackers.create()
        return cls(settings, database, trackers)

    def close(self) -> None:
        """Close the databases."""
        self.trackers.database.close()
        self.database.close()

    @property
    def purge(self) -> Purge:
        """Return the purge as the settings have it."""
        return Purge(self.database, self.trackers, Policy.of(self.settings))

    def conversation(
        self, *said: str, ago: float = 0, number: str | None = None, alarm: bool = False, remembered: bool = True
    ) -> str:
        """Have a conversation, by text messages if there is a number; return its id."""
        with self.database.session() as session:
            if number is None:
                conversation = store.start_conversation(session, Channel.WIDGET)
            else:
                key = sms_store.number_key(self.settings.secret("lookup"), number)
                conversation = sms_store.conversation_for(session, key)
            for count, text in enumerate(said, 1):
                message = store.add_inbound(session, conversation.id, text, None)
                noticed = {"safety": {"level": "crisis"}} if alarm else {"intent": f"about {text}"}
                store.add_replies(session, message, [{"kind": "say", "text": f"You said: {text}"}], noticed)
                if number is not None:
                    sid = f"SM{conversation.id[:8]}{count}"
                    sms_store.keep_reply(session, sid, f"You texted: {text}", conversation.id)
            conversation.last_message_at = NOW - days(ago)
        if remembered:
            self.remember(conversation.id, {"slots": list(said)}, ago)
        return conversation.id

    def remember(self, conversation_id: str, what: Any, ago: float = 0) -> None:
        """Have Rasa remember something of a conversation."""
        keyring = keyring_of(self.settings)
        values = {
            "sender_id": conversation_id,
            "data": keyring.encrypt(json.dumps(what)),
            "updated_at": time.time() - days(ago).total_seconds(),
        }
        with self.trackers.database.engine.begin() as connection:
            connection.execute(sa.insert(TRACKERS), values)

    def lead(
        self,
        phone: str,
        conversation_id: str | None = None,
        *,
        name: str = "Ana Ruiz",
        status: LeadStatus = LeadStatus.NEW,
        ago: float = 0,
        run: str | None = None,
        **changes: Any,
    ) -> str:
        """Save a request, with a note of staff's; return its id."""
        made_at = NOW - days(ago)
        values: dict[str, Any] = {
            "request_id": run or f"run-{_number(name, phone, ago)}",
            "conversation_id": conversation_id,
            "channel": "widget",
            "full_name": name,
            "phone": phone,
            "email": f"{name.split()[0].lower()}@example.com",
            "patient_type": "new",
            "reason": f"the reason of {name}",
            "preferred_time": PreferredTime("next Tuesday", None, "morning"),
            "consent": Consent(WORDS, made_at),
            "phone_typed": phone[2:],
        } | changes
        with self.database.session() as session:
            lead = repository.save_once(session, NewLead(**values), NEW_YORK, made_at).lead
            lead.notes.append(LeadNote(author="staff@example.com", text=f"a note on {name}", created_at=made_at))
            session.flush()
            if status is not LeadStatus.NEW:
                repository.change_status(session, lead.id, status, "staff@example.com")
            lead.updated_at = made_at
            return lead.id

    def draft(self, phone: str, conversation_id: str, name: str = "Ana Ruiz", ago: float = 0) -> str:
        """Begin a request; return the id of the run."""
        run = f"draft-{_number(name, phone, ago)}"
        data = {"full_name": name, "phone": phone}
        with self.database.session() as session:
            repository.keep_draft(session, run, conversation_id, data, phone, NOW - days(ago))
        return run

    def opt_out(self, number: str) -> None:
        """Have a number ask for silence."""
        with self.database.session() as session:
            sms_store.opt_out(session, sms_store.number_key(self.settings.secret("lookup"), number))

    def employ(self, email: str = "staff@example.com") -> None:
        """Make an account."""
        with self.database.session() as session:
            create_account(session, email, "correct horse battery staple", Role.STAFF)

    # ------------------------------------------------------------------ looking

    def ids(self, column: Any) -> set[Any]:
        """Return what there is in a column."""
        with self.database.session() as session:
            return set(session.scalars(sa.select(column)))

    def remembered(self) -> set[str]:
        """Return the conversations that Rasa remembers."""
        if not self.trackers.exist():
            return set()
        with self.trackers.database.engine.connect() as connection:
            return set(connection.scalars(sa.select(TRACKERS.c.sender_id)))

    def everything(self) -> dict[str, list[dict[str, Any]]]:
        """Return every row of both databases as it is stored, by table."""
        with self.database.snapshot() as connection:
            tables = stored_tables(connection, [*table_names(), *LEFT_OUT])
            assert {table.name for table in tables} == set(Base.metadata.tables)
            found = {table.name: list(records(connection, table)) for table in tables}
        if self.trackers.exist():
            with self.trackers.database.snapshot() as connection:
                found[TRACKERS.name] = list(records(connection, TRACKERS))
        return found

    def records(self) -> list[dict[str, Any]]:
        """Return every request as exports have it."""
        with self.database.session() as session:
            return [repository.as_record(lead) for lead in repository.oldest_first(session)]

    def transcripts(self) -> dict[str, list[tuple[str, str]]]:
        """Return every conversation, in clear text."""
        with self.database.session() as session:
            return {
                one: [(message.sender, message.text) for message in store.transcript(session, one)]
                for one in session.scalars(sa.select(Conversation.id))
            }

    def pieces_of(self, *, leads: Sequence[str] = (), conversations: Sequence[str] = ()) -> list[str]:
        """Return what the files hold of these in the form in which it is stored: tokens, search keys."""
        everything = self.everything()
        own = [
            *(row for row in everything["leads"] if row["id"] in leads),
            *(row for row in everything["lead_notes"] if row["lead_id"] in leads),
            *(row for row in everything["lead_keys"] if row["lead_id"] in leads),
            *(row for row in everything["messages"] if row["conversation_id"] in conversations),
            *(row for row in everything["sms_receipts"] if row["conversation_id"] in conversations),
            *(row for row in everything["drafts"] if row["conversation_id"] in conversations),
            *(row for row in everything["conversations"] if row["id"] in conversations),
            *(row for row in everything[TRACKERS.name] if row["sender_id"] in conversations),
        ]
        wanted = ("full_name", "phone", "reason", "text", "content", "understood", "reply", "data", "key", "sms_key")
        return sorted({str(row[name]) for row in own for name in wanted if row.get(name)})


def _number(*values: object) -> int:
    """Return a number for these values that says nothing of them."""
    return zlib.crc32(repr(values).encode())


def files_with(folder: Path, pieces: Sequence[str]) -> dict[str, int]:
    """Return how many of the pieces, or of what they begin with, are in each file of a folder that has any."""
    found = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        count = sum(piece.encode() in content or piece[:48].encode() in content for piece in pieces)
        if count:
            found[path.name] = count
    return found


__all__ = ["ANA", "BO", "CAM", "NOW", "Clinic", "Lead", "Message", "days", "files_with"]
