"""The lists in `data/language/`: how people spell, and what things are called."""

from pathlib import Path
from typing import Any, Dict, List

import yaml

from bot.clinic import PROJECT
from bot.nlu.spelling import SpellingRules

LANGUAGE = PROJECT / "data" / "language"
SPELLING_FILE = LANGUAGE / "spelling.yml"
ENTITIES_FILE = LANGUAGE / "entities.yml"

Entities = Dict[str, Dict[str, List[str]]]


class LanguageFileError(Exception):
    """A list in `data/language/` is broken; the message names the file and what is wrong with it."""


def spelling_rules(path: Path = SPELLING_FILE) -> SpellingRules:
    """Read how people spell; raises LanguageFileError."""
    try:
        return SpellingRules(_read(path))
    except ValueError as error:
        raise LanguageFileError(f"{path}: {error}.") from error


def entities(path: Path = ENTITIES_FILE) -> Entities:
    """Return `{entity: {value: [other ways to write it]}}`; raises LanguageFileError."""
    content = _read(path)
    for entity, values in content.items():
        if not isinstance(values, dict):
            raise LanguageFileError(f"{path}: `{entity}` has to be a list of `value: [other ways to write it]` lines.")
        for value, others in values.items():
            if not isinstance(value, str) or not all(isinstance(other, str) for other in _listed(path, value, others)):
                raise LanguageFileError(f"{path}: `{entity}`, `{value}`: only text can be recognised.")
    return content


def _listed(path: Path, value: Any, others: Any) -> List[Any]:
    if not isinstance(others, list):
        raise LanguageFileError(f"{path}: `{value}` needs a list, `[]` if there is no other way to write it.")
    return others


def _read(path: Path) -> Dict[str, Any]:
    try:
        # All is text here: `on` and `no` are words, and never true and false.
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)  # noqa: S506 # makes text only
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise LanguageFileError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise LanguageFileError(f"{path} has to be a mapping.")
    return content
