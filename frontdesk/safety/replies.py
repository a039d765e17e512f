"""What is said in a crisis or an emergency, and to what is said after it, from `data/safety/replies.yml`."""

import re
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from frontdesk.chat.models import Channel
from frontdesk.clinic import Clinic
from frontdesk.safety.guard import Alarm
from frontdesk.safety.rules import FOLDER, Level, Person, RuleError
from frontdesk.safety.text import plain

REPLIES = "replies.yml"
_LANGUAGES = ("en", "es")
_DANGERS = (Level.CRISIS, Level.EMERGENCY)
_WORDS = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class SafetyReplies:
    """Every safety reply there is, in the clinic's name."""

    texts: dict[tuple[str, ...], str]
    acknowledgements: frozenset[str]

    def reply(self, alarm: Alarm, channel: Channel) -> dict[str, Any]:
        """Return the one message that answers an alarm, as the chat API has it."""
        language = alarm.language if alarm.level in _DANGERS else "en"
        person = alarm.person.value if alarm.level in _DANGERS else Person.SELF.value
        text = self.texts[alarm.level.value, person, language, _wording(channel)]
        return self._message(alarm.level, text)

    def after(self, level: Level, language: str, channel: Channel) -> dict[str, Any]:
        """Return the caring line that answers "ok" after a crisis."""
        return self._message(level, self.texts["after", language, _wording(channel)]) | {"language": language}

    def is_acknowledgement(self, text: str) -> bool:
        """Tell "yes", "ok thanks" and the like from something to go on with."""
        return " ".join(_WORDS.findall(plain(text))) in self.acknowledgements | {""}

    def _message(self, level: Level, text: str) -> dict[str, Any]:
        return {"kind": "safety", "level": level.value, "text": text, "buttons": []}


def load_replies(clinic: Clinic, folder: Path = FOLDER) -> SafetyReplies:
    """Read the replies and fill in the clinic's contact; raise RuleError for what is missing or malformed."""
    path = folder / REPLIES
    facts = {"contact": clinic.contact_line(), "contact_es": _contact_in_spanish(clinic)}
    needed = [
        *((level.value, person.value, language) for level, person, language in product(_DANGERS, Person, _LANGUAGES)),
        *(("after", language) for language in _LANGUAGES),
        (Level.DIVERSION.value, "self", "en"),
        (Level.MEDICAL_ADVICE.value, "self", "en"),
    ]
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        texts: dict[tuple[str, ...], str] = {}
        for names, wording in product(needed, ("web", "sms")):
            value: Any = content
            for name in (*names, wording):
                value = value[name]
            texts[(*names, wording)] = " ".join(str(value).format(**facts).split())
        acknowledged = frozenset(" ".join(_WORDS.findall(plain(text))) for text in content["acknowledgements"])
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RuleError(f"{path} cannot be read: {error}") from error
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise RuleError(f"{path} lacks something, or fills in something unknown: {error!r}.") from error
    return SafetyReplies(texts, acknowledged)


def _wording(channel: Channel) -> str:
    return "sms" if channel is Channel.SMS else "web"


def _contact_in_spanish(clinic: Clinic) -> str:
    return f"El número de la clínica es {clinic.phone}." if clinic.phone else ""
