"""The console's reviews: the right topic for a visitor's message, and conversations that are kept as tests."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated

import sqlalchemy as sa
import structlog
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session

from frontdesk.audit.log import Action, record
from frontdesk.chat import store
from frontdesk.chat.models import Message, Sender
from frontdesk.console.conversations import ANSWERS, PAGE, ConversationIdDep, Understood, understood_of
from frontdesk.console.guard import ConsoleDep, ConsoleRoute, FormDep, PageRefused, not_found, row_id
from frontdesk.console.permissions import ReviewerDep
from frontdesk.console.rendering import render
from frontdesk.console.state import Console
from frontdesk.leads.models import Lead
from frontdesk.metrics import REFUSED
from frontdesk.processes import PROJECT
from frontdesk.review import stories
from frontdesk.review.cleaning import NEVER, Cleaned, cleaned
from frontdesk.review.models import Outcome, Review, SavedTest, Verdict
from frontdesk.review.topics import OUT_OF_SCOPE, Topic, by_group, topics
from frontdesk.safety.guard import DANGERS

log = structlog.get_logger(__name__)

LONGEST_EXAMPLE = 300
DANGER = "crisis/"

router = APIRouter(route_class=ConsoleRoute, include_in_schema=False)


@dataclass(frozen=True)
class Reviewed:
    """A visitor's message that is looked at, what followed it, and the names its conversation's requests gave."""

    message: Message
    replies: Sequence[Message]
    understood: Understood
    names: list[str]
    is_danger: bool


def message_id_of(message_id: str) -> str:
    """Return the id in an address; raise PageRefused 404 for what cannot be one."""
    return row_id(message_id)


MessageIdDep = Annotated[str, Depends(message_id_of)]


@router.get(f"{PAGE}/{{conversation_id}}/messages/{{message_id}}")
def show_review(
    request: Request,
    console: ConsoleDep,
    conversation_id: ConversationIdDep,
    message_id: MessageIdDep,
    staff: ReviewerDep,
) -> Response:
    """Show a message, what was understood, and what an example of it would be. Errors: 404."""
    with console.database.session() as session:
        _load(session, conversation_id, message_id)
        record(session, console.now(), staff.email, Action.CONVERSATION_VIEWED, conversation_id)
    return _page(request, console, conversation_id, message_id)


@router.post(f"{PAGE}/{{conversation_id}}/messages/{{message_id}}")
def save_review(
    request: Request,
    console: ConsoleDep,
    conversation_id: ConversationIdDep,
    message_id: MessageIdDep,
    staff: ReviewerDep,
    form: FormDep,
) -> Response:
    """Keep what somebody made of a message. Errors: 404; 422 what cannot be an example: the page says why."""
    verdict = form.get("verdict", "")
    if verdict not in {one.value for one in Verdict}:
        raise PageRefused(400, "The form could not be read", "Nothing was changed.", (PAGE, "Back to conversations"))
    text, topic = " ".join(form.get("text", "").split()), form.get("topic", "")
    with console.database.session() as session:
        seen = _load(session, conversation_id, message_id)
        problem = None
        if verdict == Verdict.EXAMPLE:
            problem = _problem(seen, text, topic, form.get("sure") == "yes", _today(console))
        if problem is None:
            review = session.get(Review, message_id) or Review(message_id=message_id)
            is_example = verdict == Verdict.EXAMPLE
            review.verdict, review.reviewed_by, review.reviewed_at = verdict, staff.email, console.now()
            review.topic, review.text = (topic, text) if is_example else (None, None)
            review.exported_at = None
            session.add(review)
            record(session, review.reviewed_at, staff.email, Action.MESSAGE_REVIEWED, conversation_id, verdict=verdict)
    if problem is not None:
        REFUSED.labels("422").inc()
        return _page(request, console, conversation_id, message_id, 422, text, topic, problem)
    log.info("message_reviewed", conversation=conversation_id, staff_id=staff.staff_id, verdict=verdict)
    return RedirectResponse(f"{PAGE}/{conversation_id}#m{seen.message.position}", status_code=303)


@router.get(f"{PAGE}/{{conversation_id}}/test")
def show_test(
    request: Request, console: ConsoleDep, conversation_id: ConversationIdDep, staff: ReviewerDep
) -> Response:
    """Show a conversation as a test would hold it. Errors: 404."""
    with console.database.session() as session:
        messages = _transcript(session, conversation_id)
        understood = understood_of(session, messages)
        names = _names(session, conversation_id)
        record(session, console.now(), staff.email, Action.CONVERSATION_VIEWED, conversation_id)
    turns = [(message.text, _right_topic(understood[message.id])) for message in messages if message.id in understood]
    day = _today(console)
    try:
        text = stories.story(
            f"a conversation of {day:%B %Y}: say here what has to stay true",
            turns,
            stories.actions(PROJECT),
            lambda said: cleaned(said, day, names).text,
        )
        problem = None
    except stories.NoStory as error:
        text, problem = "", str(error)
    return render(request, "conversation_test.html", conversation_id=conversation_id, text=text, problem=problem)


@router.post(f"{PAGE}/{{conversation_id}}/test")
def save_test(
    request: Request, console: ConsoleDep, conversation_id: ConversationIdDep, staff: ReviewerDep, form: FormDep
) -> Response:
    """Keep a conversation as a test. Errors: 404; 422 what Rasa could not read, or what is personal."""
    text = form.get("text", "")
    with console.database.session() as session:
        _transcript(session, conversation_id)
        names = _names(session, conversation_id)
        try:
            story = stories.checked(text, stories.actions(PROJECT), topics(PROJECT, ANSWERS))
            left = {kind for said in stories.said_in(story) for kind in cleaned(said, _today(console), names).removed}
            if left:
                raise stories.NoStory(f"There is still {', '.join(sorted(left))} in it. Take it out.")
        except stories.NoStory as error:
            REFUSED.labels("422").inc()
            context = {"conversation_id": conversation_id, "text": text, "problem": str(error)}
            return render(request, "conversation_test.html", status_code=422, **context)
        session.add(SavedTest(conversation_id=conversation_id, story=story, saved_by=staff.email))
        record(session, console.now(), staff.email, Action.TEST_KEPT, conversation_id)
    log.info("conversation_kept_as_test", conversation=conversation_id, staff_id=staff.staff_id)
    return RedirectResponse(f"{PAGE}/{conversation_id}?saved=yes", status_code=303)


def _page(
    request: Request,
    console: Console,
    conversation_id: str,
    message_id: str,
    status: int = 200,
    typed: str | None = None,
    topic: str | None = None,
    problem: str | None = None,
) -> Response:
    known = topics(PROJECT, ANSWERS)
    with console.database.session() as session:
        seen = _load(session, conversation_id, message_id)
    taken_out = cleaned(seen.message.text, _today(console), seen.names)
    review = seen.understood.review
    text = typed if typed is not None else review.text if review and review.text else taken_out.text
    return render(
        request,
        "review.html",
        status_code=status,
        conversation_id=conversation_id,
        seen=seen,
        taken_out=taken_out,
        text=text[:LONGEST_EXAMPLE] if typed is None else text,
        chosen=topic if topic is not None else _suggested(seen.understood, known),
        groups=by_group(known),
        out_of_scope=OUT_OF_SCOPE,
        longest=LONGEST_EXAMPLE,
        problem=problem,
        may_insist=bool(problem and typed and _personal(typed, _today(console), seen).removed),
        title_of=lambda name: known[name].title if name in known else name,
    )


def _problem(seen: Reviewed, text: str, topic: str, is_sure: bool, today: date) -> str | None:
    """Return why this cannot be an example, in words for staff; None when it can."""
    if seen.is_danger:
        return "Danger was noticed in this message. What is learned about danger is decided with a clinician, not here."
    if topic not in topics(PROJECT, ANSWERS):
        return "Choose what it is about, or “out of scope”."
    if not any(map(str.isalpha, text)):
        return "There are no words left to learn from. Say “Of no use for learning” instead."
    if len(text) > LONGEST_EXAMPLE:
        return f"An example has at most {LONGEST_EXAMPLE} characters: keep the sentence that asks."
    left = set(_personal(text, today, seen).removed)
    if left & NEVER or (left and not is_sure):
        return f"There is still {' and '.join(sorted(left))} in it. Take it out; no example needs it."
    if any(mark in text for mark in "[]{}"):
        return "Brackets stand for something else in examples. Leave them out."
    return None


def _personal(text: str, today: date, seen: Reviewed) -> Cleaned:
    return cleaned(text, today, seen.names)


def _load(session: Session, conversation_id: str, message_id: str) -> Reviewed:
    message = session.get(Message, message_id)
    if message is None or message.conversation_id != conversation_id or message.sender != Sender.VISITOR.value:
        raise not_found()
    understood = understood_of(session, [message]).get(message_id)
    if understood is None:
        raise not_found()
    replies = store.replies_to(session, message_id)
    levels = {(reply.content or {}).get("level") for reply in replies}
    levels.add(((message.understood or {}).get("safety") or {}).get("level"))
    is_danger = message.is_alarm or not levels.isdisjoint({level.value for level in DANGERS})
    return Reviewed(message, replies, understood, _names(session, conversation_id), is_danger)


def _names(session: Session, conversation_id: str) -> list[str]:
    return list(session.scalars(sa.select(Lead.full_name).where(Lead.conversation_id == conversation_id)))


def _transcript(session: Session, conversation_id: str) -> Sequence[Message]:
    try:
        return store.transcript(session, conversation_id)
    except store.ConversationNotFound as error:
        raise not_found() from error


def _suggested(understood: Understood, known: dict[str, Topic]) -> str:
    if understood.review is not None and understood.review.topic:
        return understood.review.topic
    named = [*understood.topics, *(name for name, _ in understood.candidates)]
    return next((name for name in named if name in known), "")


def _right_topic(understood: Understood) -> str | None:
    """Return what a message has to be understood as: what staff said, else what it was, if it was answered."""
    review = understood.review
    if review is not None and review.verdict == Verdict.EXAMPLE.value:
        return review.topic
    if understood.outcome in (Outcome.ANSWERED, Outcome.BEYOND, Outcome.TALK) and len(understood.topics) == 1:
        return understood.topics[0]
    return None


def _today(console: Console) -> date:
    return console.now().astimezone(console.zone).date()
