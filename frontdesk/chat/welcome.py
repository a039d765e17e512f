"""What the widget shows before the first message, from `data/widget.yml` and the clinic's profile."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from frontdesk.chat.service import LONGEST_MESSAGE
from frontdesk.clinic import Clinic
from frontdesk.settings import PROJECT, SettingsError

WELCOME = PROJECT / "data" / "widget.yml"


@dataclass(frozen=True)
class Welcome:
    """The clinic's name and phone, what can be asked first, how long a message may be."""

    content: dict[str, Any]


def load_welcome(clinic: Clinic, path: Path = WELCOME) -> Welcome:
    """Read the starting points; raise SettingsError."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        questions = [str(entry["text"]) for entry in content["questions"]]
        request = str(content["request"])
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError) as error:
        raise SettingsError(f"{path} cannot be read: {error!r}") from error
    return Welcome(
        {
            "clinic": {"name": clinic.name, "phone": clinic.phone},
            "questions": questions,
            "request": request,
            "longest_message": LONGEST_MESSAGE,
        }
    )
