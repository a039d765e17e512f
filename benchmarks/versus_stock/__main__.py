"""The assistant beside a stock Rasa project with the same content, measured in turns on the same machine.

    .venv/app/bin/python -m benchmarks.versus_stock --folder DIR [--per-topic N] [--json FILE]
    .venv/app/bin/python -m benchmarks.versus_stock --trial --per-topic 3 --epochs 2 --folder DIR

Builds both projects in DIR from the same examples, trains both, starts both as their users do, and asks one while the
other is idle. What was trained and measured is kept in DIR: a second run does what is not there yet; `--only` measures
parts again. Progress is on standard error, a Markdown table on standard output. Exit code 2 when a bar is missed.
"""

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.conversation.length import QUESTIONS
from benchmarks.versus_stock import measures, report
from benchmarks.versus_stock.assistants import Assistant, Ours, Stock
from benchmarks.versus_stock.measures import Figures, Scale
from benchmarks.versus_stock.projects import BenchmarkFailed, Projects, Setup

# Measured with both running, on databases that are empty at first; `stored` fills them, and so is the last.
SIDE_BY_SIDE: Mapping[str, Callable[..., Figures]] = {
    "speed": measures.speed,
    "length": measures.length,
    "understanding": measures.understanding,
    "stored": measures.stored,
}
PARTS = ("training", "start", "memory", *SIDE_BY_SIDE)
MISSED = 2


def main() -> int:
    """Measure what is wanted, print, and return the exit code."""
    arguments = _arguments()
    # So that everything that was started is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with ExitStack() as stack:
        folder = arguments.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ketalink-stock-")))
        projects = Projects(folder.resolve(), Setup(arguments.per_topic, arguments.epochs, arguments.trial), say)
        try:
            content = _measured(projects, arguments)
        except BenchmarkFailed as error:
            sys.exit(str(error))
    print(report.markdown(content))
    missed = [] if content["trial"] else report.missed(content)
    return MISSED if missed else 0


def _measured(projects: Projects, arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure, noting each part as soon as it is there; return everything that is known."""
    projects.make()
    noted = projects.folder / "results.json"
    parts: dict[str, Figures] = json.loads(noted.read_text(encoding="utf-8")) if noted.exists() else {}
    wanted = arguments.only or [part for part in PARTS if part not in parts]
    content = {
        "trial": arguments.trial,
        "machine": measures.machine(),
        "setup": asdict(projects.setup),
        "examples": projects.examples(),
        "parts": parts,
    }

    def note(part: str, figures: Figures) -> None:
        parts[part] = figures
        noted.write_text(json.dumps(parts, indent=2) + "\n", encoding="utf-8")
        if arguments.json:
            arguments.json.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")

    note("training", projects.train(again="training" in (arguments.only or ())))
    scale = Scale(
        seconds=arguments.seconds,
        rounds=arguments.rounds,
        visitors=arguments.visitors,
        pairs=arguments.pairs,
        late_turn=arguments.late_turn,
        stored=sorted(arguments.stored),
        questions=arguments.questions,
    )
    assistants: list[Assistant] = [Ours(projects), Stock(projects)]
    if {"start", "memory"} & set(wanted):
        times = arguments.starts if "start" in wanted else 1
        starts, memory = _alone(assistants, times, scale, with_memory="memory" in wanted)
        if "start" in wanted:
            note("start", starts)
        if memory:
            note("memory", memory)
            for name, figures in memory.items():
                by_process = figures["loaded_mib_by_process"].items()
                say(f"memory of {name}: " + ", ".join(f"{process} {mib:.0f} MiB" for process, mib in by_process))
    side_by_side = [part for part in SIDE_BY_SIDE if part in wanted]
    if side_by_side:
        with ExitStack() as running:
            for assistant in assistants:
                say(f"starting {assistant.name} …")
                running.enter_context(assistant.running())
            for assistant in assistants:
                measures.warm_up(assistant)
            both = {assistant.name: assistant for assistant in assistants}
            for part in side_by_side:
                note(part, SIDE_BY_SIDE[part](both, scale, say))
    return content


def _alone(
    assistants: Sequence[Assistant], starts: int, scale: Scale, *, with_memory: bool
) -> tuple[Figures, dict[str, Figures]]:
    """Start and stop each so often, in turns, first on empty databases; after its last start, look at its memory.

    Nothing else runs meanwhile: pages both have in common would count for each by half.
    """
    seconds: dict[str, list[float]] = {assistant.name: [] for assistant in assistants}
    memory: dict[str, Figures] = {}
    for number in range(starts):
        for assistant in assistants:
            with assistant.running(fresh=number == 0) as took:
                seconds[assistant.name].append(took)
                say(f"{assistant.name} is ready after {took:.1f} s")
                if with_memory and number == starts - 1:
                    memory[assistant.name] = measures.memory(assistant, scale)
    return {name: measures.spread(took) for name, took in seconds.items()}, memory


def say(line: str) -> None:
    """Tell whoever waits how far it is."""
    print(time.strftime("%H:%M:%S"), line, file=sys.stderr, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--folder", type=Path, metavar="DIR", help="what is trained and measured is kept there")
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help=f"measure again: {', '.join(PARTS)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--per-topic", type=_positive, metavar="N", help="both learn from the first N of each topic")
    parser.add_argument("--starts", type=_positive, default=3, help="of each; %(default)s")
    parser.add_argument("--seconds", type=float, default=20, help="of a block of turns; %(default)s")
    parser.add_argument("--rounds", type=_positive, default=4, help="of blocks; %(default)s")
    parser.add_argument("--visitors", type=_positive, default=8, help="at once; %(default)s")
    parser.add_argument("--pairs", type=_positive, default=2, help="of short and long conversations; %(default)s")
    parser.add_argument("--late-turn", type=_positive, default=200, help="%(default)s")
    parser.add_argument(
        "--stored", type=_positive, nargs=2, default=(1_000, 100_000), metavar="N", help="conversations; %(default)s"
    )
    parser.add_argument("--questions", type=_positive, metavar="N", help="of each file, the first N")
    parser.add_argument("--epochs", type=_positive, help="for stock, instead of 100: only to try this program out")
    parser.add_argument("--trial", action="store_true", help="mark what is written as a trial, without meaning")
    arguments = parser.parse_args()
    if arguments.epochs is not None and not arguments.trial:
        parser.error("with --epochs the figures mean nothing: mark them with --trial")
    if arguments.late_turn <= 2 * len(QUESTIONS):
        parser.error(f"--late-turn: more than {2 * len(QUESTIONS)}")
    return arguments


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("has to be 1 or more")
    return number


if __name__ == "__main__":
    sys.exit(main())
