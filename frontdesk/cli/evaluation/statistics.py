"""The few statistics a measurement needs."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

SIGNIFICANT = 0.05
BINS = 10
_Z_95 = 1.959964


def wilson(count: int, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a share. Source: Wilson (1927), doi:10.1080/01621459.1927.10502953."""
    share = count / total
    spread = _Z_95 * math.sqrt(share * (1 - share) / total + (_Z_95 / (2 * total)) ** 2)
    middle = share + _Z_95**2 / (2 * total)
    weight = 1 + _Z_95**2 / total
    return max(0.0, (middle - spread) / weight), min(1.0, (middle + spread) / weight)


def mcnemar(gained: int, lost: int) -> float:
    """Return the exact two-sided p of a paired comparison.

    Args:
        gained, lost: pairs that changed one way, and the other. Those that did not change say nothing.
    Source: McNemar (1947), doi:10.1007/BF02295996; exact, with the binomial distribution instead of his chi-squared.
    """
    changed = gained + lost
    tail = sum(math.comb(changed, count) for count in range(min(gained, lost) + 1))
    return min(1.0, 2 * tail / (1 << changed))


@dataclass(frozen=True)
class Bin:
    """Guesses of a similar confidence: how many, how sure on average, and the share of them that was right."""

    low: float
    high: float
    count: int
    confidence: float
    right: float


def reliability(guesses: Iterable[tuple[float, bool]]) -> list[Bin]:
    """Sort guesses, each a confidence in [0, 1] and whether it was right, into bins; empty bins are left out."""
    sorted_in: dict[int, list[tuple[float, bool]]] = {}
    for confidence, right in guesses:
        sorted_in.setdefault(max(0, min(int(confidence * BINS), BINS - 1)), []).append((confidence, right))
    return [
        Bin(
            low=place / BINS,
            high=(place + 1) / BINS,
            count=len(inside),
            confidence=sum(confidence for confidence, _ in inside) / len(inside),
            right=sum(right for _, right in inside) / len(inside),
        )
        for place, inside in sorted(sorted_in.items())
    ]


def calibration_error(bins: Sequence[Bin]) -> float | None:
    """Return the expected calibration error, None without guesses.

    Source: Naeini, Cooper and Hauskrecht (2015), doi:10.1609/aaai.v29i1.9602.
    """
    total = sum(one.count for one in bins)
    return sum(one.count * abs(one.right - one.confidence) for one in bins) / total if total else None
