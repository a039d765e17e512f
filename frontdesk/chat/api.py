"""The chat API: `POST /api/chat`, `GET /api/chat/history`, `DELETE /api/chat`, and what the widget needs besides."""

import json
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse

from frontdesk.chat.models import Channel
from frontdesk.chat.origins import AllowedOrigins, ForeignOrigin
from frontdesk.chat.service import (
    LONGEST_MESSAGE,
    AssistantUnavailable,
    ChatService,
    EmptyMessage,
    MessageTooLong,
    Reply,
)
from frontdesk.chat.store import ConversationNotFound, UnknownMessage, UnknownPayload
from frontdesk.chat.tokens import BadToken, ExpiredToken, Session, SessionTokens
from frontdesk.chat.welcome import Welcome
from frontdesk.clinic import CRISIS_LINES, Clinic
from frontdesk.limits import MessageLimit, TooManyRequests
from frontdesk.problems import Problem
from frontdesk.safety.guard import Alarm

# 2,000 characters as JSON escapes are 24,000 bytes; the rest is the token and room to spare.
LARGEST_BODY = 64_000
LONGEST_CLIENT_ID = 100
# What a place in a conversation can be in every database.
LAST_PLACE = 2**31 - 1
# Of the answer to a message: the message's place in the conversation, as `seq` gives it in the history.
PLACE_HEADER = "X-Message-Seq"


@dataclass(frozen=True)
class ChatApi:
    """What the chat routes work with; the application makes one."""

    service: ChatService
    tokens: SessionTokens
    limit: MessageLimit
    clinic: Clinic
    call_back_offer: str
    welcome: Welcome
    origins: AllowedOrigins


def get_chat(request: Request) -> ChatApi:
    """Return the application's ChatApi."""
    chat: ChatApi = request.app.state.chat
    return chat


ChatDep = Annotated[ChatApi, Depends(get_chat)]


def check_origin(request: Request, chat: ChatDep) -> None:
    """Refuse a page of a site that may not embed the chat: a browser's request says where it comes from."""
    try:
        chat.origins.check(request.headers.get("origin"), request.headers.get("host"))
    except ForeignOrigin as error:
        raise Problem(
            403,
            "This site may not use the chat",
            "The clinic has to add the site to ALLOWED_ORIGINS first.",
        ) from error


