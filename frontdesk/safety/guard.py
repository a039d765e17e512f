"""The first net: rules over plain words. No network, no model, no state."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import spacy

from frontdesk.safety.matching import Patterns, Sentence
from frontdesk.safety.meaning import NEGATION_REACH, Meaning, Reader
from frontdesk.safety.rules import Level, Person, Rule, RuleBook, load_rules
from frontdesk.safety.text import Words, sentences

DANGERS = (Level.CRISIS, Level.EMERGENCY)
_LEVELS = tuple(Level)
_GRAVEST = (0, False)  # a crisis of the person who writes
_LONGEST_BEGINNING = 6  # words of a sentence that goes on in the next message
_OTHER_WORD = "\N{WHITE SQUARE}"  # stands for every word no rule names: nothing of a patient stays in spaCy's memory
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
    denies_danger: bool = False  # it speaks of danger, but only as denied, long past, asked about or an idiom


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
        for word in self._known:  # all that spaCy ever gets to keep
            self._vocab.strings.add(word)
        self._patterns = Patterns(self._vocab)
        for rule in self._book.rules:
            self._patterns.add(rule.id, rule.patterns)
        self._reader = Reader(self._book, self._vocab)

    def check(self, text: str, before: str | None = None) -> Finding:
        """Return what a text calls for, the gravest first.

        Where no rule sees danger, it says whether the text itself speaks of none: denied, long past, asked about in
        general, or an idiom.

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
        gravest = min(self._unspaced(words[from_word:]), key=_gravity, default=None)
        is_denied = False
        places = sentences(words)  # no pattern reaches over the end of one
        read = [self._sentence(words, first, last) for first, last in places]
        surroundings = self._reader.surroundings(read)
        for (first, _last), sentence in zip(places, read, strict=True):
            for name, start, end in self._patterns.matches(sentence):
                rule = self._rules[name]
                if first + end <= from_word or (gravest is not None and _gravity(gravest) <= _gravity(rule)):
                    continue
                meaning = self._reader.meaning(rule, start, end, sentence, surroundings)
                if meaning is Meaning.MEANT:
                    gravest = rule
                elif rule.level in DANGERS:
                    is_denied = True
            if gravest is not None and _gravity(gravest) == _GRAVEST:
                break
        if gravest is None:
            return Finding(denies_danger=is_denied or self._is_denied(words) or self._reader.is_past(surroundings))
        return Finding(Alarm(gravest.level, gravest.person, gravest.language, gravest.id))

    def _is_denied(self, words: Sequence[str]) -> bool:
        """Whether a word of danger follows shortly after a negation: "nobody overdosed"."""
        return any(
            word in self._book.dangers
            and not self._book.negations.isdisjoint(words[max(0, place - NEGATION_REACH) : place])
            for place, word in enumerate(words)
        )

    def _sentence(self, words: Sequence[str], first: int, last: int) -> Sentence:
        is_asked = last < len(words) and words[last] == "?"
        return Sentence(self._vocab, [self._in_memory(word) for word in words[first:last]], is_asked=is_asked)

    def _in_memory(self, word: str) -> str:
        return word if word in self._known else "7" if word.isdigit() else _OTHER_WORD

    def _unspaced(self, words: Sequence[str]) -> list[Rule]:
        """Return the rules whose sentence is written without spaces: "iwanttodie"."""
        long = [word for word in words if len(word) >= _SHORTEST_UNSPACED and word not in self._known]
        return [
            rule for rule in self._book.rules if any(squeezed in word for squeezed in rule.squeezed for word in long)
        ]


def _gravity(rule: Rule) -> tuple[int, bool]:
    """Return what orders rules, the gravest first; of the same level, oneself comes before somebody else."""
    return _LEVELS.index(rule.level), rule.person is Person.OTHER
