"""When a model is trained, and which one is used."""

import gzip
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from frontdesk.model_folder import (
    INPUTS,
    KEPT_MODELS,
    ModelDamaged,
    ModelFolder,
    check_archive,
    inputs_digest,
)
from tests.conftest import PROJECT


def archive(path: Path, names: tuple[str, ...] = ("components/domain_provider/domain.yml", "metadata.json")) -> Path:
    """Make a file that is built as Rasa builds a model."""
    with tarfile.open(path, "w:gz") as packed:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = 2
            packed.addfile(member, io.BytesIO(b"{}"))
    return path


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a file of each kind a model is trained from."""
    root = tmp_path / "project"
    for name in INPUTS:
        path = root / name
        if not path.suffix:
            path /= "part/one.py" if name == "bot" else "part/one.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("first")
    return root


@pytest.fixture
def models(tmp_path: Path) -> ModelFolder:
    return ModelFolder(tmp_path / "models")


def install(models: ModelFolder, inputs: str = "abc") -> Path:
    with models.training() as workplace:
        return models.install(archive(workplace / "model.tar.gz"), inputs).path


@pytest.mark.parametrize("name", INPUTS)
def test_every_input_counts(name: str, project: Path) -> None:
    before = inputs_digest(project)
    start = project / name
    file = start if start.is_file() else next(path for path in start.rglob("*") if path.is_file())
    file.write_text("second")
    changed = inputs_digest(project)
    assert changed != before
    file.rename(file.with_stem("renamed"))
    assert inputs_digest(project) != changed
    file.with_stem("renamed").rename(file)
    file.write_text("first")
    assert inputs_digest(project) == before


def test_what_is_no_input_does_not_count(project: Path) -> None:
    before = inputs_digest(project)
    (project / "data" / "clinic.yml").write_text("name: Somebody")
    (project / "bot" / "__pycache__").mkdir()
    (project / "bot" / "__pycache__" / "one.cpython-311.pyc").write_text("x")
    shutil.copytree(project, project.parent / "elsewhere")
    assert inputs_digest(project) == inputs_digest(project.parent / "elsewhere") == before


def test_a_trained_model_becomes_the_current_one(models: ModelFolder) -> None:
    assert models.current() is None
    path = install(models, "abc")
    current = models.current()
    assert current is not None
    assert (current.path, current.inputs) == (path, "abc")


def test_the_last_models_are_kept_and_nothing_unfinished(models: ModelFolder) -> None:
    (models.path / ".training-dead").mkdir(parents=True)
    own = archive(models.path / "mine.tar.gz")
    paths = [install(models, f"{number:08}") for number in range(KEPT_MODELS + 2)]
    left = {path.name for path in models.path.glob("*.tar.gz")}
    assert left == {own.name, *(path.name for path in paths[-KEPT_MODELS:])}
    assert not list(models.path.glob(".training-*"))


def test_a_training_that_fails_leaves_the_old_model(models: ModelFolder) -> None:
    path = install(models)
    with pytest.raises(RuntimeError), models.training() as workplace:
        (workplace / "half").write_text("x")
        raise RuntimeError
    with pytest.raises(ModelDamaged), models.training() as workplace:
        (workplace / "model.tar.gz").write_bytes(b"nothing of use")
        models.install(workplace / "model.tar.gz", "new")
    current = models.current()
    assert current is not None
    assert current.path == path
    assert [entry.name for entry in models.path.iterdir() if entry.is_dir()] == []


@pytest.mark.parametrize("content", ["", "{", "[]", '{"model": "gone.tar.gz", "inputs": "x"}', '{"model": 7}'])
def test_without_a_usable_record_there_is_no_current_model(content: str, models: ModelFolder) -> None:
    install(models)
    (models.path / "current.json").write_text(content)
    assert models.current() is None


def test_a_record_names_no_file_elsewhere(models: ModelFolder, tmp_path: Path) -> None:
    install(models)
    archive(tmp_path / "elsewhere.tar.gz")
    (models.path / "current.json").write_text(json.dumps({"model": "../elsewhere.tar.gz", "inputs": "x"}))
    assert models.current() is None


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "no gzip", "no metadata", "no components", "gone"])
def test_a_damaged_model_is_noticed(damage: str, tmp_path: Path) -> None:
    path = archive(tmp_path / "model.tar.gz")
    whole = path.read_bytes()
    check_archive(path)
    if damage == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    elif damage == "flipped":
        path.write_bytes(whole[:-8] + bytes([whole[-8] ^ 1]) + whole[-7:])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "no gzip":
        path.write_bytes(gzip.decompress(whole))
    elif damage == "no metadata":
        archive(path, ("components/one",))
    elif damage == "no components":
        archive(path, ("metadata.json",))
    else:
        path.unlink()
    with pytest.raises(ModelDamaged, match=r"model\.tar\.gz"):
        check_archive(path)


# --------------------------------------------------------------------------- the command


def train(model_dir: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "frontdesk.cli", "train", *arguments],
        cwd=PROJECT,
        env={**os.environ, "MODEL_DIR": str(model_dir), "DATA_DIR": str(model_dir.parent / "var"), **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_unchanged_inputs_are_not_trained_again(models: ModelFolder) -> None:
    path = install(models, inputs_digest(PROJECT))
    done = train(models.path)
    assert done.returncode == 0
    assert "up to date" in done.stdout
    assert [model.name for model in models.path.glob("*.tar.gz")] == [path.name]


def test_a_profile_that_cannot_be_said_stops_the_training(models: ModelFolder, tmp_path: Path) -> None:
    path = install(models, "an older digest")
    (tmp_path / "clinic.yml").write_text("driving_wait: 2 hours\n")
    done = train(models.path, CLINIC_PROFILE=str(tmp_path / "clinic.yml"))
    assert done.returncode == 1
    assert "driving_wait" in done.stderr
    assert "Traceback" not in done.stderr
    current = models.current()
    assert current is not None
    assert current.path == path
