"""The console's pages as HTML. Templates escape everything they are given."""

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import phonenumbers
from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from frontdesk.console import sessions
from frontdesk.console.models import Role
from frontdesk.console.navigation import above, places
from frontdesk.console.state import Console
from frontdesk.leads.models import LeadStatus
from frontdesk.outbox.words import destination_name, error_words
from frontdesk.sms.words import text_words

CHANNELS = {"widget": "Website chat", "sms": "Text message"}
PATIENT_TYPES = {"new": "New patient", "existing": "Existing patient"}
SAFETY_LEVELS = {
    "crisis": "Crisis",
    "emergency": "Emergency",
    "medical_advice": "Asked for medical advice",
    "diversion": "Possible misuse",
}
STATUSES = {
    LeadStatus.NEW: "New",
    LeadStatus.CONTACTED: "Contacted",
    LeadStatus.SCHEDULED: "Scheduled",
    LeadStatus.CLOSED: "Closed",
    LeadStatus.SPAM: "Spam",
}
_STEPS = {
    LeadStatus.NEW: "Back to new",
    LeadStatus.CONTACTED: "Mark as contacted",
    LeadStatus.SCHEDULED: "Mark as scheduled",
    LeadStatus.CLOSED: "Close",
    LeadStatus.SPAM: "Mark as spam",
}
_STEPS_BACK = {
    (LeadStatus.SCHEDULED, LeadStatus.CONTACTED): "Back to contacted",
    (LeadStatus.CLOSED, LeadStatus.CONTACTED): "Reopen as contacted",
    (LeadStatus.SPAM, LeadStatus.NEW): "Not spam: back to new",
}
ROLES = {Role.STAFF: "Staff", Role.MANAGER: "Manager", Role.ADMIN: "Admin"}
_REASONS = {"new": "New", "call back": "Call back now", "undeliverable": "Notification failed"}
_DIALABLE = re.compile(r"\+[0-9]{5,15}")

_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(request: Request, template: str, status_code: int = 200, **context: Any) -> HTMLResponse:
    """Return a page. Whoever is signed in, the clinic and its clock are there without being named."""
    console: Console = request.app.state.console
    now = console.now()
    signed_in = getattr(request.state, "signed_in", None)
    html = _templates.get_template(template).render(
        clinic=console.clinic,
        signed_in=signed_in,
        here=request.url.path,
        above=above(request.url.path),
        places=places(signed_in.role) if signed_in else [],
        idle_minutes=sessions.IDLE // timedelta(minutes=1),
        zone=now.astimezone(console.zone).tzname(),
        local=lambda at: local_time(at, console.zone, now),
        in_field=lambda at: f"{at.astimezone(console.zone):%Y-%m-%dT%H:%M}",
        **context,
    )
    return HTMLResponse(html, status_code=status_code)


def local_time(at: datetime, zone: ZoneInfo, now: datetime) -> str:
    """Return a time as the clinic's clock shows it: `Today, 9:04 AM`, `Nov 3, 2:15 PM`, or with a year."""
    here, today = at.astimezone(zone), now.astimezone(zone).date()
    age = (today - here.date()).days
    if age in (0, 1):
        day = ("Today", "Yesterday")[age]
    else:
        day = f"{here:%b} {here.day}" + (f", {here.year}" if here.year != today.year else "")
    return f"{day}, {here.hour % 12 or 12}:{here:%M} {'AM' if here.hour < 12 else 'PM'}"


def percent(share: float | None) -> str:
    """Return a share as people read it: `87 %`; a dash when there is none."""
    return "–" if share is None else f"{100 * share:.0f} %"


def exact_time(at: datetime) -> str:
    """Return a time to the second, in UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def long_date(day: date) -> str:
    """Return `Tue, Dec 1, 2026`."""
    return f"{day:%a, %b} {day.day}, {day.year}"


def readable_phone(phone: str) -> str:
    """Return an E.164 number as people write it: `(516) 555-0142`; what is no number as it is."""
    try:
        number = phonenumbers.parse(phone)
    except phonenumbers.NumberParseException:
        return phone
    style = phonenumbers.PhoneNumberFormat
    return phonenumbers.format_number(number, style.NATIONAL if number.country_code == 1 else style.INTERNATIONAL)


def phone_link(phone: str) -> str | None:
    """Return the `tel:` address of an E.164 number, None when it cannot be dialed."""
    return f"tel:{phone}" if _DIALABLE.fullmatch(phone) else None


def mail_link(email: str) -> str:
    """Return the `mailto:` address: nothing in it can add a recipient or a subject."""
    return "mailto:" + quote(email, safe="@")


def step_label(current: LeadStatus, wanted: LeadStatus) -> str:
    """Return what the button says that moves a request from one status to another."""
    return _STEPS_BACK.get((current, wanted), _STEPS[wanted])


_templates.filters.update(
    exact_time=exact_time,
    percent=percent,
    iso_time=lambda at: at.astimezone(UTC).isoformat(),
    long_date=long_date,
    readable_phone=readable_phone,
    phone_link=phone_link,
    mail_link=mail_link,
    channel=lambda name: CHANNELS.get(name, name),
    patient_type=lambda name: PATIENT_TYPES.get(name, name),
    safety_level=lambda name: SAFETY_LEVELS.get(name, name),
    status=lambda status: STATUSES[LeadStatus(status)],
    role=lambda role: ROLES[Role(role)],
    why=lambda reason: _REASONS[reason],
    destination=destination_name,
    delivery_error=error_words,
    text_status=lambda text: text_words(text.status, text.error_code),
)
_templates.globals.update(step_label=step_label, roles=list(Role))
