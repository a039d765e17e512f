"""From the scores of a message, of its parts and of what it means in context, to what is answered. Not Rasa's.

Everything here is about what a patient gets: one answer, two or three answers, a question back, or an honest "no".
"""

import math
import operator
from dataclasses import dataclass, field
from typing import Callable, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from bot.nlu import follow_up
from bot.nlu.reading import Split
from bot.nlu.topic_model import REJECT_BELOW

# A part of a message has to be this sure by itself.
SURE_PART = 0.5
# How likely a message is as many questions as a split of it has parts. Fitted on tests/understanding/development
# (benchmarks/nlu/interpretation.py) to the signals that `split_signals` returns.
SPLIT_SIGNALS = ("least sure", "most sure", "in whole", "whole", "at clauses", "whole is a part", "each asks")
SPLIT_WEIGHTS = (6.30, 1.85, 2.04, -5.75, 0.75, -0.28, 1.25)
SPLIT_BIAS = -1.96
SPLIT_FROM = 0.65  # probability; lower, and more single questions get a second answer than double ones gain one
# A message that is this sure as a whole is one question: nothing is gained by looking for others, and time is lost.
SURE_WHOLE = 0.9
# Whatever else is asked, only this is answered: when a sentence, or the message as a whole, is this likely about it.
# A sentence alone is torn from what explains it; in a story, however, it may be all that tells of danger. Few words
# look like much that they are not: "he's at work" to a form's question, and a name, like "he's not breathing". Chosen
# on tests/safety/development_3.jsonl.
DANGER = "crisis/"
DANGER_IN_SENTENCE = 0.75
DANGER_IN_SENTENCE_OF_STORY = 0.65
STORY_WORDS = 40
DANGER_IN_WHOLE = 0.4
# (up to so many words, at least so likely)
DANGER_IN_FEW_WORDS = ((6, 0.6), (12, 0.5))

# Who leaves a phone number or an address wants to be contacted, unless the message is surely about something else;
# these are not: they are what a request sounds like.
REQUEST = "request_appointment"
BEYOND = "beyond/"
NEAR_A_REQUEST = frozenset({"logistics/phone_contact", "booking/how_to_request", "booking/consultation"})
NO_REQUEST = frozenset(
    {"booking/reschedule_cancel", "booking/test_results_records", "cancel_request", "other_language"}
)

# How a sure follow-up is understood (benchmarks/nlu/interpretation.py): how much the question before it counts, how
# much likelier topics of the same group become, how much less likely what has no answer, and see `_with_context`.
CONTEXT_SHARE = 0.5
SAME_GROUP = 0.15
NO_ANSWER = 0.3
MADE_UP = 0.5


@dataclass(frozen=True)
class Reading:
    """How a message reads: its text, its sentences, the ways in which it may be more than one question, and the message
    in its context (see bot.nlu.follow_up). One sentence alone adds nothing to the text. `denies_danger`: a rule has
    found that it speaks of danger only to deny it. `questions`: those of its sentences that ask. `gives_contact`: a
    phone number or an e-mail address is in it.
    """

    text: str
    sentences: Sequence[str] = ()
    splits: Sequence[Split] = ()
    in_context: Sequence[str] = ()
    context_topic: Optional[str] = None
    denies_danger: bool = False
    questions: Sequence[str] = ()
    gives_contact: bool = False


@dataclass(frozen=True)
class Understood:
    """What a message is about: its topics with how sure each is, best first, and those that are to be answered."""

    ranking: List[Tuple[str, float]]
    answered: List[str] = field(default_factory=list)

    @property
    def topic(self) -> str:
        """The likeliest topic."""
        return self.ranking[0][0]


def is_answer(topic: str) -> bool:
    """Whether it is a topic with an answer of its own, and neither talk nor something that is not answered."""
    return "/" in topic and not topic.startswith(BEYOND)