def _takes(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    """Describe a body that a route reads by itself, for `/openapi.json`."""
    body = {"type": "object", "properties": properties, "required": list(required)}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": body}}}}


_TEXT = {"type": ["string", "null"]}
_MESSAGE = _takes(
    {
        "session": _TEXT,
        "text": {**_TEXT, "maxLength": LONGEST_MESSAGE},
        "payload": _TEXT,
        "id": {**_TEXT, "minLength": 1, "maxLength": LONGEST_CLIENT_ID},
        "after": {**_TEXT, "minLength": 1, "maxLength": LONGEST_CLIENT_ID},
    }
)
_FEEDBACK = _takes(
    {
        "session": {"type": "string"},
        "message": {"type": "string"},
        "helpful": {"type": ["boolean", "null"]},
    },
    "session",
    "message",
)
_WITH_TOKEN = {
    "parameters": [{"name": "Authorization", "in": "header", "required": True, "schema": {"type": "string"}}],
}

router = APIRouter(prefix="/api/chat", tags=["chat"], dependencies=[Depends(check_origin)])


@dataclass(frozen=True)
class InboundMessage:
    """The body of `POST /api/chat`: words or a button's payload, never both."""

    token: str | None
    text: str | None
    payload: str | None
    client_id: str | None
    after: str | None  # the client's id of the message it sent before this one, when that has no answer yet

    @classmethod
    def parse(cls, body: bytes) -> "InboundMessage":
        """Read a request's body; raise Problem 400."""
        content = _json_object(body)
        values: dict[str, str | None] = {}
        for key in ("session", "text", "payload", "id", "after"):
            value = content.get(key)
            if value is not None and not isinstance(value, str):
                raise _malformed(f"`{key}` has to be a text.")
            values[key] = value
        if (values["text"] is None) == (values["payload"] is None):
            raise _malformed("Send either `text` or `payload`.")
        if values["payload"] is not None and values["session"] is None:
            raise _malformed("A `payload` needs the `session` it was sent in.")
        for key in ("id", "after"):
            own = values[key]
            if own is not None and (not 0 < len(own) <= LONGEST_CLIENT_ID or not own.isprintable()):
                raise _malformed(f"`{key}` has to be 1 to {LONGEST_CLIENT_ID} printable characters.")
        return cls(values["session"], values["text"], values["payload"], values["id"], values["after"])


@router.post("", openapi_extra=_MESSAGE)
async def send_message(request: Request, chat: ChatDep) -> JSONResponse:
    """Answer a message or a button.

    Errors: 400 malformed or empty, 401 forged or expired token, 413 too long, 429 too fast, 503 assistant down.
    A message that may mean danger is answered all the same.
    """
    message = InboundMessage.parse(await _body(request))
    alarm = chat.service.alarm_in(message.text) if message.text is not None else None
    try:
        _count(chat, request)
    except Problem:
        if alarm is None:
            raise
        return await _help(chat, alarm, message, keep=False)
    if alarm is not None:
        return await _help(chat, alarm, message)
    if message.text is not None:
        _check_length(message.text)
    if message.token is not None:
        conversation_id = await _begun(chat, _session(chat, message.token))
    else:
        conversation_id = await chat.service.start(Channel.WIDGET)
    try:
        reply = await _answer(chat, conversation_id, message)
    except EmptyMessage as error:
        raise _malformed("The message is empty. Please write something.") from error
    except MessageTooLong as error:
        raise _too_long() from error
    except UnknownPayload as error:
        raise _malformed("This button does not belong to this conversation.") from error
    except ConversationNotFound as error:
        raise _unknown_session() from error
    except AssistantUnavailable as error:
        raise unavailable(chat.clinic, chat.tokens.issue(error.conversation_id), chat.call_back_offer) from error
    return _replied(chat, conversation_id, reply)


@router.get("/welcome")
async def welcome(chat: ChatDep) -> JSONResponse:
    """Return what a client shows before the first message, and a token for the conversation that message begins."""
    return JSONResponse({"session": chat.tokens.opening(), **chat.welcome.content})


@router.get("/history", openapi_extra=_WITH_TOKEN)
async def read_history(
    request: Request, chat: ChatDep, after: Annotated[int, Query(ge=0, le=LAST_PLACE)] = 0
) -> JSONResponse:
    """Return the conversation so far, or what came after the place `after` in it. Errors: 401."""
    token = _bearer(request)
    session = _session(chat, token)
    try:
        messages = await chat.service.history(session.conversation_id, after)
    except ConversationNotFound as error:
        if not session.may_begin:
            raise _unknown_session() from error
        return JSONResponse({"session": token, "messages": []})
    return JSONResponse({"session": chat.tokens.issue(session.conversation_id), "messages": messages})


@router.post("/feedback", status_code=204, openapi_extra=_FEEDBACK)
async def give_feedback(request: Request, chat: ChatDep) -> Response:
    """Keep whether a reply helped: `{"session", "message": its id, "helpful": true|false|null}`. Errors: 400, 401."""
    content = _json_object(await _body(request))
    token, message_id, helpful = (content.get(key) for key in ("session", "message", "helpful"))
    if not isinstance(token, str) or not isinstance(message_id, str) or not isinstance(helpful, bool | None):
        raise _malformed("Send `session`, `message` and `helpful` (true, false or null).")
    _count(chat, request)
    try:
        await chat.service.note_helpful(_session(chat, token).conversation_id, message_id, helpful)
    except UnknownMessage as error:
        raise _malformed("This conversation has no such reply.") from error
    return Response(status_code=204)


@router.delete("", status_code=204, openapi_extra=_WITH_TOKEN)
async def forget_conversation(request: Request, chat: ChatDep) -> Response:
    """Forget the conversation. Errors: 401, 503 (nothing is deleted; it can be asked for again)."""
    conversation_id = _session(chat, _bearer(request)).conversation_id
    try:
        await chat.service.forget(conversation_id)
    except AssistantUnavailable as error:
        raise unavailable(chat.clinic, chat.tokens.issue(conversation_id)) from error
    return Response(status_code=204)


def unavailable(clinic: Clinic, token: str | None = None, call_back_offer: str = "") -> Problem:
    """Return the 503 that still helps: the clinic's number, the crisis lines, where to leave a request.

    With `call_back_offer` the message is kept, and a name and a number would be.
    """
    answer = "I can't answer right now, but your message is kept." if call_back_offer else "I can't answer right now."
    detail = " ".join(filter(None, (answer, clinic.contact_line(), clinic.request_line(), call_back_offer)))
    messages = [
        {"kind": "say", "text": detail, "buttons": []},
        {"kind": "say", "text": CRISIS_LINES, "buttons": []},
    ]
    return Problem(
        503,
        "The assistant is not available right now",
        f"{detail} {CRISIS_LINES}",
        headers={"Retry-After": "10"},
        session=token,
        phone=clinic.phone,
        booking_url=clinic.booking_url,
        messages=messages,
    )


async def _help(chat: ChatApi, alarm: Alarm, message: InboundMessage, *, keep: bool = True) -> JSONResponse:
    """Answer danger in the conversation it belongs to, else in a new one, else, or unless `keep`, in none."""

    async def open_conversation() -> str:
        try:
            conversation_id = await _begun(chat, chat.tokens.read(message.token or ""))
            await chat.service.history(conversation_id)
        except (BadToken, ConversationNotFound):
            return await chat.service.start(Channel.WIDGET)
        return conversation_id

    said = message.text or ""
    reply = await chat.service.help(alarm, Channel.WIDGET, said, open_conversation, message.client_id, keep=keep)
    if reply.conversation_id is None:
        return JSONResponse({"session": message.token, "messages": reply.messages})
    return _replied(chat, reply.conversation_id, reply)


def _replied(chat: ChatApi, conversation_id: str, reply: Reply) -> JSONResponse:
    """Return the answer to a message, with the message's own place in the conversation in a header."""
    content = {"session": chat.tokens.issue(conversation_id), "messages": reply.messages}
    return JSONResponse(content, headers={PLACE_HEADER: str(reply.position)})


async def _answer(chat: ChatApi, conversation_id: str, message: InboundMessage) -> Reply:
    if message.after is not None:
        await chat.service.let_arrive(conversation_id, message.after)
    if message.payload is not None:
        return await chat.service.press(conversation_id, Channel.WIDGET, message.payload, message.client_id)
    return await chat.service.say(conversation_id, Channel.WIDGET, message.text or "", message.client_id)


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _malformed("The body is not JSON.") from error
    if not isinstance(content, dict):
        raise _malformed("The body has to be a JSON object.")
    return content


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise _too_long()
    return bytes(body)


def _count(chat: ChatApi, request: Request) -> None:
    sender = request.client.host if request.client else "unknown"
    try:
        chat.limit.count(sender)
    except TooManyRequests as error:
        seconds = error.retry_after_seconds
        raise Problem(
            429,
            "Too many messages",
            f"Please wait {seconds} seconds and send it again. {CRISIS_LINES}",
            headers={"Retry-After": str(seconds)},
        ) from error


async def _begun(chat: ChatApi, session: Session) -> str:
    """Return the id of the conversation, begun if this is its first message."""
    if session.may_begin:
        await chat.service.begin(session.conversation_id, Channel.WIDGET)
    return session.conversation_id


def _session(chat: ChatApi, token: str) -> Session:
    try:
        return chat.tokens.read(token)
    except ExpiredToken as error:
        raise Problem(
            401,
            "This conversation has ended",
            "It is too old to go on. Please start a new one.",
        ) from error
    except BadToken as error:
        raise _unknown_session() from error


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise _unknown_session()
    return token.strip()


def _check_length(text: str) -> None:
    if len(text) > LONGEST_MESSAGE:
        raise _too_long()


def _malformed(detail: str) -> Problem:
    return Problem(400, "The message could not be read", detail)


def _too_long() -> Problem:
    return Problem(
        413,
        "The message is too long",
        f"Please keep it under {LONGEST_MESSAGE:,} characters.",
    )


def _unknown_session() -> Problem:
    return Problem(401, "This conversation is not known", "Please start a new one.")
