"""From Rasa's replies to the messages of the chat API."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from frontdesk.settings import PROJECT, SettingsError

SOURCES = PROJECT / "data" / "sources.yml"

KINDS = frozenset({"answer", "question", "safety", "fallback", "confirmation", "say"})
# What a message knows that is no client's business.
INTERNAL = frozenset({"call_back"})
_ANSWER_PREFIX = "utter_"


def from_rasa(reply: dict[str, Any]) -> dict[str, Any]:
    """Return one message of the chat API, its buttons still with the words they stand for.

    `reply` is one message of the channel: `text`, `response`, `metadata`, `buttons`, perhaps `lead`.
    """
    metadata = reply.get("metadata") or {}
    kind = metadata.get("kind", "say")
    if kind not in KINDS:
        raise ValueError(f"the response {reply.get('response')} has the unknown kind {kind!r}")
    message: dict[str, Any] = {"kind": kind, "text": reply["text"]}
    topic = (reply.get("response") or "").removeprefix(_ANSWER_PREFIX)
    if metadata.get("topics"):
        message["topics"] = list(metadata["topics"])
    elif "/" in topic and kind != "fallback" and not topic.startswith("beyond/"):
        message["topics"] = [topic]
    if kind == "answer":
        message["sources"] = list(metadata.get("sources") or [])
    for key in ("field", "level"):
        if key in metadata:
            message[key] = metadata[key]
    if kind == "confirmation" and reply.get("lead"):
        message["lead"] = reply["lead"]
    # A request that is read back: its fields one by one, so that each can be shown, and changed, by itself.
    if rows := (reply.get("custom") or {}).get("summary"):
        message["summary"] = rows
    message["buttons"] = [
        {key: button[key] for key in ("title", "payload", "topic") if key in button}
        for button in reply.get("buttons") or []
    ]
    return message


def public(message: dict[str, Any], message_id: str, position: int | None = None) -> dict[str, Any]:
    """Return a message as a client gets it: each button's payload is an id that only this conversation knows.

    `seq` is its place in the conversation; a message that was not kept has neither `seq` nor `id`.
    """
    buttons = [
        {"title": button["title"], "payload": f"{message_id}.{number}"}
        for number, button in enumerate(message.get("buttons") or [])
    ]
    shown = {key: value for key, value in message.items() if key not in INTERNAL} | {"buttons": buttons}
    if message.get("sources"):
        shown["citations"] = [source_cited(source) for source in message["sources"]]
    if position is not None:
        shown |= {"id": message_id, "seq": position}
    return shown


def source_cited(source: str) -> dict[str, str]:
    """Return `title`, `publisher` and `year` of a source; only its name as the title when nothing else is known."""
    return known_sources().get(source) or {"title": source}


@cache
def known_sources(path: Path = SOURCES) -> dict[str, dict[str, str]]:
    """Read what the sources of the answers are; raise SettingsError."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return {
            name: {key: _brief(key, source[key]) for key in ("title", "publisher", "year") if source.get(key)}
            for name, source in content.items()
        }
    except (OSError, UnicodeDecodeError, yaml.YAMLError, AttributeError, TypeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from error


def _brief(key: str, value: object) -> str:
    return str(value).partition("-")[0] if key == "year" else str(value)
