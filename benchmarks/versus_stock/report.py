"""Ratios, bars and a Markdown table."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from frontdesk.cli.evaluation.statistics import wilson

Figures = Mapping[str, Any]


@dataclass(frozen=True)
class Row:
    """One figure of both. `bar` is what ours by stock's may be or, with `of_ours`, what ours may be."""

    what: str
    ours: float | None
    stock: float | None
    form: Callable[[float], str]
    bar: float | None = None
    at_least: bool = False
    of_ours: bool = False

    @property
    def ratio(self) -> float | None:
        """Ours by stock's."""
        return None if self.ours is None or not self.stock else self.ours / self.stock

    @property
    def is_met(self) -> bool | None:
        """Whether the bar is met; None when there is none, or nothing to hold to it."""
        value = self.ours if self.of_ours else self.ratio
        if self.bar is None or value is None:
            return None
        return value >= self.bar if self.at_least else value <= self.bar

    def cells(self) -> Iterator[str]:
        """Yield the cells of the table."""
        yield self.what
        for value in (self.ours, self.stock):
            yield "—" if value is None else self.form(value)
        yield "—" if self.of_ours or self.ratio is None else f"{self.ratio:.2f}×"
        if self.bar is None:
            yield ""
        else:
            sign = "≥" if self.at_least else "≤"
            of_whom = " (ours)" if self.of_ours else ""
            met = {True: "met", False: "**missed**", None: "not measured"}[self.is_met]
            yield f"{sign} {self.bar:g}×{of_whom}: {met}"


def rows(results: Figures) -> Iterator[Row]:
    """Yield a row for each figure that was measured."""
    if training := results.get("training"):
        yield Row("training, s", training["ours"], training["stock"], _whole, bar=0.3)
    if start := results.get("start"):
        yield Row("start to ready, s (median)", start["ours"]["p50"], start["stock"]["p50"], _tenth, bar=0.5)
    if memory := results.get("memory"):
        for key, what, bar in (("idle_mib", "warmed up", None), ("loaded_mib", "after load", 0.6)):
            yield Row(f"memory {what}, MiB", memory["ours"][key], memory["stock"][key], _whole, bar=bar)
    if speed := results.get("speed"):
        yield from _speed(speed)
    if length := results.get("length"):
        ours, stock = length["ours"], length["stock"]
        for which, turn in (("early", "10"), ("late", str(ours["late_turn"]))):
            yield Row(f"question about turn {turn}, p50 ms", ours[which]["p50"], stock[which]["p50"], _tenth)
        growth, other = (one["late"]["p50"] / one["early"]["p50"] for one in (ours, stock))
        yield Row(f"turn {ours['late_turn']} to turn 10", growth, other, _times, bar=1.3, of_ours=True)
    if stored := results.get("stored"):
        yield from _stored(stored)
    if understanding := results.get("understanding"):
        yield from _understanding(understanding)


def _speed(speed: Figures) -> Iterator[Row]:
    ours, stock = speed["ours"], speed["stock"]
    for kind in ours:
        what, _, visitors = kind.partition(", ")
        one, other = ours[kind], stock[kind]
        key = "request_ms" if what == "requests" else "turn_ms"
        name = "whole request" if what == "requests" else "question"
        for percent in ("p50", "p95"):
            bar = 0.5 if (what, percent) == ("questions", "p50") else None
            values = [side.get(key, {}).get(percent) for side in (one, other)]
            yield Row(f"{name}, {visitors}, {percent} ms", values[0], values[1], _whole, bar=bar)
        if not visitors.startswith("1 "):
            bar = 3.0 if what == "questions" else None
            carried = f"messages a second, {kind}"
            yield Row(carried, one["per_second"], other["per_second"], _tenth, bar=bar, at_least=True)
        yield Row(f"processor time a message, {kind}, ms", one["processor_ms"], other["processor_ms"], _tenth)
        busiest = [max(side["processor_ms_by_process"].values()) for side in (one, other)]
        yield Row(f"of it the busiest process, {kind}, ms", busiest[0], busiest[1], _tenth)
        if one["broken"] or other["broken"]:
            yield Row(f"without an answer, {kind}", one["broken"], other["broken"], _whole)


def _stored(stored: Figures) -> Iterator[Row]:
    counts = list(stored["ours"])
    for count in counts:
        ours, stock = (stored[name][count]["p50"] for name in ("ours", "stock"))
        yield Row(f"question, {int(count):,} conversations stored, p50 ms", ours, stock, _tenth)
    ours, stock = (stored[name][counts[-1]]["p50"] / stored[name][counts[0]]["p50"] for name in ("ours", "stock"))
    what = f"{int(counts[-1]):,} stored to {int(counts[0]):,}"
    yield Row(what, ours, stock, _times, bar=1.2, of_ours=True)


def _understanding(understanding: Figures) -> Iterator[Row]:
    ours, stock = understanding["ours"], understanding["stock"]
    for file, key, what, bar in (
        ("questions", "right", "held-out questions right", None),
        ("questions", "wrong", "held-out questions answered wrongly", 0.33),
        ("out_of_scope", "right", "out of scope, declined", None),
    ):
        share, other = (side[file][key] / side[file]["total"] for side in (ours, stock))
        intervals = [wilson(side[file][key], side[file]["total"]) for side in (ours, stock)]
        shown = " / ".join(f"{100 * low:.0f}–{100 * high:.0f} %" for low, high in intervals)
        yield Row(f"{what} ({ours[file]['total']}; 95 %: {shown})", share, other, _percent, bar=bar)


def markdown(content: Figures) -> str:
    """Return the table for docs/performance.md with what it depends on."""
    machine, setup = content["machine"], content["setup"]
    lines = []
    if content["trial"]:
        lines += ["**A trial: these figures mean nothing.**", ""]
    examples = f"{content['examples']:,} examples"
    examples += f", the first {setup['per_topic']} of each topic" if setup["per_topic"] else ""
    lines += [
        f"{machine['cpus']} × {machine['cpu']}, {machine['memory_gib']} GiB; both learned from {examples}.",
        "",
        "| | ours | stock Rasa | ours ÷ stock | bar |",
        "| --- | ---: | ---: | ---: | --- |",
        *("| " + " | ".join(row.cells()) + " |" for row in rows(content["parts"])),
    ]
    return "\n".join(lines)


def missed(content: Figures) -> list[str]:
    """Return what misses its bar."""
    return [row.what for row in rows(content["parts"]) if row.is_met is False]


def _whole(value: float) -> str:
    return f"{value:,.0f}"


def _tenth(value: float) -> str:
    return f"{value:,.1f}"


def _times(value: float) -> str:
    return f"{value:.2f}×"


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"
