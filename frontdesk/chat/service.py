"""One message in, its replies out: what every channel does with a visitor's words."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy.exc import IntegrityError
from starlette.concurrency import run_in_threadpool

from frontdesk.chat import store
from frontdesk.chat.call_back import PENDING, CallBacks
from frontdesk.chat.messages import from_rasa, public
from frontdesk.chat.models import Channel, Message, Sender
from frontdesk.chat.rasa import RasaClient, RasaUnavailable
from frontdesk.chat.store import Button
from frontdesk.db import Database, utc_now
from frontdesk.metrics import (
    ALARMS,
    GUARD_SECONDS,
    MESSAGES,
    REPLY_SECONDS,
    STORE_SECONDS,
    TURN_SECONDS,
    Failure,
    report,
    stage,
)
from frontdesk.safety.guard import DANGERS, Alarm, Finding, Guard
from frontdesk.safety.replies import SafetyReplies
from frontdesk.safety.rules import Level
from frontdesk.tracing import span
from frontdesk.turns import SharedTurns, Turns

log = structlog.get_logger(__name__)

LONGEST_MESSAGE = 2_000
# A reply to a crisis waits no longer for the database.
LONGEST_NOTE_SECONDS = 0.8
# How long a message waits for one that was sent before it, and how often it is looked for meanwhile.
OVERTAKEN_SECONDS, OVERTAKEN_LOOKS = 2.0, 20
# What Rasa gets in place of a patient's cry for help, so that it pauses an open form: see data/rules/safety.yml.
PAUSE_TEXT = "Pause"
PAUSE_TOPIC = "crisis/suicidal_now"
# What the transcript knows of an alarm (keys of what was understood).
SAFETY, PAUSED = "safety", "paused"
BEYOND = "beyond/"


class EmptyMessage(Exception):
    """Nothing is left of a message once invisible characters are gone."""


class MessageTooLong(Exception):
    """A message is longer than LONGEST_MESSAGE characters."""


class AssistantUnavailable(Exception):
    """The message is kept, but cannot be answered now."""

    def __init__(self, conversation_id: str) -> None:
        super().__init__(conversation_id)
        self.conversation_id = conversation_id


@dataclass(frozen=True)
class Reply:
    """What a client gets for one message."""

    conversation_id: str | None  # None: danger, while nothing could be kept
    messages: list[dict[str, Any]]
    position: int | None = None  # of the visitor's message in the conversation


@dataclass(frozen=True)
class Received:
    """An inbound message in the transcript, and what went before it."""

    message: Message
    replies: list[dict[str, Any]] | None  # when it was answered before
    before: str | None  # what the visitor wrote just before
    frozen: dict[str, Any] | None  # the crisis reply that was the latest thing said
    pause_due: str | None  # the inbound message with an alarm that Rasa does not know of
    said_last: tuple[dict[str, Any], ...] = ()  # the assistant's last reply, as the chat API has it


def clean(text: str) -> str:
    """Return text that every database and log can hold; raise EmptyMessage or MessageTooLong.

    Lone surrogates become U+FFFD, NUL and other control characters go; what a person can see is kept as it is.
    """
    if len(text) > LONGEST_MESSAGE:
        raise MessageTooLong
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    text = "".join(character for character in text if character >= " " or character in "\n\t")
    if not any(character.isprintable() and not character.isspace() for character in text):
        raise EmptyMessage
    return text.strip()


class ChatService:
    """Keeps the transcript and asks Rasa, one message of a conversation at a time."""

    def __init__(
        self,
        database: Database,
        rasa: RasaClient,
        guard: Guard,
        replies: SafetyReplies,
        call_backs: CallBacks,
        shared_turns: SharedTurns | None = None,
    ) -> None:
        self._database = database
        self._call_backs = call_backs
        self._rasa = rasa
        self._guard = guard
        self._replies = replies
        self._turns = Turns("chat", shared_turns)

    def reword(self, replies: SafetyReplies, call_backs: CallBacks) -> None:
        """Say from now on what has changed about the clinic."""
        self._replies, self._call_backs = replies, call_backs

    async def start(self, channel: Channel) -> str:
        """Begin a conversation and return its id."""
        return await run_in_threadpool(self._start, channel)

    async def begin(self, conversation_id: str, channel: Channel) -> None:
        """Begin a conversation whose id is known beforehand, unless it has begun."""
        await run_in_threadpool(self._begin, conversation_id, channel)

    async def let_arrive(self, conversation_id: str, client_id: str) -> None:
        """Wait a moment for a message that was sent before another one and has been overtaken by it."""
        for _ in range(OVERTAKEN_LOOKS):
            if await run_in_threadpool(self._has_arrived, conversation_id, client_id):
                return
            await asyncio.sleep(OVERTAKEN_SECONDS / OVERTAKEN_LOOKS)

    async def say(
        self,
        conversation_id: str,
        channel: Channel,
        text: str,
        client_id: str | None = None,
    ) -> Reply:
        """Answer what somebody wrote. The same `client_id` again gets the same answer and does nothing twice.

        Raises EmptyMessage, MessageTooLong, ConversationNotFound, or AssistantUnavailable: then the message
        is in the transcript, and sending it again with the same `client_id` answers it.
        """
        text = clean(text)
        return await self._turn(conversation_id, channel, Button(text, text), client_id, typed=True)

    async def press(
        self,
        conversation_id: str,
        channel: Channel,
        payload: str,
        client_id: str | None = None,
    ) -> Reply:
        """Answer a button. Raises UnknownPayload besides what `say` raises."""
        button = await run_in_threadpool(self._button, conversation_id, payload)
        return await self._turn(conversation_id, channel, button, client_id, payload=payload)

    async def history(self, conversation_id: str, after: int = 0) -> list[dict[str, Any]]:
        """Return the conversation so far, or what came after a place in it; raise ConversationNotFound."""
        return await run_in_threadpool(self._history, conversation_id, after)

    async def note_helpful(self, conversation_id: str, message_id: str, helpful: bool | None) -> None:
        """Keep whether a reply helped; raise UnknownMessage."""
        await run_in_threadpool(self._note_helpful, conversation_id, message_id, helpful)

    async def forget(self, conversation_id: str) -> None:
        """Delete the conversation here and in Rasa; raise AssistantUnavailable when Rasa cannot do so now."""
        async with self._turns.turn(conversation_id):
            try:
                await self._rasa.forget(conversation_id)
            except RasaUnavailable as error:
                raise AssistantUnavailable(conversation_id) from error
            await run_in_threadpool(self._forget, conversation_id)

    def alarm_in(self, text: str) -> Alarm | None:
        """Return what the rules say of a text that may mean danger; to be asked before anything else is done."""
        alarm = self._check(text).alarm
        return alarm if alarm and alarm.is_danger else None

    async def help(
        self,
        alarm: Alarm,
        channel: Channel,
        text: str,
        open_conversation: Callable[[], Awaitable[str]],
        client_id: str | None = None,
        *,
        keep: bool = True,
    ) -> Reply:
        """Answer a crisis or an emergency, whatever else works. Of a long text the end is kept, if `keep`."""
        message = self._replies.reply(alarm, channel)
        MESSAGES.labels(channel.value, message["kind"]).inc()
        _count_alarm(alarm, channel)
        if not keep:
            return Reply(None, [public(message, "")])
        noting = asyncio.create_task(self._note(alarm, message, text, open_conversation, client_id))
        await asyncio.wait({noting}, timeout=LONGEST_NOTE_SECONDS)
        if noting.done() and not noting.cancelled() and noting.exception() is None:
            return noting.result()
        reason = type(noting.exception()).__name__ if noting.done() else "late"
        report(log, Failure.DANGER_NOT_NOTED, level=alarm.level.value, error=reason)
        noting.add_done_callback(lambda task: task.cancelled() or task.exception())
        return Reply(None, [public(message, "")])

    async def _note(
        self,
        alarm: Alarm,
        message: dict[str, Any],
        text: str,
        open_conversation: Callable[[], Awaitable[str]],
        client_id: str | None,
    ) -> Reply:
        conversation_id = await open_conversation()
        async with self._turns.turn(conversation_id):
            kept = clean(text[-LONGEST_MESSAGE:])
            received = await run_in_threadpool(self._receive, conversation_id, kept, client_id)
            if received.replies is not None:
                return Reply(conversation_id, received.replies, received.message.position)
            noticed = _noticed(alarm, paused=False)
            stored = await run_in_threadpool(self._reply, received.message, [message], noticed)
            return Reply(conversation_id, stored, received.message.position)

    def _check(self, text: str, before: str | None = None) -> Finding:
        with stage("guard", GUARD_SECONDS):
            return self._guard.check(text, before)

    async def _turn(
        self,
        conversation_id: str,
        channel: Channel,
        said: Button,
        client_id: str | None,
        *,
        typed: bool = False,
        payload: str | None = None,
    ) -> Reply:
        with span("turn", channel=channel.value), TURN_SECONDS.labels(channel.value).time():
            return await self._whole_turn(conversation_id, channel, said, client_id, typed=typed, payload=payload)

    async def _whole_turn(
        self,
        conversation_id: str,
        channel: Channel,
        said: Button,
        client_id: str | None,
        *,
        typed: bool,
        payload: str | None,
    ) -> Reply:
        async with self._turns.turn(conversation_id):
            received = await run_in_threadpool(self._receive, conversation_id, said.title, client_id, payload)
            position = received.message.position
            if received.replies is not None:
                return Reply(conversation_id, received.replies, position)
            finding = self._check(said.text, received.before) if typed else Finding()
            own = self._own_reply(finding, received, said.text if typed else None, channel)
            if own is not None:
                MESSAGES.labels(channel.value, own[0]["kind"]).inc()
                if finding.alarm:
                    _count_alarm(finding.alarm, channel)
                noticed = _noticed(finding.alarm, paused=False) if finding.alarm else None
                stored = await run_in_threadpool(self._reply, received.message, own, noticed)
                return Reply(conversation_id, stored, position)
            taken = await run_in_threadpool(self._call_back, conversation_id, channel, said, received)
            if taken is not None:
                MESSAGES.labels(channel.value, taken[0]["kind"]).inc()
                stored = await run_in_threadpool(self._reply, received.message, taken, None)
                return Reply(conversation_id, stored, position)
            try:
                with stage("rasa", REPLY_SECONDS.labels(channel.value)):
                    if received.pause_due:
                        # By the id of the message with the alarm, which Rasa has not been sent.
                        await self._rasa.send(conversation_id, channel, received.pause_due, PAUSE_TEXT, PAUSE_TOPIC)
                        await run_in_threadpool(self._paused, received.pause_due)
                    answer = await self._rasa.send(
                        conversation_id,
                        channel,
                        received.message.id,
                        said.text,
                        said.topic,
                        denies_danger=finding.denies_danger,
                    )
                messages = [from_rasa(message) for message in answer["messages"]]
            except RasaUnavailable as error:
                MESSAGES.labels(channel.value, "unavailable").inc()
                log.warning("rasa_unavailable", conversation=conversation_id, error=str(error))
                in_form = any(message["kind"] == "question" for message in received.said_last)
                offered = (
                    await run_in_threadpool(
                        self._call_backs.begin, said.text, conversation_id, utc_now(), in_form=in_form
                    )
                    if typed
                    else None
                )
                if offered is None:
                    raise AssistantUnavailable(conversation_id) from error
                stored = await run_in_threadpool(self._reply, received.message, [offered], None)
                return Reply(conversation_id, stored, position)
            understood: dict[str, Any] = dict(answer.get("understood") or {})
            if finding.alarm is None and typed and understood.get("asks_for_verdict"):
                finding = Finding(Alarm(Level.MEDICAL_ADVICE, self._guard.person_in(said.text)))
            if any(topic.startswith(BEYOND) for topic in understood.get("topics") or []):
                finding = Finding()  # that reply says itself who can help
            messages, alarm = self._made_safe(messages, finding, received, said.text, channel)
            MESSAGES.labels(channel.value, messages[0]["kind"]).inc()
            if alarm is not None:
                _count_alarm(alarm, channel)
                understood |= _noticed(alarm, paused=True)
            stored = await run_in_threadpool(self._reply, received.message, messages, understood)
            return Reply(conversation_id, stored, position)

    def _own_reply(
        self, finding: Finding, received: Received, typed: str | None, channel: Channel
    ) -> list[dict[str, Any]] | None:
        """Return what is said without asking Rasa: to danger, to diversion, and to "ok" after a crisis."""
        alarm = finding.alarm
        if alarm is not None and (alarm.is_danger or alarm.level is Level.DIVERSION):
            return [self._replies.reply(alarm, channel)]
        if received.frozen and typed is not None and self._replies.is_acknowledgement(typed):
            return [self._after(received.frozen, channel)]
        return None

    def _call_back(
        self, conversation_id: str, channel: Channel, said: Button, received: Received
    ) -> list[dict[str, Any]] | None:
        """Return what is said without Rasa: to an old button, and while a call back is being taken."""
        questions = [message for message in received.said_last if message["kind"] == "question"]
        if said.field is not None and said.field not in [question.get("field") for question in questions]:
            return [self._call_backs.stale(), *questions]
        pending = next((message[PENDING] for message in received.said_last if PENDING in message), None)
        if pending is None:
            return None
        reply = self._call_backs.go_on(pending, said.text, conversation_id, channel, utc_now())
        return None if reply is None else [reply]

    def _after(self, frozen: dict[str, Any], channel: Channel) -> dict[str, Any]:
        return self._replies.after(Level(frozen["level"]), frozen.get("language", "en"), channel)

    def _made_safe(
        self, messages: list[dict[str, Any]], finding: Finding, received: Received, text: str, channel: Channel
    ) -> tuple[list[dict[str, Any]], Alarm | None]:
        """Return what is said in place of Rasa's replies, and the alarm, if there is one."""
        for message in messages:
            level = message.get("level")
            if message["kind"] == "safety" and level in DANGERS:  # noticed by the model
                alarm = Alarm(Level(level), self._guard.person_in(text))
                return [self._replies.reply(alarm, channel)], alarm
        if received.frozen:
            if all(message["kind"] == "fallback" for message in messages):
                return [self._after(received.frozen, channel)], None
            # Nobody is led on to the next question after a crisis; a form's own buttons stay.
            messages = [
                {**message, "buttons": []} if message["kind"] in {"answer", "say"} else message for message in messages
            ]
        answers = [number for number, message in enumerate(messages) if message["kind"] in {"answer", "fallback"}]
        if finding.alarm is not None and answers:
            after = answers[-1] + 1
            messages = [*messages[:after], self._replies.reply(finding.alarm, channel), *messages[after:]]
            return messages, finding.alarm
        return messages, None

    def _start(self, channel: Channel) -> str:
        with self._database.session() as session:
            return store.start_conversation(session, channel).id

    def _begin(self, conversation_id: str, channel: Channel) -> None:
        try:
            with self._database.session() as session:
                store.begin_conversation(session, conversation_id, channel)
        except IntegrityError:
            pass  # another process began it in between

    def _has_arrived(self, conversation_id: str, client_id: str) -> bool:
        with self._database.session() as session:
            return store.has_arrived(session, conversation_id, client_id)

    def _button(self, conversation_id: str, payload: str) -> Button:
        with self._database.session() as session:
            return store.button_of(session, conversation_id, payload)

    def _receive(self, conversation_id: str, text: str, client_id: str | None, payload: str | None = None) -> Received:
        """Store the message; return it with what went before it, and with its replies when it was answered before."""
        with stage("store", STORE_SECONDS.labels("receive")), self._database.session() as session:
            message = store.add_inbound(session, conversation_id, text, client_id, payload)
            if message.answered:
                replies = [_public(reply) for reply in store.replies_to(session, message.id)]
                return Received(message, replies, None, None, None)
            earlier, reply = store.just_before(session, message)
            content = (reply.content or {}) if reply else {}
            is_frozen = content.get("kind") == "safety" and content.get("level") in DANGERS
            return Received(
                message=message,
                replies=None,
                before=earlier.text
                if earlier and message.created_at - earlier.created_at < store.SAME_BREATH
                else None,
                frozen=content if is_frozen else None,
                pause_due=store.alarm_to_pause_for(session, message),
                said_last=store.last_reply(session, reply),
            )

    def _paused(self, message_id: str) -> None:
        with self._database.session() as session:
            message = session.get_one(Message, message_id)
            message.understood = {**(message.understood or {}), PAUSED: True}

    def _reply(
        self,
        inbound: Message,
        messages: list[dict[str, Any]],
        understood: dict[str, Any] | None,
    ) -> list[dict[str, Any]]:
        with stage("store", STORE_SECONDS.labels("reply")), self._database.session() as session:
            return [_public(reply) for reply in store.add_replies(session, inbound, messages, understood)]

    def _history(self, conversation_id: str, after: int) -> list[dict[str, Any]]:
        with self._database.session() as session:
            return [_in_history(message) for message in store.transcript(session, conversation_id, after)]

    def _note_helpful(self, conversation_id: str, message_id: str, helpful: bool | None) -> None:
        with self._database.session() as session:
            store.note_helpful(session, conversation_id, message_id, helpful)

    def _forget(self, conversation_id: str) -> None:
        with self._database.session() as session:
            store.forget(session, conversation_id)


