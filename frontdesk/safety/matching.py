"""Patterns of the rules over the words of one sentence, with spaCy's Matcher."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from spacy.matcher import Matcher
from spacy.tokens import Doc
from spacy.vocab import Vocab

from frontdesk.safety.rules import TokenPattern

# Words of most sentences: nothing depends on them alone.
_COMMON_WORDS = (
    "i me my you your he she it they we to a an the am is are was be do did have has had want going of in on for with "
    "and or not no dont can will would at this that so just up out all if what how"
)
_COMMON = frozenset(_COMMON_WORDS.split())
# Where somebody goes on to something else within a sentence, by themselves or before a person.
_TURNS = frozenset({"but", "though", "although", "however", "yet", "pero"})
_TURNS_BEFORE_PERSON = frozenset({"and", "so", "you", "him", "her", "them", "me", "us"})
_PERSONS = frozenset({"i", "he", "she", "we", "they", "hes", "shes", "theyre", "ill", "id", "my"})


class Sentence:
    """The words of a sentence, as a list and as spaCy's."""

    def __init__(self, vocab: Vocab, words: list[str], *, is_asked: bool = False) -> None:
        """Hold the words; `is_asked` tells that a question mark ends them."""
        self.words = words
        self.doc = Doc(vocab, words=words)
        self.is_asked = is_asked

    def clause(self, start: int, end: int, *, beyond_commas: bool = False) -> tuple[int, int]:
        """Return where the part begins and ends that words from `start` to before `end` stand in.

        `beyond_commas`: a reason may follow after one ("I won't be around, I'm on vacation").
        """
        first, last = start, end
        while first > 0 and not self._turns_at(first, beyond_commas):
            first -= 1
        while last < len(self.words) and not self._turns_at(last, beyond_commas):
            last += 1
        return first, last

    def _turns_at(self, place: int, beyond_commas: bool) -> bool:
        """Whether something else begins at a word: after or at a turn, or at a person as in "sorry to bother you I"."""
        before, word = self.words[place - 1], self.words[place]
        if not beyond_commas and "," in (before, word):
            return True
        return before in _TURNS or word in _TURNS or (before in _TURNS_BEFORE_PERSON and word in _PERSONS)


@dataclass(frozen=True)
class _Pattern:
    """One pattern: what it belongs to, what has to be there for it, how many words it reaches over, and itself."""

    name: str
    needed: tuple[frozenset[str], ...]
    length: int
    matcher: Matcher


class Patterns:
    """Many patterns, one matcher each: of thousands, only those are tried whose words are all there."""

    def __init__(self, vocab: Vocab) -> None:
        """Begin with none."""
        self._vocab = vocab
        self._by_word: dict[str, list[_Pattern]] = {}

    def add(self, name: str, patterns: Sequence[Sequence[TokenPattern]]) -> None:
        """Add patterns under one name."""
        for tokens in patterns:
            matcher = Matcher(self._vocab, validate=False)  # rules.py makes no others; it would double the time
            matcher.add(name, [list(tokens)])
            needed = _needed(tokens)
            for word in _anchor(needed):
                self._by_word.setdefault(word, []).append(_Pattern(name, needed, len(tokens), matcher))

    def matches(self, sentence: Sentence) -> Iterator[tuple[str, int, int]]:
        """Yield the name, the first word and the word after the last of every match."""
        for place, word in enumerate(sentence.words):
            for pattern in self._by_word.get(word, ()):
                first, last = max(0, place - pattern.length + 1), place + pattern.length
                here = sentence.words[first:last]
                if not any(words.isdisjoint(here) for words in pattern.needed):
                    for _key, start, end in pattern.matcher(sentence.doc[first:last]):
                        yield pattern.name, first + start, first + end


def _needed(pattern: Sequence[TokenPattern]) -> tuple[frozenset[str], ...]:
    """Return sets of words; one of each set has to be there for the pattern to match."""
    return tuple(words for token in pattern if "OP" not in token and (words := _words_of(token)))


def _anchor(needed: Sequence[frozenset[str]]) -> frozenset[str]:
    """Return the set by which a pattern is looked up: few words, and not those of most sentences."""
    return min(needed, key=lambda words: (not words.isdisjoint(_COMMON), len(words)))


def _words_of(token: TokenPattern) -> frozenset[str]:
    lower = token.get("LOWER")
    return frozenset(lower["IN"]) if isinstance(lower, dict) else frozenset([lower] if lower else [])
