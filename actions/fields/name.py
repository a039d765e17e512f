"""The full name, as people give it: any letters, hyphens, apostrophes, one word or several."""

import re

from actions.fields.reading import (
    Accepted,
    NotAnAnswer,
    Reading,
    Refused,
    looks_like_question,
    words,
)

LONGEST_NAME = 100
MOST_WORDS = 7

_LEAD_IN = re.compile(
    r"^\W*(?:(?:hi|hello|hey|yes|ok|okay|sure)[,.!\s]+)*"
    r"(?:my\s+(?:full\s+)?name\s*(?:is|'s|’s|:)|name\s*(?:is|:)|it\s+is|it's|it’s|its|i\s+am|i'm|i’m|im|this\s+is|"
    r"call\s+me|the\s+name's|the\s+name\s+is)\s+",
    re.IGNORECASE,
)
_NAME_WORD = re.compile(r"^[^\W\d_]+(?:[.'’\-–·][^\W\d_]*)*,?$")


def read_name(text: str) -> Reading:
    """Return the name in a text such as "it's maria de la cruz"; capitals are left as they were typed."""
    if looks_like_question(text) and len(words(text)) > 2:
        return NotAnAnswer("utter_invalid_full_name")
    name = _LEAD_IN.sub("", text.strip(), count=1).strip(' .,!?;:"“”\n\t')
    parts = words(name)
    if not parts:
        return NotAnAnswer("utter_invalid_full_name")
    if len(name) > LONGEST_NAME:
        return Refused("utter_invalid_full_name")
    if len(parts) > MOST_WORDS or not all(_NAME_WORD.match(part) for part in parts):
        return NotAnAnswer("utter_invalid_full_name")
    return Accepted(" ".join(parts))
