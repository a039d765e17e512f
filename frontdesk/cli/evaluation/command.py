"""`./ketalink evaluate FILE …`."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from frontdesk.cli.console import CommandFailed, err
from frontdesk.cli.evaluation import gates, plot
from frontdesk.cli.evaluation.asking import Model, ask_all
from frontdesk.cli.evaluation.comparison import Comparison
from frontdesk.cli.evaluation.questions import Question, read_files
from frontdesk.cli.evaluation.report import Measurement, as_record, calibration_record, print_report
from frontdesk.cli.evaluation.results import Result
from frontdesk.cli.train import require_rasa, shown, usable_model
from frontdesk.model_folder import ModelDamaged, ModelFolder, check_archive, inputs_digest
from frontdesk.processes import PROJECT, RASA_PYTHON, rasa_environment
from frontdesk.settings import Settings, load_settings

EXIT_GATE_FAILED = 2
MISSES_SHOWN = 30


@dataclass(frozen=True)
class Order:
    """What is to be measured, against what, and how it is told. `misses` is how many are shown, None for all."""

    files: Sequence[Path]
    questions: Sequence[Question]
    model: Path
    baseline: Path | None = None
    as_json: bool = False
    misses: int | None = MISSES_SHOWN
    plot: Path | None = None
    min_right: float | None = None
    max_wrong: float | None = None
    bounds: Mapping[Path, gates.Bounds] = field(default_factory=dict)
    not_worse: bool = False


def evaluate(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILE",
            help='JSON lines: {"text": …, "topic": … or null, "also_ok": […]}; other forms: docs/contributing.md.',
        ),
    ] = None,
    model: Annotated[
        Path | None, typer.Option("--model", metavar="FILE", help="Another model than the current one.")
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option("--baseline", metavar="FILE", help="Ask this model too, and compare.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, for programs.")] = False,
    misses: Annotated[
        bool, typer.Option("--misses/--no-misses", help=f"Show what was missed, up to {MISSES_SHOWN}.")
    ] = True,
    all_misses: Annotated[bool, typer.Option("--all-misses", help="Show all that was missed.")] = False,
    plot_file: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE.svg", help="Draw how well confidence can be trusted.")
    ] = None,
    min_right: Annotated[
        float | None,
        typer.Option(
            "--min-right",
            "--min-accuracy",
            min=0,
            max=1,
            metavar="SHARE",
            help="Exit with code 2 when fewer than this share are right.",
        ),
    ] = None,
    max_wrong: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, metavar="SHARE", help="Exit with code 2 when more than this share are answered wrongly."
        ),
    ] = None,
    gate: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.yml",
            help="Ask the files named in it, and exit with code 2 when one misses its bounds: docs/contributing.md.",
        ),
    ] = None,
    not_worse: Annotated[
        bool,
        typer.Option("--not-worse", help="Exit with code 2 when significantly worse than the baseline."),
    ] = False,
    safety: Annotated[
        bool,
        typer.Option("--safety", help="Measure how much danger is noticed: see docs/safety.md."),
    ] = False,
) -> None:
    """Ask the model every question of each FILE and say how many it understood. A topic of null should be declined."""
    settings = load_settings()
    if bool(files) == (gate is not None):
        raise CommandFailed("Give either one or more files of questions, or --gate with a file that names them.")
    if safety:
        # Imports spaCy, on which any other command would wait longer than for all the rest.
        from frontdesk.cli.evaluation.safety import measure_safety

        archive = _model_to_ask(settings, model)
        command = Model([str(RASA_PYTHON), "-m", "bot.parse", str(archive)], rasa_environment(settings))
        measure_safety(files or [], command, as_json=as_json, misses=None if all_misses else MISSES_SHOWN)
        return
    if not_worse and baseline is None:
        raise CommandFailed("--not-worse needs a --baseline to compare with.")
    if plot_file is not None:
        plot.check_target(plot_file)
    bounds = gates.read_gates(gate) if gate is not None else {}
    asked = list(dict.fromkeys(files or bounds))
    questions = read_files(asked)
    gates.require_applicable(bounds, questions)
    order = Order(
        files=asked,
        questions=questions,
        model=_model_to_ask(settings, model),
        baseline=None if baseline is None else _checked(baseline),
        as_json=as_json,
        misses=None if all_misses else MISSES_SHOWN if misses else 0,
        plot=plot_file,
        min_right=min_right,
        max_wrong=max_wrong,
        bounds=bounds,
        not_worse=not_worse,
    )
    environment = rasa_environment(settings)
    carry_out(order, lambda archive: Model([str(RASA_PYTHON), "-m", "bot.parse", str(archive)], environment))


def carry_out(order: Order, model_of: Callable[[Path], Model]) -> None:
    """Ask, report, and raise typer.Exit when a gate fails. `model_of` makes the process of a trained model's file."""
    measured = _measure(order, model_of)
    if order.as_json:
        print(json.dumps(as_record(measured), ensure_ascii=False, indent=2))
    else:
        print_report(measured, order.misses)
    if order.plot is not None:
        calibration = calibration_record(measured)
        if not calibration["bins"]:
            raise CommandFailed("There is nothing to plot: the model took no question for one of its topics.")
        plot.draw(order.plot, {"model": measured.model, **calibration})
    failed = [gate for gate in measured.gates if not gate.passed]
    for gate in failed:
        where = f"{gate.file}: " if gate.file is not None else ""
        err.print(Text(f"Gate {gate.name} failed. {where}{gate.what}."))
    if failed:
        raise typer.Exit(EXIT_GATE_FAILED)


def _measure(order: Order, model_of: Callable[[Path], Model]) -> Measurement:
    def results(archive: Path) -> list[Result]:
        replies = ask_all(order.questions, model_of(archive), archive.name)
        return [Result.of(question, reply) for question, reply in zip(order.questions, replies, strict=True)]

    found = results(order.model)
    comparison = Comparison.of(results(order.baseline), found) if order.baseline is not None else None
    marks = [mark for result in found for mark in result.marks]
    checked = [
        *gates.overall(order.min_right, order.max_wrong, marks),
        *gates.in_files(order.bounds, marks),
        *(gates.not_worse(comparison) if order.not_worse and comparison is not None else ()),
    ]
    name, baseline = _names(order.model, order.baseline)
    return Measurement(order.files, name, found, baseline, comparison, checked)


def _names(model: Path, baseline: Path | None) -> tuple[str, str | None]:
    """Return what the two are called: their files' names, in full when those are the same."""
    if baseline is None:
        return model.name, None
    return (shown(model), shown(baseline)) if model.name == baseline.name else (model.name, baseline.name)


def _model_to_ask(settings: Settings, chosen: Path | None) -> Path:
    require_rasa()
    if chosen is not None:
        return _checked(chosen)
    current = usable_model(ModelFolder(settings.model_dir))
    if current is None:
        raise CommandFailed(f"There is no model in {shown(settings.model_dir)}. Run ./ketalink train.")
    if current.inputs != inputs_digest(PROJECT):
        err.print("note: what the model learned from has changed since it was trained.", style="yellow")
    return current.path


def _checked(model: Path) -> Path:
    try:
        check_archive(model)
    except ModelDamaged as error:
        raise CommandFailed(str(error)) from error
    return model.resolve()
