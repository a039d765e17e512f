"""What hurried thumbs do to a question: slips of the keyboard and SMS spelling. The same seed and text, the same noise.

The spellings are a list of this benchmark's own, written without looking at what the assistant knows in
`data/language/`: a benchmark that misspells with the assistant's own list would measure the list.
"""

import random
import re
from collections.abc import Callable

# Shares of messages, or of words they could happen to.
SLIP_SHARE = 1 / 6
SPELLING_SHARE = 0.5
VOWELS_DROPPED_SHARE = 1 / 20
LOWER_CASE_SHARE = 0.7
NO_PUNCTUATION_SHARE = 0.7
NO_APOSTROPHES_SHARE = 0.8
SHORTEST_SLIP = 4  # letters
SHORTEST_WITHOUT_VOWELS = 6

SPELLINGS: dict[str, tuple[str, ...]] = {
    "about": ("abt",),
    "and": ("n", "&"),
    "anyone": ("any1",),
    "appointment": ("appt", "apt"),
    "are": ("r",),
    "as soon as possible": ("asap",),
    "be": ("b",),
    "because": ("bc", "cuz"),
    "before": ("b4",),
    "between": ("btwn",),
    "doctor": ("dr", "doc"),
    "for": ("4",),
    "going to": ("gonna",),
    "got to": ("gotta",),
    "have": ("hv",),
    "hours": ("hrs",),
    "i do not know": ("idk",),
    "i don't know": ("idk",),
    "information": ("info",),
    "just": ("jst",),
    "know": ("kno",),
    "later": ("l8r",),
    "medication": ("med", "meds"),
    "medications": ("meds",),
    "message": ("msg",),
    "minutes": ("mins",),
    "months": ("mnths",),
    "number": ("no", "num"),
    "okay": ("k", "ok"),
    "people": ("ppl",),
    "please": ("pls", "plz"),
    "probably": ("prolly", "prob"),
    "question": ("q",),
    "questions": ("qs",),
    "really": ("rly",),
    "see": ("c",),
    "should": ("shld",),
    "someone": ("sum1", "some1"),
    "something": ("smth",),
    "thanks": ("thx", "tnx"),
    "thank you": ("ty",),
    "that": ("tht",),
    "though": ("tho",),
    "through": ("thru",),
    "to": ("2",),
    "today": ("2day",),
    "tomorrow": ("tmrw", "2moro"),
    "tonight": ("2nite",),
    "too": ("2",),
    "want to": ("wanna",),
    "weekend": ("wknd",),
    "weeks": ("wks",),
    "what": ("wat", "wut"),
    "why": ("y",),
    "with": ("w",),
    "without": ("wo", "w/o"),
    "would": ("wld",),
    "you": ("u",),
    "you are": ("ur",),
    "you're": ("ur",),
    "your": ("ur",),
}

# Longer ones first: "thank you" before "you".
_SPELLABLE = re.compile(
    rf"(?<![\w'])(?:{'|'.join(re.escape(one) for one in sorted(SPELLINGS, key=len, reverse=True))})(?![\w'])",
    re.IGNORECASE,
)
_WORD = re.compile(r"[A-Za-z]+")
_APOSTROPHE = re.compile(r"(?<=\w)['’](?=\w)")
_PUNCTUATION = re.compile(r"(?<=\w)[.,!?;:]+(?=\s|$)")
_INNER_VOWEL = re.compile(r"(?<=\w)[aeiou](?=\w)")

_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def noisy(text: str, seed: int) -> str:
    """Return the text as somebody in a hurry might have typed it; now and then that is as it was."""
    chance = random.Random(f"{seed} {text}")  # noqa: S311 # no secret
    if chance.random() < LOWER_CASE_SHARE:
        text = text.lower()
    text = _SPELLABLE.sub(lambda found: _spelled(found[0], chance), text)
    if chance.random() < NO_APOSTROPHES_SHARE:
        text = _APOSTROPHE.sub("", text)
    if chance.random() < NO_PUNCTUATION_SHARE:
        text = _PUNCTUATION.sub("", text)
    return _WORD.sub(lambda found: _typed(found[0], chance), text)


def _spelled(words: str, chance: random.Random) -> str:
    if chance.random() >= SPELLING_SHARE:
        return words
    return chance.choice(SPELLINGS[words.lower()])


def _typed(word: str, chance: random.Random) -> str:
    if len(word) >= SHORTEST_WITHOUT_VOWELS and chance.random() < VOWELS_DROPPED_SHARE:
        return _INNER_VOWEL.sub("", word)
    if len(word) >= SHORTEST_SLIP and chance.random() < SLIP_SHARE:
        return chance.choice(SLIPS)(word, chance)
    return word


def _neighbour_key(word: str, chance: random.Random) -> str:
    at = chance.randrange(len(word))
    wrong = chance.choice(NEIGHBOURS[word[at].lower()])
    return word[:at] + (wrong.upper() if word[at].isupper() else wrong) + word[at + 1 :]


def _swapped(word: str, chance: random.Random) -> str:
    """Swap two letters that differ; a word of one letter over and over stays."""
    places = [at for at in range(len(word) - 1) if word[at] != word[at + 1]]
    if not places:
        return word
    at = chance.choice(places)
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def _missing(word: str, chance: random.Random) -> str:
    at = chance.randrange(len(word))
    return word[:at] + word[at + 1 :]


def _doubled(word: str, chance: random.Random) -> str:
    at = chance.randrange(len(word))
    return word[: at + 1] + word[at:]


SLIPS: tuple[Callable[[str, random.Random], str], ...] = (_neighbour_key, _swapped, _missing, _doubled)


def _neighbours() -> dict[str, str]:
    """Return the letters around each one: left and right of it, and in the rows above and below."""
    places = {letter: (row, at) for row, letters in enumerate(_ROWS) for at, letter in enumerate(letters)}
    # A row begins half a key right of the one above: the keys below have the same number or one less.
    around = ((0, -1), (0, 1), (1, -1), (1, 0), (-1, 0), (-1, 1))
    return {
        letter: "".join(other for other, (r, a) in places.items() if (r - row, a - at) in around)
        for letter, (row, at) in places.items()
    }


NEIGHBOURS = _neighbours()
