"""How many SMS a text is sent, and paid for, as.

Source: Twilio, "What the Heck is a Segment?" and 3GPP TS 23.038. A text in GSM-7 has 160 septets in one segment or 153
in each of several, any other 70 or 67 UTF-16 units. Neither the two septets of an extension character nor the two units
of an emoji are divided between segments.
"""

from collections.abc import Iterable
from dataclasses import dataclass

_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION = frozenset("^{}\\[~]|€\f")
# What costs 7 bits a character. One character outside more than doubles the price of an SMS.
GSM_7 = frozenset(_BASIC) | EXTENSION


@dataclass(frozen=True)
class Encoding:
    """How a text is sent: how much fits into one segment, and how much into each of several."""

    name: str
    alone: int
    of_several: int

    def size(self, character: str) -> int:
        """Return what a character takes of a segment."""
        if self is UCS_2:
            return 2 if character > "\uffff" else 1
        return 2 if character in EXTENSION else 1


GSM = Encoding("GSM-7", 160, 153)
UCS_2 = Encoding("UCS-2", 70, 67)


def encoding(text: str) -> Encoding:
    """Return how a text is sent."""
    return GSM if all(character in GSM_7 for character in text) else UCS_2


def size(text: str) -> int:
    """Return how many septets or units a text has."""
    return _sum(encoding(text), text)


def segments(text: str) -> int:
    """Return as how many SMS a text is sent; an empty one is none."""
    if not text:
        return 0
    how = encoding(text)
    if _sum(how, text) <= how.alone:
        return 1
    count, room = 1, how.of_several
    for character in text:
        needed = how.size(character)
        if needed > room:
            count, room = count + 1, how.of_several
        room -= needed
    return count


def _sum(how: Encoding, text: Iterable[str]) -> int:
    return sum(how.size(character) for character in text)
