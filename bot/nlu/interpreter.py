"""From the scores of a message, of its parts and of what it means in context, to what is answered. Not Rasa's.

Everything here is about what a patient gets: one answer, two or three answers, a question back, or an honest "no".
"""

import math
from dataclasses import dataclass, field
from typing import Callable, Dict, List, Optional, Sequence, Tuple

import numpy as np

from bot.nlu import follow_up
from bot.nlu.topic_model import REJECT_BELOW

# A part of a message has to be this sure by itself.
SURE_PART = 0.5
# Whether the parts are answered: fitted on tests/understanding/development (benchmarks/nlu/interpretation.py) to the
# least sure part, how likely the message as a whole finds its topic, how sure the whole is, and whether the parts are
# clauses ("and will I be awake") rather than phrases ("price + address").
LEAST_SURE, IN_WHOLE, WHOLE, CLAUSES, BIAS = 4.89, 1.82, -1.93, 2.67, -3.58
# A message that is this sure as a whole is not looked through for phrases, which takes time and hardly ever finds any.
SURE_WHOLE = 0.7
SPLIT_FROM = 0.6  # probability; lower, and more single questions get a second answer than double ones gain one
# Whatever else is asked, only this is answered: when a sentence, or the message as a whole, is this likely about it.
DANGER = "crisis/"
DANGER_IN_SENTENCE = 0.6
DANGER_IN_WHOLE = 0.5

# How a sure follow-up is understood (benchmarks/nlu/interpretation.py): how much the question before it counts, how
# much likelier topics of the same group become, how much less likely what has no answer, and see `_with_context`.
CONTEXT_SHARE = 0.4
SAME_GROUP = 0.3
NO_ANSWER = 0.3
MADE_UP = 0.5


@dataclass(frozen=True)
class Reading:
    """How a message reads: its text, its sentences, the questions or else the phrases it may be made of, and the
    message in its context (see bot.nlu.follow_up). One sentence, question or phrase alone adds nothing to the text.
    """

    text: str
    sentences: Sequence[str] = ()
    clauses: Sequence[str] = ()
    phrases: Sequence[str] = ()
    in_context: Sequence[str] = ()
    context_topic: Optional[str] = None


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
    return "/" in topic and not topic.startswith("beyond/")


class Interpreter:
    """Decides with the scores of a topic model."""

    def __init__(self, topics: Sequence[str], scores: Callable[[Sequence[str]], np.ndarray]) -> None:
        """Take the topics and the function that scores texts, float, shape (n_texts, n_topics)."""
        self._topics = list(topics)
        self._scores = scores
        self._groups = np.array([topic.partition("/")[0] for topic in topics])
        self._is_answer = np.array([is_answer(topic) for topic in topics])

    def understand(self, reading: Reading) -> Understood:
        """Return what a message is about."""
        sentences = list(reading.sentences) if len(reading.sentences) > 1 else []
        clauses = list(reading.clauses) if len(reading.clauses) > 1 else []
        context = list(reading.in_context[:1])  # the other only tells that something was swapped
        scored = self._scored([reading.text, *clauses, *sentences, *context])
        whole, of_parts = scored[0], scored[1 : 1 + len(clauses)]
        if not clauses and len(reading.phrases) > 1 and float(whole.max()) < SURE_WHOLE:
            of_parts = self._scored(reading.phrases)
        danger = self._danger(whole, np.vstack([scored[1 : len(scored) - len(context)], of_parts]))
        if danger is not None:
            others = [entry for entry in self._ranked(whole) if entry[0] != danger[0]]
            return Understood(sorted([danger, *others], key=lambda entry: -entry[1]), [danger[0]])
        if context:
            whole = self._with_context(whole, scored[-len(context) :], reading)
        ranking = self._ranked(whole)
        best, confidence = ranking[0]
        parts = self._sure_parts(of_parts)
        if len(parts) < 2 or not self._worth_splitting(whole, parts, bool(clauses)):
            return Understood(ranking, [best] if confidence >= REJECT_BELOW and "/" in best else [])
        names = [name for name, _sure in parts]
        merged = [*parts, *(entry for entry in ranking if entry[0] not in names)]
        return Understood(sorted(merged, key=lambda entry: -entry[1]), names)

    def _scored(self, texts: Sequence[str]) -> np.ndarray:
        """Return the scores of each text, float, shape (n_texts, n_topics); what is there twice is read once."""
        different = list(dict.fromkeys(texts))
        scores = self._scores(different)
        return np.asarray(scores[[different.index(text) for text in texts]])

    def _danger(self, whole: np.ndarray, others: np.ndarray) -> Optional[Tuple[str, float]]:
        """Return the crisis or emergency that the message, or something in it, is about, with how sure that is."""
        found: List[Tuple[str, float]] = []
        for index, topic in enumerate(self._topics):
            if topic.startswith(DANGER):
                in_whole = float(whole[index])
                in_sentence = float(others[:, index].max()) if len(others) else 0.0
                if in_whole >= DANGER_IN_WHOLE or in_sentence >= DANGER_IN_SENTENCE:
                    found.append((topic, max(in_whole, in_sentence)))
        return max(found, key=lambda entry: entry[1], default=None)

    def _worth_splitting(self, whole: np.ndarray, parts: Sequence[Tuple[str, float]], are_clauses: bool) -> bool:
        least = min(sure for _name, sure in parts)
        in_whole = min(float(whole[self._topics.index(name)]) for name, _sure in parts)
        total = BIAS + LEAST_SURE * least + IN_WHOLE * in_whole + WHOLE * float(whole.max()) + CLAUSES * are_clauses
        return 1 / (1 + math.exp(-total)) >= SPLIT_FROM

    def _sure_parts(self, scored: np.ndarray) -> List[Tuple[str, float]]:
        """Return the topics of the parts that are sure by themselves and have an answer, each once."""
        found: Dict[str, float] = {}
        for scores in scored:
            best = int(np.argmax(scores))
            if scores[best] >= SURE_PART and self._is_answer[best]:
                found.setdefault(self._topics[best], float(scores[best]))
        return list(found.items())

    def signals(self, reading: Reading, alone: np.ndarray, in_context: np.ndarray) -> List[float]:
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

    def _with_context(self, alone: np.ndarray, in_context: np.ndarray, reading: Reading) -> np.ndarray:
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
