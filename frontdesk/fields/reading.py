"""What reading a field may come to, and what the fields share."""

import re
import unicodedata
from dataclasses import dataclass, field
from typing import Any

SKIPPED = ""
"""The value of a field that was asked for and not wanted."""


@dataclass(frozen=True)
class Accepted:
    """The text answers the field; `typed` is the part of it that does, as it was typed, where that differs."""

    value: Any
    typed: str = field(default="", compare=False)


@dataclass(frozen=True)
class Refused:
    """The text was meant for the field but cannot be taken; `response` says why."""

    response: str


@dataclass(frozen=True)
class NotAnAnswer:
    """The text does not look like an answer to this field; `response`, if any, says what would."""

    response: str


@dataclass(frozen=True)
class Doubtful:
    """The text answers the field, probably with a slip: `response` asks once whether `suggestion` is meant."""

    value: Any
    suggestion: Any
    response: str


Reading = Accepted | Refused | NotAnAnswer | Doubtful


def any_of(*phrases: str) -> re.Pattern[str]:
    """Return a pattern for any of the phrases, which are regular expressions, as whole words in any case."""
    return re.compile(rf"\b(?:{'|'.join(phrases)})\b", re.IGNORECASE)


# Zero-width joiners belong to the spelling of Persian and Indic words; other invisible characters to nobody's.
_JOINERS = "\u200c\u200d"
# "Can I", "does it", "is ketamine": but "can't sleep", "would like", "May have PTSD" and "Did not help" are told.
_MODAL = (
    r"am\s+i\b|(?:can|could|do|does|did|is|are|will|would|should|may)\s+"
    r"(?!not\b|n't\b|like\b|love\b|prefer\b|have\b|be\b|need\b|want\b|probably\b|maybe\b|rather\b)"
)
# "When can I", "what does it", "how long": but "when I sit, my back hurts" is told.
_WH = r"(?:who|whom|whose|what|whats|when|where|why|how|hows|which)(?:[’']?s)?\b\s+(?!(?:i|i[’']?m|i[’']ve|my|we)\b)"
_QUESTION_START = re.compile(rf"^\W*(?:{_MODAL}|{_WH}|why\b)", re.IGNORECASE)
_WHY_NOT = re.compile(r"[\s,.]*\bwhy not\W*$", re.IGNORECASE)  # "sure, why not?"
_THUMBS_UP, _THUMBS_DOWN = frozenset("👍👌✅✔💯🆗"), frozenset("👎❌🚫✖")
_YES = re.compile(
    r"^\W*(yes+|y|yeah|yea|yep|yup|sure|ok|okay|k|fine|of course|correct|right(?! now)|send it|go (?:ahead|for it)|"
    r"please do|absolutely|definitely|certainly|perfect|sounds (?:good|great|right|fine)|"
    r"(?:that )?works for me|that works|(?:it'?s )?all good|i do|i agree|agreed|that'?s right|looks good|si|sí)\b(?!')",
    re.IGNORECASE,
)
_NO = re.compile(
    r"^\W*(no|n|nope|nah|not|don't|dont|do not|i don't|i dont|i do not|please don'?t)\b(?!')",
    re.IGNORECASE,
)
# Begins like a no, and is none: "no problem", "I don't mind", "not sure".
_NEITHER = re.compile(
    r"\b(problem|worries|issues?|objection|mind|matter|know|care|sure|unsure|depends|idk)\b", re.IGNORECASE
)
# "Yes, but only by email" is neither a yes nor a no to what was asked.
_CONDITION = re.compile(
    r"\b(but|except|only|unless|if|no(?! problem| worries)|nope|not|never|nor|wait|\w+n't|dont|cant|wont|without)\b",
    re.IGNORECASE,
)
_SKIP = re.compile(
    r"^\W*(skip( it| this| that)?|pass|none|n/?a|no,? thanks|no,? thank you|nope|nah|no|nothing|not now|next|"
    r"(i'?d )?(rather|prefer) not( to)?( say| answer)?|no e-?mail( address)?|"
    r"(i )?don'?t (have|use|want to give) (one|any|(an? )?e-?mail( address)?))( please)?\W*$",
    re.IGNORECASE,
)


def tidy(text: str) -> str:
    """Return a text in composed letters and single spaces, without characters that cannot be seen."""
    visible = (
        character
        for character in unicodedata.normalize("NFC", text)
        if character in _JOINERS or character.isspace() or unicodedata.category(character) not in ("Cf", "Cc")
    )
    each = (word.strip(_JOINERS) for word in "".join(visible).split())
    return " ".join(word for word in each if word)


def words(text: str) -> list[str]:
    """Return the words of a text."""
    return text.split()


def looks_like_question(text: str) -> bool:
    """Tell whether somebody asks rather than answers: a question mark at the end, or the beginning of a question."""
    stripped = text.strip()
    if stripped.endswith("?"):
        return True
    return len(words(stripped)) >= 3 and _QUESTION_START.match(stripped) is not None


def is_yes(text: str) -> bool:
    """Tell whether a text says yes, and only yes."""
    said = _WHY_NOT.sub("", straight(text))
    yes = _YES.match(said)
    if yes is None and _says_only(said, _THUMBS_UP):
        return True
    return yes is not None and not looks_like_question(said) and _CONDITION.search(said, yes.end()) is None


def is_no(text: str) -> bool:
    """Tell whether a text says no."""
    said = straight(text)
    if _says_only(said, _THUMBS_DOWN):
        return True
    return _NO.match(said) is not None and not looks_like_question(said) and not is_undecided(said)


def _says_only(said: str, signs: frozenset[str]) -> bool:
    """Tell whether a text consists of some signs, in whatever colour."""
    shown = [
        character for character in said if unicodedata.category(character)[0] not in "MZ" and not _is_tone(character)
    ]
    return bool(shown) and all(character in signs for character in shown)


def _is_tone(character: str) -> bool:
    return "\U0001f3fb" <= character <= "\U0001f3ff"


def is_undecided(text: str) -> bool:
    """Tell whether a text that may sound like a no leaves it open, as "I don't know" and "no problem" do."""
    return _NEITHER.search(straight(text)) is not None


def is_conditional(text: str) -> bool:
    """Tell whether a text holds a "but", an "only" or a "not", which a plain yes does not."""
    return _CONDITION.search(straight(text)) is not None


def is_skip(text: str) -> bool:
    """Tell whether somebody does not want to answer."""
    return _SKIP.match(straight(text)) is not None


def straight(text: str) -> str:
    """Return a text with the apostrophes of a keyboard; phones type others."""
    return tidy(text).replace("’", "'").replace("‘", "'")
