"""One text in, one text out: repeats, opting out, limits, and the assistant's reply as one SMS."""

import asyncio
import re
import weakref
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData

from frontdesk.chat.models import Channel
from frontdesk.chat.service import AssistantUnavailable, ChatService, EmptyMessage, MessageTooLong
from frontdesk.chat.store import ConversationNotFound, UnknownPayload
from frontdesk.db import Database
from frontdesk.limits import MessageLimit, TooManyRequests
from frontdesk.safety.guard import Alarm
from frontdesk.sms import store
from frontdesk.sms.compose import compose, plain
from frontdesk.sms.texts import Keyword, Keywords, SmsTexts, bare

log = structlog.get_logger(__name__)

# Twilio gives up after 15 seconds; until then there has to be a reply.
LONGEST_WAIT_SECONDS = 10.0
SILENCE = ""

_MESSAGE_SID = re.compile(r"[A-Za-z0-9]{1,64}")


class UnreadableSms(Exception):
    """A signed webhook that is no incoming text."""


@dataclass(frozen=True)
class InboundSms:
    """One incoming text. Pictures are not looked at, and never fetched."""

    message_sid: str
    sender: str
    body: str

    @classmethod
    def parse(cls, form: FormData) -> "InboundSms":
        """Read a webhook's form; raise UnreadableSms."""
        values = {name: str(form.get(name) or "") for name in ("MessageSid", "From", "Body")}
        if not _MESSAGE_SID.fullmatch(values["MessageSid"]) or not values["From"].strip():
            raise UnreadableSms
        return cls(values["MessageSid"], values["From"].strip(), values["Body"])


@dataclass(frozen=True)
class Turn:
    """Where a text belongs: its conversation, whether it is the first one, and the choice it picks, if there is one."""

    conversation_id: str
    is_first: bool
    payload: str | None
    is_no_choice: bool


