"""The console's conversations: all of them, found by what became of their messages, and each as it was understood."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import sqlalchemy as sa
import structlog
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session

from frontdesk.audit.log import Action, record
from frontdesk.chat import store
from frontdesk.chat.models import Channel, Message, Sender
from frontdesk.console.guard import ConsoleDep, ConsoleRoute, SignedInDep, not_found, row_id
from frontdesk.console.permissions import ReviewerDep, can_review
from frontdesk.console.rendering import SAFETY_LEVELS, render
from frontdesk.content.answers import Answers
from frontdesk.processes import PROJECT
from frontdesk.review.finding import REVIEWABLE, Filters, find
from frontdesk.review.models import QUESTIONS, Review, Turn, Verdict
from frontdesk.review.topics import by_group, topics
from frontdesk.review.turns import topics_of
from frontdesk.sms.store import not_delivered, recent

log = structlog.get_logger(__name__)

PAGE = "/staff/conversations"
PAGE_SIZE = 50
CANDIDATES_SHOWN = 4
ANSWERS = Answers(PROJECT)

_PAGE_NUMBER = re.compile(r"[1-9][0-9]{0,4}")
_YES = "yes"
_MARKS = ("fallback", "unsure", "unreviewed", "unhelpful")

router = APIRouter(route_class=ConsoleRoute, include_in_schema=False)


@dataclass(frozen=True)
class Understood:
    """What was understood of a visitor's message, and what somebody made of that."""

    topics: Sequence[str]
    confidence: float | None
    candidates: Sequence[tuple[str, float]]
    outcome: str
    review: Review | None
    can_be_reviewed: bool
    is_waiting: bool  # for a review


def conversation_id_of(conversation_id: str) -> str:
    """Return the id in an address; raise PageRefused 404 for what cannot be one."""
    return row_id(conversation_id)


ConversationIdDep = Annotated[str, Depends(conversation_id_of)]


@router.get(PAGE)
def list_conversations(request: Request, console: ConsoleDep, staff: ReviewerDep) -> Response:
    """Show the conversations that the address asks for, the newest first. Errors: 404 for what cannot be asked."""
    asked = request.query_params
    number = asked.get("page", "1")
    known = topics(PROJECT, ANSWERS)
    filters = filters_of(asked, console.zone, known)
    if filters is None or not _PAGE_NUMBER.fullmatch(number):
        raise not_found()
    first = (int(number) - 1) * PAGE_SIZE
    shown = {key: asked[key] for key in ("channel", "from", "to", "topic", "level", *_MARKS) if asked.get(key)}
    with console.database.session() as session:
        found = find(session, filters, PAGE_SIZE + 1, first)
        if found:
            count = len(found[:PAGE_SIZE])
            record(session, console.now(), staff.email, Action.CONVERSATIONS_LISTED, view=urlencode(shown), count=count)
    return render(
        request,
        "conversations.html",
        found=found[:PAGE_SIZE],
        has_older=len(found) > PAGE_SIZE,
        page=int(number),
        asked=shown,
        groups=by_group(known),
        levels=SAFETY_LEVELS,
    )


@router.get(f"{PAGE}/{{conversation_id}}")
def show_conversation(
    request: Request, console: ConsoleDep, conversation_id: ConversationIdDep, staff: SignedInDep
) -> Response:
    """Show what was said and what was understood of it. Errors: 404.

    Whoever may not review sees those with danger, or where an answer is missing or did not arrive.
    """
    with console.database.session() as session:
        is_lost = any(text.conversation_id == conversation_id for text in not_delivered(session, recent(console.now())))
        if not (can_review(staff) or is_lost or store.concerns_staff(session, conversation_id)):
            raise not_found()
        parts = console.texts.parts_of_conversation(session, conversation_id)
        own = next((part.messages for part in parts if part.conversation.id == conversation_id), None)
        if own is None:
            raise not_found()
        understood = understood_of(session, own) if can_review(staff) else {}
        record(session, console.now(), staff.email, Action.CONVERSATION_VIEWED, conversation_id)
    return render(
        request,
        "conversation.html",
        conversation_id=conversation_id,
        parts_of_person=parts,
        understood=understood,
        can_review=can_review(staff),
        to_review=sum(one.is_waiting for one in understood.values()),
        saved="saved" in request.query_params,
        is_open=any(message.is_alarm and message.alarm_seen_by is None for message in own),
        title_of=lambda topic: ANSWERS.title(topic) or topic,
    )


