"""The full name, as people give it: any letters, hyphens, apostrophes, one word or several."""

import re
import unicodedata

from frontdesk.fields.reading import (
    Accepted,
    NotAnAnswer,
    Reading,
    Refused,
    any_of,
    looks_like_question,
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
_LEAD_OUT = re.compile(r"[\s,.]+(?:please|pls|thanks|thank you|here|calling|speaking)\W*$", re.IGNORECASE)
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
)
# "Will", "May" and "Do" are names too; what follows tells.
_ASKS = any_of(
    "(?:will|may|do|can) (?:i|you|u|we|it|they|he|she|this|that|there|these|those|my|your|the|a|an)",
    "(?:will|may|do|can) (?:insurance|ketamine|anyone|someone|people|medicare|medicaid)",
)
_FIRST_NAMES_TOO = re.compile(r"^(?:will|may|do|can)\b", re.IGNORECASE)


def read_name(text: str) -> Reading:
    """Return the name in a text such as "it's maria de la cruz"; capitals are left as they were typed."""
    said = tidy(text)
    name = _LEAD_IN.sub("", said, count=1)
    if name == said:
        name = _GREETING.sub("", said, count=1)
    name = _LEAD_OUT.sub("", name).strip(' .,!?;:"“”-–')
    parts = words(name)
    if not parts or _asks(said) or _NO_NAMES.fullmatch(name) or _SENTENCE.search(name):
        return NotAnAnswer("utter_invalid_full_name")
    if len(name) > LONGEST_NAME:
        return Refused("utter_invalid_full_name")
    if len(parts) > MOST_WORDS or not all(_is_name_word(part) for part in parts):
        return NotAnAnswer("utter_invalid_full_name")
    return Accepted(" ".join(parts))


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
