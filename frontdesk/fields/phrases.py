"""Finding phrases in a message with spaCy: its documents and its PhraseMatcher, no trained pipeline.

spaCy's language data is loaded with this module (about half a second), not with the first message.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import product
from pathlib import Path
from typing import NamedTuple

import spacy
from spacy.matcher import PhraseMatcher
from spacy.tokens import Doc, Span
from spacy.util import filter_spans

NUMBER = "#"

_ENGLISH = spacy.blank("en")
# A word with the apostrophes and accents in it, a number with its colon, or one mark. "2pm" is two tokens.
_TOKEN = re.compile(r"\d{1,2}:\d\d(?!\d)|\d+|[^\W\d_]+(?:['’ʼ][^\W\d_]+)*|\n|[^\w\s]|_")
_OTHER_SPELLINGS = {
    **dict.fromkeys(("tmrw", "tmr", "tomorow", "tommorow", "tommorrow", "tmw", "2moro"), "tomorrow"),
    **dict.fromkeys(("appt", "apt", "appts", "apointment", "appointmnt", "appoinment"), "appointment"),
    **dict.fromkeys(("pls", "plz", "plse", "pleas"), "please"),
    **dict.fromkeys(("u", "ya"), "you"),
    **dict.fromkeys(("ur", "yr"), "your"),
    **dict.fromkeys(("w", "wth"), "with"),
    **dict.fromkeys(("b4",), "before"),
    **dict.fromkeys(("mornin", "mornings", "morn", "am's"), "morning"),
    **dict.fromkeys(("afternoons", "aft", "arvo"), "afternoon"),
    **dict.fromkeys(("evenings", "eve", "evening's"), "evening"),
    **dict.fromkeys(("ph", "fone", "tel", "telephone"), "phone"),
}


class Phrase(NamedTuple):
    """A phrase found: which, and from which token to before which."""

    label: str
    start: int
    end: int


class Phrases:
    """Phrases by label, found in one pass however many there are. See `_spelled_out` for how they are written."""

    def __init__(self, phrases: Mapping[str, Iterable[str]]) -> None:
        self._matcher = PhraseMatcher(_ENGLISH.vocab, attr="NORM")
        for label, lines in phrases.items():
            each = dict.fromkeys(words for line in lines for words in _spelled_out(line))
            self._matcher.add(label, [_doc(words, words) for words in each])

    def longest(self, doc: Doc, besides: frozenset[int] = frozenset()) -> list[Phrase]:
        """Return the longest matches that overlap neither each other nor the tokens `besides`, in order."""
        matches = [match for match in self._matcher(doc) if besides.isdisjoint(range(match[1], match[2]))]
        spans = filter_spans([Span(doc, start, end, label) for label, start, end in matches])
        return [Phrase(span.label_, span.start, span.end) for span in spans]


def _spelled_out(line: str) -> Iterator[tuple[str, ...]]:
    """Yield every phrase that a line stands for.

    Of "a|b" one is said; "a?" may be; `NUMBER` is a number or a clock time. Words are in plain form: "dont", "im".
    """
    choices = []
    for piece in line.split():
        words = piece.removesuffix("?") if len(piece) > 1 else piece
        choices.append([*words.split("|"), *([""] if words != piece else [])])
    for said in product(*choices):
        yield tuple(word for word in said if word)


def _doc(texts: Sequence[str], norms: Sequence[str]) -> Doc:
    doc = Doc(_ENGLISH.vocab, words=list(texts), spaces=[False] * len(texts))
    for token, norm in zip(doc, norms, strict=True):
        token.norm_ = norm
    return doc


def read_tokens(said: str) -> Doc:
    """Return the tokens of a tidy text, without its spaces; `norm_` is the word in plain form, as in `Phrases`."""
    texts = _TOKEN.findall(said)
    return _doc(texts, [plain_word(text) for text in texts])


def token_places(said: str) -> list[tuple[int, int]]:
    """Return where each token of `read_tokens` stands, by characters."""
    return [match.span() for match in _TOKEN.finditer(said)]


def plain_word(word: str) -> str:
    """Return a word in small letters, without apostrophes, in its usual spelling; of one or two digits, `NUMBER`."""
    if word[0].isdigit():
        return NUMBER if len(word) < 3 or ":" in word else word
    plain = word.lower().replace("'", "").replace("’", "").replace("ʼ", "")
    return _OTHER_SPELLINGS.get(plain, plain)


def several(*lines: str) -> frozenset[str]:
    """Return the words of some lines."""
    return frozenset(word for line in lines for word in line.split())


@cache
def word_list(name: str) -> frozenset[str]:
    """Return the words of a list beside this module; lines with a # in front are about the list."""
    lines = Path(__file__).with_name(f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in line.split())
