"""Texts that staff write to a patient, and what staff see of a person's conversations."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from frontdesk.chat.models import Channel, Conversation, Message, Sender
from frontdesk.chat.store import conversation_of_number
from frontdesk.leads import keys
from frontdesk.leads.models import Lead, LeadKey
from frontdesk.lookup import lookup_of
from frontdesk.sms import store
from frontdesk.sms.compose import plain
from frontdesk.sms.models import SmsOutbound, TextKind
from frontdesk.sms.segments import segments
from frontdesk.sms.store import SentText
from frontdesk.sms.texts import SmsTexts

MOST_SEGMENTS = 2


class TextRefused(Exception):
    """A text that may not be sent; the message says why, in words for staff."""


@dataclass(frozen=True)
class Part:
    """One of a person's conversations, with what staff texted in it and what did not arrive."""

    conversation: Conversation
    messages: list[Message]
    texts: list[SentText]


@dataclass(frozen=True)
class StaffTexts:
    """Texts to the number of a request: never to one that opted out, and never saying what the clinic treats."""

    texts: SmsTexts
    secret: str
    can_send: bool

    def why_not(self, session: Session, lead: Lead) -> str | None:
        """Return why no text may be sent to the number of a request; None when one may."""
        if not self.can_send:
            return "Texts cannot be sent: no Twilio account is set up (TWILIO_ACCOUNT_SID)."
        if store.is_opted_out(session, store.number_key(self.secret, lead.phone)):
            return "This number has opted out of texts. Nothing is sent to it until its owner texts START."
        if not lead.consent_given:
            return "This person did not agree to be contacted."
        return None

    def send(self, session: Session, lead: Lead, words: str, written_by: str, now: datetime) -> SmsOutbound:
        """Have a text sent, in the morning if it is night; raise TextRefused."""
        why_not = self.why_not(session, lead)
        if why_not:
            raise TextRefused(why_not)
        words = plain(words)
        if not words:
            raise TextRefused("The text is empty. Write something first.")
        key = store.number_key(self.secret, lead.phone)
        known = conversation_of_number(session, key)
        allowed = self._said_by_patient(session, lead, known)
        said = [word for word, parts in self._unsaid_in(words).items() if not parts <= allowed]
        if said:
            raise TextRefused(
                f"Others may see a text on a locked screen, so it may not hold words about a condition or a treatment "
                f"that the patient has not used first: {', '.join(said)}. Nothing was sent."
            )
        body = self.texts.staff.format(words=words)
        if segments(body) > MOST_SEGMENTS:
            raise TextRefused(f"The text is too long: {len(words)} characters. About 250 fit. Nothing was sent.")
        conversation = known or store.conversation_for(session, key)
        if store.address_of(session, conversation.id) is None:
            store.note_number(session, conversation.id, lead.phone, None)
        return store.add_text(session, conversation.id, TextKind.STAFF, body, written_by=written_by, now=now)

    def _unsaid_in(self, words: str) -> dict[str, set[str]]:
        """Return the words of a text that say what the clinic treats, each with what of it says so."""
        found = {
            word.strip(".,;:!?()'\""): {part for part in self.texts.not_in_staff_texts if part in word}
            for word in words.casefold().split()
        }
        return {word: parts for word, parts in found.items() if parts}

    def _said_by_patient(self, session: Session, lead: Lead, known: Conversation | None) -> set[str]:
        own = [id for id in (lead.conversation_id, known.id if known else None) if id]
        written = session.scalars(
            sa.select(Message).where(Message.conversation_id.in_(own), Message.sender == Sender.VISITOR.value)
        )
        said = " ".join([lead.reason or "", *(message.text for message in written)])
        return {part for parts in self._unsaid_in(said).values() for part in parts}

    # ----------------------------------------------------------------------- what staff see

    def parts_of_lead(self, session: Session, lead: Lead) -> list[Part]:
        """Return every conversation from the number of a request, and the one it was made in, oldest first."""
        own = {lead.conversation_id} if lead.conversation_id else set()
        return self._parts(session, own | self._of_phones(session, {lead.phone}))

    def parts_of_conversation(self, session: Session, conversation_id: str) -> list[Part]:
        """Return a conversation with the others from the same number, oldest first."""
        address = store.address_of(session, conversation_id)
        phones = {store.phone_of(address)} if address else set()
        phones |= set(session.scalars(sa.select(Lead.phone).where(Lead.conversation_id == conversation_id)))
        return self._parts(session, {conversation_id} | self._of_phones(session, phones))

    def _of_phones(self, session: Session, phones: Collection[str]) -> set[str]:
        lookup = lookup_of(session)
        by_request = session.scalars(
            sa.select(Lead.conversation_id)
            .join(LeadKey, LeadKey.lead_id == Lead.id)
            .where(LeadKey.key.in_([keys.phone_key(lookup, phone) for phone in phones]))
        )
        by_text = session.scalars(
            sa.select(Conversation.id).where(
                Conversation.sms_key.in_([store.number_key(self.secret, phone) for phone in phones])
            )
        )
        return {id for id in (*by_request, *by_text) if id}

    def _parts(self, session: Session, ids: Collection[str]) -> list[Part]:
        conversations: Sequence[Conversation] = session.scalars(
            sa.select(Conversation).where(Conversation.id.in_(ids)).order_by(Conversation.created_at)
        ).all()
        return [
            Part(
                conversation,
                list(
                    session.scalars(
                        sa.select(Message).where(Message.conversation_id == conversation.id).order_by(Message.position)
                    )
                ),
                store.texts_to_show(session, [conversation.id]) if conversation.channel == Channel.SMS else [],
            )
            for conversation in conversations
        ]
