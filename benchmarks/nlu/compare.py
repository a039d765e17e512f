"""Compare Rasa as `rasa init` suggests it with the assistant's own pipeline, on the same examples and questions.

    .venv/rasa/bin/python -m benchmarks.nlu.compare content            our examples and our questions
    .venv/rasa/bin/python -m benchmarks.nlu.compare public FOLDER ...  public data

Each pipeline is trained by Rasa and asked through Rasa, in processes of its own. For stock every topic is an intent of
its own, which is kind to it: see benchmarks.nlu.pipelines. Each question is asked as it is and with typos.
Progress is on standard error, Markdown tables on standard output.
"""

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np

from benchmarks.nlu import datasets, pipelines
from benchmarks.nlu.datasets import DataSet, DataSetError, Limits, Question, Split
from benchmarks.nlu.hint3 import PUBLISHED
from benchmarks.nlu.measures import at_equal_recall, at_threshold, judge, threshold_of_validation
from benchmarks.nlu.noise import noisy
from benchmarks.nlu.pipelines import PROJECT, Answer, Pipeline, PipelineFailed, Run
from benchmarks.nlu.report import markdown
from benchmarks.nlu.results import CLEAN, NOISY, OURS, STOCK, Cost, Result, save

QUESTIONS = [PROJECT / "tests" / "understanding" / name for name in ("questions.jsonl", "out_of_scope.jsonl")]
FOLDS = 3  # stock takes its time


@dataclass(frozen=True)
class Answered:
    """One training, and the answers to what was asked then."""

    run: Run
    questions: Sequence[Question]
    clean: Sequence[Answer]
    noisy: Sequence[Answer]
    validation: Sequence[Answer]


@dataclass(frozen=True)
class Circumstances:
    """What is the same for all results of one call."""

    seed: int
    trial: bool
    machine: dict[str, Any]


def main() -> None:
    """Read the arguments, measure, print."""
    arguments = _arguments()
    circumstances = Circumstances(arguments.seed, arguments.trial or arguments.epochs is not None, describe_machine())
    results: list[Result] = []
    try:
        chosen = [
            pipeline
            for pipeline in (pipelines.stock(arguments.epochs), pipelines.ours())
            if arguments.only in (None, pipeline.name)
        ]
        for data_set in list(_data_sets(arguments)):
            for pipeline in chosen:
                results.append(measure(pipeline, data_set, circumstances))
                if arguments.json:  # after each: hours of work should not hang on the last of them
                    save(results, arguments.json)
    except (DataSetError, PipelineFailed) as error:
        sys.exit(str(error))
    print(markdown(results))
    if arguments.plot:
        from benchmarks.nlu.plot import draw  # matplotlib takes a second

        draw(results, arguments.plot)


def measure(pipeline: Pipeline, data_set: DataSet, circumstances: Circumstances) -> Result:
    """Train on every split and ask its questions, clean and noisy."""
    answered = []
    digest = pipeline.digest()
    for number, split in enumerate(data_set.splits, start=1):
        say(f"{data_set.name}, {pipeline.name}, split {number} of {len(data_set.splits)}")
        answered.append(_train_and_ask(pipeline, split, circumstances.seed))
    if pipeline.digest() != digest:
        say(f"Attention: the sources of {pipeline.name} were changed while it was measured. Measure again.")
    questions = [question for one in answered for question in one.questions]
    answers = {
        CLEAN: [answer for one in answered for answer in one.clean],
        NOISY: [answer for one in answered for answer in one.noisy],
    }
    validation = [answer for one in answered for answer in one.validation]
    published = PUBLISHED.get(data_set.name, ())
    return Result(
        data_set=data_set.name,
        fingerprint=data_set.fingerprint,
        pipeline=pipeline.name,
        components=pipeline.config["pipeline"],
        digest=digest,
        topics=len({example.topic for split in data_set.splits for example in split.examples}),
        examples=round(mean(len(split.examples) for split in data_set.splits)),
        judged={noise: judge(questions, given, data_set.declines) for noise, given in answers.items()},
        cost=_cost([one.run for one in answered]),
        at_equal_recall=at_equal_recall(questions, answers[CLEAN], published),
        at_validation={
            noise: at_threshold(questions, given, threshold_of_validation(validation))
            for noise, given in answers.items()
            if validation
        },
        seed=circumstances.seed,
        machine=circumstances.machine,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        trial=circumstances.trial,
    )


