"""The reason, in the person's own words; it may be skipped."""

from actions.fields.reading import (
    SKIPPED,
    Accepted,
    NotAnAnswer,
    Reading,
    Refused,
    is_skip,
    looks_like_question,
)

LONGEST_REASON = 1_000


def read_reason(text: str) -> Reading:
    """Return the text as it is, unless it is a question."""
    if is_skip(text):
        return Accepted(SKIPPED)
    if looks_like_question(text):
        return NotAnAnswer("utter_invalid_reason")
    if len(text) > LONGEST_REASON:
        return Refused("utter_invalid_reason")
    return Accepted(" ".join(text.split()))
