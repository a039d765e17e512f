"""One incoming text, and one notice of what became of an outgoing one, as Twilio's webhooks have them."""

import re
from dataclasses import dataclass

from starlette.datastructures import FormData

_MESSAGE_SID = re.compile(r"[A-Za-z0-9]{1,64}")
_SENDER = re.compile(r"[A-Za-z0-9+:._@-]{1,64}")
_STATUS = re.compile(r"[a-z_]{1,16}")
# Twilio sends each once: two of one of these are an error, or somebody's trick.
_ONCE = (
    "MessageSid",
    "From",
    "To",
    "Body",
    "NumMedia",
    "MessagingServiceSid",
    "OptOutType",
    "MessageStatus",
    "ErrorCode",
)


class UnreadableSms(Exception):
    """A signed webhook that is no incoming text, and no notice of an outgoing one."""


@dataclass(frozen=True)
class InboundSms:
    """One incoming text. Pictures are counted, not looked at, and never fetched."""

    message_sid: str
    sender: str
    body: str
    # The Messaging Service, or else the number, that was texted.
    sent_to: str | None = None
    has_media: bool = False
    # STOP, START or HELP, when Twilio has recognised and answered it (Advanced Opt-Out).
    opt_out_type: str | None = None

    @classmethod
    def parse(cls, form: FormData) -> "InboundSms":
        """Read a webhook's form; raise UnreadableSms."""
        values = _values(form)
        sid, sender = values["MessageSid"], values["From"].strip()
        if not _MESSAGE_SID.fullmatch(sid) or not _SENDER.fullmatch(sender):
            raise UnreadableSms
        sent_to = values["MessagingServiceSid"] or values["To"].strip()
        media = values["NumMedia"]
        return cls(
            message_sid=sid,
            sender=sender,
            body=values["Body"],
            sent_to=sent_to if _SENDER.fullmatch(sent_to) else None,
            has_media=media.isdecimal() and int(media) > 0,
            opt_out_type=values["OptOutType"].upper() or None,
        )


@dataclass(frozen=True)
class StatusNotice:
    """What became of an outgoing text."""

    message_sid: str
    status: str
    sent_to: str
    error_code: int | None

    @classmethod
    def parse(cls, form: FormData) -> "StatusNotice":
        """Read a status callback's form; raise UnreadableSms."""
        values = _values(form)
        sid, status, code = values["MessageSid"], values["MessageStatus"].lower(), values["ErrorCode"]
        if not _MESSAGE_SID.fullmatch(sid) or not _STATUS.fullmatch(status):
            raise UnreadableSms
        return cls(sid, status, values["To"].strip(), int(code) if code.isdecimal() and len(code) < 9 else None)


def _values(form: FormData) -> dict[str, str]:
    found = {}
    for name in _ONCE:
        given = {str(value) for value in form.getlist(name)}
        if len(given) > 1:
            raise UnreadableSms
        found[name] = given.pop() if given else ""
    return found
