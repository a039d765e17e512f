"""What a message can be about: the topics that have examples in `data/nlu/`, with their titles."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from frontdesk.content.answers import Answers

OUT_OF_SCOPE = "out_of_scope"
TALK = "talk"


@dataclass(frozen=True)
class Topic:
    """A topic's name and title, and the file of its examples."""

    name: str
    title: str
    file: Path


def topics(project: Path, answers: Answers) -> dict[str, Topic]:
    """Return every topic by its name, in the order of the names; small talk is without its folder's."""
    root = project / "data" / "nlu"
    found: dict[str, Topic] = {}
    for file in sorted(root.rglob("*.yml")):
        name = file.relative_to(root).with_suffix("").as_posix().removeprefix(f"{TALK}/")
        found[name] = Topic(name, answers.title(name) or name.rpartition("/")[2].replace("_", " ").capitalize(), file)
    return found


def by_group(known: Mapping[str, Topic]) -> dict[str, list[Topic]]:
    """Return the topics by group, as a list to choose from shows them; small talk is the last."""
    groups: dict[str, list[Topic]] = {}
    for topic in known.values():
        if topic.name != OUT_OF_SCOPE:
            group = topic.name.partition("/")[0] if "/" in topic.name else TALK
            groups.setdefault(group, []).append(topic)
    return dict(sorted(groups.items(), key=lambda item: (item[0] == TALK, item[0])))
