"""A whole message in its parts: what stands between commas, "and" and the like, and which of it asks something."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from spacy.tokens import Doc

from frontdesk.fields.email import Found as FoundEmail
from frontdesk.fields.email import choose_email, find_emails
from frontdesk.fields.phone import Found as FoundPhone
from frontdesk.fields.phone import choose_phone, find_phones
from frontdesk.fields.phrases import read_tokens, several, token_places
from frontdesk.fields.reading import looks_like_question, straight
from frontdesk.fields.times import time_runs

_ENDS_A_SENTENCE = frozenset(".!?;\n")
_ENDS_A_PART = _ENDS_A_SENTENCE | frozenset(",:()|–—•*")
_JOINTS = several("and but so because cause cuz bc though plus also then & while")
_SHORTENED = frozenset({"dr", "mr", "mrs", "ms", "st", "jr", "sr", "prof"})
_ASKS = re.compile(
    r"^\W*(?:(?:and|so|also|but|ok|hi|hey|hello|please)\W+)*"
    r"(?:how|what|whats|what's|where|who|why|which|hows|is it|is there|are there|are you|"
    r"do you|does it|do i|any idea)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Found:
    """A fact in a message, by tokens."""

    value: str
    start: int
    end: int
    explicit: bool = True


@dataclass(frozen=True)
class Part:
    """A stretch of tokens between two boundaries; `sentence` counts sentences, `asks` tells that it is a question."""

    start: int
    end: int
    sentence: int
    asks: bool
    sentence_asks: bool


@dataclass(frozen=True)
class Message:
    """A message and what every finder needs of it. Offsets of characters are those of `tidy(text)`.

    `taken` are the tokens of numbers, addresses and times; the time runs are in `times`, by tokens.
    """

    said: str
    doc: Doc
    places: list[tuple[int, int]]
    parts: list[Part]
    times: list[tuple[int, int]]
    phones: list[FoundPhone]
    phone: FoundPhone | None
    emails: list[FoundEmail]
    email: FoundEmail | None
    contacts: frozenset[int]

    def text(self, start: int, end: int) -> str:
        """Return the text of some tokens as it was typed."""
        if start >= end:
            return ""
        return self.said[self.places[start][0] : self.places[end - 1][1]]

    def norms(self, start: int, end: int) -> list[str]:
        """Return some tokens in plain form."""
        return [self.doc[index].norm_ for index in range(start, end)]

    def part_of(self, token: int) -> Part:
        """Return the part a token stands in; the nearest one before, for a token that is a boundary."""
        return next((part for part in reversed(self.parts) if part.start <= token), self.parts[0])

    def tokens_of(self, start: int, end: int) -> tuple[int, int]:
        """Return which tokens stand between two places in the text."""
        inside = [index for index, (first, last) in enumerate(self.places) if first < end and start < last]
        return (inside[0], inside[-1] + 1) if inside else (0, 0)


def read_message(text: str) -> Message:
    """Return a message in its parts."""
    said = in_lines(text)
    doc, places = read_tokens(said), token_places(said)
    phones, emails = list(find_phones(said)), list(find_emails(said))
    contacts = {
        index
        for first, last in [found[1:] for found in phones] + [found[1:] for found in emails]
        for index, (start, end) in enumerate(places)
        if start < last and first < end
    }
    times = [run for run in time_runs(said, doc) if not any(index in contacts for index in range(*run))]
    return Message(
        said=said,
        doc=doc,
        places=places,
        parts=list(_parts(said, doc, places, frozenset(contacts), times)),
        times=times,
        phones=phones,
        phone=choose_phone(said, phones),
        emails=emails,
        email=choose_email(said, emails),
        contacts=frozenset(contacts),
    )


def in_lines(text: str) -> str:
    """Return a text as `tidy` and `straight` do, character for character, but with the ends of lines kept."""
    lines = (straight(line) for line in text.splitlines())
    return "\n".join(line for line in lines if line)


def _parts(
    said: str, doc: Doc, places: list[tuple[int, int]], contacts: frozenset[int], times: list[tuple[int, int]]
) -> Iterator[Part]:
    whole = contacts | {index for start, end in times for index in range(start, end)}
    cuts: list[tuple[int, int, int]] = []  # start, end, sentence
    start = sentence = 0
    ends: list[str] = []
    for index, token in enumerate(doc):
        if index in whole or not _is_boundary(doc, places, index):
            continue
        cuts.append((start, index, sentence))
        start = index + 1
        if token.text in _ENDS_A_SENTENCE:
            ends.append(token.text)
            sentence += 1
    cuts.append((start, len(doc), sentence))
    ends.append("")
    for number in range(sentence + 1):
        inside = [(start, end) for start, end, of in cuts if of == number and start < end]
        texts = [said[places[start][0] : places[end - 1][1]] for start, end in inside]
        first = next((index for index, text in enumerate(texts) if _asks(text)), None)
        if first is None and ends[number] == "?":
            first = len(texts) - 1
        for index, (start, end) in enumerate(inside):
            yield Part(start, end, number, first is not None and index >= first, first is not None)


def _asks(text: str) -> bool:
    return looks_like_question(text) or _ASKS.match(text) is not None


def _is_boundary(doc: Doc, places: list[tuple[int, int]], index: int) -> bool:
    token = doc[index]
    if token.norm_ in _JOINTS or token.text in _ENDS_A_PART - {"."}:
        return True
    if token.text == ".":
        before = doc[index - 1] if index else None
        initial = before is not None and len(before.text) == 1 and before.text.isupper() and before.text != "I"
        return before is None or not (before.norm_ in _SHORTENED or initial)
    if token.text not in "-/":
        return False
    # The dash within "Smith-Lee" is none.
    within = 0 < index < len(doc) - 1 and places[index - 1][1] == places[index][0]
    return not (within and places[index][1] == places[index + 1][0])
