"""A conversation as a conversation test, in Rasa's format: see docs/contributing.md."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

LONGEST_STORY = 8_000
_STEP_KEYS = frozenset({"user", "intent", "action"})


class NoStory(Exception):
    """Nothing of a conversation can be a test, or a test is not written as Rasa reads it; the message says why."""


def actions(project: Path) -> dict[str, str]:
    """Return what answers each intent outside a form, by the rules in `data/rules/`."""
    found: dict[str, str] = {}
    for file in sorted((project / "data" / "rules").glob("*.yml")):
        for rule in yaml.safe_load(file.read_text(encoding="utf-8"))["rules"]:
            steps = rule["steps"]
            is_plain = len(steps) == 2 and "intent" in steps[0] and str(steps[1].get("action", "")).startswith("utter_")
            if is_plain and "condition" not in rule:
                found.setdefault(steps[0]["intent"], steps[1]["action"])
    return found


def story(
    name: str, turns: Iterable[tuple[str, str | None]], answers: Mapping[str, str], clean: Callable[[str], str]
) -> str:
    """Return a story of (what was said, the topic it has to be understood as); raise NoStory.

    What has no topic, or belongs to the form, is left out: its steps depend on more than the words.
    """
    steps: list[dict[str, str]] = []
    for text, topic in turns:
        said = clean(text)
        action = answers.get((topic or "").partition("/")[0])
        if topic and action and said:
            steps += [{"user": said, "intent": topic}, {"action": action}]
    if not steps:
        raise NoStory("Nothing in this conversation is answered by its topic alone, so there is nothing to test.")
    return yaml.safe_dump([{"story": name, "steps": steps}], sort_keys=False, allow_unicode=True, width=120)


def checked(text: str, answers: Mapping[str, str], topics: Mapping[str, Any]) -> str:
    """Return an edited story as it is kept; raise NoStory with what is wrong."""
    if len(text) > LONGEST_STORY:
        raise NoStory(f"It is too long: {LONGEST_STORY:,} characters are the most.")
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise NoStory("It cannot be read as YAML. Keep the dashes and the indentation as they were.") from error
    is_whole = isinstance(content, list) and len(content) == 1 and isinstance(content[0], dict)
    if not is_whole or set(content[0]) != {"story", "steps"} or not str(content[0]["story"]).strip():
        raise NoStory("It has to be one `story` with its name and its `steps`.")
    _check_steps(content[0]["steps"], answers, topics)
    content[0]["story"] = " ".join(str(content[0]["story"]).split())
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)


def said_in(text: str) -> list[str]:
    """Return what is said in a story that `checked` has returned."""
    return [step["user"] for step in yaml.safe_load(text)[0]["steps"] if "user" in step]


def _check_steps(steps: Any, answers: Mapping[str, str], topics: Mapping[str, Any]) -> None:
    if not isinstance(steps, Sequence) or not steps or isinstance(steps, str):
        raise NoStory("There are no steps.")
    for step in steps:
        if (
            not isinstance(step, dict)
            or not set(step) <= _STEP_KEYS
            or not all(isinstance(v, str) for v in step.values())
        ):
            raise NoStory("A step is either `user` with `intent`, or `action`.")
        if "user" in step and step.get("intent") not in topics:
            raise NoStory(f"{step.get('intent') or 'A step without `intent`'} is no topic.")
        if "action" in step and step["action"] not in answers.values():
            raise NoStory(f"{step['action']} is nothing that is said by itself.")
