"""The channel's own texts and the words it obeys, from `data/sms.yml`."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml

from frontdesk.clinic import CRISIS_LINES, Clinic
from frontdesk.settings import PROJECT, SettingsError

TEXTS = PROJECT / "data" / "sms.yml"

# A longer text says more than that.
LONGEST_REQUEST_FOR_SILENCE = 120
_BEFORE_A_NUMBER = frozenset({"option", "number", "choice", "no", "nr", "answer"})
_APOSTROPHES = "'\u2018\u2019\u02bc`\u00b4"


class Keyword(StrEnum):
    """What a text can ask of the channel itself."""

    STOP = "stop"
    START = "start"
    HELP = "help"
    YES = "yes"  # opts in again unless it answers a question


def bare(text: str) -> str:
    """Return the words of a text without case, punctuation and accents: `"¡No más!"` is `no mas`."""
    visible = (
        character
        for character in unicodedata.normalize("NFKD", text).casefold()
        if character not in _APOSTROPHES and unicodedata.category(character) not in {"Cf", "Mn"}
    )
    return " ".join("".join(character if character.isalnum() else " " for character in visible).split())


class Keywords:
    """Recognises STOP, START and HELP, each alone in a text, and plain ways to ask for silence."""

    def __init__(
        self,
        words: Mapping[Keyword, Iterable[str]],
        stop_phrases: Iterable[str],
        courtesies: Iterable[str],
        more: Iterable[str],
        number_words: Sequence[str],
    ) -> None:
        self._words = {bare(word): keyword for keyword, some in words.items() for word in some}
        self._courtesies = frozenset(bare(word) for word in courtesies)
        self._stop_phrases = [re.compile(phrase) for phrase in stop_phrases]
        self._more = frozenset(bare(word) for word in more)
        self._numbers = {bare(word): str(number) for number, word in enumerate(number_words, 1)}

    def find(self, body: str) -> Keyword | None:
        """Return what the text asks of the channel, or None: then it is for the assistant."""
        words = bare(body)
        if words in self._words:
            return self._words[words]
        if not words or len(words) > LONGEST_REQUEST_FOR_SILENCE:
            return None
        # "Can you stop texting" has the "you" as a courtesy, "I want nothing from you" has not.
        ways = (words, " ".join(word for word in words.split() if word not in self._courtesies))
        if any(phrase.fullmatch(way) for phrase in self._stop_phrases for way in ways if way):
            return Keyword.STOP
        return None

    def asks_for_more(self, body: str) -> bool:
        """Tell whether a text asks for the part of an answer that did not fit."""
        return bare(body) in self._more

    def number(self, body: str) -> str | None:
        """Return the number of a choice a text is, however it is written: `"#2."`, `"option 2"`, `"two"`."""
        words = bare(body).split()
        if len(words) == 2 and words[0] in _BEFORE_A_NUMBER:
            words = words[1:]
        if len(words) != 1:
            return None
        number = self._numbers.get(words[0], words[0])
        return str(int(number)) if number.isdecimal() and len(number) <= 2 else None


@dataclass(frozen=True)
class SmsTexts:
    """What the channel says itself, with the clinic's facts filled in; `staff` still has its `{words}`."""

    first: str
    choices: str
    no_such_choice: str
    more: str
    nothing_more: str
    no_words: str
    picture_unseen: str
    too_long: str
    too_fast: str
    later: str
    gave_up: str
    unavailable: str
    stopped: str
    started: str
    what_now: str
    help: str
    staff: str
    not_in_staff_texts: tuple[str, ...] = ()


def load_texts(clinic: Clinic, path: Path = TEXTS) -> tuple[SmsTexts, Keywords]:
    """Read the texts and the words; raise SettingsError with what is wrong in the file."""
    try:
        content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
        unsaid = tuple(_listed(content["not_in_staff_texts"]))
        facts = {
            "clinic": clinic.name,
            "contact": clinic.contact_line(),
            "crisis_lines": CRISIS_LINES,
            "discreet_clinic": clinic.short_name or discreet(clinic.name, unsaid),
            "words": "{words}",
        }
        texts = {
            field.name: " ".join(str(content["texts"][field.name]).format(**facts).split())
            for field in fields(SmsTexts)
            if field.name != "not_in_staff_texts"
        }
        keywords = Keywords(
            {keyword: _listed(content["keywords"][keyword.value]) for keyword in Keyword},
            _listed(content["stop_phrases"]),
            _listed(content["courtesies"]),
            _listed(content["more"]),
            _listed(content["number_words"]),
        )
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from error
    except (KeyError, TypeError, ValueError, IndexError, re.error) as error:
        raise SettingsError(f"{path} lacks something, or fills in something unknown: {error}") from error
    return SmsTexts(**texts, not_in_staff_texts=unsaid), keywords


def discreet(name: str, unsaid: Iterable[str]) -> str:
    """Return a clinic's name without the words that say what it treats."""
    kept = [word for word in name.split() if not any(part in word.casefold() for part in unsaid)]
    return " ".join(kept) if kept else "Your clinic"


def _listed(words: Any) -> list[str]:
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise TypeError(f"{words!r} is not a list of texts (`no` and `yes` need quotation marks)")
    return words
