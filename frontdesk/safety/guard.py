"""The first net: rules over plain words. No network, no model, no state."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache

import spacy
from spacy.matcher import Matcher
from spacy.tokens import Doc
from spacy.vocab import Vocab

from frontdesk.safety.rules import Level, Person, Rule, RuleBook, TokenPattern, load_rules
from frontdesk.safety.text import Words, sentences

DANGERS = (Level.CRISIS, Level.EMERGENCY)
_LONGEST_BEGINNING = 6  # words of a sentence that goes on in the next message
_NEGATION_REACH = 4  # words before what is negated
_IDIOM, _PAST, _PRESENT = "idiom", "past", "present"
_OTHER_WORD = "\N{WHITE SQUARE}"  # stands for every word no rule names: nothing of a patient stays in spaCy's memory
# Words of most sentences: nothing depends on them alone.
_COMMON_WORDS = (
    "i me my you your he she it they we to a an the am is are was be do did have has had want going of in on for with "
    "and or not no dont can will would at this that so just up out all if what how"
)
_COMMON = frozenset(_COMMON_WORDS.split())
_SHORTEST_UNSPACED = 9  # letters from which a word is searched for sentences without spaces


@dataclass(frozen=True)
class Alarm:
    """What a message calls for, and which rule says so; none when the model noticed it."""

    level: Level
    person: Person
    language: str = "en"
    rule: str | None = None

    @property
    def is_danger(self) -> bool:
        """Whether somebody may be in danger, so that nothing else counts."""
        return self.level in DANGERS


@dataclass(frozen=True)
class Finding:
    """What the rules say of a text."""

    alarm: Alarm | None = None
    denies_danger: bool = False  # it speaks of danger, but only as denied or as long past


@cache
def shipped_guard() -> "Guard":
    """Return a guard with the rules of `data/safety/`: it has no state, so that one is enough for a process."""
    return Guard()


class Guard:
    """Reads every text that comes in, of every channel, before anything else."""

    def __init__(self, book: RuleBook | None = None) -> None:
        """Compile the rules; raises RuleError when their files cannot be used."""
        self._book = book or load_rules()
        self._rules = {rule.id: rule for rule in self._book.rules}
        known = self._book.words()
        self._known = known | {".", "?", "!", ";", ",", "\n"}
        self._others = self._book.others
        self._words = Words(known, self._book.spellings, self._book.keywords)
        self._vocab = spacy.blank("en").vocab
        self._patterns = _Patterns(self._vocab)
        self._unless: dict[str, _Patterns] = {}
        for rule in self._book.rules:
            self._patterns.add(rule.id, rule.patterns)
            if rule.unless:
                self._unless[rule.id] = _Patterns(self._vocab)
                self._unless[rule.id].add(rule.id, rule.unless)
        self._around = _Patterns(self._vocab)  # what counts for every rule
        self._around.add(_IDIOM, self._book.idioms)
        self._around.add(_PAST, self._book.past)
        self._around.add(_PRESENT, self._book.present)

    def check(self, text: str, before: str | None = None) -> Finding:
        """Return what a text calls for, the gravest first.

        Where no rule sees danger, it says whether the text itself speaks of none: denied, or long past.

        Args:
            text: what came in, as it was typed.
            before: what the same person wrote just before: "i want to", then "die".
        """
        words = self._words.read(text)
        finding = self._check(words)
        if finding.alarm is None and before:
            earlier = self._words.read(before)
            # What ends with a mark, or is long, is a sentence of its own.
            if len(earlier) <= _LONGEST_BEGINNING and sentences(earlier[-1:]):
                across = self._check([*earlier, *words], from_word=len(earlier))
                return across if across.alarm and across.alarm.is_danger else finding
        return finding

    def person_in(self, text: str) -> Person:
        """Return who a message in which the model saw danger is about, as far as its words tell."""
        return Person.SELF if self._others.isdisjoint(self._words.read(text)) else Person.OTHER

    def _check(self, words: Sequence[str], from_word: int = 0) -> Finding:
        """Return what the words call for that end at or after one of them."""
        alarms, is_denied = self._unspaced(words[from_word:]), False
        for first, last in sentences(words):  # no pattern reaches over the end of one
            sentence = _Sentence(self._vocab, [self._in_memory(word) for word in words[first:last]])
            around: list[tuple[str, int, int]] | None = None
            for name, start, end in self._patterns.matches(sentence):
                if first + end <= from_word:
                    continue
                rule = self._rules[name]
                around = list(self._around.matches(sentence)) if around is None else around
                meaning = self._meaning(rule, start, end, sentence, around)
                if meaning is _Meaning.MEANT:
                    alarms.append(rule)
                elif meaning is _Meaning.DENIED and rule.level in DANGERS:
                    is_denied = True
        order = list(Level)
        gravest = min(alarms, key=lambda rule: (order.index(rule.level), rule.person is Person.OTHER), default=None)
        if gravest is None:
            return Finding(denies_danger=is_denied or self._is_denied(words) or self._is_past(words))
        return Finding(Alarm(gravest.level, gravest.person, gravest.language, gravest.id))

    def _is_denied(self, words: Sequence[str]) -> bool:
        """Whether a word of danger follows shortly after a negation: "nobody overdosed"."""
        return any(
            word in self._book.dangers
            and not self._book.negations.isdisjoint(words[max(0, place - _NEGATION_REACH) : place])
            for place, word in enumerate(words)
        )

    def _is_past(self, words: Sequence[str]) -> bool:
        """Whether something is told of long ago, and nothing of now."""
        times: set[str] = set()
        for first, last in sentences(words):
            sentence = _Sentence(self._vocab, [self._in_memory(word) for word in words[first:last]])
            times.update(name for name, _start, _end in self._around.matches(sentence))
        return _PAST in times and _PRESENT not in times

    def _in_memory(self, word: str) -> str:
        return word if word in self._known else "7" if word.isdigit() else _OTHER_WORD

    def _meaning(
        self, rule: Rule, start: int, end: int, sentence: "_Sentence", around: Sequence[tuple[str, int, int]]
    ) -> "_Meaning":
        """Tell whether what matched in a sentence is meant: not an idiom, not denied, not long ago."""
        if any(name == _IDIOM and a < end and start < b for name, a, b in around):
            return _Meaning.SOMETHING_ELSE
        if not rule.even_if_negated:
            nearby = sentence.words[max(0, start - _NEGATION_REACH) : start]
            if "," in nearby:  # "can't sleep, I want to die"
                del nearby[: len(nearby) - nearby[::-1].index(",")]
            if not self._book.negations.isdisjoint([*nearby, *sentence.words[start:end]]):
                return _Meaning.DENIED
        unless = self._unless.get(rule.id)
        if unless is not None and any(True for _match in unless.matches(sentence)):
            is_denial = not self._book.negations.isdisjoint(sentence.words)
            return _Meaning.DENIED if is_denial else _Meaning.SOMETHING_ELSE
        times = {name for name, _start, _end in around}
        is_past = not rule.even_if_past and _PAST in times and _PRESENT not in times
        return _Meaning.DENIED if is_past else _Meaning.MEANT

    def _unspaced(self, words: Sequence[str]) -> list[Rule]:
        """Return the rules whose sentence is written without spaces: "iwanttodie"."""
        long = [word for word in words if len(word) >= _SHORTEST_UNSPACED and word not in self._known]
        return [
            rule for rule in self._book.rules if any(squeezed in word for squeezed in rule.squeezed for word in long)
        ]


class _Meaning(Enum):
    """How something that matched is to be understood."""

    MEANT = "meant"
    DENIED = "denied, or long past"
    SOMETHING_ELSE = "something else"


class _Sentence:
    """The words of a sentence, as a list and as spaCy's."""

    def __init__(self, vocab: Vocab, words: list[str]) -> None:
        self.words = words
        self.doc = Doc(vocab, words=words)


@dataclass(frozen=True)
class _Pattern:
    """One pattern: what it belongs to, what has to be there for it, how many words it reaches over, and itself."""

    name: str
    needed: tuple[frozenset[str], ...]
    length: int
    matcher: Matcher


class _Patterns:
    """Many patterns, one matcher each: of thousands, only those are tried whose words are all there."""

    def __init__(self, vocab: Vocab) -> None:
        self._vocab = vocab
        self._by_word: dict[str, list[_Pattern]] = {}

    def add(self, name: str, patterns: Sequence[Sequence[TokenPattern]]) -> None:
        """Add patterns under one name."""
        for tokens in patterns:
            matcher = Matcher(self._vocab)
            matcher.add(name, [list(tokens)])
            needed = _needed(tokens)
            for word in _anchor(needed):
                self._by_word.setdefault(word, []).append(_Pattern(name, needed, len(tokens), matcher))

    def matches(self, sentence: _Sentence) -> Iterator[tuple[str, int, int]]:
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
