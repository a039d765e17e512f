"""One text in, one text out: repeats, opting out, limits, and the assistant's reply as one SMS.

Twilio's webhook is answered within a second. What is not ready by then is owed: the reply says that the answer follows,
the words are kept with it, and the answer goes out by the outbox, once, even if everything is restarted in between.
Where nothing can be sent afterwards (no TWILIO_ACCOUNT_SID), the reply asks to text again.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from frontdesk.chat import store as chat_store
from frontdesk.chat.models import Channel
from frontdesk.chat.service import AssistantUnavailable, ChatService, EmptyMessage, MessageTooLong
from frontdesk.chat.store import ConversationNotFound, UnknownPayload
from frontdesk.db import Database, utc_now
from frontdesk.limits import MessageLimit, TooManyRequests
from frontdesk.metrics import SMS_RECEIVED, Failure, SmsOutcome, count_sms_status, report
from frontdesk.safety.guard import Alarm
from frontdesk.sms import store
from frontdesk.sms.compose import Composed, compose, is_danger, plain
from frontdesk.sms.inbound import InboundSms, StatusNotice
from frontdesk.sms.models import OptOutSource, SmsNumber, SmsOutbound, TextKind
from frontdesk.sms.sending import OPTED_OUT
from frontdesk.sms.store import Debt
from frontdesk.sms.texts import Keyword, Keywords, SmsTexts, bare
from frontdesk.turns import SharedTurns, Turns

log = structlog.get_logger(__name__)

# Until then there is a reply, whatever is slow. Noting that the answer follows takes a few hundredths of a second more.
LONGEST_WAIT_SECONDS = 0.75
LONGEST_NOTE_SECONDS = 0.15
SILENCE = ""
# Of several texts in a row that all have to wait, one is told so.
ASKED_TO_WAIT_FOR = timedelta(seconds=30)
# What is owed is looked for this often; longer than this, somebody would not wait.
LOOK_EVERY_SECONDS = 3.0
OWED_AT_MOST = timedelta(minutes=15)
_TWILIO_KEYWORDS = {"STOP": Keyword.STOP, "START": Keyword.START, "HELP": Keyword.HELP}


@dataclass(frozen=True)
class Limits:
    """How many texts a minute: of one number, of all together; and how often a number is told that it is too fast."""

    number: MessageLimit
    all_numbers: MessageLimit
    told: MessageLimit


@dataclass(frozen=True)
class Turn:
    """Where a text belongs: its conversation, and what it answers."""

    conversation_id: str
    reply: str | None = None  # what it got already
    is_in_debt: bool = False  # an earlier text waits for its answer
    payload: str | None = None  # of the choice that it picks
    is_no_choice: bool = False
    rest: str | None = None  # of the last answer, which it asks for


@dataclass(frozen=True)
class Handled:
    """The reply to a text; `is_new` when it was found just now, and no webhook has had it yet."""

    reply: str
    is_new: bool = False


class SmsDesk:
    """Answers texts, those of one number one after the other."""

    def __init__(
        self,
        database: Database,
        chat: ChatService,
        texts: SmsTexts,
        keywords: Keywords,
        limits: Limits,
        secret: str,
        *,
        can_send: bool,
        shared_turns: SharedTurns | None = None,
    ) -> None:
        self._database = database
        self._chat = chat
        self._texts = texts
        self._keywords = keywords
        self._limits = limits
        self._secret = secret
        self._can_send = can_send
        self._turns = Turns("sms", shared_turns)
        self._running: dict[str, asyncio.Task[Handled]] = {}
        self._replies: dict[str, asyncio.Task[str]] = {}
        self._made_up: set[str] = set()
        self._besides: set[asyncio.Task[str]] = set()

    @property
    def chat(self) -> ChatService:
        """What answers the texts."""
        return self._chat

    def reword(self, texts: SmsTexts) -> None:
        """Say from now on what has changed about the clinic."""
        self._texts = texts

    async def answer(self, sms: InboundSms) -> str:
        """Return the text of the reply, or SILENCE.

        The same MessageSid again gets the same reply and does nothing twice. Only a reply that says to come
        back later, where nothing can be sent afterwards, is not kept: a repeat may get a better one.
        """
        alarm = self._chat.alarm_in(sms.body)
        if alarm is not None:
            SMS_RECEIVED.labels(SmsOutcome.DANGER).inc()
            return await self._help(alarm, sms)
        reply = self._replies.get(sms.message_sid)
        if reply is None:
            reply = asyncio.create_task(self._reply(sms))
            self._replies[sms.message_sid] = reply
            reply.add_done_callback(lambda _: self._forget(sms.message_sid))
        # Whoever asks at the same time gets the same, even when another one hangs up.
        return await asyncio.shield(reply)

    async def note(self, notice: StatusNotice, text_id: str | None, reply_to: str | None) -> None:
        """Note what became of a text; one that Twilio refused to send (21610) opts its number out."""
        await run_in_threadpool(self._note, notice, text_id, reply_to)

    async def pay_debts(self) -> None:
        """Answer what was promised an answer and nobody is about to answer: after a restart, or when Rasa was down."""
        owed = await run_in_threadpool(self._debts)
        for key in dict.fromkeys(debt.number_key for debt in owed):
            if not self._turns.is_taken(key):
                async with self._turns.turn(key):
                    if not await self._pay(next(debt.conversation_id for debt in owed if debt.number_key == key)):
                        return  # the assistant is down for the others too

    # ----------------------------------------------------------------------- one text

    async def _help(self, alarm: Alarm, sms: InboundSms) -> str:
        """Answer danger, whatever else is broken, too fast or opted out."""

        async def open_conversation() -> str:
            key = store.number_key(self._secret, sms.sender)
            return (await run_in_threadpool(self._open, sms, key)).conversation_id

        reply = await self._chat.help(alarm, Channel.SMS, sms.body, open_conversation, sms.message_sid)
        log.info("sms_answered", message_sid=sms.message_sid)
        text = compose(reply.messages, self._texts, first=False).text
        if reply.conversation_id is not None:
            # Staff have to know when this does not arrive; the reply does not wait for it.
            keeping = run_in_threadpool(self._keep, sms, text, reply.conversation_id)
            self._keep_running(asyncio.create_task(keeping))
        return text

    async def _reply(self, sms: InboundSms) -> str:
        """Return what a webhook is answered with: the answer if it is ready in time, else that it follows."""
        key = store.number_key(self._secret, sms.sender)
        task = self._running.get(sms.message_sid)  # of an earlier webhook, whose answer was late
        if task is None:
            task = asyncio.create_task(self._handle(sms, key))
            self._running[sms.message_sid] = task
            task.add_done_callback(lambda _: self._running.pop(sms.message_sid, None))
        # Not cancelled when it is late: what Rasa has understood by then must not be asked again.
        await asyncio.wait({task}, timeout=LONGEST_WAIT_SECONDS)
        SMS_RECEIVED.labels(SmsOutcome.ANSWERED if task.done() else SmsOutcome.LATE).inc()
        try:
            return task.result().reply if task.done() else await self._late(sms, key, task)
        except SQLAlchemyError as error:
            report(log, Failure.SMS_NOT_STORED, message_sid=sms.message_sid, error=type(error).__name__)
            if self._keyword(sms) is not None:
                raise  # nothing may be confirmed that could not be noted down
            return plain(self._texts.unavailable)

    def _forget(self, message_sid: str) -> None:
        if message_sid not in self._made_up:
            self._replies.pop(message_sid, None)

    async def _handle(self, sms: InboundSms, key: str) -> Handled:
        settled = await run_in_threadpool(self._settle, sms, key)
        if settled is not None:
            return Handled(settled)
        try:
            self._limits.number.count(key)
            self._limits.all_numbers.count("")
        except TooManyRequests:
            log.warning("sms_too_fast", message_sid=sms.message_sid)
            return Handled(self._too_fast(key))
        async with self._turns.turn(key):
            turn = await run_in_threadpool(self._open, sms, key)
            if turn.reply is not None:
                return Handled(turn.reply)
            is_paid = not turn.is_in_debt or await self._pay(turn.conversation_id)
            answered = await self._answered(sms, key, None if turn.is_in_debt else turn) if is_paid else None
            if answered is not None:
                return answered
            if self._can_send:
                return Handled(await run_in_threadpool(self._owe, sms, key))
            return Handled(plain(self._texts.unavailable))

    def _too_fast(self, key: str) -> str:
        """Return the reply to one text too many; the next ones get none, or two programs would text for ever."""
        try:
            self._limits.told.count(key)
        except TooManyRequests:
            return SILENCE
        return plain(self._texts.too_fast)

    async def _late(self, sms: InboundSms, key: str, task: "asyncio.Task[Handled]") -> str:
        """Return the reply to a text whose answer is not there yet."""
        log.warning("sms_late", message_sid=sms.message_sid)
        task.add_done_callback(_retrieve)
        if not self._can_send:
            return plain(self._texts.unavailable)
        noting = asyncio.create_task(run_in_threadpool(self._owe, sms, key))
        await asyncio.wait({noting}, timeout=LONGEST_NOTE_SECONDS)
        if noting.done() and noting.exception() is None:
            return noting.result()
        told = plain(self._texts.unavailable)
        # Until that is stored, a repeat is told the same from here.
        self._made_up.add(sms.message_sid)
        self._keep_running(asyncio.create_task(self._make_up(sms, told, task, noting)))
        return told

    async def _make_up(
        self, sms: InboundSms, told: str, task: "asyncio.Task[Handled]", noting: "asyncio.Task[str]"
    ) -> str:
        """Send an answer that no webhook got, because it was ready just when that was told something else."""
        try:
            await asyncio.wait((task, noting))
            if task.cancelled() or task.exception() is not None or not task.result().is_new:
                return told  # there is none, or the webhook before this one has had it
            return await run_in_threadpool(self._send_unheard, sms, told)
        finally:
            self._made_up.discard(sms.message_sid)
            self._forget(sms.message_sid)

    def _keep_running(self, task: "asyncio.Task[str]") -> None:
        self._besides.add(task)
        task.add_done_callback(self._besides.discard)
        task.add_done_callback(_retrieve)

    async def _answered(self, sms: InboundSms, key: str, known: "Turn | None" = None) -> Handled | None:
        """Ask the assistant, and keep or send its reply; None when it is down. Whoever calls has the number's lock."""
        turn = known if known is not None else await run_in_threadpool(self._open, sms, key)
        try:
            messages = await self._messages(sms, turn)
        except (AssistantUnavailable, ConversationNotFound, UnknownPayload) as error:
            # Not known any more: somebody deleted the conversation just now.
            log.warning("sms_unavailable", message_sid=sms.message_sid, error=type(error).__name__)
            return None
        reply = await run_in_threadpool(self._finish, sms, key, turn.conversation_id, messages)
        log.info("sms_answered", message_sid=sms.message_sid)
        return reply

    async def _messages(self, sms: InboundSms, turn: Turn) -> list[dict[str, Any]]:
        if turn.rest is not None:
            return await run_in_threadpool(self._go_on, sms, turn)
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
        if sms.has_media and not is_danger(reply.messages):
            return [{"kind": "say", "text": self._texts.picture_unseen}, *reply.messages]
        return reply.messages

    async def _pay(self, conversation_id: str) -> bool:
        """Answer what a conversation was promised, oldest first; False when the assistant is still down."""
        if not self._can_send:
            return True
        for debt in await run_in_threadpool(self._debts, conversation_id):
            sms = InboundSms(debt.message_sid, debt.address, debt.words, debt.answers_from)
            if await self._answered(sms, debt.number_key) is not None:
                continue
            if utc_now() - debt.since < OWED_AT_MOST:
                return False
            report(log, Failure.SMS_GIVEN_UP, message_sid=debt.message_sid)
            await run_in_threadpool(self._give_up, debt)
        return True

    # ----------------------------------------------------------------------- what is stored

    def _keyword(self, sms: InboundSms) -> Keyword | None:
        return _TWILIO_KEYWORDS.get(sms.opt_out_type or "") or self._keywords.find(sms.body)

    def _settle(self, sms: InboundSms, key: str) -> str | None:
        """Return the reply to what needs no assistant: a repeat, STOP, START, HELP, an opted-out number."""
        with self._database.session() as session:
            kept = store.kept_reply(session, sms.message_sid)
            if kept is not None:
                log.info("sms_repeated", message_sid=sms.message_sid)
                return kept
            keyword = self._keyword(sms)
            is_out = store.is_opted_out(session, key)
            question = self._open_question(session, key)
            if keyword is Keyword.START or (keyword is Keyword.YES and is_out and not question):
                store.opt_in(session, key)
                reply = " ".join([self._texts.started, *([] if question else [self._texts.what_now])])
                reply = "\n\n".join([plain(reply), *([question] if question else [])])
            elif keyword is Keyword.STOP:
                source = OptOutSource.TWILIO if sms.opt_out_type else OptOutSource.TEXT
                reply = self._texts.stopped if store.opt_out(session, key, source) else SILENCE
            elif is_out:
                reply = SILENCE
            elif keyword is Keyword.HELP:
                reply = self._texts.help
            else:
                return None
            if sms.opt_out_type in _TWILIO_KEYWORDS:
                reply = SILENCE  # Twilio has answered that itself
            log.info("sms_keyword", message_sid=sms.message_sid, keyword=keyword.value if keyword else "opted_out")
            return store.keep_reply(session, sms.message_sid, plain(reply))

    def _open_question(self, session: Session, key: str) -> str:
        """Return the question a number was asked last and has not answered, as one SMS; "" when there is none."""
        conversation = chat_store.conversation_of_number(session, key)
        last = store.last_reply(session, conversation.id) if conversation else []
        questions = [message for message in last if message["kind"] == "question"]
        return compose(questions, self._texts, first=False).text if questions else ""

    def _open(self, sms: InboundSms, key: str) -> Turn:
        with self._database.session() as session:
            conversation = store.conversation_for(session, key)
            store.note_number(session, conversation.id, sms.sender, sms.sent_to)
            receipt = store.receipt_of(session, sms.message_sid)
            if receipt is not None and receipt.owed is None:
                return Turn(conversation.id, reply=receipt.reply)
            owed = store.debts(session, utc_now(), conversation.id) if self._can_send else []
            turn = Turn(conversation.id, is_in_debt=any(debt.message_sid not in self._running for debt in owed))
            if self._keywords.asks_for_more(sms.body):
                rest = store.rest_of_last(session, conversation.id)
                if rest:
                    return replace(turn, rest=rest)
            choices = store.open_choices(session, conversation.id)
            payload = self._chosen(sms.body, choices)
            is_number = self._keywords.number(sms.body) is not None
            return replace(turn, payload=payload, is_no_choice=payload is None and bool(choices) and is_number)

    def _chosen(self, body: str, choices: list[dict[str, Any]]) -> str | None:
        """Return the payload of the choice a text names by its number or its whole title."""
        titles = {bare(choice["title"]): choice["payload"] for choice in choices}
        numbers = {str(number): choice["payload"] for number, choice in enumerate(choices, 1)}
        words, number = bare(body), self._keywords.number(body)
        return titles.get(words) or (numbers.get(number) if number else None) if words else None

    def _go_on(self, sms: InboundSms, turn: Turn) -> list[dict[str, Any]]:
        """Return what did not fit of the last answer, and keep in the transcript that it was asked for."""
        with self._database.session() as session:
            asked = chat_store.add_inbound(session, turn.conversation_id, bare(sms.body), sms.message_sid)
            messages: list[dict[str, Any]] = [{"kind": "answer", "text": turn.rest, "buttons": []}]
            if not asked.answered:
                chat_store.add_replies(session, asked, messages, None)
            return messages

    def _keep(self, sms: InboundSms, reply: str, conversation_id: str) -> str:
        with self._database.session() as session:
            return store.keep_reply(session, sms.message_sid, reply, conversation_id)

    def _finish(self, sms: InboundSms, key: str, conversation_id: str, messages: list[dict[str, Any]]) -> Handled:
        """Keep the reply, or have it sent when its text was told that it follows; return what the webhook gets."""
        danger = is_danger(messages)
        with self._database.session() as session:
            receipt = store.receipt_of(session, sms.message_sid)
            if receipt is not None and receipt.owed is None:
                return Handled(receipt.reply)
            number = session.get_one(SmsNumber, conversation_id)
            composed = compose(messages, self._texts, first=number.introduced_at is None)
            if store.is_opted_out(session, key) and not danger:
                composed = Composed(SILENCE)  # STOP came while this was being answered
            elif not danger:
                number.introduced_at = number.introduced_at or utc_now()
            if receipt is None:
                kept = store.keep_reply(session, sms.message_sid, composed.text, conversation_id, rest=composed.rest)
                if kept == composed.text:
                    return Handled(kept, is_new=True)
                receipt = store.receipt_of(session, sms.message_sid)
            if receipt is not None and receipt.owed is not None:
                receipt.owed, receipt.rest = None, composed.rest or None
                if composed.text:
                    store.add_text(session, conversation_id, TextKind.REPLY, composed.text, in_reply_to=sms.message_sid)
            return Handled(receipt.reply if receipt is not None else composed.text)

    def _owe(self, sms: InboundSms, key: str) -> str:
        """Keep a text to be answered afterwards; return what its sender is told meanwhile."""
        if not self._can_send:
            return plain(self._texts.unavailable)
        now = utc_now()
        with self._database.session() as session:
            receipt = store.receipt_of(session, sms.message_sid)
            if receipt is not None:
                return receipt.reply
            if store.is_opted_out(session, key):
                return store.keep_reply(session, sms.message_sid, SILENCE)
            conversation = store.conversation_for(session, key)
            number = store.note_number(session, conversation.id, sms.sender, sms.sent_to)
            if store.was_asked_to_wait(session, conversation.id, now - ASKED_TO_WAIT_FOR):
                reply = SILENCE
            else:
                say = [{"kind": "say", "text": self._texts.later}]
                reply = compose(say, self._texts, first=number.introduced_at is None).text
                number.introduced_at = number.introduced_at or now
            return store.keep_reply(session, sms.message_sid, reply, conversation.id, owed=sms.body)

    def _send_unheard(self, sms: InboundSms, told: str) -> str:
        with self._database.session() as session:
            receipt = store.receipt_of(session, sms.message_sid)
            if receipt is None or receipt.owed is not None or receipt.conversation_id is None:
                return told
            if receipt.reply not in ("", told) and not store.is_sent(session, sms.message_sid):
                store.add_text(
                    session, receipt.conversation_id, TextKind.REPLY, receipt.reply, in_reply_to=sms.message_sid
                )
                receipt.reply = told
            return told

    def _debts(self, conversation_id: str | None = None) -> list[Debt]:
        with self._database.session() as session:
            owed = store.debts(session, utc_now(), conversation_id)
        # Those that are waiting for their turn at the moment answer themselves, in their order.
        return [debt for debt in owed if debt.message_sid not in self._running]

    def _give_up(self, debt: Debt) -> None:
        with self._database.session() as session:
            receipt = store.receipt_of(session, debt.message_sid)
            if receipt is None or receipt.owed is None:
                return
            receipt.owed = None
            if not store.is_opted_out(session, debt.number_key):
                text = plain(self._texts.gave_up)
                store.add_text(session, debt.conversation_id, TextKind.REPLY, text, in_reply_to=debt.message_sid)

    def _note(self, notice: StatusNotice, text_id: str | None, reply_to: str | None) -> None:
        now = utc_now()
        with self._database.session() as session:
            text = session.get(SmsOutbound, text_id, with_for_update=True) if text_id else None
            receipt = store.receipt_of(session, reply_to) if reply_to else None
            row = text or receipt
            if notice.error_code == OPTED_OUT and notice.sent_to:
                key = store.number_key(self._secret, notice.sent_to)
                if row is None or not store.opted_in_since(session, key, row.created_at):
                    store.opt_out(session, key, OptOutSource.CARRIER, now)
            if row is None:
                log.warning("sms_status_unknown", message_sid=notice.message_sid)
                return
            if text is not None and text.message_sid is None:
                text.message_sid = notice.message_sid  # the callback was faster than the answer of the API
            changed = store.advance(row, notice.status, notice.error_code, now)
        if changed:
            count_sms_status(notice.status)
            log.info("sms_status", message_sid=notice.message_sid, status=notice.status, error=notice.error_code)


class Debts:
    """Pays what is owed, in the background of the front desk."""

    def __init__(self, desk: SmsDesk, sleep: Callable[[float], Any] = asyncio.sleep) -> None:
        self._desk = desk
        self._sleep = sleep
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._look())

    def stop(self) -> None:
        """Look no more; what is still owed is found by whoever comes next."""
        if self._task is not None:
            self._task.cancel()

    async def _look(self) -> None:
        while True:
            await self._sleep(LOOK_EVERY_SECONDS)
            try:
                await self._desk.pay_debts()
            except Exception as error:
                # Whatever it is: one that ended would leave everybody waiting.
                report(log, Failure.SMS_DEBTS_NOT_PAID, error=type(error).__name__)


def _retrieve(task: asyncio.Task[Any]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        report(log, Failure.SMS_LATE_FAILED, error=type(error).__name__)
