"""The first net: rules over plain words. No network, no model, no state."""

from collections.abc import Sequence
from dataclasses import dataclass

import spacy
from spacy.matcher import Matcher
from spacy.tokens import Doc

from frontdesk.safety.rules import Level, Person, Rule, RuleBook, TokenPattern, load_rules
from frontdesk.safety.text import Words, sentences

DANGERS = (Level.CRISIS, Level.EMERGENCY)
_NEGATION_REACH = 4  # words before what is negated
_OTHER_WORD = "other"  # stands for every word no rule names: nothing of a patient stays in spaCy's memory
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
    denies_danger: bool = False  # it speaks of danger, but only as denied, as long past, or in a turn of phrase


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
        # One matcher a rule, looked at only when a word is there without which the rule cannot apply.
        self._matchers = [
            (rule, _anchors(rule.patterns), self._matcher(rule.patterns), self._matcher(rule.unless))
            for rule in self._book.rules
        ]
        self._idioms = self._matcher(self._book.idioms)
        self._past = self._matcher(self._book.past)
        self._present = self._matcher(self._book.present)

    def _matcher(self, patterns: Sequence[Sequence[TokenPattern]]) -> Matcher:
        matcher = Matcher(self._vocab)
        if patterns:
            matcher.add("", [list(pattern) for pattern in patterns])
        return matcher

    def check(self, text: str, before: str | None = None) -> Finding:
        """Return what a text calls for, the gravest first.

        Args:
            text: what came in, as it was typed.
            before: what the same person wrote just before: "i want to", then "die".
        """
        words = self._words.read(text)
        finding = self._check(words)
        if finding.alarm is None and before:
            earlier = self._words.read(before)
            across = self._check([*earlier, *words], from_word=len(earlier))
            return across if across.alarm else finding
        return finding

    def person_in(self, text: str) -> Person:
        """Return who a message in which the model saw danger is about, as far as its words tell."""
        return Person.SELF if self._others.isdisjoint(self._words.read(text)) else Person.OTHER

    def _check(self, words: Sequence[str], from_word: int = 0) -> Finding:
        """Return what the words call for that end at or after one of them."""
        present = set(words)
        doc = Doc(self._vocab, words=[self._in_memory(word) for word in words])
        spans = sentences(words)
        alarms, is_denied = self._unspaced(words[from_word:]), False
        for rule, anchors, matcher, unless in self._matchers:
            if anchors and anchors.isdisjoint(present):
                continue
            found = [(start, end) for _key, start, end in matcher(doc) if end > from_word]
            if any(self._holds(rule, unless, start, end, doc, words, spans) for start, end in found):
                alarms.append(rule)
            elif found and rule.level in DANGERS:
                is_denied = True
        order = list(Level)
        gravest = min(alarms, key=lambda rule: (order.index(rule.level), rule.person is Person.OTHER), default=None)
        if gravest is None:
            return Finding(denies_danger=is_denied)
        return Finding(Alarm(gravest.level, gravest.person, gravest.language, gravest.id))

    def _in_memory(self, word: str) -> str:
        return word if word in self._known else "7" if word.isdigit() else _OTHER_WORD

    def _holds(
        self,
        rule: Rule,
        unless: Matcher,
        start: int,
        end: int,
        doc: Doc,
        words: Sequence[str],
        spans: Sequence[tuple[int, int]],
    ) -> bool:
        """Tell whether what matched is meant: not an idiom, not denied, not long ago."""
        first, last = next(((a, b) for a, b in spans if a <= start < b), (start, end))
        sentence = doc[first : max(last, end)]
        if any(first + a < end and start < first + b for _key, a, b in self._idioms(sentence)):
            return False
        if not rule.even_if_negated:
            reach = words[max(first, start - _NEGATION_REACH) : end]
            if not self._book.negations.isdisjoint(reach):
                return False
        if len(unless) and unless(sentence):
            return False
        return rule.even_if_past or not self._past(sentence) or bool(self._present(sentence))

    def _unspaced(self, words: Sequence[str]) -> list[Rule]:
        """Return the rules whose sentence is written without spaces: "iwanttodie"."""
        long = [word for word in words if len(word) >= _SHORTEST_UNSPACED and word not in self._known]
        return [
            rule for rule in self._book.rules if any(squeezed in word for squeezed in rule.squeezed for word in long)
        ]


def _anchors(patterns: Sequence[Sequence[TokenPattern]]) -> frozenset[str]:
    """Return words of which one has to be there for any pattern to match; none if there is no telling."""
    anchors: set[str] = set()
    for pattern in patterns:
        needed = [_words_of(token) for token in pattern if "OP" not in token]
        rare = [words for words in needed if words and words.isdisjoint(_COMMON)] or [
            words for words in needed if words
        ]
        if not rare:
            return frozenset()
        anchors |= min(rare, key=len)
    return frozenset(anchors)


def _words_of(token: TokenPattern) -> frozenset[str]:
    lower = token.get("LOWER")
    return frozenset(lower["IN"]) if isinstance(lower, dict) else frozenset([lower] if lower else [])