class Interpreter:
    """Decides with the scores of a topic model."""

    def __init__(self, topics: Sequence[str], scores: Callable[[Sequence[str]], np.ndarray]) -> None:
        """Take the topics and the function that scores texts, float, shape (n_texts, n_topics)."""
        self._topics = list(topics)
        self._scores = scores
        self._groups = np.array([topic.partition("/")[0] for topic in topics])
        self._is_answer = np.array([is_answer(topic) for topic in topics])
        self._is_danger = np.array([topic.startswith(DANGER) for topic in topics])

    def understand(self, reading: Reading) -> Understood:
        """Return what a message is about."""
        sentences = list(reading.sentences) if len(reading.sentences) > 1 else []
        context = list(reading.in_context[:1])  # the other only tells that something was swapped
        without = self._is_danger if reading.denies_danger else None
        whole, *others = self._scored([reading.text, *sentences, *context], without)
        in_context = others[len(sentences) :]
        splits = reading.splits if float(whole.max()) < SURE_WHOLE else ()
        parts = list(dict.fromkeys(part for split in splits for part in split.parts))
        known = dict(zip(sentences, others))  # noqa: B905 # the context follows
        unknown = [part for part in parts if part not in known]
        known.update(zip(unknown, self._scored(unknown, without)))  # noqa: B905 # of the same length
        danger = self._danger(whole, list(known.values()), len(reading.text.split()))
        if danger is not None:
            rest = [entry for entry in self._ranked(whole) if entry[0] != danger[0]]
            return Understood(sorted([danger, *rest], key=lambda entry: -entry[1]), [danger[0]])
        # A danger that is not sure enough is none at all: no other answer has anything to do with it.
        whole = np.where(self._is_danger, 0, whole)
        known = {part: np.where(self._is_danger, 0, scores) for part, scores in known.items()}
        if reading.gives_contact and self._leaves_contact(reading, whole, known):
            return self._as_request(whole)
        if context:
            whole = self._with_context(whole, in_context, reading)
        ranking = self._ranked(whole)
        best, confidence = ranking[0]
        answered = self._best_parts(whole, [(split, [known[part] for part in split.parts]) for split in splits])
        if not answered:
            if confidence < REJECT_BELOW and self._wish(sentences, known) >= REJECT_BELOW:
                return self._as_request(whole)  # "Please book me in. I have had this pain for ten years and …"
            return Understood(ranking, [best] if confidence >= REJECT_BELOW and "/" in best else [])
        names = [name for name, _sure in answered]
        merged = [*answered, *(entry for entry in ranking if entry[0] not in names)]
        return Understood(sorted(merged, key=lambda entry: -entry[1]), names)

    def _scored(self, texts: Sequence[str], without: Optional[np.ndarray]) -> np.ndarray:
        """Return the scores of each text, float, shape (n_texts, n_topics); topics that are `without` have 0."""
        if not texts:
            return np.empty((0, len(self._topics)))
        scores = np.asarray(self._scores(texts))
        return scores if without is None else np.where(without, 0, scores)

    def _danger(self, whole: np.ndarray, others: Sequence[np.ndarray], word_count: int) -> Optional[Tuple[str, float]]:
        """Return the crisis or emergency that the message, or something in it, is about, with how sure that is."""
        in_whole_from = next((least for most, least in DANGER_IN_FEW_WORDS if word_count <= most), DANGER_IN_WHOLE)
        in_sentence_from = DANGER_IN_SENTENCE_OF_STORY if word_count >= STORY_WORDS else DANGER_IN_SENTENCE
        found: List[Tuple[str, float]] = []
        for index, topic in enumerate(self._topics):
            if self._is_danger[index]:
                in_whole = float(whole[index])
                in_sentence = max((float(scores[index]) for scores in others), default=0.0)
                if in_whole >= in_whole_from or in_sentence >= in_sentence_from:
                    found.append((topic, max(in_whole, in_sentence, REJECT_BELOW)))  # no fallback takes this back
        return max(found, key=lambda entry: entry[1], default=None)

    def _leaves_contact(self, reading: Reading, whole: np.ndarray, known: Mapping[str, np.ndarray]) -> bool:
        """Tell whether a message with a number or an address wants an appointment, rather than something else."""
        best = self._topics[int(whole.argmax())]
        if float(whole.max()) >= REJECT_BELOW and (best in NO_REQUEST or best.startswith(BEYOND)):
            return False
        asked = [known.get(question, whole) for question in reading.questions]
        sure = [self._topics[int(scores.argmax())] for scores in asked if float(scores.max()) >= REJECT_BELOW]
        return not any(is_answer(topic) and topic not in NEAR_A_REQUEST for topic in sure)

    def _wish(self, sentences: Sequence[str], known: Mapping[str, np.ndarray]) -> float:
        """Return how surely one of the sentences asks for an appointment."""
        if REQUEST not in self._topics:
            return 0.0
        wish = self._topics.index(REQUEST)
        return max((float(known[sentence][wish]) for sentence in sentences), default=0.0)

    def _as_request(self, whole: np.ndarray) -> Understood:
        """Return a message as one that asks for an appointment, whatever else is in it."""
        surest = max(float(whole.max()), REJECT_BELOW)
        return Understood([(REQUEST, surest), *(entry for entry in self._ranked(whole) if entry[0] != REQUEST)])

    def _best_parts(
        self, whole: np.ndarray, splits: Sequence[Tuple[Split, Sequence[np.ndarray]]]
    ) -> List[Tuple[str, float]]:
        """Return the topics of the split that most likely shows several questions, or none if the message is one."""
        best: List[Tuple[str, float]] = []
        highest = SPLIT_FROM
        for split, scored in splits:
            parts = self.sure_parts(scored)
            if len(parts) > 1:
                signals = self.split_signals(whole, split, parts)
                total = SPLIT_BIAS + sum(map(operator.mul, SPLIT_WEIGHTS, signals))
                likelihood = 1 / (1 + math.exp(-total))
                if likelihood >= highest:
                    best, highest = parts, likelihood
        return best

    def split_signals(self, whole: np.ndarray, split: Split, parts: Sequence[Tuple[str, float]]) -> List[float]:
        """Return what speaks for and against a split, as SPLIT_SIGNALS names it."""
        sure = [confidence for _name, confidence in parts]
        in_whole = [float(whole[self._topics.index(name)]) for name, _sure in parts]
        is_a_part = self._topics[int(whole.argmax())] in dict(parts)
        return [
            min(sure),
            max(sure),
            min(in_whole),
            float(whole.max()),
            float(split.at_clauses),
            float(is_a_part),
            float(split.each_asks),
        ]

    def sure_parts(self, scored: Sequence[np.ndarray]) -> List[Tuple[str, float]]:
        """Return the topics of the parts that are sure by themselves and have an answer, each once."""
        found: Dict[str, float] = {}
        for scores in scored:
            best = int(np.argmax(scores))
            if scores[best] >= SURE_PART and self._is_answer[best]:
                found.setdefault(self._topics[best], float(scores[best]))
        return list(found.items())

    def signals(self, reading: Reading, alone: np.ndarray, in_context: Sequence[np.ndarray]) -> List[float]:
        """Return what speaks for and against a follow-up, as follow_up.SIGNALS names it."""
        best = int(alone.argmax())
        return [
            *follow_up.words_say(reading.text),
            float(alone[best]),
            float(in_context[0].max()),
            float(self._groups[best] == (reading.context_topic or "").partition("/")[0]),
            float(not self._is_answer[best]),
            float(len(reading.in_context) > 1),
        ]

    def _with_context(self, alone: np.ndarray, in_context: Sequence[np.ndarray], reading: Reading) -> np.ndarray:
        """Mix what the message says by itself with what it says after the question before it."""
        likelihood = follow_up.likelihood(self.signals(reading, alone, in_context))
        weight = likelihood**0.5
        mixed = (1 - CONTEXT_SHARE * weight) * alone + CONTEXT_SHARE * weight * in_context[0]
        group = (reading.context_topic or "").partition("/")[0]
        mixed = mixed * np.where(self._groups == group, 1 + SAME_GROUP * weight, 1)
        mixed = mixed * np.where(self._is_answer, 1, 1 - NO_ANSWER * weight)
        # Two opinions that differ leave less for either than one has: made up for, as far as context counts at all.
        return np.asarray((mixed * (1 + MADE_UP * weight)).clip(0, 1))

    def _ranked(self, scores: np.ndarray) -> List[Tuple[str, float]]:
        return [(self._topics[i], float(scores[i])) for i in np.argsort(-scores, kind="stable")]
