"""Taking personal data out of what a visitor wrote, so that it can be an example.

Rather too much than too little: somebody looks at the result before it is saved, and can put back a word.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date

from frontdesk.fields.days import explicit_places
from frontdesk.fields.email import find_emails
from frontdesk.fields.facts import find_facts
from frontdesk.fields.find_names import GIVEN_NAMES, ORDINARY_WORDS
from frontdesk.fields.phone import find_phones
from frontdesk.fields.reading import tidy

NAME, PHONE, EMAIL, DATE, NUMBER = "a name", "a phone number", "an e-mail address", "a date", "a long number"
ADDRESS = "a web address"
# What is never put back: no example needs one.
NEVER = frozenset({PHONE, EMAIL, DATE, NUMBER, ADDRESS})
SHORTEST_NAME = 3

_FIELDS = {"full_name": NAME, "phone": PHONE, "email": EMAIL}
_LEAD_IN = re.compile(
    r"(?:\b(?:my (?:full |first |last )?name(?: is|'s|s)?|name is|this is|i'?m|i am|call me|it'?s|here is|"
    r"(?:my )?(?:cell|phone|number|e-?mail|address)(?: number| address)?(?: is|'s)?|"
    r"(?:reach|call|text|e-?mail) me (?:at|on))"
    r"\s*[:,]?\s*)+$",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_DATES = re.compile(r"\b(?:\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[/.-]\d{1,2}[/.-](?:\d{4}|\d{2}))\b")
_LONG_NUMBER = re.compile(r"(?<![\d$.,])\d(?:[\s.-]?\d){5,}")
_URL = re.compile(r"\b(?:https?://|www\.)\S+", re.IGNORECASE)
_AFTER_A_TITLE = re.compile(r"\b(?i:dr|mr|mrs|ms|miss|doctor|nurse)\.?\s+([A-Z][^\W\d_]+(?:\s[A-Z][^\W\d_]+)?)")
# What Rasa reads as an annotation.
_MARKS = str.maketrans("[]{}", "()()")
_LOOSE = re.compile(r"\s+([,.;:!?])")
_DOUBLED = re.compile(r"([,;:])(?:\s*[,;:])+|([.!?])\s*[,;:]")


@dataclass(frozen=True)
class Cleaned:
    """A text in one line without what was personal in it, and what kinds of things were taken out."""

    text: str
    removed: tuple[str, ...]


def cleaned(text: str, today: date, names: Collection[str] = ()) -> Cleaned:
    """Return a visitor's words without names, numbers, addresses and dates.

    `names` are those the conversation's requests gave.
    """
    said = tidy(text).translate(_MARKS)
    found = sorted(_places(said, today, names))
    left, kinds, end = [], [], 0
    for start, stop, kind in found:
        kinds.append(kind)
        if stop <= end:
            continue
        before = said[end : max(start, end)]
        left.append(_LEAD_IN.sub("", before) if kind in (NAME, PHONE, EMAIL) else before)
        end = stop
    left.append(said[end:])
    rest = _LOOSE.sub(r"\1", tidy(" ".join(left)))
    rest = _DOUBLED.sub(r"\1\2", rest).strip(" ,;:.-–—") if found else rest
    return Cleaned(rest if any(map(str.isalpha, rest)) else "", tuple(dict.fromkeys(kinds)))


def _places(said: str, today: date, names: Collection[str]) -> Iterator[tuple[int, int, str]]:
    """Yield what is personal, by characters."""
    for fact in find_facts(said, today):
        if fact.field in _FIELDS:
            yield fact.start, fact.end, _FIELDS[fact.field]
    phones = [(found.start, found.end) for found in find_phones(said)]
    yield from ((*place, PHONE) for place in phones)
    yield from ((found.start, found.end, EMAIL) for found in find_emails(said))
    yield from ((*place, DATE) for place in explicit_places(said))
    for pattern, kind in ((_DATES, DATE), (_LONG_NUMBER, NUMBER), (_URL, ADDRESS)):
        inside = (match.span() for match in pattern.finditer(said))
        yield from ((*place, kind) for place in inside if not any(_meet(place, phone) for phone in phones))
    yield from ((*match.span(1), NAME) for match in _AFTER_A_TITLE.finditer(said))
    known = {word for name in names for word in _words(name) if len(word) >= SHORTEST_NAME}
    for match in _WORD.finditer(said):
        word = match.group()
        plain = word.casefold().removesuffix("'s").removesuffix("’s")
        is_given = plain in GIVEN_NAMES and plain not in ORDINARY_WORDS and word[0].isupper()
        if plain in known or is_given:
            yield *match.span(), NAME


def _meet(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _words(name: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(name)]
