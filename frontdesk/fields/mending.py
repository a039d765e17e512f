"""How people take back what they have just said: "not 0142", "sorry, I meant …", "Wednesday instead"."""

import re

# Just before a value, it says that this is not the one: "not ana@…", "instead of 516-555-0142".
_DENIED_BEFORE = re.compile(
    r"(?:\b(?:not|isn'?t|aren'?t|no\s+longer|instead\s+of|rather\s+than|never|don'?t\s+(?:use|call|text)|"
    r"(?:old|wrong|previous|former)\s+(?:phone|cell|number|one|e-?mail|address|name)(?:\s+(?:was|is))?|"
    r"used\s+to\s+be|maiden\s+name\s+is)|\b(?:from|was))\s*[:,]?\s*$",
    re.IGNORECASE,
)
_DENIED_AFTER = re.compile(
    r"^\s*,?\s*(?:(?:is|was|isn'?t|doesn'?t|does\s+not|no)\s+(?:not\s+)?(?:wrong|old|incorrect|anymore|any\s+more|work|"
    r"working|mine|right|correct|in\s+service|longer)|anymore)\b",
    re.IGNORECASE,
)
# Between two values, it says that the second one counts.
_MENDED = re.compile(
    r"\b(?:actually|wait|oops|whoops|sorry|correction|scratch\s+that|no|nope|i\s+mean|i\s+meant|make\s+(?:it|that)|"
    r"instead|should\s+(?:be|say)|rather|typo|mistake|wrong|changed?|now)\b|\*",
    re.IGNORECASE,
)


def is_denied(said: str, start: int, end: int) -> bool:
    """Tell whether a text says that the value at `start:end` is not, or no longer, the one."""
    return _DENIED_BEFORE.search(said, 0, start) is not None or _DENIED_AFTER.search(said[end:]) is not None


def is_mended(between: str) -> bool:
    """Tell whether what stands between two values says that the second one counts."""
    return _MENDED.search(between) is not None
