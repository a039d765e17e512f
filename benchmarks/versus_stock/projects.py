"""The two projects, side by side in one folder, from the same examples; and their training."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).resolve().parents[2]
RASA_PYTHON = PROJECT / ".venv" / "rasa" / "bin" / "python"
# What the assistant needs to be trained and to run.
_FILES = ("config.yml", "domain.yml", "endpoints.yml", "credentials.yml", "pyproject.toml")
_FOLDERS = ("actions", "bot", "data", "frontdesk", "requirements")
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR")
_QUIET = {"RASA_TELEMETRY_ENABLED": "false", "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore", "NO_COLOR": "1"}
STILL_WAITING_SECONDS = 60
LAST_WORDS = 20  # lines

Say = Callable[[str], None]


class BenchmarkFailed(Exception):
    """A step ended without a result; the message says which."""


@dataclass(frozen=True)
class Setup:
    """What both are made from. `epochs` is for stock alone, other than Rasa's hundred only to try the program out.

    `trial`: figures have no meaning, so none of them may get among those of a real run.
    """

    per_topic: int | None
    epochs: int | None
    trial: bool


def own_environment() -> dict[str, str]:
    """Return an environment without settings: neither the operator's own assistant nor its secrets are meant."""
    return {name: os.environ[name] for name in _KEPT if name in os.environ} | _QUIET


@dataclass(frozen=True)
class Projects:
    """A folder with both projects. What is there already is not made again."""

    folder: Path
    setup: Setup
    say: Say

    @property
    def ours(self) -> Path:
        """A copy of this project."""
        return self.folder / "ours"

    @property
    def stock(self) -> Path:
        """What Rasa's documentation would have one write."""
        return self.folder / "stock"

    def make(self) -> None:
        """Write both; raise BenchmarkFailed when the folder holds projects of another setup."""
        self.folder.mkdir(parents=True, exist_ok=True)
        noted = self.folder / "setup.json"
        wanted = asdict(self.setup)
        if noted.exists():
            found = json.loads(noted.read_text(encoding="utf-8"))
            if found != wanted:
                raise BenchmarkFailed(f"{self.folder} was made with {found}, not {wanted}. Choose another --folder.")
            return
        for half_made in (self.ours, self.stock):
            shutil.rmtree(half_made, ignore_errors=True)
        self.say("writing both projects …")
        self._copy_ours()
        run(
            [str(RASA_PYTHON), "-m", "benchmarks.versus_stock.stock_project", str(self.ours), str(self.stock)]
            + ([str(self.setup.epochs)] if self.setup.epochs else []),
            PROJECT,
            own_environment(),
            self.folder / "build.log",
            self.say,
            "writing the stock project",
        )
        noted.write_text(json.dumps(wanted), encoding="utf-8")

    def examples(self) -> int:
        """Return how many examples both learn from."""
        found: int = json.loads((self.stock / "topics.json").read_text(encoding="utf-8"))["examples"]
        return found

    def train(self, *, again: bool) -> dict[str, float]:
        """Train what is not trained yet, or all of it; return how many seconds each took, by name."""
        trainings: dict[str, tuple[list[str], Path, Mapping[str, str]]] = {
            "ours": ([sys.executable, "-m", "frontdesk.cli", "train", "--force"], self.ours, self.our_environment()),
            "stock": (
                # No model and no step of an earlier training: each is timed whole.
                [str(RASA_PYTHON), "-m", "rasa", "train", "--fixed-model-name", "model"],
                self.stock,
                self.stock_environment() | {"RASA_MAX_CACHE_SIZE": "0"},
            ),
        }
        seconds = {}
        for name, (command, folder, environment) in trainings.items():
            noted = self.folder / f"trained-{name}.json"
            if again or not noted.exists():
                log = self.folder / f"train-{name}.log"
                took = run(command, folder, environment, log, self.say, f"training {name}")
                noted.write_text(json.dumps({"seconds": took}), encoding="utf-8")
            seconds[name] = float(json.loads(noted.read_text(encoding="utf-8"))["seconds"])
        return seconds

    def our_environment(self) -> dict[str, str]:
        """Return our settings: the shipped ones, without the limits that keep one address from asking so much."""
        return own_environment() | {
            "DATA_DIR": str(self.folder / "ours-data"),
            "CHAT_LIMIT_PER_MINUTE": "0",
        }

    def stock_environment(self) -> dict[str, str]:
        """Return stock's settings: Rasa's own."""
        return own_environment() | {"REQUESTS_FILE": str(self.folder / "stock-data" / "requests.db")}

    def _copy_ours(self) -> None:
        self.ours.mkdir()
        for name in _FILES:
            shutil.copy(PROJECT / name, self.ours / name)
        for name in _FOLDERS:
            shutil.copytree(PROJECT / name, self.ours / name, ignore=shutil.ignore_patterns("__pycache__"))
        (self.ours / ".venv").symlink_to((PROJECT / ".venv").resolve())
        if self.setup.per_topic is not None:
            _keep_first(self.ours / "data" / "nlu", self.setup.per_topic)


def _keep_first(folder: Path, count: int) -> None:
    """Leave so many examples of each topic, the first ones, in Rasa's files."""
    taken: defaultdict[str, int] = defaultdict(int)
    for path in sorted(folder.rglob("*.yml")):
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        for entry in content["nlu"]:
            lines = entry["examples"].splitlines()
            kept = lines[: max(0, count - taken[entry["intent"]])]
            taken[entry["intent"]] += len(kept)
            entry["examples"] = "".join(f"{line}\n" for line in kept)
        content["nlu"] = [entry for entry in content["nlu"] if entry["examples"]]
        path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")


def run(command: Sequence[str], folder: Path, environment: Mapping[str, str], log: Path, say: Say, what: str) -> float:
    """Run a program to its end and return how many seconds it took; raise BenchmarkFailed with its last words."""
    say(f"{what} …")
    began = time.monotonic()
    with (
        log.open("wb") as output,
        subprocess.Popen(  # noqa: S603
            command, cwd=folder, env=dict(environment), stdin=subprocess.DEVNULL, stdout=output, stderr=output
        ) as process,
    ):
        try:
            while True:
                try:
                    process.wait(STILL_WAITING_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    say(f"still {what}, {time.monotonic() - began:.0f} s")
        finally:
            process.terminate()  # does nothing to one that has ended
    if process.returncode:
        raise BenchmarkFailed(f"{what} failed, exit code {process.returncode}.\n{last_words(log)}")
    return time.monotonic() - began


def last_words(log: Path) -> str:
    """Return the end of a log."""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_WORDS:])


def yaml_file(path: Path, content: Any) -> None:
    """Write YAML."""
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
