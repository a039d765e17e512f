"""What is said of a measurement: tables for people, one JSON object for programs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from frontdesk.cli.console import out, print_table
from frontdesk.cli.evaluation.asking import OFFERED
from frontdesk.cli.evaluation.comparison import Change, Comparison, Tally, Verdict
from frontdesk.cli.evaluation.gates import Gate
from frontdesk.cli.evaluation.results import (
    GROUPINGS,
    InBand,
    Mark,
    Outcome,
    Result,
    Score,
    by_band,
    calibration,
    confusions,
    grouped,
    misses,
)
from frontdesk.cli.evaluation.statistics import Bin, calibration_error

_CONFUSIONS_SHOWN = 20
_SENTENCES = {
    Verdict.BETTER: "{model} is better than {baseline}.",
    Verdict.WORSE: "{model} is worse than {baseline}.",
    Verdict.MIXED: "{model} is better than {baseline} in one respect and worse in the other.",
    Verdict.NO_DIFFERENCE: "Between {model} and {baseline} there is no difference that 95 % would notice.",
}


@dataclass(frozen=True)
class Measurement:
    """All there is to say: `comparison` with the model called `baseline`, if one was asked, and what was asked for."""

    files: Sequence[Path]
    model: str
    results: Sequence[Result]
    baseline: str | None = None
    comparison: Comparison | None = None
    gates: Sequence[Gate] = field(default=())

    @property
    def marks(self) -> list[Mark]:
        """Every part of every question."""
        return [mark for result in self.results for mark in result.marks]

    @property
    def doubles(self) -> list[Result]:
        """The results of double questions."""
        return [result for result in self.results if result.question.is_double]


# --------------------------------------------------------------------------- for programs


def as_record(measured: Measurement) -> dict[str, Any]:
    """Return the measurement for `--json`. `file` is null when there are several."""
    marks = measured.marks
    parts = {key: _scores(grouped(marks, by)) for key, by in GROUPINGS.items()}
    record = {
        "file": str(measured.files[0]) if len(measured.files) == 1 else None,
        "model": measured.model,
        **score_record(Score.of(marks)),
        "files": parts["file"],
        "groups": parts["group"],
        "styles": parts["style"],
        "kinds": parts["kind"],
        "follow_up_kinds": parts["sort"],
        "doubles": {
            "questions": len(measured.doubles),
            "both_right": sum(result.is_right for result in measured.doubles),
        },
        "bands": {band.value: _band_record(counted) for band, counted in by_band(marks).items()},
        "confusions": [asdict(confusion) for confusion in confusions(marks)],
        "calibration": calibration_record(measured),
        "misses": [_miss_record(miss) for miss in misses(marks)],
    }
    if measured.comparison is not None:
        record["baseline"] = _comparison_record(measured.baseline, measured.comparison)
    if measured.gates:
        record["gates"] = [asdict(gate) | {"file": str(gate.file) if gate.file else None} for gate in measured.gates]
    return record


def score_record(score: Score) -> dict[str, Any]:
    """Return a score; the parts of a double question count as questions."""
    return {
        "questions": score.total,
        "right": score.right,
        "wrong": score.wrong,
        "fallbacks": score.asked + score.declined,
        "asked": score.asked,
        "asked_with_right": score.asked_with_right,
        "declined": score.declined,
        "accuracy": round(score.accuracy, 4),
        "interval_95": [round(bound, 4) for bound in score.interval],
        "wrong_rate": round(score.wrong_rate, 4),
        "wrong_interval_95": [round(bound, 4) for bound in score.wrong_interval],
    }


def calibration_record(measured: Measurement) -> dict[str, Any]:
    """Return the expected calibration error, null when no topic was guessed, and the bins it comes from."""
    bins = calibration(measured.results)
    error = calibration_error(bins)
    return {
        "calibration_error": None if error is None else round(error, 4),
        "bins": [{key: round(value, 4) for key, value in asdict(one).items()} for one in bins],
    }


def _scores(parts: Mapping[str, Sequence[Mark]]) -> dict[str, Any]:
    return {name: score_record(Score.of(part)) for name, part in parts.items()}


def _band_record(counted: InBand) -> dict[str, int]:
    return {
        "questions": counted.score.total,
        "right": counted.score.right,
        "wrong": counted.score.wrong,
        "right_among_offered": counted.offered,
        "answerable": counted.answerable,
    }


def _miss_record(miss: Mark) -> dict[str, Any]:
    return {
        "file": str(miss.question.file),
        "line": miss.question.line,
        "text": miss.question.text,
        "expected": miss.part.topic,
        "got": miss.got,
        "offered": list(miss.reply.offered) if miss.outcome is Outcome.ASKED else [],
        "confidence": round(miss.reply.understood.confidence, 4),
        "outcome": miss.outcome.value,
    }


def _comparison_record(baseline: str | None, comparison: Comparison) -> dict[str, Any]:
    return {
        "model": baseline,
        "questions": len(comparison.pairs),
        "right": _tally_record(comparison.right),
        "wrong": _tally_record(comparison.wrong),
        "verdict": comparison.verdict.value,
        "changes": [
            {
                "change": change.value,
                "file": str(now.question.file),
                "line": now.question.line,
                "text": now.question.text,
                "before": before.marks[0].got,
                "now": now.marks[0].got,
            }
            for change, before, now in comparison.changes
        ],
    }


def _tally_record(tally: Tally) -> dict[str, Any]:
    return asdict(tally) | {"p": tally.p}


# --------------------------------------------------------------------------- for people


def print_report(measured: Measurement, misses_shown: int | None) -> None:
    """Print the measurement, with so many misses; all for None."""
    marks, with_file = measured.marks, len(measured.files) > 1
    titles = {"sort": "By kind of follow-up", "kind": "By form"}
    for key, by in GROUPINGS.items():
        parts = grouped(marks, by)
        if key == "kind":
            parts = {name.replace("_", " "): part for name, part in parts.items()}
        if parts and (key != "file" or len(parts) > 1):
            print_table(_table_of_scores(titles.get(key, f"By {key}"), parts))
    print_table(_table_of_bands(marks))
    _print_confusions(marks)
    _print_misses(misses(marks), misses_shown, with_file)
    bins = calibration(measured.results)
    if bins:
        print_table(_table_of_bins(bins))
    _print_summary(measured, bins)
    if measured.comparison is not None:
        _print_comparison(measured.model, measured.baseline or "", measured.comparison, with_file)
    if measured.gates:
        out.print(f"\nGates      {sum(gate.passed for gate in measured.gates)} of {len(measured.gates)} passed")


def _print_summary(measured: Measurement, bins: Sequence[Bin]) -> None:
    score = Score.of(measured.marks)
    counted = "questions and parts of double questions" if measured.doubles else "questions"
    out.print(f"Right      {score.right} of {score.total} {counted}: {_share(score.accuracy, score.interval)}")
    out.print(f"Wrong      {score.wrong} answered with another topic: {_share(score.wrong_rate, score.wrong_interval)}")
    offered = f"{score.asked_with_right} with the right topic among the {OFFERED} offered"
    out.print(f"Asked      {score.asked} asked back instead, {offered}")
    out.print(f"Declined   {score.declined} not answered that should have been")
    if measured.doubles:
        both = sum(result.is_right for result in measured.doubles)
        out.print(f"Double     {both} of {len(measured.doubles)} with both parts right and nothing else answered")
    error = calibration_error(bins)
    if error is not None:
        out.print(f"Calibration error {error:.3f}: how far confidence is from the share that is right, on average")


def _share(share: float, interval: tuple[float, float]) -> str:
    low, high = interval
    return f"{share:.3f} (95 % interval {low:.3f} to {high:.3f})"


def _print_confusions(marks: Sequence[Mark]) -> None:
    found = confusions(marks)
    if not found:
        return
    table = _table("Expected", "Got", "#Count", "")
    for one in found[:_CONFUSIONS_SHOWN]:
        how = "first of those offered" if one.outcome is Outcome.ASKED else ""
        _add(table, one.expected, one.got, one.count, how)
    print_table(table)
    _print_left_out(len(found) - _CONFUSIONS_SHOWN, "more pairs; --json has all.")


def _print_misses(missed: Sequence[Mark], shown: int | None, with_file: bool) -> None:
    if not missed or shown == 0:
        return
    table = _table(*(["File"] if with_file else []), "#Line", "Question", "Expected", "Got", "#Confidence")
    table.title, table.title_justify = "Misses", "left"
    for miss in missed[:shown]:
        file = [miss.question.file.name] if with_file else []
        confidence = f"{miss.reply.understood.confidence:.2f}"
        _add(table, *file, miss.question.line, miss.question.text, miss.part.topic, _said(miss), confidence)
    print_table(table)
    _print_left_out(len(missed) - (len(missed) if shown is None else shown), "more; --all-misses shows them.")


def _said(mark: Mark) -> str:
    return f"asked: {', '.join(mark.reply.offered)}" if mark.outcome is Outcome.ASKED else mark.got


def _print_left_out(count: int, what: str) -> None:
    if count > 0:
        out.print(f"… and {count} {what}")
    out.print()


def _print_comparison(model: str, baseline: str, comparison: Comparison, with_file: bool) -> None:
    out.print()
    table = _table("Compared", "#Questions", "#Right", "#Wrong")
    _add(table, f"{baseline} (baseline)", len(comparison.pairs), comparison.right.before, comparison.wrong.before)
    _add(table, model, len(comparison.pairs), comparison.right.now, comparison.wrong.now)
    table.add_row()
    print_table(table)
    changes = comparison.changes
    if changes:
        table = _table("Change", *(["File"] if with_file else []), "#Line", "Question", "Before", "Now")
        for change, before, now in changes:
            file = [now.question.file.name] if with_file else []
            replies = _said(before.marks[0]), _said(now.marks[0])
            _add(table, change, *file, now.question.line, now.question.text, *replies)
        table.add_row()
        print_table(table)
    kinds = [change for change, _, _ in changes]
    out.print(
        f"Right      {kinds.count(Change.GAINED)} gained, {kinds.count(Change.LOST)} lost: {_p(comparison.right)}"
    )
    out.print(
        f"Wrong      {comparison.wrong.gained} more, {comparison.wrong.lost} fewer: {_p(comparison.wrong)}",
    )
    out.print(Text(_SENTENCES[comparison.verdict].format(model=model, baseline=baseline)))


def _p(tally: Tally) -> str:
    return f"p = {tally.p:.4f} (McNemar, exact, two-sided)"


def _table_of_scores(title: str, parts: Mapping[str, Sequence[Mark]]) -> Table:
    table = _table(title, "#Questions", "#Right", "#Share", "#Wrong", "#Share", "#Asked", "#Declined")
    for name, part in parts.items():
        score = Score.of(part)
        rates = f"{score.accuracy:.2f}", f"{score.wrong_rate:.2f}"
        counts = score.total, score.right, rates[0], score.wrong, rates[1], score.asked, score.declined
        _add(table, name, *counts)
    table.add_row()
    return table


def _table_of_bands(marks: Sequence[Mark]) -> Table:
    table = _table("By band", "#Questions", "#Right", "#Wrong", f"#Right one among the first {OFFERED}")
    for band, counted in by_band(marks).items():
        score, offered = counted.score, f"{counted.offered} of {counted.answerable}"
        _add(table, band, score.total, score.right, score.wrong, offered)
    table.add_row()
    return table


def _table_of_bins(bins: Sequence[Bin]) -> Table:
    table = _table("Confidence", "#Questions", "#Mean", "#Share right")
    for one in bins:
        _add(table, f"{one.low:.1f} to {one.high:.1f}", one.count, f"{one.confidence:.2f}", f"{one.right:.2f}")
    table.add_row()
    return table


def _table(*headings: str) -> Table:
    """Return a table; a heading that starts with # is over numbers."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        is_number = heading.startswith("#")
        table.add_column(heading.removeprefix("#"), justify="right" if is_number else "left", overflow="fold")
    return table


def _add(table: Table, *cells: object) -> None:
    table.add_row(*(Text(str(cell)) for cell in cells))  # Text: brackets in a question are no markup
