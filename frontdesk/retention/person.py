"""What is kept of a person, found by their phone number."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import phonenumbers
import sqlalchemy as sa
from sqlalchemy.orm import Session

from frontdesk.chat.models import Conversation, Message, Sender
from frontdesk.db import Database
from frontdesk.encryption import Undecipherable
from frontdesk.fields.phone import DEFAULT_REGION, read_phone
from frontdesk.fields.reading import Accepted
from frontdesk.leads.keys import phone_key
from frontdesk.leads.models import ConsentRecord, Draft, Lead, LeadKey
from frontdesk.lookup import lookup_of
from frontdesk.sms.models import SmsOptOut
from frontdesk.sms.store import number_key
from frontdesk.trackers import in_batches

# Messages that are read in one short transaction: visitors write meanwhile.
AT_ONCE = 1_000
_NO_DIGITS = re.compile(r"[^0-9]+")
# Digits as people group them within one number.
_NUMBERS = re.compile(r"[0-9][0-9 ().+/–-]*")
# Fewer may be part of anybody's number.
_FEWEST_DIGITS = 7
# What text messages come from too. Nobody can be called back on it, so it is not read as a phone number.
_SHORT_CODE = re.compile(r"[0-9]{5,6}")


class NoPhoneNumber(Exception):
    """What was given is no phone number; the message does not repeat it."""

    def __init__(self) -> None:
        super().__init__("This is no phone number. Write it in full, for example 516-555-0142 or +15165550142.")


class Way(StrEnum):
    """How a conversation is known to be a person's."""

    REQUEST = "a request with this number was made in it"
    TEXTS = "text messages from this number"
    DRAFT = "a request with this number was begun in it"
    TYPED = "this number was typed in it"


@dataclass(frozen=True)
class Traces:
    """Ids of everything that is kept of the person with a number (E.164, without an extension).

    `shared` are those of the conversations in which requests with other numbers were made too, or which are the text
    messages of another number. `unreadable` messages could not be looked through: no key opens them.
    """

    number: str
    leads: frozenset[str]
    drafts: frozenset[str]
    conversations: dict[str, frozenset[Way]]
    shared: frozenset[str]
    opted_out_at: datetime | None
    unreadable: int = 0

    def __bool__(self) -> bool:
        """Tell whether there is anything."""
        return bool(self.leads or self.drafts or self.conversations or self.opted_out_at)


def e164(text: str) -> str:
    """Return the number in a text as it is stored, without an extension; raise NoPhoneNumber."""
    reading = read_phone(text)
    if isinstance(reading, Accepted):
        return str(reading.value).partition(";ext=")[0]
    sender = text.strip()
    if _SHORT_CODE.fullmatch(sender):
        return sender
    try:
        number = phonenumbers.parse(sender, DEFAULT_REGION)
    except phonenumbers.NumberParseException:
        raise NoPhoneNumber from None
    # Not "possible within one area" either: whose number that is, nobody can say.
    if phonenumbers.is_possible_number_with_reason(number) != phonenumbers.ValidationResult.IS_POSSIBLE:
        raise NoPhoneNumber
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def find_traces(database: Database, sms_secret: str, number: str) -> Traces:
    """Return what is kept of the person with this number.

    Requests and drafts are found by its keyed hash, text messages by theirs (`sms_secret` is the secret `lookup`).
    Nothing says whose a conversation is in which only the number was typed: every message is decrypted and looked
    through for it.
    """
    typed, unreadable = conversations_mentioning(database, number)
    with database.session() as session:
        key = phone_key(lookup_of(session), number)
        leads = set(session.scalars(sa.select(LeadKey.lead_id).where(LeadKey.key == key)))
        drafts = session.scalars(sa.select(Draft).where(Draft.phone_key == key)).all()
        texts = number_key(sms_secret, number)
        ways: defaultdict[str, set[Way]] = defaultdict(set)
        for conversation_id in _conversations_of(session, leads):
            ways[conversation_id].add(Way.REQUEST)
        for conversation_id in session.scalars(sa.select(Conversation.id).where(Conversation.sms_key == texts)):
            ways[conversation_id].add(Way.TEXTS)
        for draft in drafts:
            ways[draft.conversation_id].add(Way.DRAFT)
        for conversation_id in typed:
            ways[conversation_id].add(Way.TYPED)
        return Traces(
            number=number,
            leads=frozenset(leads),
            drafts=frozenset(draft.request_id for draft in drafts),
            conversations={conversation_id: frozenset(known) for conversation_id, known in ways.items()},
            shared=frozenset(_shared(session, ways, leads, texts)),
            opted_out_at=session.scalar(
                sa.select(SmsOptOut.opted_out_at).where(SmsOptOut.number_key == texts, SmsOptOut.opted_in_at.is_(None))
            ),
            unreadable=unreadable,
        )


def conversations_mentioning(database: Database, number: str) -> tuple[set[str], int]:
    """Return the conversations in which a visitor typed a number, in whatever groups of digits.

    The second value is how many messages no key opens: they must not keep the others from being found.
    """
    keyring = database.keyring
    if keyring is None:
        raise RuntimeError("This database was opened without its keys. Open it with `open_database`.")
    digits = _national(number)
    if len(digits) < _FEWEST_DIGITS:
        return set(), 0
    token = sa.type_coerce(Message.text, sa.Text())
    found: set[str] = set()
    unreadable, after = 0, ""
    while True:
        query = (
            sa.select(Message.id, Message.conversation_id, token.label("token"))
            .where(Message.id > after, Message.sender == Sender.VISITOR.value)
            .order_by(Message.id)
            .limit(AT_ONCE)
        )
        with database.session() as session:
            rows = session.execute(query).all()
        if not rows:
            return found, unreadable
        for row in rows:
            try:
                text = keyring.decrypt(row.token)
            except Undecipherable:
                unreadable += 1
                continue
            if _mentions(text, digits):
                found.add(row.conversation_id)
        after = rows[-1].id


def _mentions(text: str, digits: str) -> bool:
    written = _NUMBERS.findall(unicodedata.normalize("NFKC", text))
    return any(digits in _NO_DIGITS.sub("", number) for number in written)


def _national(number: str) -> str:
    """Return the digits of a number without its country code."""
    try:
        return str(phonenumbers.parse(number, DEFAULT_REGION).national_number)
    except phonenumbers.NumberParseException:
        return _NO_DIGITS.sub("", number)


def _conversations_of(session: Session, leads: Collection[str]) -> Iterator[str]:
    """Yield the conversations that requests were made in; one that joined an earlier request left its consent."""
    for some in in_batches(leads):
        for column, lead_id in (
            (Lead.conversation_id, Lead.id),
            (ConsentRecord.conversation_id, ConsentRecord.lead_id),
        ):
            yield from (one for one in session.scalars(sa.select(column).where(lead_id.in_(some))) if one)


def _shared(session: Session, conversations: Collection[str], leads: Collection[str], texts: str) -> Iterator[str]:
    for some in in_batches(conversations):
        for column, lead_id in (
            (Lead.conversation_id, Lead.id),
            (ConsentRecord.conversation_id, ConsentRecord.lead_id),
        ):
            rows = session.execute(sa.select(column, lead_id).where(column.in_(some), lead_id.is_not(None)))
            yield from (conversation_id for conversation_id, lead in rows if conversation_id and lead not in leads)
        yield from session.scalars(
            sa.select(Conversation.id).where(Conversation.id.in_(some), Conversation.sms_key != texts)
        )
