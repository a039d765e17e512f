"""What reading a field may come to, and what the fields share."""

import re
from dataclasses import dataclass
from typing import Any

SKIPPED = ""
"""The value of a field that was asked for and not wanted."""


@dataclass(frozen=True)
class Accepted:
    """The text answers the field."""

    value: Any


@dataclass(frozen=True)
class Refused:
    """The text was meant for the field but cannot be taken; `response` says why."""

    response: str


@dataclass(frozen=True)
class NotAnAnswer:
    """The text does not look like an answer to this field."""

    response: str


Reading = Accepted | Refused | NotAnAnswer

_QUESTION_START = re.compile(
    r"^(who|whom|whose|what|whats|when|where|why|how|which|can|could|do|does|did|is|are|am|will|would|should|may|"
    r"is it|whats|hows)\b[’']?",
    re.IGNORECASE,
)
_YES = re.compile(
    r"^\W*(yes|y|yeah|yea|yep|yup|sure|ok|okay|k|fine|of course|correct|right|send it|go ahead|please do|i do|i agree|"
    r"agreed|that's right|thats right|looks good|si|sí)\b",
    re.IGNORECASE,
)
_NO = re.compile(
    r"^\W*(no|n|nope|nah|not|don't|dont|do not|i don't|i dont|i do not)\b",
    re.IGNORECASE,
)
_SKIP = re.compile(
    r"^\W*(skip( it| this| that)?|pass|none|n/?a|no thanks|no thank you|nope|no|nothing|rather not( say)?|prefer not to( say)?|"
    r"i'd rather not( say)?|id rather not( say)?|i don'?t have (one|an email|email|any)|no e-?mail|not now|next)\W*$",
    re.IGNORECASE,
)


def words(text: str) -> list[str]:
    """Return the words of a text."""
    return text.split()


def looks_like_question(text: str) -> bool:
    """Tell whether somebody asks rather than answers: a question mark at the end, or a question's first word."""
    stripped = text.strip()
    if stripped.endswith("?"):
        return True
    return len(words(stripped)) >= 3 and _QUESTION_START.match(stripped) is not None


def is_yes(text: str) -> bool:
    """Tell whether a short text says yes."""
    return _YES.match(text) is not None and not looks_like_question(text)


def is_no(text: str) -> bool:
    """Tell whether a short text says no."""
    return _NO.match(text) is not None and not looks_like_question(text)


def is_skip(text: str) -> bool:
    """Tell whether somebody does not want to answer."""
    return _SKIP.match(text) is not None
