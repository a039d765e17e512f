"""The full name, as people give it: any letters, hyphens, apostrophes, one word or several."""

import re
import unicodedata
from difflib import SequenceMatcher
from typing import NamedTuple

from frontdesk.fields.reading import (
    Accepted,
    NotAnAnswer,
    Reading,
    Refused,
    any_of,
    looks_like_question,
    straight,
    tidy,
    words,
)

LONGEST_NAME = 100
MOST_WORDS = 7

_GREETING = re.compile(r"^\W*(?:(?:hi|hello|hey|yes|ok|okay|sure)(?:\s*[,.!:]+\s*))+", re.IGNORECASE)
_LEAD_IN = re.compile(
    r"^\W*(?:(?:hi|hello|hey|yes|ok|okay|sure)[,.!\s]+)*"
    r"(?:my\s+(?:full\s+)?name\s*(?:is|'s|’s|:)|name\s*(?:is|:)|it\s+is|it's|it’s|its|i\s+am|i'm|i’m|im|this\s+is|"
    r"call\s+me|the\s+name's|the\s+name’s|the\s+name\s+is)\s+",
    re.IGNORECASE,
)
_LEAD_OUT = re.compile(
    r"[\s,.]+(?:please|pls|thanks|thank you|thx|thnx|ty|tysm|here|calling|speaking)\W*$", re.IGNORECASE
)
# "Zoe Hartig 😀": emoji and their variants, which are no letters in any script.
_PICTURES = "[\U0001f000-\U0001faff\u2600-\u27bf\ufe0f\\s]+"
_PICTURES_AROUND = re.compile(f"^{_PICTURES}|{_PICTURES}$")
_JOINTS = frozenset(".'’‘ʻʼ`´-‐‑–·\u200c\u200d")
# The whole answer is one of these: somebody talks, and gives no name.
_NO_NAMES = re.compile(
    r"(?:yes|y|yeah|yep|yup|ya|ok|okay|k|sure|fine|alright|cool|great|ready|go ahead|of course|"
    r"no|n|nope|nah|none|nothing|nobody|not (?:sure|now|telling)|no thanks?(?: you)?|(?:a )?secret|private|anonymous|"
    r"hi|hello|hey|yo|good (?:morning|afternoon|evening)|thanks|thank you|thx|ty|please|idk|test|me|us|you|here|there|"
    r"who|what|why|when|where|how|huh|(?:my )?name(?: is)?|call me|"
    r"never ?mind|stop|skip|cancel|quit|help|next|back|new|existing|appointment)",
    re.IGNORECASE,
)
# Words that make a sentence of what would otherwise pass as a name of several words.
_SENTENCE = any_of(
    "(?:i|we|you|they) (?:want|need|would|will|like|have|had|am|do|can|could|was|were|think|prefer|hope|just)",
    "(?:i|we|you|they) (?:already|hate|feel|see|know|only|really|thought)",
    r"\w+n['’]t|dont|cant|wont|didnt|isnt|your|appointment|(?:want|need) to|(?:rather|prefer) not",
    r"not sure|unsure|hmm+|umm*|uh+|(?:change|correct|fix|edit|update) (?:my|the|it|that|this)",
)
# "Will", "May" and "Do" are names too; what follows tells.
_ASKS = any_of(
    "(?:will|may|do|can) (?:i|you|u|we|it|they|he|she|this|that|there|these|those|my|your|the|a|an)",
    "(?:will|may|do|can) (?:insurance|ketamine|anyone|someone|people|medicare|medicaid)",
)
# Formulas, programs and markup are no slips of somebody who gives a name; nor is a row of emoji.
_NOT_MEANT_AS_A_NAME = re.compile(
    r"^[=+@|-]\s*\w|[<>{}\[\]|\\=;$%^*#~]|--|\b(?:drop|alter|truncate) table\b|\b(?:select|delete) .{0,20}\bfrom\b|"
    r"\bunion select\b|\binsert into\b|'\s*or\s*'?1",
    re.IGNORECASE,
)
# What people call themselves besides: "Maria, but everybody calls me Mia", "Robert (Bob) Smith".
_NICKNAME_AFTER = re.compile(
    r"[\s,;-]+(?:but\b|(?:and\s+)?(?:everyone|everybody|people|friends|they|my friends)\s+calls?\b|aka\b|"
    r"(?:and\s+)?i\s+go\s+by\b|goes\s+by\b|(?:please\s+|you can\s+)?call me\b).*$",
    re.IGNORECASE,
)
_NICKNAME_WITHIN = re.compile(r"\s*(?:\([^()]{1,30}\)|[\"“][^\"“”]{1,30}[\"”])(?=\s+\w)|(?<=\w)\s+\([^()]{1,30}\)")

LIKE_ENOUGH, VERY_LIKE = 0.4, 0.6
"""How like a word of the name must be what is said to be its spelling, and what only stands for it; 1 is the same."""

