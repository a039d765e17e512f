"""Other words in a file of answers, with everything else in it as it was: its comments, its order, its quotes."""

import textwrap

import yaml

WIDTH = 120
_UNREVIEWED = {"reviewed_by": "null", "reviewed_on": "null"}


class WordingNotFound(Exception):
    """The words to be replaced are not in the file; the message says what is there instead."""


def replaced(content: str, topic: str, channel: str, before: str, words: str) -> str:
    """Return a file of answers with new words for a topic on a channel ("widget" or "sms"), not yet reviewed.

    Raises WordingNotFound when the answer is gone, or no longer what it was when the words were proposed.
    """
    wording = _wording(content, topic, channel)
    if wording is None:
        raise WordingNotFound("there is no such answer any more")
    text = wording["text"]
    if " ".join(text.value.split()) != before:
        raise WordingNotFound("the answer was changed since these words were proposed for it")
    indent = " " * _indent_of(content, text.start_mark.line)
    lines = textwrap.wrap(words, WIDTH - len(indent) - 2, break_long_words=False, break_on_hyphens=False)
    folded = ">-\n" + "\n".join(f"{indent}  {line}" for line in lines) + "\n"
    edits = [(text, folded if _is_block(content, text) else folded.rstrip("\n"))]
    metadata = wording.get("metadata")
    if isinstance(metadata, yaml.MappingNode):
        inside = {key.value: value for key, value in metadata.value}
        edits += [(inside[name], empty) for name, empty in _UNREVIEWED.items() if name in inside]
    for node, new in sorted(edits, key=lambda edit: -edit[0].start_mark.index):
        content = content[: node.start_mark.index] + new + content[_end(content, node) :]
    return content


def _wording(content: str, topic: str, channel: str) -> dict[str, yaml.Node] | None:
    root = yaml.compose(content, Loader=yaml.SafeLoader)
    responses = next((value for key, value in root.value if key.value == "responses"), None) if root else None
    for name, wordings in responses.value if responses is not None else []:
        if name.value != f"utter_{topic}":
            continue
        for entry in wordings.value:
            parts = {key.value: value for key, value in entry.value}
            if (parts["channel"].value if "channel" in parts else "widget") == channel:
                return parts
    return None


def _is_block(content: str, node: yaml.Node) -> bool:
    return content[node.start_mark.index] in ">|"


def _end(content: str, node: yaml.Node) -> int:
    """Return where a value ends: a block's mark is at the next key, behind its indentation."""
    end: int = node.end_mark.index
    return content.rfind("\n", 0, end) + 1 if _is_block(content, node) and end < len(content) else end


def _indent_of(content: str, line: int) -> int:
    text = content.split("\n")[line]
    return len(text) - len(text.lstrip(" -"))
