"""The folder of trained models: which one is current, what it was trained from, whether it is whole."""

import fcntl
import gzip
import hashlib
import io
import json
import os
import secrets
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

# What a model is trained from, below the project: change one of these, and it has to be trained again.
INPUTS = (
    "config.yml",
    "domain.yml",
    "data/nlu",
    "data/rules",
    "data/stories",
    "data/answers",
    "data/language",
    "bot",
    "requirements/rasa.txt",
)
_INPUT_SUFFIXES = frozenset({".yml", ".yaml", ".json", ".py", ".txt"})

CURRENT_FILE = "current.json"
REFUSED_FILE = "refused.json"
KEPT_MODELS = 2
_NAME_PREFIX = "ketalink-"
_UNFINISHED_PREFIX = ".training-"
# What Rasa cannot load a model without.
_METADATA = "metadata.json"
_COMPONENTS = "components"


class ModelDamaged(Exception):
    """A model's file cannot be used; the message says which and why."""


@dataclass(frozen=True)
class TrainedModel:
    """A model and the digest of what it was trained from."""

    path: Path
    inputs: str


def inputs_digest(project: Path) -> str:
    """Return a digest of everything below `project` that a model is trained from, names and contents."""
    digest = hashlib.sha256()
    for name in INPUTS:
        start = project / name
        files = sorted(start.rglob("*")) if start.is_dir() else [start]
        for file in files:
            if file.suffix not in _INPUT_SUFFIXES or not file.is_file():
                continue
            content = hashlib.sha256(file.read_bytes()).hexdigest()
            digest.update(f"{file.relative_to(project).as_posix()} {content}\n".encode())
    return digest.hexdigest()


def check_archive(path: Path) -> None:
    """Read a model's file to its end; raise ModelDamaged unless it is whole and Rasa can use it."""
    try:
        # To its end, where gzip's checksum is.
        content = io.BytesIO(gzip.decompress(path.read_bytes()))
        with tarfile.open(fileobj=content) as archive:
            members = {member.name.removeprefix("/"): member for member in archive.getmembers()}
            if _METADATA not in members or not any(name.startswith(_COMPONENTS + "/") for name in members):
                raise ModelDamaged(f"{path} is not a model: it lacks {_METADATA} or {_COMPONENTS}/.")
            metadata = archive.extractfile(members[_METADATA])
            if not isinstance(json.loads(metadata.read() if metadata else b""), dict):
                raise ModelDamaged(f"{path} is not a model: {_METADATA} holds no object.")
    except FileNotFoundError as error:
        raise ModelDamaged(f"The model {path} is gone.") from error
    except (OSError, EOFError, tarfile.TarError, zlib.error, ValueError) as error:
        raise ModelDamaged(f"The model {path} is damaged ({type(error).__name__}: {error}).") from error


class ModelFolder:
    """Models by name, one of them current. A new one takes its place in one step, or not at all."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def current(self) -> TrainedModel | None:
        """Return the current model, or None when there is none or its file is gone."""
        try:
            known = json.loads((self.path / CURRENT_FILE).read_text(encoding="utf-8"))
            model = TrainedModel(self.path / Path(known["model"]).name, str(known["inputs"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return model if model.path.is_file() else None

    @contextmanager
    def training(self) -> Iterator[Path]:
        """Give an empty folder to train in, one training at a time. Raises OSError when it cannot be made."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for unfinished in self.path.glob(_UNFINISHED_PREFIX + "*"):
                shutil.rmtree(unfinished, ignore_errors=True)
            workplace = self.path / (_UNFINISHED_PREFIX + secrets.token_hex(4))
            workplace.mkdir()
            try:
                yield workplace
            finally:
                shutil.rmtree(workplace, ignore_errors=True)

    def install(self, trained: Path, inputs: str) -> TrainedModel:
        """Make a trained file, which has to be on the same disk, the current model; raise ModelDamaged."""
        check_archive(trained)
        made = datetime.now(UTC)
        model = TrainedModel(self.path / f"{_NAME_PREFIX}{made:%Y%m%d-%H%M%S}-{inputs[:8]}.tar.gz", inputs)
        os.replace(trained, model.path)
        known = {"model": model.path.name, "inputs": inputs, "trained_at": f"{made:%Y-%m-%dT%H:%M:%SZ}"}
        fresh = self.path / (CURRENT_FILE + ".new")
        fresh.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")
        os.replace(fresh, self.path / CURRENT_FILE)
        self._forget_old()
        return model

    def note_refused(self, inputs: str) -> None:
        """Note that a model trained from these inputs is worse: `serve` does not train it again by itself."""
        (self.path / REFUSED_FILE).write_text(json.dumps({"inputs": inputs}) + "\n", encoding="utf-8")

    def is_refused(self, inputs: str) -> bool:
        """Tell whether a model of these inputs was refused last."""
        try:
            known = json.loads((self.path / REFUSED_FILE).read_text(encoding="utf-8"))
            return bool(known["inputs"] == inputs)
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def _forget_old(self) -> None:
        # The names sort by age. Models of other names are somebody's own.
        for old in sorted(self.path.glob(_NAME_PREFIX + "*.tar.gz"))[:-KEPT_MODELS]:
            old.unlink(missing_ok=True)
