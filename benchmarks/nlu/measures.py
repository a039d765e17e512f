"""From answers to figures: what is right, how sure that is, and whether two pipelines differ by more than chance."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy.stats import binomtest

from benchmarks.nlu.datasets import Question, Scope
from benchmarks.nlu.hint3 import Published
from benchmarks.nlu.pipelines import Answer

_Z_95 = 1.959964
ACCEPTED_OF_VALIDATION = 0.95


class Outcome(StrEnum):
    """What became of a question. Out of scope nothing is right: it is declined, or answered and so wrong."""

    RIGHT = "R"
    WRONG = "W"
    DECLINED = "D"


@dataclass(frozen=True)
class Judged:
    """A letter a question, in the order asked. Kept whole, so that two pipelines can be compared question by question.

    scopes: of Scope; outcomes: of Outcome; places: the place of an accepted topic in the ranking, however unsure, as
    "1", "2", "3", or "-" for later and never.
    """

    scopes: str
    outcomes: str
    places: str


@dataclass(frozen=True)
class Measure:
    """A share of the questions of one scope: those whose letter is one of `letters`."""

    title: str
    scope: Scope
    letters: str
    of_places: bool = False

    def hits(self, judged: Judged) -> list[bool]:
        """Return, for each question of the scope, whether it counts."""
        letters = judged.places if self.of_places else judged.outcomes
        return [
            letter in self.letters
            for letter, scope in zip(letters, judged.scopes, strict=True)
            if scope == self.scope.value
        ]


MEASURES: dict[str, Measure] = {
    "right": Measure("right", Scope.IN, Outcome.RIGHT),
    "wrong": Measure("answered with another topic", Scope.IN, Outcome.WRONG),
    "declined": Measure("declined, though in scope", Scope.IN, Outcome.DECLINED),
    "out_declined": Measure("out of scope, declined", Scope.OUT, Outcome.DECLINED),
    "near_declined": Measure("of a topic left out, declined", Scope.NEAR, Outcome.DECLINED),
    "first": Measure("right, however unsure", Scope.IN, "1", of_places=True),
    "among_three": Measure("among the first three, however unsure", Scope.IN, "123", of_places=True),
}


@dataclass(frozen=True)
class Share:
    """A share with its 95 % interval, in [0, 1]."""

    count: int
    total: int
    share: float
    low: float
    high: float

    @classmethod
    def of(cls, hits: Sequence[bool]) -> "Share":
        """Count. Source of the interval: Wilson (1927), doi:10.1080/01621459.1927.10502953."""
        count, total = sum(hits), len(hits)
        share = count / total
        spread = _Z_95 * math.sqrt(share * (1 - share) / total + (_Z_95 / (2 * total)) ** 2)
        middle = share + _Z_95**2 / (2 * total)
        weight = 1 + _Z_95**2 / total
        return cls(count, total, share, max(0.0, (middle - spread) / weight), min(1.0, (middle + spread) / weight))


@dataclass(frozen=True)
class Difference:
    """Two pipelines on the same questions: how many count for one of them only, and how likely chance does that."""

    only_stock: int
    only_ours: int
    points: float  # ours minus stock, percentage points
    p: float


def difference(stock: Sequence[bool], ours: Sequence[bool]) -> Difference:
    """Compare hits question by question, by the exact test of McNemar (1947), doi:10.1007/BF02295996."""
    only_stock = sum(a and not b for a, b in zip(stock, ours, strict=True))
    only_ours = sum(b and not a for a, b in zip(stock, ours, strict=True))
    discordant = only_stock + only_ours
    p = float(binomtest(only_ours, discordant, 0.5).pvalue) if discordant else 1.0
    return Difference(only_stock, only_ours, 100 * (only_ours - only_stock) / len(stock), p)


def judge(questions: Sequence[Question], answers: Sequence[Answer], declines: Callable[[str], bool]) -> Judged:
    """Judge each answer."""
    pairs = list(zip(questions, answers, strict=True))
    return Judged(
        scopes="".join(question.scope.value for question in questions),
        outcomes="".join(_outcome(question, answer, declines).value for question, answer in pairs),
        places="".join(_place(question, answer) for question, answer in pairs),
    )


def _outcome(question: Question, answer: Answer, declines: Callable[[str], bool]) -> Outcome:
    if answer.topic is not None and answer.topic in question.accepted:
        return Outcome.RIGHT if question.scope is Scope.IN else Outcome.DECLINED
    if answer.topic is None or declines(answer.topic):
        return Outcome.RIGHT if question.scope is Scope.IN and question.may_be_declined else Outcome.DECLINED
    return Outcome.WRONG


def _place(question: Question, answer: Answer) -> str:
    for place, (topic, _) in enumerate(answer.ranking[:3], start=1):
        if topic in question.accepted:
            return str(place)
    return "-"


@dataclass(frozen=True)
class AtThreshold:
    """Shares of a pipeline that accepts a topic only above `threshold`, and declines nothing else."""

    threshold: float
    right: float
    out_declined: float | None  # None: no such questions
    near_declined: float | None


def at_threshold(questions: Sequence[Question], answers: Sequence[Answer], threshold: float) -> AtThreshold:
    """Judge anew with another threshold than the pipeline's own."""
    accepted = np.array([answer.confidence > threshold for answer in answers])
    right = np.array([_place(q, a) == "1" for q, a in zip(questions, answers, strict=True)])
    scopes = np.array([question.scope.value for question in questions])

    def share(hits: np.ndarray, scope: Scope) -> float | None:
        chosen = hits[scopes == scope.value]
        return float(chosen.mean()) if len(chosen) else None

    return AtThreshold(
        threshold, share(accepted & right, Scope.IN) or 0.0, share(~accepted, Scope.OUT), share(~accepted, Scope.NEAR)
    )


def threshold_of_validation(answers: Sequence[Answer]) -> float:
    """Return the threshold below which all but ACCEPTED_OF_VALIDATION of the answers are."""
    return float(np.quantile([answer.confidence for answer in answers], 1 - ACCEPTED_OF_VALIDATION))


@dataclass(frozen=True)
class AtEqualRecall:
    """A published system, and one of ours declining as many out-of-scope questions; in percent."""

    published: Published
    threshold: float
    out_of_scope_recall: float
    accuracy: float


def at_equal_recall(
    questions: Sequence[Question], answers: Sequence[Answer], published: Sequence[Published]
) -> list[AtEqualRecall]:
    """Move the threshold until as many out-of-scope questions are declined as each published system declines.

    That reads the threshold from the test set, which no product can: good for comparing, not as a promise.
    """
    outside = sorted(a.confidence for q, a in zip(questions, answers, strict=True) if q.scope is Scope.OUT)
    rows = []
    for system in published:
        # Published shares are rounded counts.
        declined = round(system.out_of_scope_recall / 100 * len(outside))
        threshold = outside[declined - 1] if declined else -1.0
        reached = at_threshold(questions, answers, threshold)
        rows.append(AtEqualRecall(system, threshold, 100 * (reached.out_declined or 0.0), 100 * reached.right))
    return rows
