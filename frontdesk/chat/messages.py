"""From Rasa's replies to the messages of the chat API."""

from typing import Any

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
    message["buttons"] = [
        {key: button[key] for key in ("title", "payload", "topic") if key in button}
        for button in reply.get("buttons") or []
    ]
    return message


def public(message: dict[str, Any], message_id: str) -> dict[str, Any]:
    """Return a message as a client gets it: each button's payload is an id that only this conversation knows."""
    buttons = [
        {"title": button["title"], "payload": f"{message_id}.{number}"}
        for number, button in enumerate(message.get("buttons") or [])
    ]
    return {key: value for key, value in message.items() if key not in INTERNAL} | {"buttons": buttons}
