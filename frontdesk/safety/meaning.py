"""Whether words that a rule looks for are meant: not an idiom, not denied, not long over, not asked in general."""

from collections.abc import Sequence
from enum import Enum
from functools import cached_property

from spacy.vocab import Vocab

from frontdesk.safety.matching import Patterns, Sentence
from frontdesk.safety.rules import Level, Rule, RuleBook

NEGATION_REACH = 4  # words before what is negated
_TENSE_BEFORE, _TENSE_AFTER = 5, 3  # words around what matched whose verbs tell its time
_IDIOM, _DENIED, _PAST, _PRESENT, _WELL_NOW, _ENDED = "idiom", "denied", "past", "present", "well now", "ended"
_TOPIC, _SOMEBODY, _CONFESSION = "topic", "somebody", "confession"
# "to want", "did want" and "didn't want" tell nothing of now.
_NOT_NOW_AFTER = frozenset({"to", "did", "didnt", "couldnt"})
_HAVE = frozenset({"have", "has"})  # "have had"
# "why didn't I die", "I promised not to"
_NO_DENIAL_AFTER_WORDS = "why wish if promise promised swore try trying tried hard or can whether how"
_NO_DENIAL_AFTER = frozenset(_NO_DENIAL_AFTER_WORDS.split())
# "no thoughts of", "without suicidal", but not "no, I want to die"
_NONE = frozenset({"no", "zero", "without", "any"})
_OWN_WORDS = (
    "thoughts thought plan plans desire urge urges intention intentions intent wish history suicidal suicide self "
    "ideation attempt attempts idea ideas"
)
_OWN = frozenset(_OWN_WORDS.split())
_OWN_NEGATION_WITHIN = 3  # words: a denial that begins a pattern belongs to it ("don't want to live")


class Meaning(Enum):
    """How something that matched is to be understood."""

    MEANT = "meant"
    DENIED = "denied, or long past"
    SOMETHING_ELSE = "something else"


class _Time(Enum):
    """What the verbs around something tell."""

    PAST = "past"
    NOW = "now"
    OPEN = "open"


class Surroundings:
    """What stands around the matches of one text; found out when first asked for."""

    def __init__(
        self, patterns: Patterns, asking: Patterns, negations: frozenset[str], sentences: Sequence[Sentence]
    ) -> None:
        """Prepare for the sentences of a text."""
        self._negations = negations
        self._patterns = patterns
        self._asking = asking
        self.sentences = sentences
        self._found: dict[int, list[tuple[str, int, int]]] = {}

    def of(self, sentence: Sentence) -> list[tuple[str, int, int]]:
        """Return name, first word and word after the last of what stands in a sentence, without what does not count."""
        found = self._found.get(id(sentence))
        if found is None:
            found = list(self._patterns.matches(sentence))
            # "never went away", "not far from"
            found = [
                (name, start, end)
                for name, start, end in found
                if name not in (_WELL_NOW, _ENDED, _DENIED)
                or self._negations.isdisjoint(sentence.words[max(0, start - 2) : start])
            ]
            # "I'm fine now": that `now` is none of danger.
            calm = [(start, end) for name, start, end in found if name in (_WELL_NOW, _ENDED)]
            found = [
                (name, start, end)
                for name, start, end in found
                if name != _PRESENT or not any(a <= start and end <= b for a, b in calm)
            ]
            self._found[id(sentence)] = found
        return found

    def names(self, sentence: Sentence, start: int = 0, end: int | None = None) -> set[str]:
        """Return the names of what stands between two words of a sentence."""
        last = len(sentence.words) if end is None else end
        return {name for name, a, b in self.of(sentence) if start <= a and b <= last}

    @cached_property
    def is_told_as_over(self) -> bool:
        """Whether some sentence says that what was is no more, or that of old times and of being well now."""
        names = {name for sentence in self.sentences for name in self.names(sentence)}
        return _ENDED in names or {_PAST, _WELL_NOW} <= names

    @cached_property
    def is_confessed(self) -> bool:
        """Whether a question in general is said to be about oneself: "for suicidal people? I am one"."""
        return any(
            name == _CONFESSION and end == len(sentence.words)
            for sentence in self.sentences
            for name, _start, end in self._asking.matches(sentence)
        )

    def asking(self, sentence: Sentence) -> set[str]:
        """Return which words of general questions, and of somebody in particular, a sentence has."""
        return {name for name, _start, _end in self._asking.matches(sentence)}


