"""Files of benchmarks.nlu.compare as Markdown tables, on standard output.

    .venv/rasa/bin/python -m benchmarks.nlu.report FILE.json ... [--plot FILE.svg]

Measurements of stock and ours may come from different files: those on the same examples and questions are compared.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.nlu.measures import ACCEPTED_OF_VALIDATION, MEASURES, Difference, Share
from benchmarks.nlu.results import CLEAN, NOISY, Pair, Result, ResultsError, load, pairs

TRIAL_WARNING = "**A trial of the benchmark itself: these figures mean nothing.**"
HOW_TO_READ = (
    "*stock* is the pipeline that `rasa init` suggests, *ours* that of `config.yml`. For stock every topic is an "
    "intent of its own, which is kind to it: with groups of answers it would choose the group first and then answer "
    "however unsure it is. Noisy questions are the same ones with typos and SMS spellings. p: exact McNemar test, "
    "question by question."
)
_MISSING = "–"
_COSTS: dict[str, tuple[str, int]] = {
    "training_seconds": ("training, s", 1),
    "training_peak_mib": ("memory at most, training, MiB", 0),
    "load_seconds": ("loading the model, s", 1),
    "answering_peak_mib": ("memory at most, answering, MiB", 0),
    "p50_ms": ("one message, p50, ms", 1),
    "p95_ms": ("one message, p95, ms", 1),
}


def markdown(results: Sequence[Result]) -> str:
    """Return a section for each data set."""
    found = pairs(results)
    return "\n".join([*(line for pair in found for line in _section(pair)), HOW_TO_READ])


def _section(pair: Pair) -> Iterator[str]:
    result = pair.any
    scopes = result.judged[CLEAN].scopes
    yield f"### {result.data_set}"
    yield ""
    if any(one and one.trial for one in (pair.stock, pair.ours)):
        yield TRIAL_WARNING
        yield ""
    yield (
        f"{result.examples:,} examples of {result.topics} topics; {scopes.count('I'):,} questions in scope, "
        f"{scopes.count('O') + scopes.count('N'):,} out of it. In brackets the 95 % interval."
    )
    yield ""
    yield "| share, % | stock | ours | difference, points |"
    yield "| --- | --- | --- | --- |"
    for noise in (CLEAN, NOISY):
        for name, measure in MEASURES.items():
            shares = [one.share(noise, name) if one else None for one in (pair.stock, pair.ours)]
            if any(shares):
                cells = " | ".join(_share(share) for share in shares)
                yield f"| {_noise(noise)}{measure.title} | {cells} | {_difference(pair.difference(noise, name))} |"
    yield ""
    yield "| cost | stock | ours | ours ÷ stock |"
    yield "| --- | --- | --- | --- |"
    for name, (title, digits) in _COSTS.items():
        stock, ours = (getattr(one.cost, name) if one else None for one in (pair.stock, pair.ours))
        ratio = f"{ours / stock:.2f}" if stock and ours and pair.same_machine else _MISSING
        yield f"| {title} | {_number(stock, digits)} | {_number(ours, digits)} | {ratio} |"
    yield ""
    yield from _validation(pair)
    yield from _published(pair)
    yield from _circumstances(pair)


def _validation(pair: Pair) -> Iterator[str]:
    rows = [(one, one.at_validation) for one in (pair.stock, pair.ours) if one and one.at_validation]
    if not rows:
        return
    yield f"With the threshold that accepts {ACCEPTED_OF_VALIDATION:.0%} of the validation questions:"
    yield ""
    yield "| | right, % | out of scope declined | of topics left out, declined |"
    yield "| --- | --- | --- | --- |"
    for result, by_noise in rows:
        for noise, at in by_noise.items():
            cells = (at.right, at.out_declined, at.near_declined)
            figures = " | ".join(_number(100 * cell if cell is not None else None, 1) for cell in cells)
            yield f"| {_noise(noise)}{result.pipeline} | {figures} |"
    yield ""


def _published(pair: Pair) -> Iterator[str]:
    if not pair.any.at_equal_recall:
        return
    yield "Right in scope, %, when as many out-of-scope questions are declined as the published system declines:"
    yield ""
    yield "| published system | out of scope declined, % | published | stock | ours | reference |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for number, row in enumerate(pair.any.at_equal_recall):
        known = row.published
        reached = [one.at_equal_recall[number].accuracy if one else None for one in (pair.stock, pair.ours)]
        cells = " | ".join(_number(figure, 1) for figure in (known.accuracy, *reached, known.reference))
        yield f"| {known.system} | {known.out_of_scope_recall} | {cells} |"
    yield ""


def _circumstances(pair: Pair) -> Iterator[str]:
    found = [one for one in (pair.stock, pair.ours) if one]
    for result in found if not pair.same_machine else found[:1]:
        machine = result.machine
        yield (
            f"{result.date[:10]}, {machine['cpus']} × {machine['cpu']}, {machine['memory_gib']} GiB, Python "
            f"{machine['python']}, Rasa {machine['rasa']}, seed {result.seed}, {result.cost.messages:,} messages timed."
        )
    for result in found:
        names = ", ".join(component["name"].rpartition(".")[2] for component in result.components)
        yield f"{result.pipeline.capitalize()} ({result.digest}): {names}."
    yield ""


def _noise(noise: str) -> str:
    return "" if noise == CLEAN else f"{noise}: "


def _share(share: Share | None) -> str:
    if share is None:
        return _MISSING
    return f"{100 * share.share:.1f} ({100 * share.low:.1f} to {100 * share.high:.1f})"


def _difference(found: Difference | None) -> str:
    if found is None:
        return _MISSING
    p = "p < 0.001" if found.p < 0.001 else f"p = {found.p:.3f}"
    return f"{found.points:+.1f} ({p})"


def _number(figure: float | None, digits: int) -> str:
    return _MISSING if figure is None else f"{figure:,.{digits}f}"


def main() -> None:
    """Read the arguments, merge the files, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE.json")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="draw right, wrong and declined as bars")
    parser.add_argument("--trial", action="store_true", help="accept files that were made with --trial")
    arguments = parser.parse_args()
    try:
        results = [result for file in arguments.files for result in load(file)]
    except ResultsError as error:
        sys.exit(str(error))
    if any(result.trial for result in results) and not arguments.trial:
        sys.exit(
            "One of the files was made with --trial: its figures mean nothing. Add --trial to see them all the same."
        )
    print(markdown(results))
    if arguments.plot:
        from benchmarks.nlu.plot import draw

        draw(results, arguments.plot)


if __name__ == "__main__":
    main()
