"""One message in, its replies out: what every channel does with a visitor's words."""

import asyncio
import weakref
from dataclasses import dataclass
from typing import Any

import structlog
from starlette.concurrency import run_in_threadpool

from frontdesk.chat import store
from frontdesk.chat.messages import from_rasa, public
from frontdesk.chat.models import Channel, Message
from frontdesk.chat.rasa import RasaClient, RasaUnavailable
from frontdesk.chat.store import Button
from frontdesk.db import Database
from frontdesk.metrics import MESSAGES, REPLY_SECONDS

log = structlog.get_logger(__name__)

LONGEST_MESSAGE = 2_000


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

    conversation_id: str
    messages: list[dict[str, Any]]


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

    def __init__(self, database: Database, rasa: RasaClient) -> None:
        self._database = database
        self._rasa = rasa
        self._turns: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()

    async def start(self, channel: Channel) -> str:
        """Begin a conversation and return its id."""
        return await run_in_threadpool(self._start, channel)

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
        return await self._turn(conversation_id, channel, Button(text, text), client_id)

    async def press(
        self,
        conversation_id: str,
        channel: Channel,
        payload: str,
        client_id: str | None = None,
    ) -> Reply:
        """Answer a button. Raises UnknownPayload besides what `say` raises."""
        button = await run_in_threadpool(self._button, conversation_id, payload)
        return await self._turn(conversation_id, channel, button, client_id)

    async def history(self, conversation_id: str) -> list[dict[str, Any]]:
        """Return the conversation so far; raise ConversationNotFound."""
        return await run_in_threadpool(self._history, conversation_id)

    async def forget(self, conversation_id: str) -> None:
        """Delete the conversation here and in Rasa; raise AssistantUnavailable when Rasa cannot do so now."""
        lock = self._turns.setdefault(conversation_id, asyncio.Lock())
        async with lock:
            try:
                await self._rasa.forget(conversation_id)
            except RasaUnavailable as error:
                raise AssistantUnavailable(conversation_id) from error
            await run_in_threadpool(self._forget, conversation_id)

    async def _turn(
        self,
        conversation_id: str,
        channel: Channel,
        said: Button,
        client_id: str | None,
    ) -> Reply:
        lock = self._turns.setdefault(conversation_id, asyncio.Lock())
        async with lock:
            inbound, replies = await run_in_threadpool(self._receive, conversation_id, said.title, client_id)
            if replies is not None:
                return Reply(conversation_id, replies)
            try:
                with REPLY_SECONDS.labels(channel.value).time():
                    answer = await self._rasa.send(conversation_id, channel, said.text, said.topic)
                messages = [from_rasa(message) for message in answer["messages"]]
            except RasaUnavailable as error:
                MESSAGES.labels(channel.value, "unavailable").inc()
                log.warning("rasa_unavailable", conversation=conversation_id, error=str(error))
                raise AssistantUnavailable(conversation_id) from error
            MESSAGES.labels(channel.value, messages[0]["kind"]).inc()
            stored = await run_in_threadpool(self._reply, inbound, messages, answer.get("understood"))
            return Reply(conversation_id, stored)

    def _start(self, channel: Channel) -> str:
        with self._database.session() as session:
            return store.start_conversation(session, channel).id

    def _button(self, conversation_id: str, payload: str) -> Button:
        with self._database.session() as session:
            return store.button_of(session, conversation_id, payload)

    def _receive(
        self, conversation_id: str, text: str, client_id: str | None
    ) -> tuple[Message, list[dict[str, Any]] | None]:
        """Store the message; return it, with its replies when it was answered before."""
        with self._database.session() as session:
            message = store.add_inbound(session, conversation_id, text, client_id)
            if not message.answered:
                return message, None
            return message, [_public(reply) for reply in store.replies_to(session, message.id)]

    def _reply(
        self,
        inbound: Message,
        messages: list[dict[str, Any]],
        understood: dict[str, Any] | None,
    ) -> list[dict[str, Any]]:
        with self._database.session() as session:
            return [_public(reply) for reply in store.add_replies(session, inbound, messages, understood)]

    def _history(self, conversation_id: str) -> list[dict[str, Any]]:
        with self._database.session() as session:
            return [_in_history(message) for message in store.transcript(session, conversation_id)]

    def _forget(self, conversation_id: str) -> None:
        with self._database.session() as session:
            store.forget(session, conversation_id)


def _public(message: Message) -> dict[str, Any]:
    return public(message.content or {"kind": "say", "text": message.text}, message.id)


def _in_history(message: Message) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "from": message.sender,
        "at": message.created_at.isoformat(),
        "text": message.text,
    }
    if message.content is not None:
        entry |= _public(message)
    return entry
