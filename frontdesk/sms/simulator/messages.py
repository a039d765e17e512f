"""Texts as Twilio has them: the parameters of its webhooks, and the resource of its REST API."""

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from frontdesk.sms.segments import segments

API_VERSION = "2010-04-01"


def new_sid(prefix: str = "SM") -> str:
    """Return an id as Twilio makes them."""
    return prefix + uuid.uuid4().hex


@dataclass
class Text:
    """One text: `inbound`, `outbound-reply` (TwiML) or `outbound-api` (REST)."""

    sid: str
    direction: str
    sender: str
    to: str
    body: str
    status: str
    service: str | None = None
    error_code: int | None = None
    callback: str | None = None
    in_reply_to: str | None = None
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def resource(self, account: str) -> dict[str, Any]:
        """Return the text as the REST API shows it."""
        created = format_datetime(self.created_at)
        return {
            "account_sid": account,
            "api_version": API_VERSION,
            "body": self.body,
            "date_created": created,
            "date_sent": created,
            "date_updated": created,
            "direction": self.direction,
            "error_code": self.error_code,
            "error_message": None,
            "from": self.sender,
            "messaging_service_sid": self.service,
            "num_media": "0",
            "num_segments": str(segments(self.body)),
            "price": None,
            "price_unit": "USD",
            "sid": self.sid,
            "status": self.status,
            "subresource_uris": {"media": f"/{API_VERSION}/Accounts/{account}/Messages/{self.sid}/Media.json"},
            "to": self.to,
            "uri": f"/{API_VERSION}/Accounts/{account}/Messages/{self.sid}.json",
        }


def inbound_form(
    account: str,
    sender: str,
    to: str,
    body: str,
    *,
    sid: str | None = None,
    service: str | None = None,
    media: tuple[str, ...] = (),
    **more: str,
) -> dict[str, str]:
    """Return the parameters of the webhook for an incoming text; `media` are addresses, `more` replaces any.

    A sender such as `whatsapp:+15165550142` is WhatsApp's: it has a profile, and may send a location.
    """
    sid = sid or new_sid("MM" if media else "SM")
    form = {
        "ToCountry": "US",
        "ToState": "NY",
        "ToCity": "",
        "ToZip": "",
        "FromCountry": "US",
        "FromState": "NY",
        "FromCity": "",
        "FromZip": "",
        "SmsMessageSid": sid,
        "SmsSid": sid,
        "MessageSid": sid,
        "SmsStatus": "received",
        "NumMedia": str(len(media)),
        "NumSegments": str(max(1, segments(body))),
        "Body": body,
        "From": sender,
        "To": to,
        "AccountSid": account,
        "ApiVersion": API_VERSION,
    }
    if service is not None:
        form["MessagingServiceSid"] = service
    for number, address in enumerate(media):
        form |= {f"MediaUrl{number}": address, f"MediaContentType{number}": "image/jpeg"}
    if sender.startswith("whatsapp:"):
        form |= {
            "ProfileName": "Somebody",
            "WaId": sender.removeprefix("whatsapp:+"),
            "MessageType": "image" if media else "text",
        }
    return form | more


def status_form(account: str, text: Text, status: str, error_code: int | None) -> dict[str, str]:
    """Return the parameters of the webhook that tells what became of a text."""
    form = {
        "SmsSid": text.sid,
        "MessageSid": text.sid,
        "SmsStatus": status,
        "MessageStatus": status,
        "To": text.to,
        "From": text.sender,
        "AccountSid": account,
        "ApiVersion": API_VERSION,
    }
    if text.service is not None:
        form["MessagingServiceSid"] = text.service
    if error_code is not None:
        form["ErrorCode"] = str(error_code)
    return form
