"""Twilio's webhooks: `POST /sms/twilio` for incoming texts, `/sms/twilio/status` for what became of outgoing ones."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Request, Response
from starlette.datastructures import FormData
from starlette.formparsers import FormParser, MultiPartException
from twilio.twiml.messaging_response import MessagingResponse  # type: ignore[import-untyped]

from frontdesk.chat.service import ChatService
from frontdesk.clinic import Clinic
from frontdesk.db import Database
from frontdesk.limits import Counters, MessageLimit
from frontdesk.metrics import SMS_RECEIVED, SmsOutcome
from frontdesk.problems import Problem
from frontdesk.settings import Settings
from frontdesk.sms.inbound import InboundSms, StatusNotice, UnreadableSms
from frontdesk.sms.sending import STATUS_PATH, TwilioAccount, status_url
from frontdesk.sms.service import Debts, Limits, SmsDesk
from frontdesk.sms.signature import HEADER, BadSignature, WebhookSignature
from frontdesk.sms.texts import load_texts
from frontdesk.turns import SharedTurns

log = structlog.get_logger(__name__)

PATH = "/sms/twilio"
# An SMS of 1,600 characters is 20,000 bytes when each is escaped; Twilio's other fields need a few thousand.
LARGEST_BODY = 64_000


@dataclass(frozen=True)
class SmsApi:
    """What the webhooks work with; the application makes one."""

    signature: WebhookSignature
    desk: SmsDesk
    debts: Debts
    status_url: str | None


def make_sms(
    settings: Settings,
    clinic: Clinic,
    database: Database,
    chat: ChatService,
    counters: Counters,
    shared_turns: SharedTurns | None,
) -> SmsApi:
    """Put the channel together; raise SettingsError when its texts cannot be read."""
    texts, keywords = load_texts(clinic)
    token = settings.twilio_auth_token
    desk = SmsDesk(
        database,
        chat,
        texts,
        keywords,
        Limits(
            number=MessageLimit(settings.chat_limit_per_minute, "sms", counters),
            all_numbers=MessageLimit(settings.sms_limit_per_minute, "sms all", counters),
            told=MessageLimit(1, "sms told", counters),
        ),
        settings.secret("lookup"),
        can_send=TwilioAccount.of(settings) is not None,
        shared_turns=shared_turns,
    )
    return SmsApi(
        signature=WebhookSignature(token.get_secret_value() if token else None, settings.public_url),
        desk=desk,
        debts=Debts(desk),
        status_url=status_url(settings.public_url) if settings.public_url else None,
    )


def get_sms(request: Request) -> SmsApi:
    """Return the application's SmsApi."""
    sms: SmsApi = request.app.state.sms
    return sms


SmsDep = Annotated[SmsApi, Depends(get_sms)]
_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {"type": "object", "additionalProperties": {"type": "string"}, "required": ["MessageSid"]}
            }
        },
    },
    "parameters": [{"name": HEADER, "in": "header", "required": True, "schema": {"type": "string"}}],
}
router = APIRouter(tags=["sms"])


@router.post(PATH, openapi_extra=_FORM)
async def receive_sms(request: Request, api: SmsDep) -> Response:
    """Answer one incoming text in TwiML. Errors: 403 not signed by Twilio, 400 no text, 413 too large."""
    form = await _signed_form(request, api, PATH)
    try:
        sms = InboundSms.parse(form)
    except UnreadableSms as error:
        raise Problem(400, "This is no text message", "`MessageSid` and `From` are needed, each once.") from error
    twiml = MessagingResponse()
    text = await api.desk.answer(sms)
    if text:
        # What becomes of the reply is told there.
        twiml.message(text, status_callback=f"{api.status_url}?reply={sms.message_sid}")
    return Response(twiml.to_xml(), media_type="application/xml")


@router.post(STATUS_PATH, openapi_extra=_FORM)
async def receive_status(request: Request, api: SmsDep) -> Response:
    """Take note of what became of a text. Errors: 403 not signed by Twilio, 400 no such notice, 413 too large."""
    form = await _signed_form(request, api, STATUS_PATH)
    try:
        notice = StatusNotice.parse(form)
    except UnreadableSms as error:
        raise Problem(400, "This is no status", "`MessageSid` and `MessageStatus` are needed, each once.") from error
    query = request.query_params
    await api.desk.note(notice, query.get("text"), query.get("reply"))
    return Response(status_code=204)


async def _signed_form(request: Request, api: SmsApi, path: str) -> FormData:
    """Return the form of a request; raise Problem 403 unless Twilio has signed it for this address."""
    try:
        signature = api.signature.expect(request.headers.get(HEADER))
        form = await _form(request)
        api.signature.check(path, request.url.query, form, signature)
    except BadSignature as error:
        if path == PATH:
            SMS_RECEIVED.labels(SmsOutcome.REFUSED).inc()
        log.warning("sms_refused", reason=error.reason)
        raise Problem(
            403,
            "This request is not signed by Twilio",
            f"Only requests with a valid {HEADER} are taken. See docs/sms.md.",
        ) from error
    return form


async def _form(request: Request) -> FormData:
    """Read the body, which is not trusted yet: so much and no more."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise Problem(413, "The request is too large", f"At most {LARGEST_BODY:,} bytes are read.")

    async def whole() -> AsyncGenerator[bytes, None]:
        yield bytes(body)

    try:
        return await FormParser(request.headers, whole()).parse()
    except MultiPartException as error:
        raise Problem(400, "The request could not be read", "Its form has too many fields.") from error
