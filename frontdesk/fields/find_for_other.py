"""For whom a visit is, within a message, when it is not for whoever writes."""

from itertools import pairwise

from spacy.tokens import Token

from frontdesk.fields.message import Found, Message, Part
from frontdesk.fields.people import RELATIVES, SOMEONE_ELSE
from frontdesk.fields.phrases import Phrases, several, word_list

_PERSON = "|".join(word for word in RELATIVES if word.isalpha())
_ADJECTIVE = "older|younger|elderly|teenage|adult|good|best|little|big|oldest|youngest"

_FOR_OTHER = Phrases(
    {
        "person": [
            f"for my|our {_ADJECTIVE}? {_PERSON}",
            "for my|our mother|father|sister|brother|son|daughter -? in -? law",
            "for a|the|another friend|client|patient|coworker|colleague|neighbor|relative",
            f"on|in behalf of my|a|our|the {_PERSON}",
            f"for one of my {_PERSON}",
        ],
        "someone": [
            *("for someone|somebody else", "for another person", "on behalf of someone|somebody else?"),
            *("for a family member", "for a loved one", "for a relative"),
        ],
    }
)
_WHO_NEEDS = Phrases(
    {
        "who": [f"my|our {_ADJECTIVE}? {_PERSON}"],
        "needs": [
            *("needs|wants|requires|deserves", "would like|love", "is looking|interested|hoping|trying|wanting"),
            "has been looking|wanting|trying",
        ],
    }
)
LONGEST_NAME_BETWEEN = 5  # tokens: "my husband, John Smith, needs"
_BOOKING = several(
    "appointment consultation consult visit session slot spot booking request schedule scheduled scheduling book",
    "infusion infusions treatment treatments seen calling call inquiring asking evaluation eval intake help come",
    "ketamine",
)
# "My wife wants to know", "my husband needs to drive me": somebody else's wish, but not their visit.
_OTHER_WISHES = several(
    "know ask drive pick sit wait stay watch bring take me attend accompany join hear pay along learn understand"
)


def find_for_other(message: Message) -> Found | None:
    """Return for whom somebody asks, when it is not for themselves; the words of `RELATIVES`, or "someone else"."""
    someone: Found | None = None
    for phrase in _FOR_OTHER.longest(message.doc):
        part = message.part_of(phrase.start)
        if not _is_about_a_visit(message, part, phrase.start, phrase.end):
            continue
        value = _person(message.norms(phrase.start, phrase.end))
        if value is None and not _FIRST_PERSON.intersection(message.norms(part.start, part.end)):
            continue
        if value is not None:
            return Found(value, phrase.start, phrase.end)
        someone = someone or Found(SOMEONE_ELSE, phrase.start, phrase.end)
    return _who_needs_it(message) or someone


def _who_needs_it(message: Message) -> Found | None:
    """Return who it is of whom a message says that they need or want to be seen: "my son needs an appointment"."""
    phrases = _WHO_NEEDS.longest(message.doc)
    for who, needs in pairwise(phrases):
        part = message.part_of(needs.start)
        if (who.label, needs.label) != ("who", "needs") or needs.start - who.end > LONGEST_NAME_BETWEEN or part.asks:
            continue
        between = message.doc[who.end : needs.start]
        if not all(
            token.text in (",", ".") or (token.text[0].isalpha() and _may_be_a_name(token)) for token in between
        ):
            continue
        after = message.norms(needs.end, part.end)
        if _BOOKING.intersection(after) and not _OTHER_WISHES.intersection(after):
            return Found(_person(message.norms(who.start, who.end)) or SOMEONE_ELSE, who.start, who.end)
    return None


def _may_be_a_name(token: Token) -> bool:
    return bool(token.text[0].isupper()) or token.norm_ not in word_list("ordinary_words")


_FIRST_PERSON = several("i im id ive we were me my its this booking")


def _person(words: list[str]) -> str | None:
    named = [word for word in words if word in RELATIVES]
    if not named:
        return None
    # "My husband John needs": whoever is called by a name stands first.
    return f"{named[0]}-in-law" if words[-1] == "law" else RELATIVES[named[0]]


def _is_about_a_visit(message: Message, part: Part, start: int, end: int) -> bool:
    """Tell whether "for my mother" says for whom the visit is, rather than anything else one does for a mother."""
    before = message.norms(part.start, start)
    after = message.norms(end, part.end)
    if part.asks:
        # "Can I make an appointment for my mom?", but not "how much is it for my mom?"
        return bool(before) and before[0] in ("can", "could", "may", "id", "is") and bool(_BOOKING.intersection(before))
    if _BOOKING.intersection(before) or message.norms(start, end)[:2] in (["on", "behalf"], ["in", "behalf"]):
        return True
    # "It's for my husband", "for my mom", "this would be for a friend, not me".
    return all(word in _LITTLE for word in before) and (not after or message.doc[end].norm_ in _AFTER_PERSON)


_LITTLE = several(
    "hi hello hey yes no actually its it is this be would will the one patient not me but for asking im i am",
    "writing need want id like something please sorry wait really and so thats that",
)
_AFTER_PERSON = several(
    "actually though instead really thx pls tho",
    "who with he she they not please to on at in tuesday next tomorrow thanks whos hes shes because has called",
    "named",
)
