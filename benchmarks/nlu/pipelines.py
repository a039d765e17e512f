"""The two pipelines, and how each is trained and asked in processes of its own."""

import hashlib
import importlib.util
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from benchmarks.nlu.datasets import Example

PROJECT = Path(__file__).resolve().parents[2]
TIMED_AT_LEAST = 200  # messages, after the warm-up
PATIENCE = 60  # seconds of silence before a line says that work goes on
LAST_WORDS = 15  # lines

Say = Callable[[str], None]

# As in frontdesk/processes.py, which this environment does not import: a program's own, and what keeps it quiet.
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "ENCODER_PATH")
_QUIET = {
    "RASA_TELEMETRY_ENABLED": "false",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "PYTHONWARNINGS": "ignore",
    "SQLALCHEMY_SILENCE_UBER_WARNING": "1",
    "GIT_CEILING_DIRECTORIES": str(PROJECT / ".venv"),
    "NO_COLOR": "1",
}


class PipelineFailed(Exception):
    """A process of a pipeline ended without a result; the message holds its last words."""


@dataclass(frozen=True)
class Pipeline:
    """A way from a message to its topic."""

    name: str
    config: Mapping[str, Any]  # the content of a config.yml
    plain_intents: bool  # every topic an intent of its own, not one answer of a group
    environment: Mapping[str, str] = field(default_factory=dict)
    sources: Sequence[Path] = ()  # folders of what it is made of, if that can change while Rasa's version does not

    def digest(self) -> str:
        """Return a number that changes with the configuration and the sources."""
        digest = hashlib.sha256(json.dumps(self.config).encode())
        for path in sorted(path for folder in self.sources for path in folder.rglob("*") if path.is_file()):
            if path.suffix != ".pyc":
                digest.update(path.read_bytes())
        return digest.hexdigest()[:12]

    def intent_of(self, topics: Iterable[str]) -> dict[str, str]:
        """Return the intent that stands for each topic."""
        names = {topic: re.sub(r"\W+", "__", topic) if self.plain_intents else topic for topic in set(topics)}
        if len(set(names.values())) < len(names):
            raise PipelineFailed("Two topics would get the same intent: their names differ in punctuation only.")
        return names


@dataclass(frozen=True)
class Answer:
    """What was understood: a topic, or None for anything that was not learned (`nlu_fallback`, `unsure`).

    The ranking is of topics that were learned, best first, whether or not the best was accepted.
    """

    topic: str | None
    ranking: Sequence[tuple[str, float]]

    @property
    def first(self) -> str | None:
        """The best topic, however unsure."""
        return self.ranking[0][0] if self.ranking else None

    @property
    def confidence(self) -> float:
        """How sure the best topic is."""
        return self.ranking[0][1] if self.ranking else 0.0


@dataclass(frozen=True)
class Run:
    """One training, and what the model then answered. Milliseconds: of each message that was timed."""

    training_seconds: float
    training_peak_mib: float
    load_seconds: float
    answering_peak_mib: float
    milliseconds: Sequence[float]
    answers: Sequence[Answer]


def stock(epochs: int | None = None) -> Pipeline:
    """Return what `rasa init` suggests, read from Rasa itself, but for the ResponseSelector.

    Without that, as an intent of its own for every topic leaves it nothing to select. This is kind to the stock
    pipeline: with groups of answers it would choose the group first and then answer however unsure the selector is.
    The threads are those Rasa takes by itself.

    Args:
        epochs: other than Rasa's, to try the benchmark out.
    """
    package = importlib.util.find_spec("rasa")
    if package is None or package.origin is None:
        raise PipelineFailed("Rasa is not installed here: run this with .venv/rasa/bin/python.")
    suggested = _read_config(Path(package.origin).parent / "engine/recipes/config_files/default_config.yml")
    components = [dict(one) for one in suggested["pipeline"] if one["name"] != "ResponseSelector"]
    if epochs is not None:
        for component in components:
            if "epochs" in component:
                component["epochs"] = epochs
    return Pipeline("stock", _nlu_config(suggested, components), plain_intents=True)


