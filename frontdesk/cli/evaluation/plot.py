"""The calibration plot, drawn in Rasa's environment: matplotlib comes with Rasa, and only there."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from frontdesk.cli.console import CommandFailed
from frontdesk.processes import PROJECT, RASA_PYTHON

_PROGRAM = PROJECT / "tools" / "calibration_plot.py"
_KEPT = ("PATH", "HOME", "TMPDIR")
_LAST_WORDS = 5


def check_target(file: Path) -> None:
    """Raise CommandFailed when a plot cannot be written there; asking takes minutes, so this is asked first."""
    if file.suffix != ".svg":
        raise CommandFailed(f"The plot is an SVG file: {file} has to end in .svg.")
    if not file.parent.is_dir():
        raise CommandFailed(f"There is no folder {file.parent} for the plot.")


def draw(file: Path, content: dict[str, Any]) -> None:
    """Draw `{"model", "calibration_error", "bins"}` into a file; raise CommandFailed with what went wrong."""
    try:
        drawn = subprocess.run(  # noqa: S603
            [RASA_PYTHON, _PROGRAM, file.resolve()],
            input=json.dumps(content),
            env={name: os.environ[name] for name in _KEPT if name in os.environ},
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        raise CommandFailed(f"The plot could not be drawn: {error}.") from error
    if drawn.returncode:
        said = "\n".join(drawn.stderr.strip().splitlines()[-_LAST_WORDS:])
        raise CommandFailed(f"The plot could not be drawn:\n{said}")
