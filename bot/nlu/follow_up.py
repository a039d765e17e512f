"""What a message means after the question before it: "and for fibromyalgia?", "how long does that last"."""

import math
import re
from typing import List, Sequence

from bot.nlu.reading import NamedThing

SHORT = 6  # words
LONG = 25

# What speaks for and against a follow-up: the words (is it short, does it open as one, does it point back, its length),
# how sure it is alone and after the question before it, whether it stays in that question's group, whether it means
# nothing that has an answer, whether it names another condition, medicine or person than that question.
SIGNALS = ("short", "opens", "points", "length", "alone", "after", "same_group", "no_answer", "swaps")
# Fitted by benchmarks/nlu/interpretation.py.
WEIGHTS = (-0.03, 1.28, 1.52, -4.56, -7.63, 2.31, 4.04, 0.23, 0.81)
BIAS = 5.29

_OPENING = re.compile(
    r"(and|but|so|or|also|what about|how about|why|what if|how come|even|then|ok|okay|thanks|thank you|isn't|though|"
    r"the next|same|suppose|it's|is it|does it|will it|can it)\b",
    re.IGNORECASE,
)
_POINTING_WORDS = (
    "it it's its that that's this these those them they they're one ones there then same both either other mine "
    "he she him her though instead tho"
)
_POINTING = frozenset(_POINTING_WORDS.split())
_WORD = re.compile(r"[a-z']+")
_SWAPPED = frozenset({"condition", "medicine", "person"})


def words_say(text: str) -> List[float]:
    """Return the first four of SIGNALS for a message."""
    said = _WORD.findall(text.casefold())
    return [
        float(len(said) <= SHORT),
        float(bool(_OPENING.match(text.strip()))),
        float(not _POINTING.isdisjoint(said)),
        min(len(said), LONG) / 10,
    ]


def likelihood(signals: Sequence[float]) -> float:
    """Return how likely it is, 0 to 1, that a message with these SIGNALS follows up the question before it."""
    total = BIAS + sum(weight * signal for weight, signal in zip(WEIGHTS, signals))  # noqa: B905 # of the same length
    return 1 / (1 + math.exp(-total))


def in_context(text: str, named: Sequence[NamedThing], before: str, named_before: Sequence[NamedThing]) -> List[str]:
    """Return the message as it might read had it been asked in full.

    Args:
        text: the message. before: the question before it, both in ordinary spelling.
        named, named_before: what each of them names.
    """
    readings = [f"{before.rstrip(' ?.!')}, {text}"]
    for thing in named:
        same = [other for other in named_before if other.entity == thing.entity and other.entity in _SWAPPED]
        if same:
            readings.append(before[: same[0].start] + text[thing.start : thing.end] + before[same[0].end :])
            break
    return readings
