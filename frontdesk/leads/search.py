"""Finding requests by phone number, e-mail address or name, and those that may be the same person's."""

import re
from collections.abc import Sequence
from typing import TypeVarTuple

import phonenumbers
import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased, selectinload

from frontdesk.fields.phone import DEFAULT_REGION
from frontdesk.leads import keys
from frontdesk.leads.models import KeyKind, Lead, LeadKey
from frontdesk.lookup import lookup_of

_Columns = TypeVarTuple("_Columns")

_REFERENCE = re.compile(r"KL-?([0-9A-Z]{7})", re.IGNORECASE)
_LOOKS_LIKE_PHONE = re.compile(r"[+(]?[0-9][0-9()\s./+-]*(?:\s*(?:ext|x|#)\.?\s*[0-9]+)?", re.IGNORECASE)
# Shorter ones are parts of a number: they are compared with its end.
_FEWEST_DIGITS_OF_A_NUMBER = 10
_WITH_NOTES = sa.select(Lead).options(selectinload(Lead.notes))
# The same phone number, address or whole name.
_SAME_PERSON = (KeyKind.PHONE.value, KeyKind.EMAIL.value, KeyKind.NAME.value)


def search(session: Session, text: str, limit: int = 50) -> Sequence[Lead]:
    """Return requests with their notes, newest first, that a person looking for `text` means.

    A reference; a phone number in any spelling, or its last digits (four or more); an e-mail address; or words of a
    name, all of which have to be in it. Capitals, accents and apostrophes do not matter.
    """
    text = text.strip()
    lookup = lookup_of(session)
    reference = _REFERENCE.fullmatch(text)
    if reference:
        return session.scalars(_WITH_NOTES.where(Lead.reference == f"KL-{reference[1].upper()}")).all()
    if "@" in text:
        return _newest(session, [keys.email_key(lookup, text)], limit)
    if _LOOKS_LIKE_PHONE.fullmatch(text):
        return _by_phone(session, text, limit)
    wanted = [keys.name_word_key(lookup, word) for word in dict.fromkeys(keys.name_words(text))]
    return _newest(session, _rarest_first(session, wanted), limit) if wanted else []


def likely_doubles(session: Session, lead: Lead, limit: int = 20) -> Sequence[Lead]:
    """Return other requests with the same phone number, e-mail address or whole name, newest first."""
    own, other = aliased(LeadKey), aliased(LeadKey)
    same = (
        sa.select(other.lead_id)
        .join(own, own.key == other.key)
        .where(own.lead_id == lead.id, own.kind.in_(_SAME_PERSON), other.lead_id != lead.id)
    )
    return session.scalars(
        _WITH_NOTES.where(Lead.id.in_(same)).order_by(Lead.created_at.desc(), Lead.id).limit(limit)
    ).all()


def _by_phone(session: Session, text: str, limit: int) -> Sequence[Lead]:
    lookup = lookup_of(session)
    digits = "".join(re.findall(r"[0-9]", text))
    ends = [end for end in keys.PHONE_ENDS if end <= len(digits)]
    if not ends:
        return []
    if len(digits) >= _FEWEST_DIGITS_OF_A_NUMBER:
        try:
            number = phonenumbers.parse(text, DEFAULT_REGION)
        except phonenumbers.NumberParseException:
            return []
        e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        return _newest(session, [keys.phone_key(lookup, e164)], limit)
    end = [keys.phone_end_key(lookup, digits[-max(ends) :])]
    if len(digits) in ends:
        return _newest(session, end, limit)
    ends_alike = session.execute(_with_keys(sa.select(Lead.id, Lead.phone), end))
    found = [lead_id for lead_id, phone in ends_alike if phone.endswith(digits)][:limit]
    return session.scalars(_WITH_NOTES.where(Lead.id.in_(found)).order_by(Lead.created_at.desc(), Lead.id)).all()


def _newest(session: Session, wanted: Sequence[str], limit: int) -> Sequence[Lead]:
    return session.scalars(_with_keys(_WITH_NOTES, wanted).limit(limit)).all()


def _with_keys(query: sa.Select[*_Columns], wanted: Sequence[str]) -> sa.Select[*_Columns]:
    """Narrow a query of requests to those with every key, newest first, which is the order of the first one's index."""
    first, *others = wanted
    query = query.join(LeadKey, LeadKey.lead_id == Lead.id).where(LeadKey.key == first)
    for key in others:
        other = aliased(LeadKey)
        query = query.where(sa.exists().where(other.lead_id == LeadKey.lead_id, other.key == key))
    return query.order_by(LeadKey.created_at.desc())


def _rarest_first(session: Session, wanted: Sequence[str]) -> Sequence[str]:
    """Return the keys with the one first that the fewest requests have: its requests are looked through."""
    if len(wanted) == 1:
        return wanted
    enough = 1_000  # beyond that it is common, however common
    some = [sa.select(LeadKey.lead_id).where(LeadKey.key == key).limit(enough).subquery() for key in wanted]
    counts = session.execute(
        sa.select(*(sa.select(sa.func.count()).select_from(rows).scalar_subquery() for rows in some))
    ).one()
    return [key for _, key in sorted(zip(counts, wanted, strict=True))]
