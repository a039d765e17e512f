"""The answers of `data/answers/` as staff read them: what is said, on what it rests, who reviewed it and when."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import yaml

from frontdesk.settings import SettingsError

# Medicine changes: whoever reviewed an answer looks at it again after a year.
REVIEW_AGAIN_AFTER = timedelta(days=365)
CLINIC = "{clinic}"
_PREFIX = "utter_"
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Wording:
    """One wording of an answer. `channel` is "widget" or "sms"."""

    topic: str
    channel: str
    text: str
    metadata: Mapping[str, Any]
    file: Path

    @property
    def reviewed_by(self) -> str | None:
        """Who at the clinic approved it."""
        return self.metadata.get("reviewed_by")

    @property
    def reviewed_on(self) -> date | None:
        """When."""
        on = self.metadata.get("reviewed_on")
        return on if isinstance(on, date) else None

    def is_due(self, today: date) -> bool:
        """Tell whether it was never reviewed, or too long ago."""
        return self.reviewed_on is None or today - self.reviewed_on > REVIEW_AGAIN_AFTER

    @property
    def keys(self) -> list[str]:
        """The facts of the profile it can say."""
        return list(dict.fromkeys(key for fact in self.metadata.get("facts") or [] for key in fact["needs"]))

    def said(self, facts: Mapping[str, str]) -> str:
        """Return what a patient reads with these facts; as `bot.responses` does it."""
        sentences = [
            fact["say"].format_map(facts) if set(fact["needs"]) <= set(facts) else fact.get("otherwise", "")
            for fact in self.metadata.get("facts") or []
        ]
        about = " ".join(filter(None, sentences)) or self.metadata.get("if_unknown", "")
        return self.text.replace(CLINIC, about).strip()

    def unknown(self, key: str) -> str:
        """Return what is said while this fact is empty; nothing when the sentence is only left out."""
        otherwise = [fact.get("otherwise", "") for fact in self.metadata.get("facts") or [] if key in fact["needs"]]
        return " ".join(filter(None, otherwise)) or str(self.metadata.get("if_unknown", ""))


@dataclass
class Answers:
    """Every answer, read again when a file has changed."""

    project: Path
    _stamp: tuple[tuple[str, int], ...] = ()
    _wordings: list[Wording] = field(default_factory=list)

    def wordings(self) -> list[Wording]:
        """Return all wordings in the order of the files; raise SettingsError."""
        files = sorted((self.project / "data" / "answers").glob("*.yml"))
        stamp = tuple((str(file), file.stat().st_mtime_ns) for file in files)
        if stamp != self._stamp:
            self._wordings = [wording for file in files for wording in _read(file)]
            self._stamp = stamp
        return self._wordings

    def of(self, topic: str) -> list[Wording]:
        """Return the wordings of a topic, that for the page first."""
        return [wording for wording in self.wordings() if wording.topic == topic]

    def title(self, topic: str) -> str | None:
        """Return a topic's title."""
        return next((w.metadata["title"] for w in self.of(topic) if w.metadata.get("title")), None)


def _read(file: Path) -> list[Wording]:
    try:
        content = yaml.load(file.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 # a safe one, the quick one
        return [
            Wording(
                topic=name.removeprefix(_PREFIX),
                channel=wording.get("channel", "widget"),
                text=" ".join(str(wording["text"]).split()),
                metadata=wording.get("metadata") or {},
                file=file,
            )
            for name, wordings in content["responses"].items()
            for wording in wordings
        ]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(f"{file} cannot be read: {error!r}") from error
