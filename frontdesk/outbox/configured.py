"""The destinations that the settings name."""

import base64
import binascii
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from frontdesk.outbox.destination import Destination
from frontdesk.outbox.email import EmailDestination, Mailbox
from frontdesk.outbox.webhook import WebhookDestination
from frontdesk.settings import Settings, SettingsError, SmtpSecurity, is_loopback

_PORTS = {SmtpSecurity.STARTTLS: 587, SmtpSecurity.TLS: 465, SmtpSecurity.NONE: 25}
_SECRET_PREFIX = "whsec_"  # noqa: S105 # what a secret begins with
_SHORTEST_KEY = 24
_HOW_TO_MAKE_ONE = """python3 -c 'import base64, os; print("whsec_" + base64.b64encode(os.urandom(32)).decode())'"""


def configured(settings: Settings) -> list[Destination]:
    """Return whom to tell, nobody if nothing is set; raise SettingsError for what is set in part."""
    return [*_emails(settings), *_webhook(settings)]


def _emails(settings: Settings) -> list[Destination]:
    addresses = settings.notify_addresses
    if not addresses:
        return []
    if settings.smtp_host is None:
        raise SettingsError("NOTIFY_EMAILS is set but SMTP_HOST is not, so no e-mail can be sent. Set SMTP_HOST.")
    if settings.notify_from is None:
        raise SettingsError("NOTIFY_EMAILS is set but NOTIFY_FROM is not. Set the address that the e-mails come from.")
    if (settings.smtp_username is None) != (settings.smtp_password is None):
        raise SettingsError("Of SMTP_USERNAME and SMTP_PASSWORD one is set and the other is not. Set both or neither.")
    unprotected = settings.smtp_security is SmtpSecurity.NONE and not is_loopback(settings.smtp_host)
    if settings.smtp_password is not None and unprotected:
        raise SettingsError(
            "SMTP_SECURITY is none, so SMTP_PASSWORD would be sent in the clear. Set it to starttls or tls."
        )
    mailbox = Mailbox(
        host=settings.smtp_host,
        port=settings.smtp_port or _PORTS[settings.smtp_security],
        security=settings.smtp_security,
        sender=settings.notify_from,
        username=settings.smtp_username,
        password=settings.smtp_password.get_secret_value() if settings.smtp_password else None,
    )
    zone = ZoneInfo(settings.clinic_timezone)
    return [EmailDestination(mailbox, address, zone, settings.public_url) for address in addresses]


def _webhook(settings: Settings) -> list[Destination]:
    if settings.webhook_url is None:
        return []
    if settings.webhook_secret is None:
        raise SettingsError(
            f"WEBHOOK_URL is set but WEBHOOK_SECRET is not, so nobody could tell our messages from others. Make one "
            f"with: {_HOW_TO_MAKE_ONE}"
        )
    secret = settings.webhook_secret.get_secret_value()
    try:
        key = base64.b64decode(secret.removeprefix(_SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) < _SHORTEST_KEY:
        raise SettingsError(
            f"WEBHOOK_SECRET has to be whsec_ and Base64 of at least {_SHORTEST_KEY} bytes. Make one with: "
            f"{_HOW_TO_MAKE_ONE}"
        )
    return [WebhookDestination(settings.webhook_url, secret)]


def webhook_host(settings: Settings) -> str:
    """Return the part of WEBHOOK_URL that may be shown."""
    return urlsplit(settings.webhook_url or "").hostname or ""
