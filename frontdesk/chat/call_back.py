"""Taking a name and a number for a call back while Rasa or the action server is down.

What was given so far is in the assistant's last message, under `call_back`: nothing else has to be kept, and whoever
answers a minute later, when everything works again, is still understood.
"""

import re
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import phonenumbers
import yaml

from frontdesk.chat.models import Channel
from frontdesk.clinic import Clinic
from frontdesk.db import Database, new_id
from frontdesk.fields.facts import find_facts, without
from frontdesk.fields.name import read_name
from frontdesk.fields.phone import read_phone
from frontdesk.fields.reading import Accepted, is_no, is_yes
from frontdesk.leads.saving import Consent, NewLead, record_refusal, save_once
from frontdesk.settings import PROJECT, SettingsError
from frontdesk.sms.store import callable_number

TEXTS = PROJECT / "data" / "call_back.yml"
PENDING = "call_back"  # in a message's content
_TEXTS_NEEDED = (
    *("offer", "ask_contact", "ask_name", "read_back", "consent", "saved", "refused", "unclear", "note", "stale"),
)
_WANTS_A_CALL = re.compile(
    r"\b(?:call|phone|ring)\s+(?:me|us)\b|\bcall[\s-]?backs?\b|\bappointment\b|\bappt\b|\bspeak (?:to|with)\b",
    re.IGNORECASE,
)
_YES_NO = ({"title": "Yes, contact me", "payload": "Yes"}, {"title": "No", "payload": "No"})


@dataclass(frozen=True)
class Pending:
    """A call back that is being taken. `phone` is E.164, with `;ext=` when there is an extension."""

    request_id: str
    full_name: str | None = None
    phone: str | None = None
    phone_typed: str | None = None


@dataclass(frozen=True)
class CallBacks:
    """Takes call backs, in reviewed words."""

    database: Database
    timezone: ZoneInfo
    texts: dict[str, str]

    def begin(self, text: str, conversation_id: str, now: datetime, *, in_form: bool) -> dict[str, Any] | None:
        """Return the reply to a message that cannot be answered now, if it holds a number or asks to be called.

        In the middle of the form only a name and a number together are no answer to the form's question. By text the
        number is known.
        """
        found = self._read(text, Pending(new_id()), now)
        if in_form and not (found.full_name and found.phone):
            return None
        reply = self._ask(found, asked_for=bool(_WANTS_A_CALL.search(text)))
        if reply is None or found.phone:
            return reply
        with self.database.session() as session:
            number = callable_number(session, conversation_id)
        return self._ask(replace(found, phone=number), asked_for=True)

    def go_on(
        self, pending: dict[str, Any], text: str, conversation_id: str, channel: Channel, now: datetime
    ) -> dict[str, Any] | None:
        """Return the reply to a message after one of these questions; None when it is about something else."""
        known = Pending(**pending)
        if known.full_name and known.phone:
            if is_yes(text):
                return self._save(known, conversation_id, channel, now)
            if is_no(text):
                return self._refuse(known, conversation_id, channel, now)
        more = self._read(text, known, now)
        return self._ask(more, asked_for=False) if more != known else None

    def stale(self) -> dict[str, Any]:
        """Return what is said to a button of a question that was answered before."""
        return {"kind": "say", "text": self.texts["stale"], "buttons": []}

    def _read(self, text: str, known: Pending, now: datetime) -> Pending:
        facts = find_facts(text, now.astimezone(self.timezone).date())
        found = {fact.field: fact for fact in facts}
        phone, typed, name = known.phone, known.phone_typed, known.full_name
        reading = read_phone(text)
        if "phone" in found:
            phone, typed = found["phone"].value, found["phone"].typed
        elif isinstance(reading, Accepted):
            phone = reading.value
        if "full_name" in found:
            name = found["full_name"].value
        elif phone and not name:
            rest = read_name(without(text, facts))
            name = rest.value if isinstance(rest, Accepted) else name
        return Pending(known.request_id, name, phone, typed)

    def _ask(self, pending: Pending, *, asked_for: bool) -> dict[str, Any] | None:
        if pending.full_name and pending.phone:
            text = f"{self._read_back(pending)} {self.texts['consent']}"
            return self._question(text, "consent", pending, _YES_NO)
        if pending.phone:
            return self._question(self.texts["ask_name"], "full_name", pending)
        if pending.full_name or asked_for:
            return self._question(self.texts["ask_contact"], "phone", pending)
        return None

    def _question(
        self, text: str, field: str, pending: Pending, buttons: tuple[dict[str, str], ...] = ()
    ) -> dict[str, Any]:
        return {
            "kind": "question",
            "field": field,
            "text": text,
            "buttons": [dict(button) for button in buttons],
            PENDING: asdict(pending),
        }

    def _read_back(self, pending: Pending) -> str:
        number = phonenumbers.parse(pending.phone or "")
        readable = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
        return self.texts["read_back"].format(name=pending.full_name, phone=readable.removeprefix("+1 "))

    def _save(self, pending: Pending, conversation_id: str, channel: Channel, now: datetime) -> dict[str, Any]:
        phone, _, extension = (pending.phone or "").partition(";ext=")
        notes = (self.texts["note"], *([f"Phone extension: {extension}"] if extension else []))
        lead = NewLead(
            request_id=pending.request_id,
            conversation_id=conversation_id,
            channel=channel.value,
            full_name=pending.full_name or "",
            phone=phone,
            phone_typed=pending.phone_typed,
            email=None,
            patient_type=None,
            reason=None,
            preferred_time=None,
            consent=Consent(self.texts["consent"], now),
            notes=notes,
        )
        with self.database.session() as session:
            reference = save_once(session, lead, self.timezone).lead.reference
        text = self.texts["saved"].format(lead=reference)
        return {"kind": "confirmation", "text": text, "lead": reference, "buttons": []}

    def _refuse(self, pending: Pending, conversation_id: str, channel: Channel, now: datetime) -> dict[str, Any]:
        with self.database.session() as session:
            consent = Consent(self.texts["consent"], now)
            record_refusal(session, pending.request_id, conversation_id, channel.value, consent)
        return {"kind": "say", "text": self.texts["refused"], "buttons": []}


def load_texts(clinic: Clinic, path: Path = TEXTS) -> dict[str, str]:
    """Read the wording; raise SettingsError for what is missing."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))["call_back"]
        texts = {name: " ".join(str(content[name]).split()) for name in _TEXTS_NEEDED}
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError) as error:
        raise SettingsError(f"{path} cannot be read, or lacks a text: {error!r}") from error
    return texts | {"refused": texts["refused"].format(contact=clinic.contact_line())}
