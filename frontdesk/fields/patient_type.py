"""New or existing patient; it may be skipped."""

import re

from frontdesk.fields.reading import (
    SKIPPED,
    Accepted,
    NotAnAnswer,
    Reading,
    is_no,
    is_skip,
    looks_like_question,
    tidy,
    words,
)

MOST_WORDS = 14

_NOT_NEW = re.compile(r"\bnot\s+(a\s+)?new(\s+patient)?\b", re.IGNORECASE)
_NOT_EXISTING = re.compile(
    r"\b(never|haven'?t|have\s+not|hasn'?t|wasn'?t|was\s+not|didn'?t|not(\s+yet)?)\b"
    r"(?=\W*$|.*\b(been|was|had|came|come|visited|treated|existing|current|returning|patient|there|here)\b)",
    re.IGNORECASE,
)
_NEW = re.compile(
    r"\b(new|first[\s-]+(time|visit|timer|appointment)|not\s+yet)\b(?!\s+(york|jersey|hyde))", re.IGNORECASE
)
_EXISTING = re.compile(
    r"\b(existing|current|returning|old patient|already (a |your )?(patient|treated|been)|been (there|here|"
    r"treated|a patient|"
    r"in|before)|(was|am) (a )?patient|(was|were) (there|here|treated)|came (there |here )?before|come back|"
    r"(had|did|got|have had) (an? |my |some |\w+ )?(infusions?|treatments?|sessions?))\b",
    re.IGNORECASE,
)
# "I haven't been in years": somebody who has been there.
_NOT_LATELY = re.compile(r"\bin (years|months|ages|a (long )?(while|time))\b|\bsince\b|\bin a while\b", re.IGNORECASE)


def read_patient_type(text: str) -> Reading:
    """Return "new" or "existing"; what says both, or neither, is unclear. A bare no answers neither half."""
    said = tidy(text).replace("’", "'")
    if is_skip(said) and not (is_no(said) and len(words(said)) == 1):
        return Accepted(SKIPPED)
    if looks_like_question(said) or len(words(said)) > MOST_WORDS:
        return _unclear()
    rest, not_new = _NOT_NEW.subn(" ", said)
    found = set()
    if not_new or _EXISTING.search(rest):
        found.add("existing")
    if _NEW.search(rest):
        found.add("new")
    if not not_new and not _NOT_LATELY.search(rest) and _NOT_EXISTING.search(rest):
        found = {"new"}
    return Accepted(found.pop()) if len(found) == 1 else _unclear()


def _unclear() -> Reading:
    return NotAnAnswer("utter_invalid_patient_type")
