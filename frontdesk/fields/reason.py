"""The reason, in the person's own words; it may be skipped."""

from frontdesk.fields.reading import (
    SKIPPED,
    Accepted,
    NotAnAnswer,
    Reading,
    Refused,
    is_skip,
    looks_like_question,
    tidy,
)

LONGEST_REASON = 1_000


def read_reason(text: str) -> Reading:
    """Return the text as it is, on one line, unless it is a question."""
    said = tidy(text)
    if is_skip(said):
        return Accepted(SKIPPED)
    if not said or looks_like_question(said):
        # It is asked once more: the one explanation there is, is about length.
        return NotAnAnswer("")
    if len(said) > LONGEST_REASON:
        return Refused("utter_invalid_reason")
    return Accepted(said)
