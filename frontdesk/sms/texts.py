"""The channel's own texts and the words it obeys, from `data/sms.yml`."""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml

from frontdesk.clinic import CRISIS_LINES, Clinic
from frontdesk.settings import PROJECT, SettingsError

TEXTS = PROJECT / "data" / "sms.yml"

_APOSTROPHES = "'\u2018\u2019\u02bc`\u00b4"


class Keyword(StrEnum):
    """What a text can ask of the channel itself."""

    STOP = "stop"
    START = "start"
    HELP = "help"


def bare(text: str) -> str:
    """Return the words of a text without case, punctuation and accents: `"¡No más!"` is `no mas`."""
    visible = (
        character
        for character in unicodedata.normalize("NFKD", text).casefold()
        if character not in _APOSTROPHES and unicodedata.category(character) not in {"Cf", "Mn"}
    )
    return " ".join("".join(character if character.isalnum() else " " for character in visible).split())


class Keywords:
    """Recognises STOP, START and HELP: each alone in a text, and plain ways to ask for silence."""

    def __init__(
        self, words: Mapping[Keyword, Iterable[str]], stop_phrases: Iterable[str], courtesies: Iterable[str]
    ) -> None:
        self._words = {bare(word): keyword for keyword, some in words.items() for word in some}
        self._courtesies = frozenset(bare(word) for word in courtesies)
        self._stop_phrases = frozenset(self._core(bare(phrase)) for phrase in stop_phrases)

    def find(self, body: str) -> Keyword | None:
        """Return what the text asks of the channel, or None: then it is for the assistant."""
        words = bare(body)
        if words in self._words:
            return self._words[words]
        return Keyword.STOP if words and self._core(words) in self._stop_phrases else None

    def _core(self, words: str) -> str:
        return " ".join(word for word in words.split() if word not in self._courtesies) or words


@dataclass(frozen=True)
class SmsTexts:
    """What the channel says itself, with the clinic's facts filled in."""

    first: str
    choices: str
    no_such_choice: str
    more: str
    no_words: str
    too_long: str
    too_fast: str
    unavailable: str
    stopped: str
    started: str
    help: str


def load_texts(clinic: Clinic, path: Path = TEXTS) -> tuple[SmsTexts, Keywords]:
    """Read the texts and the words; raise SettingsError with what is wrong in the file."""
    try:
        content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
        facts = {"clinic": clinic.name, "contact": clinic.contact_line(), "crisis_lines": CRISIS_LINES}
        texts = {
            field.name: " ".join(str(content["texts"][field.name]).format(**facts).split())
            for field in fields(SmsTexts)
        }
        words = {keyword: _listed(content["keywords"][keyword.value]) for keyword in Keyword}
        phrases, courtesies = _listed(content["stop_phrases"]), _listed(content["courtesies"])
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from error
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise SettingsError(f"{path} lacks something, or fills in something unknown: {error}") from error
    return SmsTexts(**texts), Keywords(words, phrases, courtesies)


def _listed(words: Any) -> list[str]:
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise TypeError(f"{words!r} is not a list of texts (`no` and `yes` need quotation marks)")
    return words
