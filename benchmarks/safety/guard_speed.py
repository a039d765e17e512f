"""How long the rules take for a text, by its length.

    .venv/app/bin/python -m benchmarks.safety.guard_speed FILE.jsonl

The texts of FILE ({"text": ...} a line) are put one after another and cut into pieces of each length, so that every
piece is dense with what the rules look for; `ordinary` are those without danger only. The bar: a 95th percentile of
5 ms for 300 characters, 20 ms for 2,000. Prints milliseconds, and each relative to reading 300 characters as words.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

from frontdesk.safety.guard import Guard

LENGTHS = (300, 2_000)
PIECES = 200


def milliseconds(guard: Guard, text: str, length: int) -> "list[float]":
    """Return how long each piece of a text takes."""
    taken = []
    for start in range(0, max(1, len(text) - length), max(1, len(text) // PIECES)):
        began = time.perf_counter()
        guard.check(text[start : start + length])
        taken.append(1000 * (time.perf_counter() - began))
    return taken


def main() -> None:
    """Measure and print."""
    rows = [json.loads(line) for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()]
    guard = Guard()
    print("| texts | characters | p50, ms | p95, ms |\n| --- | --- | --- | --- |")
    for name, chosen in (("ordinary", [row for row in rows if row.get("level") == "none"]), ("all", rows)):
        text = " ".join(row["text"] for row in chosen)
        for length in LENGTHS:
            taken = milliseconds(guard, text, length)
            print(f"| {name} | {length:,} | {np.quantile(taken, 0.5):.1f} | {np.quantile(taken, 0.95):.1f} |")


if __name__ == "__main__":
    main()
