"""`python -m bot.check`: is everything that is said to patients fit to be said? Quick, before training or starting.

Checks the clinic's profile, the lists in `data/language/`, that every topic with examples has an answer and the other
way round, that related topics exist, and that each answer only asks the profile for facts the profile can hold. Exit
code 1 and one line a problem on stderr.
"""

import string
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Set

import yaml

from bot.clinic import PROJECT, ClinicProfileError, profile_path, read_profile
from bot.nlu import language_files
from bot.nlu.language_files import LanguageFileError

_ANSWER_PREFIX = "utter_"
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def problems(project: Path, profile: Path) -> Iterator[str]:
    """Yield one line for each thing to be mended."""
    try:
        read_profile(profile)
    except ClinicProfileError as error:
        yield str(error)
    for read in (
        lambda: language_files.spelling_rules(project / "data" / "language" / "spelling.yml"),
        lambda: language_files.entities(project / "data" / "language" / "entities.yml"),
    ):
        try:
            read()
        except LanguageFileError as error:
            yield str(error)
    contents: Dict[Path, Any] = {}
    for path in sorted(path for folder in ("nlu", "answers") for path in (project / "data" / folder).rglob("*.yml")):
        try:
            text = path.read_text(encoding="utf-8")
            contents[path] = yaml.load(text, Loader=_Loader) or {}  # noqa: S506 # a safe loader, the quick one
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            yield f"{path.relative_to(project)} cannot be read: {error}"
    asked: Set[str] = set()
    answered: Set[str] = set()
    related: Dict[str, Set[str]] = {}
    for path, content in contents.items():
        where = path.relative_to(project)
        try:
            asked |= {entry["intent"] for entry in content.get("nlu", []) if "/" in entry.get("intent", "")}
            for name, variants in content.get("responses", {}).items():
                answered.add(name[len(_ANSWER_PREFIX) :])
                related[f"{where}: {name}"] = {
                    topic for variant in variants for topic in (variant.get("metadata") or {}).get("related") or []
                }
                yield from (f"{where}: {name} {problem}" for problem in _wrong_facts(variants))
        except (AttributeError, KeyError, TypeError) as error:
            yield f"{where} is not built as Rasa reads it ({type(error).__name__}: {error})."
    for place, topics in related.items():
        for topic in sorted(topics - answered):
            yield f"{place} names {topic} under `related`, which has no answer."
    for topic in sorted(asked - answered):
        yield f"{topic} has examples in data/nlu/ but no answer in data/answers/."
    for topic in sorted(answered - asked):
        yield f"{topic} has an answer in data/answers/ but no examples in data/nlu/, so nobody would ever get it."


def _wrong_facts(variants: List[Mapping[str, Any]]) -> Iterator[str]:
    for variant in variants:
        for fact in (variant.get("metadata") or {}).get("facts") or []:
            for key in sorted(_placeholders(fact["say"]) - set(fact["needs"])):
                yield f"says {{{key}}} without listing it under `needs`."
            for key in sorted(_placeholders(fact.get("otherwise") or "")):
                yield f"says {{{key}}} in `otherwise`, where it may be unknown."


def _placeholders(text: str) -> Set[str]:
    return {key for _, key, _, _ in string.Formatter().parse(text) if key}


def main() -> int:
    """Print what is wrong; return the exit code."""
    found = list(problems(PROJECT, profile_path()))
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
