"""What the tests of deploy/ share: its files, and the settings that they may name."""

import re
from pathlib import Path

from frontdesk.settings import PROJECT, Settings

DEPLOY = PROJECT / "deploy"
SETTINGS = {name.upper() for name in Settings.model_fields}
# What belongs to the programs around the assistant.
OF_OTHERS = {
    "HOME",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONUNBUFFERED",
    "SITE",
    "CLINIC_PHONE",
    "VERSION",
    "MODEL_VERSION",
    "POSTGRES_DB",
    "POSTGRES_USER",
    "POSTGRES_PASSWORD_FILE",
    "POSTGRES_INITDB_ARGS",
}
PORTS = {"frontdesk": 8000, "rasa": 5005, "actions": 5055}
# Where each part says that it is alive.
ALIVE = {"frontdesk": "/healthz", "rasa": "/webhooks/frontdesk/", "actions": "/health"}
COMMANDS = {
    "frontdesk": ["./ketalink", "serve", "--only", "frontdesk"],
    "rasa": ["./ketalink", "serve", "--only", "rasa", "--no-train"],
    "actions": ["./ketalink", "serve", "--only", "actions"],
}


def documented(name: str) -> bool:
    """Tell whether `.env.example` has a setting."""
    example = (PROJECT / ".env.example").read_text(encoding="utf-8")
    return bool(re.search(rf"^#?{name}=", example, re.MULTILINE))


def in_project(path: str) -> Path:
    """Return where a path of the deploy files is here."""
    return PROJECT / path
