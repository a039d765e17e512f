"""Times within a message: only where everything around them speaks of an appointment."""

import re
from dataclasses import dataclass
from datetime import date
from typing import Any

from frontdesk.fields.days import EXCLUDES
from frontdesk.fields.mending import is_mended
from frontdesk.fields.message import Message, Part
from frontdesk.fields.phrases import several
from frontdesk.fields.reading import Accepted
from frontdesk.fields.when import asks_for_a_time, read_preferred_time

# A part that names a time may hold nothing else but these; "I can't sleep at night" holds more.
_AROUND = several(
    "i im id ill ive me my we us you your it its that thats this he she they him her would could can may will",
    "might should be am is are do does have has get got come coming in into at on for to the a an of with by up",
    "if when take youve see seen meet visit visits appointment appointments consultation consult session slot",
    "spot time times day days date dates schedule scheduled book booked booking request set make want wanna need",
    "needs like love prefer preferred preferably preference best better good great ideal ideally perfect fine ok",
    "okay easiest easier work works suit suits opening openings slots free available availability open off",
    "usually mostly generally normally really only just maybe perhaps possibly probably possible please thanks",
    "thank thx hi hello hey also so then actually sorry wait no oops instead rather change move switch mean meant",
    "call reach text contact phone yes yeah yep sure well or and but not cant dont cannot isnt doesnt wont busy",
    "away bad worst unavailable anything any something one between flexible very most all even too still pretty",
    "much than later earlier either both around about asking hoping looking try trying now new someone somebody",
    "team nurse doctor back long as whatever else some part during early late there here",
)
_GREETINGS = frozenset({"morning", "afternoon", "evening"})
_ASKING = several("how what about")
_CALLS = several("call reach text contact phone")
# "I work nights", "I was treated in spring", "I work until 3": a time of something else.
_OF_SOMETHING_ELSE = re.compile(
    r"\b(?:i|he|she|we|they)(?:'m| am|'s)?\s+(?:work|works|working)\b|\bwas\b|\bwere\b|\bhad\b|\bbeen\b|\bsince\b|"
    r"\bborn\b|\bget(?:s|ting)? off\b|\boff work\b|"
    r"^\W*it'?s (?:an? |already |only |just )?(?:\w+|\d+ in the morning)\W*$|"
    r"\bbe back\b|\bcoming\b|\bbooked\b|\bscheduled\b|"
    r"\bmy (?:\w+ )?(?:appointment|visit|session|consult\w*|appt) (?:is|on|at|with)\b|"
    r"\bi(?:'ve| have)(?: got)? (?:an?|my) (?:\w+ )?(?:appointment|visit|session|consult\w*|appt)\b|"
    r"\b(?:i|we)(?:'?ll| will| can| could)? (?:call|text|phone) (?:you|back)\b|"
    r"\bbirthday\b|\bdob\b|\bage\b",
    re.IGNORECASE,
)
_EXPLICIT = several(
    "prefer preferred best works work suit suits available free come book schedule appointment seen visit"
)
_MAKES_A_REQUEST = several("book booking make schedule request set get")
_LOOSE_ENDS = several("and or but so also then hi hello hey please thanks d um well yes ok okay at on to")


@dataclass(frozen=True)
class FoundTime:
    """A preferred time: what `read_preferred_time` makes of it, its words, and its tokens."""

    value: dict[str, Any]
    typed: str
    start: int
    end: int
    explicit: bool


def find_time(message: Message, taken: frozenset[int], today: date) -> FoundTime | None:
    """Return the preferred time in a message. Of several, what mends the others counts, else they belong together.

    Args:
        message: the message.
        taken: tokens that belong to other facts.
        today: the date in the clinic's time zone.
    """
    pieces: list[tuple[str, int, int, bool]] = []
    for part in message.parts:
        piece = _piece(message, part, taken, today)
        if piece is None:
            continue
        if pieces and is_mended(message.text(pieces[-1][2], piece[1])):
            pieces = []
        pieces.append(piece)
    if not pieces:
        return None
    typed = ", ".join(piece[0] for piece in pieces)
    reading = read_preferred_time(typed, today)
    if not isinstance(reading, Accepted):
        return None
    return FoundTime(reading.value, typed, pieces[0][1], pieces[-1][2], any(piece[3] for piece in pieces))


def _piece(message: Message, part: Part, taken: frozenset[int], today: date) -> tuple[str, int, int, bool] | None:
    """Return the words of a part that name a time, where they stand, and whether the part says that it is one."""
    runs = [run for run in message.times if part.start <= run[0] and run[1] <= part.end]
    runs = [run for run in runs if not any(index in taken for index in range(*run))]
    if not runs:
        return None
    timed = {index for start, end in runs for index in range(start, end)}
    rest = [index for index in range(part.start, part.end) if index not in taken and index not in timed]
    around = {message.doc[index].norm_ for index in rest if _is_word(message, index)}
    text = message.text(part.start, part.end)
    if not _is_about_a_visit(message, part, text, around):
        return None
    if part.asks and not asks_for_a_time(message.text(*_trimmed(message, part.start, part.end, taken))):
        return None
    said_today = message.norms(runs[0][0], runs[-1][1]) == ["today"]
    if said_today and _MAKES_A_REQUEST.intersection(around) and "for" not in around:
        return None  # it is made today; when it is for, is not said
    start, end = runs[0][0], runs[-1][1]
    if EXCLUDES.search(text) or _CALLS.intersection(around) or len(runs) > 1:
        start, end = _trimmed(message, part.start, part.end, taken)
    if any(index in taken for index in range(start, end)):
        start, end = runs[0][0], runs[-1][1]
    if any(index in taken for index in range(start, end)):
        return None
    words = message.text(start, end)
    if not part.asks and not isinstance(read_preferred_time(words, today), Accepted):
        return None
    return words, start, end, bool(_EXPLICIT.intersection(around))


def _is_about_a_visit(message: Message, part: Part, text: str, around: set[str]) -> bool:
    """Tell whether everything around a time speaks of an appointment. `around` are those words in plain form."""
    if not around <= (_AROUND | _ASKING if part.asks else _AROUND) or _OF_SOMETHING_ELSE.search(text):
        return False
    if part.start and message.doc[part.start - 1].norm_ in ("since", "while"):
        return False
    # "Evening! I'd like to …"
    return not (part is message.parts[0] and text.lower() in _GREETINGS)


def _trimmed(message: Message, start: int, end: int, taken: frozenset[int]) -> tuple[int, int]:
    """Return some tokens without other facts and loose ends at either side."""
    while start < end and (start in taken or message.doc[start].norm_ in _LOOSE_ENDS or not _is_word(message, start)):
        start += 1
    while start < end and (
        end - 1 in taken or message.doc[end - 1].norm_ in _LOOSE_ENDS or not _is_word(message, end - 1)
    ):
        end -= 1
    return start, end


def _is_word(message: Message, index: int) -> bool:
    return message.doc[index].text[0].isalnum()