_WORD = r"[^\W\d_][^\W\d_'’.-]*(?:['’-][^\W\d_]+)*"
_SPELLED_OUT = r"(?:[^\W\d_](?:\s*[-.,]\s*|\s+)){2,}[^\W\d_]\b"
_LETTER_BY_LETTER = re.compile(_SPELLED_OUT)
_NO_SPELLING = (
    r"(?!(?:with|wrong|wrongly|correctly|incorrectly|out|differently|right|funny|weird|the|an?|in|it|like|as|is|my|me|"
    r"different|fine|good|ok|okay|not)\b)"
)
_LETTERS = r"[^\W\d_]\b(?:'?s\b)?(?:\s*(?:and\s+)?[^\W\d_]\b)*"
# "With a K", "with two n's", "with e n", but not "with me" or "with u".
_WITH_LETTERS = (
    rf"with\s+(?:(?:(?:an?|one|two|2|no|double|the\s+letters?|letters?)\s+)+{_LETTERS}|(?![aiu]\b){_LETTERS})"
)
_SPELLINGS = (
    (
        re.compile(
            rf"\b(?:spelled|spelt|spelling\s+is|spell\s+it|(?:correct|right)\s+spelling\s+is)\b[\s:,]*"
            rf"(?:(?:as|like|{_WITH_LETTERS})[\s:,]+)?(?P<name>{_SPELLED_OUT}|{_NO_SPELLING}{_WORD})",
            re.IGNORECASE,
        ),
        True,
    ),
    (re.compile(rf"\b{_WITH_LETTERS}\s*[:,]\s*(?P<name>{_SPELLED_OUT}|{_NO_SPELLING}{_WORD})", re.IGNORECASE), True),
    (re.compile(rf"\b{_NO_SPELLING}(?P<name>{_WORD})\s*,?\s+{_WITH_LETTERS}\W*$", re.IGNORECASE), True),
    (re.compile(rf"\b(?P<name>{_WORD})\s*,?\s+not\s+{_WORD}\W*$", re.IGNORECASE), False),
    (re.compile(rf"\bnot\s+{_WORD}\s*[,;]?\s+(?:but\s+|it's\s+)?(?P<name>{_WORD})\W*$", re.IGNORECASE), False),
    (
        re.compile(
            rf"\b(?:it's|its|it\s+is|that's|i\s+said|i\s+meant?|no|actually|should\s+be|sorry)[\s,:]+"
            rf"(?P<name>{_SPELLED_OUT}|{_WORD})\W*$",
            re.IGNORECASE,
        ),
        False,
    ),
)
_FIRST_NAMES_TOO = re.compile(r"^(?:will|may|do|can)\b", re.IGNORECASE)


def read_name(text: str) -> Reading:
    """Return the name in a text such as "it's maria de la cruz"; capitals are left as they were typed."""
    said = tidy(text)
    if not any(character.isalnum() for character in said) and said.strip(".,!?- "):
        return Refused("utter_invalid_full_name")
    if _NOT_MEANT_AS_A_NAME.search(said):
        return Refused("utter_invalid_full_name")
    name = _bare(said)
    parts = words(name)
    if not parts or _asks(said) or _asks(name) or _NO_NAMES.fullmatch(name) or _SENTENCE.search(name):
        return NotAnAnswer("utter_invalid_full_name")
    if len(name) > LONGEST_NAME:
        return Refused("utter_invalid_full_name")
    if len(parts) > MOST_WORDS or not all(_is_name_word(part) for part in parts):
        return NotAnAnswer("utter_invalid_full_name")
    return Accepted(" ".join(parts))


def _bare(said: str) -> str:
    """Return what is left of a text without greetings, lead-ins, nicknames and marks around it."""
    name = said
    while True:
        plain = _NICKNAME_WITHIN.sub("", _NICKNAME_AFTER.sub("", name))
        shorter = _LEAD_IN.sub("", plain, count=1)
        if shorter == plain:
            shorter = _GREETING.sub("", plain, count=1)
        shorter = _LEAD_OUT.sub("", shorter).strip(' .,!?;:"“”-–')
        shorter = _PICTURES_AROUND.sub("", shorter)
        if shorter == name:
            return name
        name = shorter


class Spelling(NamedTuple):
    """What a text says about the spelling of a name: words, and where they stand in the tidy text."""

    name: str
    explicit: bool
    start: int
    end: int


def respelled(name: str, text: str) -> str | None:
    """Return a name with the word put right that a text spells anew, or None when it spells none of it.

    "it's spelled Kathryn", "with a K: Kathryn", "no, Jonsen with e n", "Ruiz, not Ruis", "K-A-T-H-R-Y-N".
    """
    found = find_spelling(straight(text))
    have = words(name)
    if found is None or not have:
        return None
    for word in words(found.name):
        likeness = [_likeness(word, known) for known in have]
        if max(likeness) < (LIKE_ENOUGH if found.explicit else VERY_LIKE):
            return None
        at = likeness.index(max(likeness))
        have[at] = word[:1].upper() + word[1:] if have[at][:1].isupper() else word
    return " ".join(have)


def find_spelling(said: str) -> Spelling | None:
    """Return what a tidy text with plain apostrophes says about the spelling of a name, or None."""
    for pattern, explicit in _SPELLINGS:
        match = pattern.search(said)
        if match is None:
            continue
        letters = _LETTER_BY_LETTER.fullmatch(match["name"].strip())
        name = re.sub(r"[\s.,-]+", "", match["name"]).capitalize() if letters else match["name"].strip()
        parts = words(name)
        if parts and all(_is_name_word(part) for part in parts) and not _NO_NAMES.fullmatch(name):
            return Spelling(name, explicit, *match.span("name"))
    return None


def _likeness(one: str, other: str) -> float:
    return SequenceMatcher(None, one.casefold(), other.casefold(), autojunk=False).ratio()


def _asks(said: str) -> bool:
    if len(words(said)) <= 2:
        return False
    if said.endswith("?") or not _FIRST_NAMES_TOO.match(said):
        return looks_like_question(said)
    return _ASKS.match(said) is not None or len(words(said)) > 4


def _is_name_word(word: str) -> bool:
    """Tell whether a word is letters, with the marks some scripts write over them, and the joints of names."""
    kinds = [unicodedata.category(character)[0] for character in word]
    return kinds[0] == "L" and all(
        kind in "LM" or character in _JOINTS or (character == "," and index == len(word) - 1)
        for index, (character, kind) in enumerate(zip(word, kinds, strict=True))
    )
