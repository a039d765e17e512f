"""What was measured, as it is kept in a JSON file. No question's text is in it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.nlu.hint3 import Published
from benchmarks.nlu.measures import MEASURES, AtEqualRecall, AtThreshold, Difference, Judged, Share, difference

FORMAT = 1
CLEAN, NOISY = "clean", "noisy"
STOCK, OURS = "stock", "ours"


class ResultsError(Exception):
    """A file of results cannot be used; the message says why."""


@dataclass(frozen=True)
class Cost:
    """What understanding costs. With several splits: the median time, the highest memory."""

    training_seconds: float  # from the file of examples to the model archive
    training_peak_mib: float
    load_seconds: float
    answering_peak_mib: float
    p50_ms: float  # one message, clean and noisy ones together
    p95_ms: float
    messages: int  # that were timed


@dataclass(frozen=True)
class Result:
    """One pipeline on one data set."""

    data_set: str
    fingerprint: str  # of the examples and questions
    pipeline: str
    components: Sequence[Mapping[str, Any]]  # as they were configured
    digest: str  # of the pipeline's configuration and sources
    topics: int
    examples: int  # that the model of one split learned, on average
    judged: Mapping[str, Judged]  # CLEAN and NOISY
    cost: Cost
    at_equal_recall: Sequence[AtEqualRecall]  # with HINT3
    at_validation: Mapping[str, AtThreshold]  # CLEAN and NOISY; empty without validation questions
    seed: int  # of the noise, the folds and the limits
    machine: Mapping[str, Any]
    date: str
    trial: bool  # made to try the benchmark out: the figures mean nothing

    def share(self, noise: str, measure: str) -> Share | None:
        """Return a share, or None if no question is of its scope."""
        hits = MEASURES[measure].hits(self.judged[noise])
        return Share.of(hits) if hits else None


@dataclass(frozen=True)
class Pair:
    """The results of one data set; one of them may be missing."""

    stock: Result | None
    ours: Result | None

    @property
    def any(self) -> Result:
        """One of the two, for what they have in common."""
        result = self.ours or self.stock
        assert result is not None
        return result

    @property
    def same_machine(self) -> bool:
        """Whether times can be compared."""
        return bool(self.stock and self.ours and self.stock.machine == self.ours.machine)

    def difference(self, noise: str, measure: str) -> Difference | None:
        """Compare the two, if there are two and a question of the measure's scope."""
        if not self.stock or not self.ours:
            return None
        hits = [MEASURES[measure].hits(result.judged[noise]) for result in (self.stock, self.ours)]
        return difference(*hits) if hits[0] else None


def pairs(results: Iterable[Result]) -> list[Pair]:
    """Bring together what was measured on the same examples and questions; of two alike the later one counts."""
    found: dict[tuple[str, str, int], dict[str, Result]] = {}
    for result in sorted(results, key=lambda one: one.date):
        found.setdefault((result.data_set, result.fingerprint, result.seed), {})[result.pipeline] = result
    return [Pair(both.get(STOCK), both.get(OURS)) for both in found.values()]


def save(results: Sequence[Result], path: Path) -> None:
    """Write everything, with the shares and differences that follow from it."""
    records = [{**asdict(result), "shares": _shares(result)} for result in results]
    content = {"format": FORMAT, "results": records, "comparisons": [*_comparisons(results)]}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def load(path: Path) -> list[Result]:
    """Read what `save` wrote; raises ResultsError."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ResultsError(f"{path} is of another version of this benchmark. Measure again.")
        return [_result(record) for record in content["results"]]
    except OSError as error:
        raise ResultsError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ResultsError(f"{path} is not a file of benchmarks.nlu.compare: {error!r}.") from error


def _shares(result: Result) -> dict[str, dict[str, Any]]:
    return {
        noise: {name: asdict(share) for name in MEASURES if (share := result.share(noise, name))}
        for noise in (CLEAN, NOISY)
    }


def _comparisons(results: Sequence[Result]) -> Iterable[dict[str, Any]]:
    for pair in pairs(results):
        for noise in (CLEAN, NOISY):
            for name in MEASURES:
                found = pair.difference(noise, name)
                if found:
                    yield {"data_set": pair.any.data_set, "noise": noise, "measure": name, **asdict(found)}
        if pair.stock and pair.ours and pair.same_machine:
            stock, ours = asdict(pair.stock.cost), asdict(pair.ours.cost)
            ratios = {name: ours[name] / stock[name] for name in ours if name != "messages"}
            yield {"data_set": pair.any.data_set, "ours_over_stock": ratios}


def _result(record: dict[str, Any]) -> Result:
    record.pop("shares")
    record["judged"] = {noise: Judged(**judged) for noise, judged in record["judged"].items()}
    record["cost"] = Cost(**record["cost"])
    record["at_equal_recall"] = [
        AtEqualRecall(**{**row, "published": Published(**row["published"])}) for row in record["at_equal_recall"]
    ]
    record["at_validation"] = {noise: AtThreshold(**row) for noise, row in record["at_validation"].items()}
    return Result(**record)
