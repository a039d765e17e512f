"""What the front desk itself says of the clinic: its name and how to reach it, from the clinic's profile.

Answers are worded in Rasa; this is for the page, the console and the moments when Rasa is down.
"""

from dataclasses import dataclass
from pathlib import Path

import yaml

from frontdesk.settings import SettingsError

CRISIS_LINES = (
    "If you are thinking about suicide or hurting yourself, call or text 988 now (free, day and night). "
    "In an emergency, call 911."
)


@dataclass(frozen=True)
class Clinic:
    """The clinic, as far as its profile tells."""

    name: str
    phone: str | None
    service_area: str | None
    booking_url: str | None
    # For text messages to patients: a name that does not say what the clinic treats.
    short_name: str | None = None

    def contact_line(self) -> str:
        """Say how to reach the clinic, honestly when no number is known."""
        if self.phone:
            return f"Please call the clinic at {self.phone}."
        return "Please contact the clinic by phone or through its website."

    def request_line(self) -> str:
        """Say where a request for an appointment can be left meanwhile."""
        if self.booking_url:
            return f"You can leave a request for an appointment at {self.booking_url}."
        return "You can leave a request for an appointment through the clinic's website, or here in a few minutes."


def load_clinic(path: Path) -> Clinic:
    """Read the profile; raise SettingsError when it cannot be read."""
    try:
        profile = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        if not isinstance(profile, dict):
            raise TypeError("it is not a list of `key: value` lines")
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError) as error:
        raise SettingsError(f"CLINIC_PROFILE {path} cannot be read: {error}") from error

    def text(key: str) -> str | None:
        value = profile.get(key)
        return " ".join(str(value).split()) if value not in (None, "", []) else None

    return Clinic(
        name=text("name") or "the clinic",
        phone=text("phone"),
        service_area=text("service_area"),
        booking_url=text("booking_url"),
        short_name=text("short_name"),
    )
