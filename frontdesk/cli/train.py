"""`./ketalink train`: trains Rasa's model when what it learns from has changed."""

import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from frontdesk.cli.console import CommandFailed, err, out
from frontdesk.model_folder import ModelDamaged, ModelFolder, TrainedModel, check_archive, inputs_digest
from frontdesk.processes import PROJECT, RASA_PYTHON, rasa_environment, tied
from frontdesk.settings import Settings, load_settings

MODEL_NAME = "model"
EXIT_REFUSED = 2
SHOWN_FIRST, SHOWN_LAST = 15, 10
# Rasa writes "Starting to train component 'RulePolicy'." and progress bars that redraw themselves.
_STEP = re.compile(r"Starting to train component '(?:.*\.)?(\w+)")
_DECORATION = re.compile(r"\x1b\[[0-9;]*m")
# What its libraries and Rasa say in every training, sound or not.
_NOISE = re.compile(
    r"Processed |^\s*$|More info at |^\d{4}-\d\d-\d\d .* (INFO|DEBUG) |(Deprecation|MovedIn20|Future)Warning: |"
    r"is not used in any story or rule|duplicated intents|does not include a response selector"
)
_WARNING = re.compile(r"^\S+:\d+: UserWarning: ")
# From the first of these on, it is about what went wrong.
_FAILURE = re.compile(r" (ERROR|CRITICAL) |^Traceback |^\w*(Exception|Error|Invalid\w+)\b|UserWarning: ")


def train(
    force: Annotated[bool, typer.Option("--force", help="Train even if nothing has changed.")] = False,
    gate: Annotated[
        bool,
        typer.Option("--gate", help="Refuse a model that is worse than the current one, with exit code 2."),
    ] = False,
    gate_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE.yml", help="Its sets of questions; absent: tests/understanding/gate.yml."),
    ] = None,
    by_chance: Annotated[
        bool, typer.Option("--by-chance", help="With --gate: refuse only what is worse by more than chance.")
    ] = False,
) -> None:
    """Train the model if its inputs changed: examples, rules, answers, the domain or the code in bot/."""
    settings = load_settings()
    passes = None
    if gate:
        # Nobody else waits for what measures.
        from frontdesk.cli.evaluation.gated import GATE, Gate

        passes = Gate(settings, gate_file or GATE, by_chance=by_chance).passes
    folder = ModelFolder(settings.model_dir)
    current = usable_model(folder)
    if not force and current is not None and current.inputs == inputs_digest(PROJECT):
        out.print(f"The model is up to date: {shown(current.path)}. Nothing to train.")
        return
    try:
        train_model(settings, force=force, passes=passes)
    except ModelRefused as refused:
        err.print(str(refused))
        raise typer.Exit(EXIT_REFUSED) from None
    out.print("A running assistant takes the new model when it is started again.")


def usable_model(folder: ModelFolder) -> TrainedModel | None:
    """Return the current model if it is whole."""
    current = folder.current()
    if current is None:
        return None
    try:
        check_archive(current.path)
    except ModelDamaged as error:
        out.print(f"{error} It will not be used.")
        return None
    return current


class ModelRefused(CommandFailed):
    """A new model is worse than the current one, which stays."""


def usable_path(model: TrainedModel | None) -> Path | None:
    """Return where a model is, if it is whole."""
    try:
        if model is not None:
            check_archive(model.path)
    except ModelDamaged:
        return None
    return model.path if model is not None else None


