"""The only way into Rasa: the front desk's channel, behind a shared secret.

`POST /webhooks/frontdesk/message` takes `{"conversation": id, "channel": "widget"|"sms", "text": words}`, with
`Authorization: Bearer <secret>`; for a button that stands for a topic also its `"topic"`, for words that speak of
danger only to deny it `"denies_danger": true`. With the front desk's `"id"` of the message, a conversation's latest
message that comes again gets the reply it got and is not heard twice. It answers
`{"messages": [...], "understood": {"intent", "confidence", "ranking", "topics", "asks_for_verdict"}}`. A turn that
failed, in Rasa or in the action server, is answered with 502 and is not remembered, so the same message can be sent
again.
`DELETE /webhooks/frontdesk/conversations/<id>` forgets a conversation.
"""

import asyncio
import hmac
import json
import logging
import re
from collections.abc import Awaitable, Callable
from typing import Any

from rasa.core.channels.channel import InputChannel, OutputChannel, UserMessage
from rasa.shared.core.domain import Domain
from rasa.shared.exceptions import InvalidConfigException
from sanic import Blueprint, response
from sanic.request import Request
from sanic.response import HTTPResponse

from bot.nlu.choice_classifier import CHOSEN_TOPIC
from bot.nlu.result import is_retrieval
from bot.tracker_store import forget
from bot.turn import DENIES_DANGER, AlreadyAnswered, Turn, WatchedActionEndpoint, current_turn

logger = logging.getLogger(__name__)

CHANNELS = ("widget", "sms")
SHORTEST_SECRET = 16
# Rasa executes what begins with a slash (after white space) as an intent with entities.
_COMMAND_PREFIX = re.compile(r"^[\s/]+")
_COMMAND_WITH_SLOTS = re.compile(r"\s*/[\s/]*\w+\s*\{.*\}\s*", re.DOTALL)


def as_plain_text(text: str) -> str:
    """Return what a visitor typed in a form that Rasa can only read as words."""
    if _COMMAND_WITH_SLOTS.fullmatch(text):
        return "?"  # a program's, and no words at all
    return _COMMAND_PREFIX.sub("", text) or "?"


class FrontDeskOutput(OutputChannel):
    """Collects the replies of one turn, with everything the response says about itself."""

    def __init__(self, channel: str) -> None:
        self._channel = channel
        self.messages: list[dict[str, Any]] = []

    def name(self) -> str:  # type: ignore[override]  # the wording for `sms` is chosen by this name
        """Name the visitor's channel."""
        return self._channel

    async def send_response(self, recipient_id: str, message: dict[str, Any]) -> None:
        """Keep one message as JSON: text, buttons, the response's name and its metadata."""
        collected: dict[str, Any] = {
            "text": message.get("text") or "",
            "response": message.get("utter_action"),
            "metadata": message.get("metadata") or {},
            "buttons": message.get("buttons") or [],
        }
        for key in ("custom", "lead"):
            if message.get(key):
                collected[key] = message[key]
        self.messages.append(collected)


class FrontDeskInput(InputChannel):
    """Rasa's side of the connection to the front desk."""

    def __init__(self, secret: str) -> None:
        if len(secret) < SHORTEST_SECRET:
            raise InvalidConfigException(
                f"RASA_SECRET is missing or shorter than {SHORTEST_SECRET} characters, so nobody could be trusted to "
                f"talk to Rasa. Start with `./ketalink serve`, which makes one, or set it."
            )
        self._secret = secret.encode()

    @classmethod
    def name(cls) -> str:
        """Name of the channel, and the last part of its address."""
        return "frontdesk"

    @classmethod
    def from_credentials(cls, credentials: dict[str, Any] | None) -> "FrontDeskInput":
        """Read the shared secret from `credentials.yml`."""
        return cls(str((credentials or {}).get("secret") or ""))

    def blueprint(self, on_new_message: Callable[[UserMessage], Awaitable[Any]]) -> Blueprint:
        """Define the routes."""
        routes = Blueprint("frontdesk_channel", __name__)

        @routes.get("/")
        async def health(request: Request) -> HTTPResponse:
            ready = request.app.ctx.agent.is_ready()
            return response.json({"ready": ready}, status=200 if ready else 503)

        @routes.post("/message")
        async def receive(request: Request) -> HTTPResponse:
            if not self._is_authorized(request):
                return _error(401, "The shared secret is missing or wrong.")
            payload = _payload(request)
            if payload is None:
                return _error(400, "Send JSON with `conversation`, `channel` and `text`.")
            agent = request.app.ctx.agent
            if not agent.is_ready():
                return _error(503, "The model is not loaded yet.")
            processor = agent.processor
            if processor.action_endpoint is not None:
                processor.action_endpoint = WatchedActionEndpoint.watching(processor.action_endpoint)
            turn = Turn(message_id=payload.get("id"))
            current_turn.set(turn)
            output = FrontDeskOutput(payload["channel"])
            try:
                await on_new_message(
                    UserMessage(
                        as_plain_text(payload["text"]),
                        output_channel=output,
                        sender_id=payload["conversation"],
                        input_channel=payload["channel"],
                        metadata=_metadata(payload, agent.domain),
                        message_id=payload.get("id"),
                    )
                )
            except AlreadyAnswered as before:
                logger.info("turn_repeated conversation=%s", payload["conversation"])
                for message in before.messages:
                    await output.send_response(payload["conversation"], message)
                return response.json({"messages": output.messages, "understood": before.understood})
            except Exception as error:
                # Only the kind: an exception's text may hold what the visitor wrote.
                logger.error(
                    "turn_failed conversation=%s error=%s",
                    payload["conversation"],
                    type(error).__name__,
                )
                return _error(502, "The message could not be handled.")
            if turn.failures or not output.messages:
                failed = ",".join(turn.failures)
                logger.error(
                    "turn_failed conversation=%s error=%s",
                    payload["conversation"],
                    failed,
                )
                return _error(502, "The message could not be handled.")
            return response.json({"messages": output.messages, "understood": turn.understood})

        @routes.delete("/conversations/<conversation:str>")
        async def forget_conversation(request: Request, conversation: str) -> HTTPResponse:
            if not self._is_authorized(request):
                return _error(401, "The shared secret is missing or wrong.")
            async with request.app.ctx.agent.lock_store.lock(conversation):
                await asyncio.to_thread(forget, conversation)
            return response.empty()

        return routes

    def _is_authorized(self, request: Request) -> bool:
        header = request.headers.get("authorization", "")
        return hmac.compare_digest(header.encode(), b"Bearer " + self._secret)


def _payload(request: Request) -> dict[str, Any] | None:
    try:
        payload = json.loads(request.body)
    except ValueError:
        return None
    if not isinstance(payload, dict) or payload.get("channel") not in CHANNELS:
        return None
    if not all(isinstance(payload.get(key), str) and payload[key].strip() for key in ("conversation", "text")):
        return None
    if not isinstance(payload.get("id"), (str, type(None))):
        return None
    return payload


def _metadata(payload: dict[str, Any], domain: Domain | None) -> dict[str, Any]:
    """Return a denial of danger, and the topic of a button, but none that a newer model has no answer to."""
    found: dict[str, Any] = {DENIES_DANGER: True} if payload.get(DENIES_DANGER) is True else {}
    topic = payload.get("topic")
    if isinstance(topic, str) and is_retrieval(topic) and domain is not None and f"utter_{topic}" in domain.responses:
        found[CHOSEN_TOPIC] = topic
    return found


def _error(status: int, detail: str) -> HTTPResponse:
    return response.json({"error": detail}, status=status)