@router.post(f"{PAGE}/{{conversation_id}}/reviewed")
def all_right(console: ConsoleDep, conversation_id: ConversationIdDep, staff: ReviewerDep) -> Response:
    """Note of every message nobody has looked at yet that it was understood rightly. Errors: 404."""
    with console.database.session() as session:
        try:
            messages = store.transcript(session, conversation_id)
        except store.ConversationNotFound as error:
            raise not_found() from error
        for message_id, one in understood_of(session, messages).items():
            if one.is_waiting:
                session.add(Review(message_id=message_id, verdict=Verdict.RIGHT.value, reviewed_by=staff.email))
        record(session, console.now(), staff.email, Action.CONVERSATION_REVIEWED, conversation_id)
    log.info("conversation_reviewed", conversation=conversation_id, staff_id=staff.staff_id)
    return RedirectResponse(f"{PAGE}/{conversation_id}", status_code=303)


def understood_of(session: Session, messages: Sequence[Message]) -> dict[str, Understood]:
    """Return what was understood of each of the visitor's messages, by its id."""
    ids = [message.id for message in messages if message.sender == Sender.VISITOR.value and message.answered]
    turns = {turn.message_id: turn for turn in session.scalars(sa.select(Turn).where(Turn.message_id.in_(ids)))}
    reviews = {one.message_id: one for one in session.scalars(sa.select(Review).where(Review.message_id.in_(ids)))}
    found = {}
    for message in messages:
        turn = turns.get(message.id)
        if turn is None:
            continue
        known: Mapping[str, Any] = message.understood or {}
        ranking = [(str(one["name"]), float(one["confidence"])) for one in known.get("ranking") or []]
        topics_here = topics_of(known)
        found[message.id] = Understood(
            topics=topics_here,
            confidence=turn.confidence,
            candidates=[one for one in ranking if one[0] not in {*topics_here, "nlu_fallback"}][:CANDIDATES_SHOWN],
            outcome=turn.outcome,
            review=reviews.get(message.id),
            can_be_reviewed=turn.outcome in REVIEWABLE and turn.confidence is not None,
            is_waiting=turn.outcome in QUESTIONS and turn.confidence is not None and message.id not in reviews,
        )
    return found


def filters_of(asked: Mapping[str, str], zone: ZoneInfo, known: Mapping[str, Any]) -> Filters | None:
    """Return what an address asks for; None for what cannot be asked."""
    since, until = day_of(asked.get("from"), zone), day_of(asked.get("to"), zone)
    channel, topic, level = (asked.get(name) or None for name in ("channel", "topic", "level"))
    if (
        (asked.get("from") and since is None)
        or (asked.get("to") and until is None)
        or (channel and channel not in {one.value for one in Channel})
        or (topic and topic not in known)
        or (level and level not in SAFETY_LEVELS)
        or any(asked.get(mark) not in (None, "", _YES) for mark in _MARKS)
    ):
        return None
    marks = {mark: asked.get(mark) == _YES for mark in _MARKS}
    return Filters(channel, since, until + timedelta(days=1) if until else None, topic, level, **marks)


def day_of(text: str | None, zone: ZoneInfo) -> datetime | None:
    """Return the beginning of a day by the clinic's clock; None for what is no day."""
    try:
        return datetime.combine(date.fromisoformat(text or ""), time(), zone)
    except ValueError:
        return None