def train_model(
    settings: Settings, force: bool = False, passes: Callable[[Path, Path | None], bool] | None = None
) -> TrainedModel:
    """Train a model and make it the current one; raise CommandFailed, which leaves the old one in place.

    `passes` is told the new model's file and the current one's; when it says no, ModelRefused is raised.
    """
    check_content(settings)
    began = time.monotonic()
    folder = ModelFolder(settings.model_dir)
    before = folder.current()
    try:
        with folder.training() as workplace:
            inputs = inputs_digest(PROJECT)
            current = folder.current()
            if not force and current is not None and current != before and current.inputs == inputs:
                out.print(f"Another training has just made {shown(current.path)}.")
                return current
            out.print("Training the model: three to five minutes.")
            _run_rasa(settings, workplace, began)
            trained = workplace / f"{MODEL_NAME}.tar.gz"
            check_archive(trained)
            if passes is not None and not passes(trained, usable_path(current)):
                folder.note_refused(inputs)
                raise ModelRefused(
                    "The new model is not used; the old one stays. Look at what was added last (git diff data/), take "
                    "back what is wrong, and train again."
                )
            model = folder.install(trained, inputs)
    except ModelDamaged as error:
        raise CommandFailed(f"Training left no usable model. {error} The old model, if any, stays.") from error
    except OSError as error:
        raise CommandFailed(f"Training failed: {error}. Is the disk full, or MODEL_DIR not writable?") from error
    out.print(f"Trained {shown(model.path)} in {time.monotonic() - began:.0f} s.")
    return model


def check_content(settings: Settings) -> None:
    """Check the clinic's profile and the answers, in a moment; raise CommandFailed with what is wrong."""
    require_rasa()
    check = subprocess.run(  # noqa: S603
        [RASA_PYTHON, "-m", "bot.check"],
        cwd=PROJECT,
        env=rasa_environment(settings),
        capture_output=True,
        text=True,
        errors="replace",
    )
    if check.returncode:
        raise CommandFailed((check.stderr or check.stdout).strip())


def require_rasa() -> None:
    """Raise CommandFailed when Rasa's environment is not there."""
    if not RASA_PYTHON.exists():
        raise CommandFailed(f"Rasa is not installed ({RASA_PYTHON} is missing). Run `python3 tools/setup.py`.")


def shown(path: Path) -> str:
    """Return a path as short as it can be said."""
    return str(path.relative_to(PROJECT)) if path.is_relative_to(PROJECT) else str(path)


def _run_rasa(settings: Settings, workplace: Path, began: float) -> None:
    """Run `rasa train`; raise CommandFailed with what Rasa says. All of its output is kept in DATA_DIR."""
    log = settings.data_dir / "train.log"
    data = [
        folder for folder in ("data/nlu", "data/rules", "data/stories", "data/answers") if (PROJECT / folder).exists()
    ]
    command = [str(RASA_PYTHON), "-m", "rasa", "train", "--domain", "domain.yml", "--data", *data]
    command += ["--out", str(workplace), "--fixed-model-name", MODEL_NAME]
    # The cache is Rasa's own notion of what has changed; ours has to be the only one.
    environment = rasa_environment(settings) | {
        "RASA_MAX_CACHE_SIZE": "0",
        "RASA_CACHE_DIRECTORY": str(workplace / "cache"),
    }
    complaints: list[str] = []
    in_frame = False
    with (
        log.open("w", encoding="utf-8") as kept,
        out.status("starting Rasa …") as status,
        subprocess.Popen(  # noqa: S603
            tied(command),
            cwd=PROJECT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        ) as rasa,
    ):
        for line in rasa.stdout or ():
            line = _DECORATION.sub("", line).rstrip()
            kept.write(line + "\n")
            step = _STEP.search(line)
            if step:
                status.update(f"training {step[1]} …")
                out.print(f"  {time.monotonic() - began:4.0f} s  training {step[1]}")
            in_frame = line.startswith('  File "') or (in_frame and line.startswith("    "))
            if not in_frame and not _NOISE.search(line) and (complaints or _FAILURE.search(line)):
                complaints.append(_WARNING.sub("", line))
    if rasa.returncode:
        if len(complaints) > SHOWN_FIRST + SHOWN_LAST:
            complaints[SHOWN_FIRST:-SHOWN_LAST] = ["…"]
        said = "\n".join(complaints) or "(nothing of use)"
        raise CommandFailed(
            f"Rasa could not train the model (exit code {rasa.returncode}); the old model, if any, stays. It said:\n"
            f"{said}\nIts whole output is in {shown(log)}."
        )
