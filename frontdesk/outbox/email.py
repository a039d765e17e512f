"""Telling somebody by e-mail, over SMTP."""

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from zoneinfo import ZoneInfo

from frontdesk.outbox.destination import DeliveryFailed
from frontdesk.outbox.models import EventKind
from frontdesk.outbox.notices import TEST, Notice
from frontdesk.settings import SmtpSecurity

TIMEOUT_SECONDS = 10.0
PREFIX = "email:"

_CHANNELS = {"widget": "website chat", "sms": "text message"}
_SUBJECTS = {
    EventKind.LEAD_RECEIVED.value: "New appointment request {reference}",
    EventKind.LEAD_JOINED.value: "More about appointment request {reference}",
    EventKind.ALARM_RAISED.value: "Somebody may be in danger",
    TEST: "Test from the clinic's assistant",
}
_OPENINGS = {
    EventKind.LEAD_RECEIVED.value: "Somebody asked for an appointment and agreed to be contacted.",
    EventKind.LEAD_JOINED.value: (
        "Somebody who had already asked for an appointment today asked again. What is new was added to their request."
    ),
    EventKind.ALARM_RAISED.value: (
        "The assistant noticed a possible crisis or emergency in a conversation and gave the numbers of 988 and 911 "
        "at once. Please look at it now."
    ),
    TEST: "This is a test. Notifications of new appointment requests and of alarms reach this address.",
}
_CLOSING = (
    "Names, phone numbers and what people write are only in the console: there are none in this e-mail.\n"
    "It goes to the addresses in NOTIFY_EMAILS."
)


@dataclass(frozen=True)
class Mailbox:
    """How e-mail is sent: the server, how the connection is protected, who signs in, and who it is from."""

    host: str
    port: int
    security: SmtpSecurity
    sender: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class EmailDestination:
    """One address that is told by e-mail. `public_url` is where links lead, None for no links."""

    mailbox: Mailbox
    address: str
    zone: ZoneInfo
    public_url: str | None = None

    @property
    def name(self) -> str:
        """Name it as deliveries do."""
        return PREFIX + self.address

    def send(self, notice: Notice) -> None:
        """Hand the e-mail to the server; raise DeliveryFailed unless it took it."""
        message = self.compose(notice)
        try:
            with _connected(self.mailbox) as server:
                server.send_message(message, from_addr=self.mailbox.sender, to_addrs=[self.address])
        except (smtplib.SMTPException, OSError) as error:
            raise _failure(error) from error

    def compose(self, notice: Notice) -> EmailMessage:
        """Return the e-mail. Its Message-ID is made of the notice's id: a repeat has the same one."""
        message = EmailMessage()
        message["From"] = self.mailbox.sender
        message["To"] = self.address
        message["Subject"] = _SUBJECTS[notice.kind].format(reference=notice.reference)
        message["Date"] = format_datetime(notice.at)
        message["Message-ID"] = f"<{notice.id}@{self.mailbox.sender.rpartition('@')[2]}>"
        # No out-of-office replies to a program.
        message["Auto-Submitted"] = "auto-generated"
        if notice.kind == EventKind.ALARM_RAISED:
            message["Importance"] = "high"
        message.set_content("\n\n".join(self._paragraphs(notice)) + "\n")
        return message

    def _paragraphs(self, notice: Notice) -> Iterator[str]:
        yield _OPENINGS[notice.kind]
        if notice.kind == TEST:
            return
        facts = {
            "Reference": notice.reference,
            "When": _clock_time(notice.at, self.zone),
            "Through": _CHANNELS.get(notice.channel or "", notice.channel),
        }
        yield "\n".join(f"{name}: {value}" for name, value in facts.items() if value)
        if notice.page is None:
            yield "The visitor has deleted the conversation since."
        elif self.public_url:
            yield f"Open it in the console: {self.public_url.rstrip('/')}{notice.page}"
        else:
            yield "Open it in the staff console."
        yield _CLOSING


@contextmanager
def _connected(mailbox: Mailbox) -> Iterator[smtplib.SMTP]:
    """Open a connection that is protected and signed in as the settings say; the certificate is verified."""
    server: smtplib.SMTP
    if mailbox.security is SmtpSecurity.TLS:
        context = ssl.create_default_context()
        server = smtplib.SMTP_SSL(mailbox.host, mailbox.port, timeout=TIMEOUT_SECONDS, context=context)
    else:
        server = smtplib.SMTP(mailbox.host, mailbox.port, timeout=TIMEOUT_SECONDS)
    try:
        if mailbox.security is SmtpSecurity.STARTTLS:
            server.starttls(context=ssl.create_default_context())
        if mailbox.username is not None:
            server.login(mailbox.username, mailbox.password or "")
        yield server
        # The server has the e-mail by now: how it says goodbye changes nothing.
        with suppress(smtplib.SMTPException, OSError):
            server.quit()
    finally:
        server.close()


def _failure(error: smtplib.SMTPException | OSError) -> DeliveryFailed:
    """Return the kind of error. What the server said stays out: it may repeat anything."""
    match error:
        case smtplib.SMTPAuthenticationError():
            # Somebody has to correct a setting: worth trying for as long as any other error.
            return DeliveryFailed("smtp_sign_in_refused")
        case smtplib.SMTPRecipientsRefused():
            code = next((code for code, _ in error.recipients.values()), 0)
            return DeliveryFailed(f"smtp_{code}", is_final=code >= 500)
        case smtplib.SMTPConnectError() | smtplib.SMTPHeloError():
            return DeliveryFailed(f"smtp_{error.smtp_code}")
        case smtplib.SMTPResponseException():
            return DeliveryFailed(f"smtp_{error.smtp_code}", is_final=error.smtp_code >= 500)
        case smtplib.SMTPNotSupportedError():
            return DeliveryFailed("smtp_not_supported")
        case smtplib.SMTPServerDisconnected():
            return DeliveryFailed("connection_lost")
        case ssl.SSLCertVerificationError():
            return DeliveryFailed("certificate_not_trusted")
        case ssl.SSLError():
            return DeliveryFailed("tls_failed")
        case TimeoutError():
            return DeliveryFailed("timeout")
        case _:
            return DeliveryFailed("no_connection")


def _clock_time(at: datetime, zone: ZoneInfo) -> str:
    here = at.astimezone(zone)
    return f"{here:%A, %B} {here.day}, {here.year}, {here.hour % 12 or 12}:{here:%M} {here:%p %Z}"
