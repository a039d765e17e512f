"""Telling another program: a signed POST, as the Standard Webhooks specification has it."""

import json
import ssl
from dataclasses import dataclass, field
from datetime import datetime

import httpx
from standardwebhooks import Webhook

from frontdesk.db import utc_now
from frontdesk.outbox.destination import DeliveryFailed
from frontdesk.outbox.models import EventKind
from frontdesk.outbox.notices import TEST, Notice

NAME = "webhook"
TIMEOUT_SECONDS = 10.0
# Of the 4xx, those that are about this moment: timeout, too early, too many.
_WORTH_TRYING = frozenset({408, 425, 429})


@dataclass(frozen=True)
class WebhookDestination:
    """The program that is told. Neither address nor secret is ever shown: the address may hold a token."""

    url: str = field(repr=False)
    secret: str = field(repr=False)

    @property
    def name(self) -> str:
        """Name it as deliveries do."""
        return NAME

    def send(self, notice: Notice) -> None:
        """Post the notice; raise DeliveryFailed unless the answer is 2xx."""
        content = body(notice)
        sent_at = utc_now()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "ketalink-assistant",
            "webhook-id": notice.id,
            "webhook-timestamp": str(int(sent_at.timestamp())),
            "webhook-signature": Webhook(self.secret).sign(notice.id, sent_at, content),
        }
        try:
            # A connection each: they are few, and a receiver that hangs is not kept. The answer's body is not read.
            with (
                httpx.Client(
                    timeout=TIMEOUT_SECONDS,
                    follow_redirects=False,
                    trust_env=False,
                    verify=ssl.create_default_context(),
                ) as client,
                client.stream("POST", self.url, content=content.encode(), headers=headers) as response,
            ):
                status = response.status_code
        except httpx.HTTPError as error:
            raise _failure(error) from error
        if not 200 <= status < 300:
            raise DeliveryFailed(f"http_{status}", is_final=300 <= status < 500 and status not in _WORTH_TRYING)


def body(notice: Notice) -> str:
    """Return the JSON that is posted: no name, no phone number, no words of a patient."""
    data: dict[str, str | None]
    if notice.kind == TEST:
        data = {}
    elif notice.kind == EventKind.ALARM_RAISED:
        data = {
            "conversation": notice.conversation,
            "created_at": _timestamp(notice.created_at),
            "channel": notice.channel,
        }
    else:
        data = {
            "reference": notice.reference,
            "created_at": _timestamp(notice.created_at),
            "channel": notice.channel,
            "status": notice.status,
        }
    content = {"type": notice.kind, "id": notice.id, "timestamp": _timestamp(notice.at), "data": data}
    return json.dumps(content, separators=(",", ":"))


def _timestamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _failure(error: httpx.HTTPError) -> DeliveryFailed:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return DeliveryFailed("certificate_not_trusted")
        if isinstance(cause, ssl.SSLError):
            return DeliveryFailed("tls_failed")
        cause = cause.__cause__ or cause.__context__
    match error:
        case httpx.TimeoutException():
            return DeliveryFailed("timeout")
        case httpx.ConnectError():
            return DeliveryFailed("no_connection")
        case _:
            return DeliveryFailed("connection_lost")
