"""Names within a message: after a lead-in ("my name is"), or as a part of their own beside another fact."""

from collections.abc import Iterator
from dataclasses import dataclass

from frontdesk.fields.message import Message, Part
from frontdesk.fields.name import read_name
from frontdesk.fields.people import RELATIVES
from frontdesk.fields.phrases import Phrases, several, word_list
from frontdesk.fields.reading import Accepted

GIVEN_NAMES = word_list("given_names")
ORDINARY_WORDS = word_list("ordinary_words")
MOST_WORDS = 5

_RELATIVE = "|".join(word for word in RELATIVES if word.isalpha())
_LEAD_INS = Phrases(
    {
        "explicit": [
            *("my full? name is", "my full? name s", "my full? names", "full? name :", "name is", "the name is"),
            *("the names", "my name :", "under the name", "my first name is", "full name is", "name -"),
        ],
        "explicit_other": [
            *("her|his|their full? name is", "her|his|their names", "patient name :|is"),
            *("patients name :|is", "the patients? name is", "the patient is", f"my {_RELATIVE}s name is"),
        ],
        "weak": ["im", "i am", "this is", "its", "it is", "thats", "that is", "call me", "im called"],
        "weak_other": [f"for my {_RELATIVE} ,?", f"my {_RELATIVE} ,?", f"of my {_RELATIVE} ,?", "shes|hes called"],
    }
)
_PARTICLES = several("de la las los del della di da do dos das van von der den ter ten bin ibn al el le du st mac y")
_TITLES = frozenset({"dr", "mr", "mrs", "ms", "miss", "prof"})
_GREETINGS = several("hi hello hey dear yo morning greetings thanks thank thx howdy hiya")
_FILLERS = several("yes yeah ok okay sure hi hello hey so well um uh oh")
# After a name, these go on; anything else makes another sentence of it: "I'm Grace and kind of tired of it".
_GO_ON = several("and but so here calling from i im ive id my speaking looking wanting aged age born with")
_CANNOT_BEGIN = several(
    "not no on in the a an your my his her their our this that so very just also too really spelled spelt already",
    "there here what is it its at with to for from and or but wrong misspelled private",
)
_LAST_WORDS_OF_PLACES = several(
    "park city island beach heights hills county street st avenue ave road rd blvd clinic hospital center ny nyc",
    "village",
)


@dataclass(frozen=True)
class FoundName:
    """A name in a message, by tokens."""

    name: str
    start: int
    end: int
    explicit: bool
    whose: str


def find_names(message: Message, taken: frozenset[int], beside_a_fact: bool) -> list[FoundName]:
    """Return the names in a message, in its order.

    Args:
        message: the message.
        taken: tokens that belong to other facts; a name ends there.
        beside_a_fact: whether the message holds another fact that a name could stand beside.
    """
    found = list(_after_lead_ins(message, taken))
    if not any(name.whose == "self" for name in found):
        taken |= {index for name in found for index in range(name.start, name.end)}
        if beside_a_fact:
            found.extend(_alone(message, taken))
        if not any(name.whose == "self" for name in found):
            found.extend(_before_here(message, taken))
    return sorted(found, key=lambda name: name.start)


def _after_lead_ins(message: Message, taken: frozenset[int]) -> Iterator[FoundName]:
    covered = 0
    for lead_in in _LEAD_INS.longest(message.doc):
        part = message.part_of(max(lead_in.end - 1, lead_in.start))
        if lead_in.start < covered or any(index in taken for index in range(lead_in.start, lead_in.end)):
            continue
        explicit, other = lead_in.label.startswith("explicit"), lead_in.label.endswith("other")
        if part.asks and not explicit:
            continue
        start = lead_in.end
        while explicit and start < len(message.doc) and message.doc[start].text in (":", "-", "'", '"'):
            start += 1
        end = _end_of_name(message, start, taken, explicit)
        name = _name(message, start, end)
        if (
            name is not None
            and explicit
            and not _capital(message, start)
            and not is_likely_a_name(message.doc[start].text)
        ):
            continue  # "the name is fibromyalgia"
        if name is None or not (explicit or _is_sure(message, start, end, taken, lead_in.label, lead_in.start)):
            continue
        covered = end
        yield FoundName(name, start, end, explicit, "other" if other else "self")


