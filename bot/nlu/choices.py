"""What somebody picks from topics that were offered: "the second one", "no, the other", "none of these"."""

import re
from dataclasses import dataclass
from typing import Optional, Sequence, Tuple

_ORDINALS = (
    ("first", "1st", "one", "1", "top"),
    ("second", "2nd", "two", "2", "b", "middle"),
    ("third", "3rd", "three", "3", "c"),
)
# What may stand around: "no, sorry, I meant the second one please".
_COURTESIES_WORDS = (
    "yes yeah yep ok okay no nope nah sorry actually maybe it's its is that's thats thanks please pls number "
    "option choice the that this one question answer button about pick choose try um uh hm hmm just"
)
_COURTESIES = _COURTESIES_WORDS.split()
_PHRASES = (
    "i think",
    "i guess",
    "i meant",
    "i mean",
    "i want",
    "i'd like",
    "tell me about",
    "let's go with",
    "lets go with",
    "go with",
)
_AROUND = rf"(?:(?:{'|'.join(map(re.escape, [*_PHRASES, *_COURTESIES]))})\b[\s,.!]*)*"


def _only(*choices: str) -> "re.Pattern[str]":
    return re.compile(rf"^#?{_AROUND}#?(?:{'|'.join(choices)})(?:\b|(?=\)))[\s,.!)]*{_AROUND}$")


_NUMBERS = [_only(*map(re.escape, words)) for words in _ORDINALS]
# "a" is a word besides: "that's a no".
_LETTER_A = re.compile(r"^(?:(?:the )?(?:option|choice|answer|letter) )?a\b[\s,.!)]*(?:please|pls|thanks|thank you)?$")
_THAT = _only("that one", "this one", "the one")
_LAST = _only("last", "bottom", "final")
_OTHER = _only("the other", "other one", "the others", "other")
_BOTH = _only("both", "all", "(?:both|all) of (?:them|these|those)", "all (?:three|3)")
# These are made of the same words and pick nothing: "no, that's all", "one last question", "just one second".
_NO_CHOICE = re.compile(
    r"\b(?:(?:that's|thats|that is|this is|is that) all|no one|one (?:(?:last|final|other) )?(?:question|second))\b|"
    r"(?<!the )\b(?:last|final|other) question\b"
)
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True)
class Choice:
    """What was picked: topics to answer, or topics to ask about again when several are left."""

    answered: Tuple[str, ...] = ()
    offered: Tuple[str, ...] = ()


def choose(text: str, offered: Sequence[str], chosen: Sequence[str] = ()) -> Optional[Choice]:
    """Return what a message picks from `offered`, in the order they were shown, or None if it picks nothing.

    Args:
        text: the message.
        offered: the topics shown, in order.
        chosen: those of them that were answered since.
    """
    said = _SPACES.sub(" ", text.casefold().replace("\u2019", "'")).strip(" .!?")
    if not offered or not said or _NO_CHOICE.search(said):
        return None
    left = [topic for topic in offered if topic not in chosen]
    if _OTHER.match(said):
        # Of two, one of which was answered, "the other" is clear. Otherwise it has to be asked.
        remaining = left if chosen else list(offered)
        return (
            Choice(answered=tuple(remaining))
            if len(remaining) == 1
            else Choice(offered=tuple(remaining))
            if remaining
            else None
        )
    if _LAST.match(said):
        return Choice(answered=(offered[-1],))
    if _BOTH.match(said):
        return Choice(answered=tuple(offered[:3]))
    if _LETTER_A.match(said):
        return Choice(answered=(offered[0],))
    if _THAT.match(said):
        return Choice(answered=tuple(offered)) if len(offered) == 1 else Choice(offered=tuple(offered))
    for topic, pattern in zip(offered, _NUMBERS):  # noqa: B905 # at most as many as have ordinals
        if pattern.match(said):
            return Choice(answered=(topic,))
    return None
