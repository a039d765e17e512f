"""The project with a handful of topics, in a folder of a test: its real commands train it in half a minute."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import PROJECT

TOPICS = (
    *("logistics/hours", "logistics/address", "logistics/parking_access"),
    *("cost/price", "cost/insurance", "cost/payment_and_hsa"),
)
TALK = ("greet", "out_of_scope")
CODE = ("bot", "frontdesk")
FILES = (
    "config.yml",
    "credentials.yml",
    "endpoints.yml",
    "requirements/rasa.txt",
    "data/clinic.yml",
    "data/sources.yml",
)


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def dump(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


@dataclass
class SmallProject:
    """A copy of the project, and `./ketalink` in it."""

    folder: Path
    environment: dict[str, str]

    @classmethod
    def made(cls, folder: Path, environment: dict[str, str]) -> "SmallProject":
        unwanted = shutil.ignore_patterns("node_modules", "__pycache__", "static", "src")
        for name in CODE:
            shutil.copytree(PROJECT / name, folder / name, ignore=unwanted)
        shutil.copytree(PROJECT / "data" / "language", folder / "data" / "language")
        wanted = [*FILES, *(f"data/nlu/{name}.yml" for name in (*TOPICS, *(f"talk/{name}" for name in TALK)))]
        for name in wanted:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / name, folder / name)
        (folder / ".venv").symlink_to((PROJECT / ".venv").resolve())
        _copy_answers(folder)
        _copy_domain(folder)
        return cls(folder, {**os.environ, **environment})

    def ketalink(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        python = str(self.folder / ".venv" / "app" / "bin" / "python")
        return subprocess.run(
            [python, "-m", "frontdesk.cli", *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def ask_at_the_gate(self, **sets: list[tuple[str, str | None]]) -> None:
        """Write the sets of questions of the gate; the bounds let everything through."""
        folder = self.folder / "tests" / "understanding"
        dump(folder / "gate.yml", {f"{name}.jsonl": {"max_wrong": 1.0} for name in sets})
        for name, questions in sets.items():
            lines = [json.dumps({"text": text, "topic": topic}) for text, topic in questions]
            (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")

    @property
    def model(self) -> str:
        """The name of the current model's file."""
        return str(json.loads((self.folder / "models" / "current.json").read_text())["model"])


def _copy_answers(folder: Path) -> None:
    for group in {topic.partition("/")[0] for topic in TOPICS}:
        content = load(PROJECT / "data" / "answers" / f"{group}.yml")
        kept = {name: wordings for name, wordings in content["responses"].items() if name[len("utter_") :] in TOPICS}
        for wording in (one for wordings in kept.values() for one in wordings):
            wording["metadata"].pop("related", None)
        dump(folder / "data" / "answers" / f"{group}.yml", {**content, "responses": kept})


def _copy_domain(folder: Path) -> None:
    intents = {topic.partition("/")[0] for topic in TOPICS} | set(TALK)
    domain = load(PROJECT / "domain.yml")
    domain |= {"intents": [name for name in domain["intents"] if name in intents], "slots": {}, "actions": []}
    domain.pop("forms")
    dump(folder / "domain.yml", domain)
    rules = [rule for path in sorted((PROJECT / "data" / "rules").glob("*.yml")) for rule in load(path)["rules"]]
    asked = intents | {"nlu_fallback"}
    kept = [
        rule
        for rule in rules
        if "condition" not in rule and {s["intent"] for s in rule["steps"] if "intent" in s} <= asked
    ]
    dump(folder / "data" / "rules" / "rules.yml", {"version": "3.1", "rules": kept})
