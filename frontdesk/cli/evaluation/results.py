"""What became of each question, and how many of each kind."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from frontdesk.cli.evaluation.asking import Band, Reply
from frontdesk.cli.evaluation.questions import NOTHING, Part, Question, is_topic
from frontdesk.cli.evaluation.statistics import Bin, reliability, wilson


class Outcome(StrEnum):
    """What became of a question, or of one part of a double question."""

    RIGHT = "right"
    WRONG = "wrong"  # answered, with an answer to something else
    ASKED = "asked"  # not answered, but asked which of three topics was meant
    DECLINED = "declined"  # not answered, though it should have been


@dataclass(frozen=True)
class Mark:
    """One part of a question and what the model made of it: what is counted.

    `wrong` is the answer nobody asked for, if there is one. Beside a right answer it occurs only when one answer
    served both parts of a double question and the other was to something else.
    """

    question: Question
    part: Part
    reply: Reply
    is_right: bool
    wrong: str | None

    @property
    def outcome(self) -> Outcome:
        """Whether it was understood."""
        if self.is_right:
            return Outcome.RIGHT
        if self.wrong is not None:
            return Outcome.WRONG
        asks = not self.reply.answered and self.reply.band is Band.UNSURE
        return Outcome.ASKED if asks else Outcome.DECLINED

    @property
    def is_offered(self) -> bool:
        """Whether a right topic is among those a "did you mean …?" shows."""
        return not self.part.accepted.isdisjoint(self.reply.offered)

    @property
    def got(self) -> str:
        """What was answered to the message, in words."""
        return " + ".join(self.reply.answered) or NOTHING


@dataclass(frozen=True)
class Result:
    """A question, the reply, and a mark for each part."""

    question: Question
    reply: Reply
    marks: tuple[Mark, ...]

    @classmethod
    def of(cls, question: Question, reply: Reply) -> Self:
        """Mark a reply. Of a single question everything answered has to be accepted; one wrong answer counts once."""
        astray = [topic for topic in reply.answered if not any(topic in part.accepted for part in question.parts)]
        served = [
            not part.accepted.isdisjoint(reply.answered) or (NOTHING in part.accepted and not astray)
            if question.is_double
            else not astray and bool(reply.answered or NOTHING in part.accepted)
            for part in question.parts
        ]
        # Wrong answers stand in the place of the right ones that are missing.
        places = sorted(range(len(served)), key=lambda place: served[place])
        wrong = dict(zip(places, astray, strict=False))
        marks = (
            Mark(question, part, reply, served[place], wrong.get(place)) for place, part in enumerate(question.parts)
        )
        return cls(question, reply, tuple(marks))

    @property
    def is_right(self) -> bool:
        """Whether the message got all it should, and nothing else."""
        return all(mark.is_right for mark in self.marks) and not self.is_wrong

    @property
    def is_wrong(self) -> bool:
        """Whether anything was answered that was not asked."""
        return any(mark.wrong is not None for mark in self.marks)


@dataclass(frozen=True)
class Score:
    """How many marks of each kind. `asked` and `declined` are neither right nor wrong."""

    total: int
    right: int
    wrong: int
    asked: int
    asked_with_right: int
    declined: int

    @classmethod
    def of(cls, marks: Sequence[Mark]) -> Self:
        """Count marks."""
        outcomes = [mark.outcome for mark in marks]
        return cls(
            total=len(marks),
            right=outcomes.count(Outcome.RIGHT),
            wrong=sum(mark.wrong is not None for mark in marks),
            asked=outcomes.count(Outcome.ASKED),
            asked_with_right=sum(mark.outcome is Outcome.ASKED and mark.is_offered for mark in marks),
            declined=outcomes.count(Outcome.DECLINED),
        )

    @property
    def accuracy(self) -> float:
        """The share of right ones."""
        return self.right / self.total

    @property
    def wrong_rate(self) -> float:
        """The share of those answered with something else."""
        return self.wrong / self.total

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of `accuracy`."""
        return wilson(self.right, self.total)

    @property
    def wrong_interval(self) -> tuple[float, float]:
        """The 95 % interval of `wrong_rate`."""
        return wilson(self.wrong, self.total)


@dataclass(frozen=True)
class Confusion:
    """How often `expected` was answered as `got`, or `got` was the first of the topics offered instead."""

    expected: str
    got: str
    outcome: Outcome
    count: int


@dataclass(frozen=True)
class InBand:
    """Questions the model was equally sure of; `offered` of the `answerable` have a right topic among its first."""

    score: Score
    offered: int
    answerable: int

    @classmethod
    def of(cls, marks: Sequence[Mark]) -> Self:
        """Count the marks of a band."""
        answerable = [mark for mark in marks if any(map(is_topic, mark.part.accepted))]
        return cls(Score.of(marks), sum(mark.is_offered for mark in answerable), len(answerable))


# How marks can be grouped: what it is called, and what a mark's group is; None leaves it out.
GROUPINGS: dict[str, Callable[[Mark], str | None]] = {
    "file": lambda mark: str(mark.question.file),
    "group": lambda mark: mark.part.group,
    "style": lambda mark: mark.question.style,
    "kind": lambda mark: mark.question.kind,
    "sort": lambda mark: mark.question.sort if mark.question.after else None,
}


def grouped(marks: Iterable[Mark], by: Callable[[Mark], str | None]) -> dict[str, list[Mark]]:
    """Group marks by name, sorted; those without one are left out."""
    found: dict[str, list[Mark]] = {}
    for mark in marks:
        name = by(mark)
        if name is not None:
            found.setdefault(str(name), []).append(mark)
    return dict(sorted(found.items()))


def by_band(marks: Sequence[Mark]) -> dict[Band, InBand]:
    """Count marks by how sure the model was, surest first; bands without any are left out."""
    parts = {band: [mark for mark in marks if mark.reply.band is band] for band in Band}
    return {band: InBand.of(part) for band, part in parts.items() if part}


def confusions(marks: Iterable[Mark]) -> list[Confusion]:
    """Return what is taken for what, most frequent first."""
    pairs: Counter[tuple[str, str, Outcome]] = Counter()
    for mark in marks:
        if mark.wrong is not None:
            pairs[mark.part.topic, mark.wrong, Outcome.WRONG] += 1
        elif mark.outcome is Outcome.ASKED and mark.reply.offered:
            pairs[mark.part.topic, mark.reply.offered[0], Outcome.ASKED] += 1
    return [Confusion(*pair, count) for pair, count in sorted(pairs.items(), key=lambda item: (-item[1], item[0]))]


def misses(marks: Iterable[Mark]) -> list[Mark]:
    """Return the marks that are not right, or not only."""
    return [mark for mark in marks if mark.outcome is not Outcome.RIGHT or mark.wrong is not None]


def calibration(results: Iterable[Result]) -> list[Bin]:
    """Compare how sure the model is of what it answers, or would if it were surer, with how often that is right."""
    guesses = ((result.question, result.reply.guess) for result in results)
    return reliability(
        (guess.confidence, any(guess.name in part.accepted for part in question.parts))
        for question, guess in guesses
        if guess is not None
    )
