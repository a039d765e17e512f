"""Conversations to look at in the console, as they were."""

import re
from datetime import datetime
from typing import Any

from fastapi.testclient import TestClient
from httpx import Response

from frontdesk.chat import store
from frontdesk.chat.models import Channel
from frontdesk.db import Database, utc_now

ANSWER = {"kind": "answer", "text": "About an hour.", "topics": ["session/duration"], "buttons": []}
FALLBACK: dict[str, Any] = {"kind": "fallback", "text": "Not sure.", "buttons": []}
CRISIS = {"kind": "safety", "level": "crisis", "text": "Please call 988.", "buttons": []}


def understood(intent: str, confidence: float = 0.9, *candidates: str) -> dict[str, Any]:
    topics = [intent] if "/" in intent else []
    ranking = [{"name": name, "confidence": 0.3} for name in (intent, *candidates)]
    return {"intent": intent, "confidence": confidence, "topics": topics, "ranking": ranking}


def said(
    database: Database,
    text: str,
    reply: dict[str, Any],
    known: dict[str, Any] | None = None,
    *,
    conversation: str | None = None,
    channel: Channel = Channel.WIDGET,
    helpful: bool | None = None,
    at: datetime | None = None,
) -> tuple[str, str]:
    """Leave a message with its reply; return the ids of the conversation and the message."""
    with database.session() as session:
        conversation = conversation or store.start_conversation(session, channel).id
        message = store.add_inbound(session, conversation, text, client_id=None)
        message.created_at = at or utc_now()
        session.flush()
        (answer,) = store.add_replies(session, message, [reply], known)
        answer.helpful = helpful
        return conversation, message.id


def address_of(message: tuple[str, str]) -> str:
    return f"/staff/conversations/{message[0]}/messages/{message[1]}"


def post(client: TestClient, path: str, **fields: str) -> Response:
    """Send a form of the console with its token."""
    csrf = re.findall(r'name="csrf" value="([^"]+)"', client.get("/staff").text)[0]
    return client.post(path, data={"csrf": csrf, **fields})