def _count_alarm(alarm: Alarm, channel: Channel) -> None:
    ALARMS.labels(channel.value, alarm.level.value, "rules" if alarm.rule else "model").inc()


def _noticed(alarm: Alarm, *, paused: bool) -> dict[str, Any]:
    """Return what the transcript keeps of an alarm, and whether Rasa knows of it as far as it has to."""
    what = {"level": alarm.level.value, "person": alarm.person.value, "rule": alarm.rule}
    return {SAFETY: what, PAUSED: paused or not alarm.is_danger}


def _public(message: Message) -> dict[str, Any]:
    return public(message.content or {"kind": "say", "text": message.text}, message.id, message.position)


def _in_history(message: Message) -> dict[str, Any]:
    """Return a message as `GET /api/chat/history` gives it.

    A visitor's own has the client's `id` of it, whether it was `answered`, and the `payload` of a button that was used:
    what a client needs to ask again for a reply that never reached it.
    """
    entry: dict[str, Any] = {"from": message.sender, "at": message.created_at.isoformat(), "text": message.text}
    if message.sender == Sender.ASSISTANT.value:
        return entry | _public(message) | ({} if message.helpful is None else {"helpful": message.helpful})
    return (
        entry
        | {"id": message.client_id, "seq": message.position, "answered": message.answered}
        | {key: value for key, value in (message.content or {}).items() if key == "payload"}
    )