class SmsDesk:
    """Answers texts, those of one number one after the other."""

    def __init__(
        self,
        database: Database,
        chat: ChatService,
        texts: SmsTexts,
        keywords: Keywords,
        limit: MessageLimit,
        secret: str,
    ) -> None:
        self._database = database
        self._chat = chat
        self._texts = texts
        self._keywords = keywords
        self._limit = limit
        self._secret = secret
        self._turns: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()
        self._running: set[asyncio.Task[str]] = set()

    async def answer(self, sms: InboundSms) -> str:
        """Return the text of the reply, or SILENCE.

        The same MessageSid again gets the same reply and does nothing twice. Only a reply that says to come
        back later (assistant down or slow, too many texts) is not kept: a repeat may get a better one.
        """
        alarm = self._chat.alarm_in(sms.body)
        if alarm is not None:
            return await self._help(alarm, sms)
        task = asyncio.create_task(self._in_turn(sms))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        # Not cancelled when it is late: what Rasa has understood by then must not be asked again.
        await asyncio.wait({task}, timeout=LONGEST_WAIT_SECONDS)
        if not task.done():
            log.warning("sms_late", message_sid=sms.message_sid)
            task.add_done_callback(_retrieve)
            return plain(self._texts.unavailable)
        try:
            return task.result()
        except SQLAlchemyError as error:
            log.error("sms_not_stored", message_sid=sms.message_sid, error=type(error).__name__)
            if self._keywords.find(sms.body) is not None:
                raise  # nothing may be confirmed that could not be noted down
            return plain(self._texts.unavailable)

    async def _help(self, alarm: Alarm, sms: InboundSms) -> str:
        """Answer danger, whatever else is broken, too fast or opted out."""

        async def open_conversation() -> str:
            key = store.number_key(self._secret, sms.sender)
            return (await run_in_threadpool(self._open, sms, key)).conversation_id

        reply = await self._chat.help(alarm, Channel.SMS, sms.body, open_conversation, sms.message_sid)
        log.info("sms_answered", message_sid=sms.message_sid)
        return compose(reply.messages, self._texts, first=False)

    async def _in_turn(self, sms: InboundSms) -> str:
        key = store.number_key(self._secret, sms.sender)
        lock = self._turns.setdefault(key, asyncio.Lock())
        async with lock:
            settled = await run_in_threadpool(self._settle, sms, key)
            if settled is not None:
                return settled
            try:
                self._limit.count(key)
            except TooManyRequests:
                log.warning("sms_too_fast", message_sid=sms.message_sid)
                return plain(self._texts.too_fast)
            turn = await run_in_threadpool(self._open, sms, key)
            try:
                messages = await self._messages(sms, turn)
            except (AssistantUnavailable, ConversationNotFound, UnknownPayload) as error:
                # Not known any more: somebody deleted the conversation just now.
                log.warning("sms_unavailable", message_sid=sms.message_sid, error=type(error).__name__)
                return plain(self._texts.unavailable)
            reply = compose(messages, self._texts, first=turn.is_first)
            log.info("sms_answered", message_sid=sms.message_sid)
            return await run_in_threadpool(self._keep, sms, reply, turn.conversation_id)

    async def _messages(self, sms: InboundSms, turn: Turn) -> list[dict[str, Any]]:
        if turn.is_no_choice:
            return [{"kind": "say", "text": self._texts.no_such_choice}]
        try:
            if turn.payload is not None:
                reply = await self._chat.press(turn.conversation_id, Channel.SMS, turn.payload, sms.message_sid)
            else:
                reply = await self._chat.say(turn.conversation_id, Channel.SMS, sms.body, sms.message_sid)
        except EmptyMessage:
            return [{"kind": "say", "text": self._texts.no_words}]
        except MessageTooLong:
            return [{"kind": "say", "text": self._texts.too_long}]
        return reply.messages

    def _settle(self, sms: InboundSms, key: str) -> str | None:
        """Return the reply to what needs no assistant: a repeat, STOP, START, HELP, an opted-out number."""
        with self._database.session() as session:
            kept = store.kept_reply(session, sms.message_sid)
            if kept is not None:
                log.info("sms_repeated", message_sid=sms.message_sid)
                return kept
            keyword = self._keywords.find(sms.body)
            if keyword is Keyword.START:
                store.opt_in(session, key)
                reply = self._texts.started
            elif keyword is Keyword.STOP:
                reply = self._texts.stopped if store.opt_out(session, key) else SILENCE
            elif store.is_opted_out(session, key):
                reply = SILENCE
            elif keyword is Keyword.HELP:
                reply = self._texts.help
            else:
                return None
            log.info("sms_keyword", message_sid=sms.message_sid, keyword=keyword.value if keyword else "opted_out")
            return store.keep_reply(session, sms.message_sid, plain(reply))

    def _open(self, sms: InboundSms, key: str) -> Turn:
        with self._database.session() as session:
            conversation = store.conversation_for(session, key)
            choices = store.open_choices(session, conversation.id)
            payload = _chosen(sms.body, choices)
            return Turn(
                conversation_id=conversation.id,
                is_first=not store.has_replies(session, conversation.id),
                payload=payload,
                is_no_choice=payload is None and bool(choices) and _is_short_number(sms.body),
            )

    def _keep(self, sms: InboundSms, reply: str, conversation_id: str) -> str:
        with self._database.session() as session:
            return store.keep_reply(session, sms.message_sid, reply, conversation_id)


def _chosen(body: str, choices: list[dict[str, Any]]) -> str | None:
    """Return the payload of the choice a text names by its number or its whole title."""
    titles = {bare(choice["title"]): choice["payload"] for choice in choices}
    numbers = {str(number): choice["payload"] for number, choice in enumerate(choices, 1)}
    words = bare(body)
    return (titles | numbers).get(words) if words else None


def _is_short_number(body: str) -> bool:
    """Tell a choice's number from a phone number or a sentence."""
    words = bare(body)
    return words.isdecimal() and len(words) <= 2


def _retrieve(task: asyncio.Task[str]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        log.error("sms_late_failed", error=type(error).__name__)
