"""What the console's routes work with; the application makes one."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from anyio import CapacityLimiter

from frontdesk.clinic import Clinic
from frontdesk.console.devices import Devices
from frontdesk.db import Database, utc_now
from frontdesk.limits import MessageLimit
from frontdesk.settings import Settings, SettingsError
from frontdesk.sms.sending import TwilioAccount
from frontdesk.sms.staff import StaffTexts
from frontdesk.sms.texts import load_texts

# An account's limit is that of strangers together: browsers its owner has used have one of their own, so that nobody
# can lock them out.
SIGN_INS_PER_ADDRESS = 10
SIGN_INS_PER_ACCOUNT = 30
SIGN_INS_PER_DEVICE = 10
CODES_PER_ACCOUNT = 15
# One password takes 64 MiB and a core while it is checked; more wait, and the chat does not.
PASSWORDS_AT_ONCE = 2
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Console:
    """The database, the clinic, its clock and its limits."""

    database: Database
    clinic: Clinic
    zone: ZoneInfo
    public_origin: str | None
    address_limit: MessageLimit
    account_limit: MessageLimit
    texts: StaffTexts
    device_limit: MessageLimit
    code_limit: MessageLimit
    devices: Devices
    needs_second_factor: bool = False
    # Nobody but this machine reaches it: `make run` may print a link that signs in.
    is_local: bool = False
    now: Callable[[], datetime] = utc_now
    passwords: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(PASSWORDS_AT_ONCE))


def create_console(settings: Settings, database: Database, clinic: Clinic) -> Console:
    """Make the console's state; raise SettingsError when CLINIC_TIMEZONE is no time zone."""
    try:
        zone = ZoneInfo(settings.clinic_timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SettingsError(
            f"CLINIC_TIMEZONE is {settings.clinic_timezone!r}, which is no time zone. "
            f"Use a name such as America/New_York."
        ) from error
    return Console(
        database=database,
        clinic=clinic,
        zone=zone,
        public_origin=_origin(settings.public_url) if settings.public_url else None,
        address_limit=MessageLimit(SIGN_INS_PER_ADDRESS, "sign-in address"),
        account_limit=MessageLimit(SIGN_INS_PER_ACCOUNT, "sign-in account"),
        device_limit=MessageLimit(SIGN_INS_PER_DEVICE, "sign-in device"),
        code_limit=MessageLimit(CODES_PER_ACCOUNT, "sign-in code"),
        devices=Devices(settings.secret("session")),
        needs_second_factor=settings.needs_second_factor,
        is_local=settings.is_local,
        texts=StaffTexts(load_texts(clinic)[0], settings.secret("lookup"), TwilioAccount.of(settings) is not None),
    )


def _origin(url: str) -> str:
    """Return the origin of an address as a browser writes it: `https://example.com`."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise SettingsError(f"PUBLIC_URL {url!r} cannot be read: {error}.") from error
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise SettingsError(f"PUBLIC_URL {url!r} has to begin with https:// or http:// and name a host.")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{port}" if port not in (None, _DEFAULT_PORTS[parts.scheme]) else "")
