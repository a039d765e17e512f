"""From the assistant's messages to the text of one SMS."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from frontdesk.sms.segments import GSM_7, encoding, segments, size
from frontdesk.sms.texts import SmsTexts

# What Twilio takes.
LONGEST_SMS = 1_600
# A reply with an answer in it is cut to this; the rest comes when it is asked for.
MOST_SEGMENTS = 3
DANGERS = frozenset({"crisis", "emergency"})

_PLAIN = str.maketrans(
    {
        "\u2018": "'", "\u2019": "'", "\u201a": "'", "\u201b": "'", "`": "'", "\u00b4": "'", "\u2032": "'",
        "\u201c": '"', "\u201d": '"', "\u201e": '"', "\u2033": '"', "\u00ab": '"', "\u00bb": '"',
        "\u2010": "-", "\u2011": "-", "\u2012": "-", "\u2013": "-", "\u2014": "-", "\u2015": "-",
        "\u2212": "-", "\u2022": "-", "\u00b7": "-", "\u2026": "...", "\u2192": "->", "\u00d7": "x",
        "\u2264": "<=", "\u2265": ">=", "\u00bc": " 1/4", "\u00bd": " 1/2", "\u00be": " 3/4",
        "\u2044": "/", "\u00b0": " deg", "\t": " ", "\r": "\n", "\f": "\n",
    }
)  # fmt: skip
_SENTENCE_END = re.compile(r"[.!?](?=\s)|\n")
_BETWEEN = "\n\n"


@dataclass(frozen=True)
class Composed:
    """The text of one SMS, and what of the answer did not fit in."""

    text: str
    rest: str = ""


def plain(text: str) -> str:
    """Return the text in GSM-7: plain quotation marks and dashes, no emoji, the few accents GSM-7 has.

    A letter of another script stays, though it makes the SMS longer: it may be in somebody's name.
    """
    text = unicodedata.normalize("NFC", text).replace("\r\n", "\n").translate(_PLAIN)
    text = "".join(character if character in GSM_7 else _plain_character(character) for character in text)
    return re.sub(r" *\n *", "\n", re.sub(r" {2,}", " ", text)).strip()


def is_danger(messages: Sequence[dict[str, Any]]) -> bool:
    """Tell whether a reply gives the numbers to call in danger: nothing else may stand in it."""
    return any(message["kind"] == "safety" and message.get("level") in DANGERS for message in messages)


def compose(messages: Sequence[dict[str, Any]], texts: SmsTexts, *, first: bool) -> Composed:
    """Return one SMS: the messages with a blank line between, their buttons as numbered choices.

    `messages` are those of the chat API. `first` adds who is speaking, in front. Of a reply longer than
    MOST_SEGMENTS the answers are cut after a sentence; questions and what is said in danger never are.
    """
    bodies = [plain(message["text"]) for message in messages]
    if is_danger(messages):
        return Composed(_joined(bodies))
    choices = [
        plain(f"{number} {button['title']}")
        for number, button in enumerate((b for message in messages for b in message.get("buttons") or []), 1)
    ]
    before = [plain(texts.first)] if first else []
    after = ["\n".join([plain(texts.choices), *choices])] if choices else []
    whole = _joined([*before, *bodies, *after])
    answers = [number for number, message in enumerate(messages) if message["kind"] == "answer"]
    if segments(whole) <= MOST_SEGMENTS and len(whole) <= LONGEST_SMS:
        return Composed(whole)
    if not answers:
        return Composed(_in_room(before, bodies, after))
    return _cut(before, bodies, after, answers, plain(texts.more))


def _cut(before: list[str], bodies: list[str], after: list[str], answers: list[int], more: str) -> Composed:
    """Cut the answers, each as little as can be, so that everything fits; paragraphs are answers of their own."""
    paragraphs = [bodies[number].split(_BETWEEN) for number in answers]
    others = [body for number, body in enumerate(bodies) if number not in answers]
    count = sum(map(len, paragraphs))
    fixed = _joined([*before, *others, *after, more])
    capacity = MOST_SEGMENTS * encoding(_joined([*bodies, fixed])).of_several
    # Two septets of an extension character that do not fit leave one empty in each segment.
    room = capacity - size(fixed) - count * len(_BETWEEN) - MOST_SEGMENTS
    longest = _share([size(paragraph) for some in paragraphs for paragraph in some], room)
    kept, left = list(bodies), []
    for number, some in zip(answers, paragraphs, strict=True):
        heads = [head_and_tail(paragraph, longest) for paragraph in some]
        kept[number] = _joined([head for head, _ in heads])
        left += [tail for _, tail in heads]
    kept.insert(answers[-1] + 1, more)
    return Composed(_in_room(before, kept, after), _joined(left))


def _share(sizes: list[int], room: int) -> int:
    """Return how long each of some texts may be so that all of them together have no more than `room`."""
    left, rest = room, sorted(sizes)
    while rest:
        share = left // len(rest)
        if rest[0] > share:
            return max(share, 0)
        left -= rest.pop(0)
    return max(sizes, default=0)


def head_and_tail(text: str, room: int) -> tuple[str, str]:
    """Divide a text after the last sentence that ends within `room` septets or units, else after a word."""
    if size(text) <= room:
        return text, ""
    most, room = room, min(room, len(text))
    while room > 0 and size(text[:room]) > most:
        room -= 1
    ends = [end.end() for end in _SENTENCE_END.finditer(text, 0, room + 1) if end.end() <= room]
    cut = ends[-1] if ends else text.rfind(" ", 0, room + 1)
    cut = cut if cut > 0 else room
    return text[:cut].rstrip(), text[cut:].lstrip()


def _in_room(before: list[str], bodies: list[str], after: list[str]) -> str:
    """Join everything within what Twilio takes; what is too long loses its end, but not the choices."""
    room = LONGEST_SMS - len(_joined([*before, "", *after])) - 2 * len(_BETWEEN)
    body, _ = head_and_tail(_joined(bodies), room) if len(_joined(bodies)) > room else (_joined(bodies), "")
    return _joined([*before, body, *after])[:LONGEST_SMS]


def _joined(parts: Sequence[str]) -> str:
    return _BETWEEN.join(part for part in parts if part)


def _plain_character(character: str) -> str:
    simpler = unicodedata.normalize("NFKD", character).translate(_PLAIN)
    kept = "".join(part for part in simpler if part in GSM_7)
    return kept or (character if character.isalnum() else "")
