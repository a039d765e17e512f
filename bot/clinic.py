"""The clinic's profile (`data/clinic.yml`): the only place clinic facts in answers come from."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).resolve().parent.parent
DEFAULT_PROFILE = PROJECT / "data" / "clinic.yml"

MINIMUM_DRIVING_WAIT_HOURS = 24
_STOP_WORDS = re.compile(
    r"\b(stop|skip|hold|taper|withhold|pause|discontinue|avoid|omit|wean|cut back|come off|go off|leave out|"
    r"do not (take|use)|don't (take|use)|without your|no \w+ (that|this|the) day)",
    re.IGNORECASE,
)
_HOURS = re.compile(r"(\d+)\s*(hour|hr|h\b)", re.IGNORECASE)


class ClinicProfileError(Exception):
    """The profile cannot be used; the message names the file, the key and the way out."""


def profile_path() -> Path:
    """Where the profile is: `CLINIC_PROFILE`, else `data/clinic.yml`."""
    return Path(os.environ.get("CLINIC_PROFILE") or DEFAULT_PROFILE)


def read_profile(path: Path) -> dict[str, str]:
    """Return the known facts as `{key: wording}`; keys the clinic left empty are absent.

    Lists become "a, b and c". Raises ClinicProfileError for an unreadable file or a value
    that may not be said to patients.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise ClinicProfileError(f"The clinic profile {path} cannot be read: {error}") from error
    if content is None:
        content = {}
    if not isinstance(content, dict):
        raise ClinicProfileError(f"The clinic profile {path} must be a list of `key: value` lines.")
    facts = {str(key): _wording(path, key, value) for key, value in content.items() if _is_known(value)}
    _refuse_unsafe(path, facts)
    return facts


def _is_known(value: Any) -> bool:
    return value not in (None, "", [])


def _wording(path: Path, key: str, value: Any) -> str:
    if isinstance(value, list):
        parts = [str(part) for part in value]
        text = parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]
    elif isinstance(value, bool):
        text = "yes" if value else "no"
    elif isinstance(value, (str, int, float)):
        text = str(value)
    else:
        raise ClinicProfileError(f"{path}: `{key}` must be a text, a number or a list of texts.")
    if "{" in text or "}" in text:
        raise ClinicProfileError(f"{path}: `{key}` may not contain curly braces.")
    return " ".join(text.split())


def _refuse_unsafe(path: Path, facts: Mapping[str, str]) -> None:
    """Refuse what no clinic setting may tell a patient, whatever the clinic's habit."""
    wait = facts.get("driving_wait")
    # Every number counts: "12-24 hours" would be read as twelve.
    numbers = [int(number) for number in re.findall(r"\d+", wait or "")]
    is_long_enough = numbers and min(numbers) >= MINIMUM_DRIVING_WAIT_HOURS and _HOURS.search(wait or "")
    if wait and not is_long_enough:
        raise ClinicProfileError(
            f"{path}: `driving_wait` must give hours, {MINIMUM_DRIVING_WAIT_HOURS} or more: drug information for "
            f"ketamine injection asks for that long. Write for example `driving_wait: 24 hours`, or leave it empty."
        )
    if _STOP_WORDS.search(facts.get("medication_instructions", "").replace("\u2019", "'")):
        raise ClinicProfileError(
            f"{path}: `medication_instructions` may not tell patients to stop or skip a medicine; "
            f"that belongs to the care team. Reword it or leave it empty."
        )


class ClinicProfile:
    """The profile as a file that staff may edit while the assistant runs."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or profile_path()
        self._facts: dict[str, str] = read_profile(self._path)
        self._stamp = self._path.stat().st_mtime_ns

    def facts(self) -> Mapping[str, str]:
        """Return the known facts, read again when the file changed; a broken edit keeps the last good facts."""
        try:
            stamp = self._path.stat().st_mtime_ns
            if stamp != self._stamp:
                self._stamp = stamp
                self._facts = read_profile(self._path)
        except (OSError, ClinicProfileError):
            return self._facts
        return self._facts