class Reader:
    """Tells what is meant from what is not, with the lists of a rule book."""

    def __init__(self, book: RuleBook, vocab: Vocab) -> None:
        """Compile the lists."""
        self._book = book
        self._around = Patterns(vocab)  # what counts for every rule
        for name, patterns in (
            (_IDIOM, book.idioms),
            (_DENIED, book.denied),
            (_PAST, book.past),
            (_PRESENT, book.present),
            (_WELL_NOW, book.well_now),
            (_ENDED, book.ended),
        ):
            self._around.add(name, patterns)
        self._asking = Patterns(vocab)
        for name, patterns in (
            (_TOPIC, book.topics),
            (_SOMEBODY, book.somebody),
            (_CONFESSION, book.confessions),
        ):
            self._asking.add(name, patterns)
        self._unless: dict[str, Patterns] = {}
        for rule in book.rules:
            if rule.unless:
                self._unless[rule.id] = Patterns(vocab)
                self._unless[rule.id].add(rule.id, rule.unless)

    def surroundings(self, sentences: Sequence[Sentence]) -> Surroundings:
        """Return what stands around the matches of a text."""
        return Surroundings(self._around, self._asking, self._book.negations, sentences)

    def is_past(self, surroundings: Surroundings) -> bool:
        """Whether something is told of long ago, and nothing of now."""
        times = {name for sentence in surroundings.sentences for name in surroundings.names(sentence)}
        return _PAST in times and _PRESENT not in times

    def meaning(self, rule: Rule, start: int, end: int, sentence: Sentence, surroundings: Surroundings) -> Meaning:
        """Tell how the words of a sentence from `start` to before `end` are meant, which match a rule."""
        overlapping = {name for name, a, b in surroundings.of(sentence) if a < end and start < b}
        if _IDIOM in overlapping:
            return Meaning.SOMETHING_ELSE
        if self._is_negated(rule, start, end, sentence):
            return Meaning.DENIED
        is_danger = rule.level in (Level.CRISIS, Level.EMERGENCY)
        if is_danger and (_DENIED in overlapping or self._is_denied(start, end, sentence)):
            return Meaning.DENIED
        unless = self._unless.get(rule.id)
        if is_danger and sentence.is_asked and surroundings.is_confessed:
            return Meaning.MEANT
        first, last = sentence.clause(start, end, beyond_commas=True)
        if unless is not None and any(first <= a < last for _name, a, _b in unless.matches(sentence)):
            is_denial = not self._book.negations.isdisjoint(sentence.words)
            return Meaning.DENIED if is_denial else Meaning.SOMETHING_ELSE
        if is_danger and not rule.even_if_asked and self._is_general_question(sentence, surroundings):
            return Meaning.SOMETHING_ELSE
        return Meaning.DENIED if self._is_over(rule, start, end, sentence, surroundings) else Meaning.MEANT

    def _is_negated(self, rule: Rule, start: int, end: int, sentence: Sentence) -> bool:
        """Whether a negation stands in or shortly before what matched, and the rule has none of its own."""
        if rule.even_if_negated:
            return False
        nearby = sentence.words[max(0, start - NEGATION_REACH) : start]
        if "," in nearby:  # "can't sleep, I want to die"
            del nearby[: len(nearby) - nearby[::-1].index(",")]
        return not self._book.negations.isdisjoint([*nearby, *sentence.words[start:end]])

    def _is_denied(self, start: int, end: int, sentence: Sentence) -> bool:
        """Whether only words like "going to" or "thinking of" stand between a denial and what matched."""
        words = sentence.words
        if start > 0 and words[start - 1] in _NONE and words[start] in _OWN:
            return True
        if not self._book.deny.isdisjoint(words[start : start + _OWN_NEGATION_WITHIN]):
            return False
        if not self._book.deny.isdisjoint(words[start:end]):  # "says that he hasn't thought about suicide"
            start = max((place for place in range(start, end) if words[place] in self._book.dangers), default=start)
        place = start - 1
        while place >= 0 and words[place] in self._book.links and words[place] not in self._book.deny:
            place -= 1
        return place >= 0 and words[place] in self._book.deny and words[max(0, place - 1)] not in _NO_DENIAL_AFTER

    def _is_general_question(self, sentence: Sentence, surroundings: Surroundings) -> bool:
        """Whether a sentence asks about something as such, and nobody in particular is in it."""
        words = [word for word in sentence.words if word not in self._book.lead_ins]
        if not (sentence.is_asked or (words and words[0] in self._book.question_words)):
            return False
        found = surroundings.asking(sentence)
        return _TOPIC in found and _SOMEBODY not in found

    def _is_over(self, rule: Rule, start: int, end: int, sentence: Sentence, surroundings: Surroundings) -> bool:
        """Whether what matched is told of long ago, and as no longer so."""
        names = surroundings.names(sentence)
        if _PRESENT in names:
            return False
        if rule.level not in (Level.CRISIS, Level.EMERGENCY):
            return not rule.even_if_past and _PAST in names
        is_crisis = rule.level is Level.CRISIS
        first, last = sentence.clause(start, end)
        time = self._time(sentence.words[max(first, start - _TENSE_BEFORE) : min(last, end + _TENSE_AFTER)])
        if time is _Time.NOW:
            return False
        # "I had a stent in 2015 and my chest hurts"
        here = surroundings.names(sentence, *sentence.clause(start, end, beyond_commas=True))
        if time is _Time.PAST:
            return _PAST in (names if is_crisis else here) or (is_crisis and surroundings.is_told_as_over)
        if not rule.even_if_past and _PAST in here:
            return True
        return _PAST in surroundings.names(sentence, first, last) or (is_crisis and _ENDED in names)

    def _time(self, words: Sequence[str]) -> _Time:
        """Return what the verbs among some words tell."""
        around = zip(["", *words], words, [*words[1:], ""], strict=False)
        if any(
            word in self._book.now_words
            and before not in _NOT_NOW_AFTER
            and not (word in _HAVE and after in self._book.past_words)
            for before, word, after in around
        ):
            return _Time.NOW
        return _Time.OPEN if self._book.past_words.isdisjoint(words) else _Time.PAST