def ours() -> Pipeline:
    """Return the project's own, as its config.yml has it now, on one thread as the assistant runs it."""
    config = _read_config(PROJECT / "config.yml")
    profile = os.environ.get("CLINIC_PROFILE", str(PROJECT / "data" / "clinic.yml"))
    environment = {"OMP_NUM_THREADS": "1", "CLINIC_PROFILE": profile}
    return Pipeline(
        "ours",
        _nlu_config(config, config["pipeline"]),
        plain_intents=False,
        environment=environment,
        sources=(PROJECT / "bot" / "nlu", PROJECT / "data" / "language"),
    )


def run(pipeline: Pipeline, examples: Sequence[Example], texts: Sequence[str], folder: Path, say: Say) -> Run:
    """Train on the examples, then ask the texts; `folder` is an empty one to work in."""
    intents = pipeline.intent_of(example.topic for example in examples)
    (folder / "config.yml").write_text(yaml.safe_dump(dict(pipeline.config), sort_keys=False), encoding="utf-8")
    # Rasa's JSON format and not its YAML: in YAML a text with brackets is markup, and one of two lines is two texts.
    rows = [{"text": example.text, "intent": intents[example.topic]} for example in examples]
    _write_json(folder / "nlu.json", {"rasa_nlu_data": {"common_examples": rows}})
    job = {"config": str(folder / "config.yml"), "data": str(folder / "nlu.json"), "out": str(folder / "models")}
    trained = _in_process(pipeline, {"do": "train", **job}, folder, say, f"training on {len(examples)} examples")
    asking = {"model": trained["model"], "texts": list(texts), "at_least": TIMED_AT_LEAST}
    asked = _in_process(pipeline, {"do": "ask", **asking}, folder, say, f"asking {len(texts)} questions")
    topic_of = {intent: topic for topic, intent in intents.items()}
    return Run(
        training_seconds=trained["seconds"],
        training_peak_mib=trained["peak_mib"],
        load_seconds=asked["load_seconds"],
        answering_peak_mib=asked["peak_mib"],
        milliseconds=asked["milliseconds"],
        answers=[_answer(answer, topic_of) for answer in asked["answers"]],
    )


def _answer(answer: Mapping[str, Any], topic_of: Mapping[str, str]) -> Answer:
    """Translate intents back to topics, leaving out what was not learned."""
    ranking = [(topic_of[name], confidence) for name, confidence in answer["ranking"] if name in topic_of]
    return Answer(topic_of.get(answer["topic"]), ranking)


def _in_process(pipeline: Pipeline, job: dict[str, Any], folder: Path, say: Say, what: str) -> dict[str, Any]:
    job_file, result_file, log = (folder / f"{job['do']}.{ending}" for ending in ("job.json", "result.json", "log"))
    _write_json(job_file, job)
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    # Training is timed, so nothing may come from an earlier one.
    no_cache = {"RASA_MAX_CACHE_SIZE": "0", "RASA_CACHE_DIRECTORY": str(folder / "cache")}
    say(f"{pipeline.name}: {what} …")
    began = time.monotonic()
    with (
        log.open("w", encoding="utf-8") as output,
        subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "benchmarks.nlu.rasa_process", str(job_file), str(result_file)],
            cwd=PROJECT,
            env={**kept, **_QUIET, **no_cache, **pipeline.environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            _wait(process, lambda: say(f"{pipeline.name}: still {what}, {time.monotonic() - began:.0f} s"))
        finally:
            process.terminate()  # does nothing to one that has ended
    if process.returncode != 0:
        last_words = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_WORDS:])
        raise PipelineFailed(f"{pipeline.name}: {what} failed, exit code {process.returncode}.\n{last_words}")
    result: dict[str, Any] = json.loads(result_file.read_text(encoding="utf-8"))
    return result


def _wait(process: subprocess.Popen[bytes], still_waiting: Callable[[], None]) -> None:
    while True:
        try:
            process.wait(PATIENCE)
            return
        except subprocess.TimeoutExpired:
            still_waiting()


def _nlu_config(config: Mapping[str, Any], components: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a config.yml for understanding alone."""
    head = {key: config[key] for key in ("recipe", "language") if key in config}
    return {**head, "assistant_id": "benchmark", "pipeline": list(components)}


def _read_config(path: Path) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return config


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")