def _end_of_name(message: Message, start: int, taken: frozenset[int], explicit: bool) -> int:
    """Return before which token a name that begins at `start` ends."""
    doc, end = message.doc, start
    while end < len(doc) and end not in taken and _words_in(message, start, end) < MOST_WORDS:
        token = doc[end]
        if token.text in (".", "-", "‐", "·") and end > start and _tight(message, end):
            end += 1
            continue
        if not token.text[0].isalpha() or (end == start and token.norm_ in _CANNOT_BEGIN):
            break
        if end > start and not _continues(message, end, taken, explicit):
            break
        end += 1
    while end > start and not doc[end - 1].text[0].isalpha():
        end -= 1
    return end


def _continues(message: Message, index: int, taken: frozenset[int], explicit: bool) -> bool:
    """Tell whether a token goes on with a name that has begun."""
    token = message.doc[index]
    if token.norm_ in _PARTICLES:
        return True
    if token.norm_ in _GO_ON | _TITLES | _FILLERS or token.norm_ in ("please", "thanks", "thank", "thx", "pls"):
        return False
    ordinary = token.norm_ in ORDINARY_WORDS and token.norm_ not in GIVEN_NAMES
    if not ordinary:
        return True
    # "My name is jack black" ends with the word; "my name is jack please call" does not.
    follows = message.doc[index + 1] if index + 1 < len(message.doc) else None
    ends = follows is None or follows.i in taken or not follows.text[0].isalpha() or follows.norm_ in _GO_ON
    return ends and (explicit or _capital(message, index))


def _is_sure(message: Message, start: int, end: int, taken: frozenset[int], label: str, lead_start: int) -> bool:
    """Tell whether what follows "I'm", "this is" or "my husband" is a name rather than what somebody is or does."""
    doc = message.doc
    words = [doc[index] for index in range(start, end) if doc[index].text[0].isalpha()]
    names = [word for word in words if word.norm_ not in _TITLES]
    if not names or any(word.text.lower().endswith(("'s", "'ll", "'ve")) for word in words):
        return False
    if end < len(doc) and end not in taken and doc[end].text[0].isalpha() and doc[end].norm_ not in _GO_ON:
        return label == "weak_other" and _looks_like_a_name(message, start, end)
    titled = words[0].norm_ in _TITLES
    if titled:
        return label != "weak_other" and _capital(message, words[-1].i)
    return _looks_like_a_name(message, start, end)


def _looks_like_a_name(message: Message, start: int, end: int) -> bool:
    """Tell whether words are a name by themselves: a first name people know, or capitals and no ordinary word."""
    doc = message.doc
    names = [
        index for index in range(start, end) if doc[index].text[0].isalpha() and doc[index].norm_ not in _PARTICLES
    ]
    if all(len(doc[index].text) == 1 and doc[index].text.isascii() for index in names):
        return False
    first, others = names[0], names[1:]
    given = doc[first].norm_ in GIVEN_NAMES
    also_a_word = doc[first].norm_ in ORDINARY_WORDS
    if doc[names[-1]].norm_ in _LAST_WORDS_OF_PLACES:
        return False
    plain = [index for index in names if doc[index].norm_ in ORDINARY_WORDS and doc[index].norm_ not in GIVEN_NAMES]
    capitals = all(_capital(message, index) for index in names)
    if not others:
        return (given and (not also_a_word or capitals)) or (_is_foreign(doc[first].text) and capitals)
    if capitals:
        return given or not plain
    return given and not plain and not (also_a_word and len(others) < 1)