def _train_and_ask(pipeline: Pipeline, split: Split, seed: int) -> Answered:
    texts = [question.text for question in split.questions]
    all_texts = [
        *texts,
        *(noisy(text, seed) for text in texts),
        *(question.text for question in split.validation),
    ]
    with tempfile.TemporaryDirectory() as folder:
        run = pipelines.run(pipeline, split.examples, all_texts, Path(folder), say)
    asked = len(texts)
    return Answered(
        run=run,
        questions=split.questions,
        clean=run.answers[:asked],
        noisy=run.answers[asked : 2 * asked],
        validation=run.answers[2 * asked :],
    )


def _cost(runs: Sequence[Run]) -> Cost:
    milliseconds = [one for run in runs for one in run.milliseconds]
    return Cost(
        training_seconds=median(run.training_seconds for run in runs),
        training_peak_mib=max(run.training_peak_mib for run in runs),
        load_seconds=median(run.load_seconds for run in runs),
        answering_peak_mib=max(run.answering_peak_mib for run in runs),
        p50_ms=float(np.percentile(milliseconds, 50)),
        p95_ms=float(np.percentile(milliseconds, 95)),
        messages=len(milliseconds),
    )


def _data_sets(arguments: argparse.Namespace) -> Iterator[DataSet]:
    limits = Limits(arguments.limit_topics, arguments.limit_examples, arguments.limit_questions, arguments.seed)
    if arguments.command == "public":
        for folder in arguments.folders:
            yield datasets.public(folder, limits, arguments.train_file)
        return
    examples = datasets.own_examples(PROJECT / "data" / "nlu")
    if arguments.folds:
        yield datasets.cross_validation(examples, arguments.folds, limits)
    if arguments.questions:
        yield datasets.own_questions(examples, arguments.questions, limits)


def describe_machine() -> dict[str, Any]:
    """Return what figures depend on."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        if line.startswith("model name")
    ]
    return {
        "cpus": len(os.sched_getaffinity(0)),
        "cpu": models[0] if models else platform.machine(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": platform.platform(),
        "python": platform.python_version(),
        "rasa": version("rasa"),
        "tensorflow": version("tensorflow-cpu"),
    }


def say(line: str) -> None:
    """Tell whoever waits how far it is."""
    print(time.strftime("%H:%M:%S"), line, file=sys.stderr, flush=True)


def _arguments() -> argparse.Namespace:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--only", choices=[STOCK, OURS], help="measure one pipeline")
    common.add_argument("--seed", type=int, default=0, help="of the noise, the folds and the limits; %(default)s")
    common.add_argument("--json", type=Path, metavar="FILE", help="write all figures there, for benchmarks.nlu.report")
    common.add_argument("--plot", type=Path, metavar="FILE.svg", help="draw right, wrong and declined as bars")
    common.add_argument("--limit-topics", type=_positive, metavar="N", help="of all topics, N drawn by the seed")
    common.add_argument("--limit-examples", type=_positive, metavar="N", help="of each topic, the first N")
    common.add_argument("--limit-questions", type=_positive, metavar="N", help="of each split, N drawn by the seed")
    common.add_argument("--epochs", type=_positive, help="for stock, instead of 100: only to try this program out")
    common.add_argument("--trial", action="store_true", help="mark what is written as a trial, without meaning")

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    content = commands.add_parser("content", parents=[common], help="our own examples and questions")
    content.add_argument("--folds", type=int, default=FOLDS, help="of the cross-validation; 0: none; %(default)s")
    content.add_argument(
        "--questions", type=Path, nargs="*", default=QUESTIONS, metavar="FILE", help="other than our own; none: none"
    )
    public = commands.add_parser("public", parents=[common], help="public data")
    public.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help="with train.jsonl and test.jsonl")
    public.add_argument(
        "--train-file", metavar="NAME", help="in the folder; default train_10shot.jsonl, else train.jsonl"
    )

    arguments = parser.parse_args()
    if arguments.epochs is not None and (arguments.json or arguments.plot) and not arguments.trial:
        parser.error("with --epochs the figures mean nothing; to write them all the same, mark them with --trial")
    if arguments.command == "content" and (arguments.folds == 1 or arguments.folds < 0):
        parser.error("--folds: 0, or 2 and more")
    return arguments


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("has to be 1 or more")
    return number


if __name__ == "__main__":
    main()
