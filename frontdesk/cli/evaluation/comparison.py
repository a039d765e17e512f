"""Two models asked the same questions."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from frontdesk.cli.evaluation.results import Result
from frontdesk.cli.evaluation.statistics import SIGNIFICANT, mcnemar


class Verdict(StrEnum):
    """What a comparison comes to."""

    BETTER = "better"
    WORSE = "worse"
    MIXED = "mixed"
    NO_DIFFERENCE = "no difference that 95 % would notice"


class Change(StrEnum):
    """What became of a question compared with before."""

    GAINED = "gained"  # right now
    LOST = "lost"  # was right
    NOW_WRONG = "now wrong"  # was not answered
    NO_LONGER_WRONG = "no longer wrong"  # is not answered


@dataclass(frozen=True)
class Tally:
    """Of how many questions something is true: before, now, and those that changed."""

    before: int
    now: int
    gained: int
    lost: int

    @classmethod
    def of(cls, pairs: Sequence[tuple[bool, bool]]) -> "Tally":
        """Count pairs of before and now."""
        return cls(
            before=sum(before for before, _ in pairs),
            now=sum(now for _, now in pairs),
            gained=sum(now and not before for before, now in pairs),
            lost=sum(before and not now for before, now in pairs),
        )

    @property
    def p(self) -> float:
        """How likely so unequal a change is by chance."""
        return mcnemar(self.gained, self.lost)

    @property
    def rose(self) -> bool:
        """Whether there are significantly more now."""
        return self.gained > self.lost and self.p < SIGNIFICANT

    @property
    def fell(self) -> bool:
        """Whether there are significantly fewer now."""
        return self.lost > self.gained and self.p < SIGNIFICANT


@dataclass(frozen=True)
class Comparison:
    """A model beside a baseline, question by question.

    A double question is one pair, right only as a whole: its parts are not independent, as the test wants pairs to be.
    """

    pairs: tuple[tuple[Result, Result], ...]

    @classmethod
    def of(cls, baseline: Sequence[Result], model: Sequence[Result]) -> "Comparison":
        """Pair the results of the same questions."""
        return cls(tuple(zip(baseline, model, strict=True)))

    @property
    def right(self) -> Tally:
        """Questions answered rightly."""
        return Tally.of([(before.is_right, now.is_right) for before, now in self.pairs])

    @property
    def wrong(self) -> Tally:
        """Questions to which something was answered that was not asked."""
        return Tally.of([(before.is_wrong, now.is_wrong) for before, now in self.pairs])

    @property
    def verdict(self) -> Verdict:
        """Whether the model is better than the baseline."""
        better = self.right.rose or self.wrong.fell
        worse = self.right.fell or self.wrong.rose
        if better and worse:
            return Verdict.MIXED
        if better or worse:
            return Verdict.BETTER if better else Verdict.WORSE
        return Verdict.NO_DIFFERENCE

    @property
    def changes(self) -> list[tuple[Change, Result, Result]]:
        """The questions with another outcome than before, by the kind of change: change, before, now."""
        found = [(change, before, now) for before, now in self.pairs if (change := _change(before, now)) is not None]
        return sorted(found, key=lambda item: list(Change).index(item[0]))


def _change(before: Result, now: Result) -> Change | None:
    if before.is_right != now.is_right:
        return Change.GAINED if now.is_right else Change.LOST
    if before.is_wrong != now.is_wrong:
        return Change.NOW_WRONG if now.is_wrong else Change.NO_LONGER_WRONG
    return None
