"""New or existing patient; it may be skipped."""

import re

from actions.fields.reading import (
    SKIPPED,
    Accepted,
    NotAnAnswer,
    Reading,
    is_skip,
    looks_like_question,
    words,
)

MOST_WORDS = 14

_NEW = re.compile(
    r"\b(new|first (time|visit|timer)|never been|haven'?t been|not yet|not been|never (was|had|came))\b",
    re.IGNORECASE,
)
_EXISTING = re.compile(
    r"\b(existing|current|returning|old patient|already (a |your )?(patient|treated|been)|been (there|here|treated|a patient|"
    r"in) ?(before)?|(was|am) (a )?patient|came before|come back|not new)\b",
    re.IGNORECASE,
)


def read_patient_type(text: str) -> Reading:
    """Return "new" or "existing"."""
    if is_skip(text):
        return Accepted(SKIPPED)
    if looks_like_question(text) or len(words(text)) > MOST_WORDS:
        return NotAnAnswer("utter_invalid_patient_type")
    if re.search(r"\b(never|haven'?t|not)\b", text, re.IGNORECASE) and not re.search(
        r"\bnot (a )?new\b", text, re.IGNORECASE
    ):
        return (
            Accepted("new")
            if _NEW.search(text) or _EXISTING.search(text)
            else _unclear()
        )
    if _EXISTING.search(text):
        return Accepted("existing")
    if _NEW.search(text):
        return Accepted("new")
    return _unclear()


def _unclear() -> Reading:
    return NotAnAnswer("utter_invalid_patient_type")