def _alone(message: Message, taken: frozenset[int]) -> Iterator[FoundName]:
    """Yield a name that is a part of its own, or all of one but for other facts: "ana ruiz 516 555 0142"."""
    candidates = [stretch for part in message.parts if not part.asks for stretch in _stretches(message, part, taken)]
    for number, (start, end) in enumerate(candidates):
        while start < end and (message.doc[start].norm_ in _FILLERS - _GREETINGS or not message.doc[start].is_alpha):
            start += 1
        while start < end and not message.doc[end - 1].text[0].isalpha():
            end -= 1
        words = [token for token in message.doc[start:end] if token.text[0].isalpha()]
        if not words or words[0].norm_ in _GREETINGS | _TITLES or words[0].norm_ in _CANNOT_BEGIN:
            continue
        if start and message.doc[start - 1].norm_ in _GREETINGS:
            continue  # "Hi Sarah": somebody is spoken to
        if len(words) > MOST_WORDS or end != _end_of_name(message, start, taken, explicit=False):
            continue
        known = words[0].norm_ in GIVEN_NAMES or _is_foreign(words[0].text)
        if not _looks_like_a_name(message, start, end) or not (known or (number == 0 and len(words) > 1)):
            continue
        name = _name(message, start, end)
        if name is not None:
            yield FoundName(name, start, end, explicit=False, whose="self")
            return


def _stretches(message: Message, part: Part, taken: frozenset[int]) -> Iterator[tuple[int, int]]:
    """Yield the stretches of a part that no other fact takes up."""
    start = part.start
    for index in range(part.start, part.end + 1):
        if index == part.end or index in taken:
            if start < index:
                yield start, index
            start = index + 1


def _before_here(message: Message, taken: frozenset[int]) -> Iterator[FoundName]:
    """Yield the name of "Ana Ruiz here, …"."""
    for part in message.parts:
        end = part.start
        while end < part.end and message.doc[end].norm_ not in ("here", "calling", "speaking"):
            end += 1
        if part.asks or not part.start < end < part.end or any(index in taken for index in range(part.start, end)):
            continue
        if end == _end_of_name(message, part.start, taken, explicit=False) and _looks_like_a_name(
            message, part.start, end
        ):
            name = _name(message, part.start, end)
            if name is not None:
                yield FoundName(name, part.start, end, explicit=False, whose="self")
                return


def is_likely_a_name(word: str) -> bool:
    """Tell whether a single word that is said to be a name may be one: no ordinary word in small letters."""
    plain = word.lower()
    return len(word) > 1 and not plain.endswith("'s") and (plain in GIVEN_NAMES or plain not in ORDINARY_WORDS)


def _name(message: Message, start: int, end: int) -> str | None:
    reading = read_name(message.text(start, end)) if start < end else None
    return reading.value if isinstance(reading, Accepted) else None


def _words_in(message: Message, start: int, end: int) -> int:
    return sum(token.text[0].isalpha() for token in message.doc[start:end])


def _tight(message: Message, index: int) -> bool:
    """Tell whether a mark belongs to the word before it: the dash of "Smith-Lee", the dot of "Dr." and "J."."""
    places, doc = message.places, message.doc
    if places[index - 1][1] != places[index][0]:
        return False
    if doc[index].text == ".":
        before = doc[index - 1]
        return before.norm_ in _TITLES | {"st", "jr", "sr"} or (len(before.text) == 1 and before.text.isupper())
    return index + 1 < len(doc) and places[index][1] == places[index + 1][0] and doc[index + 1].text[0].isalpha()


def _capital(message: Message, index: int) -> bool:
    """Tell whether a word has a capital on purpose, or is of a script without capitals."""
    text = message.doc[index].text
    if not (text[0].isupper() or text[0].lower() == text[0].upper()):
        return False
    return not (len(text) > 2 and text.isupper())


def _is_foreign(text: str) -> bool:
    """Tell whether a word has letters that English does not use."""
    return any(ord(letter) > 127 for letter in text if letter.isalpha())
