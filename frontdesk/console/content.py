"""The console's content: what patients are told, on what it rests, the clinic's facts, and proposing other words."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa
import structlog
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session

from frontdesk.audit.log import Action, record
from frontdesk.chat.messages import source_cited
from frontdesk.chat.models import Channel
from frontdesk.console.conversations import ANSWERS
from frontdesk.console.guard import ConsoleDep, ConsoleRoute, FormDep, PageRefused, SignedInDep, not_found
from frontdesk.console.permissions import EditorDep, can_edit_content
from frontdesk.console.rendering import render
from frontdesk.console.state import Console
from frontdesk.content.answers import Wording
from frontdesk.content.lint import Linted, lint
from frontdesk.content.models import Proposal
from frontdesk.content.profile import ChangedMeanwhile, Fact, FactRefused, Profile, in_words, is_key
from frontdesk.metrics import REFUSED

log = structlog.get_logger(__name__)

PAGE = "/staff/content"
LONGEST_WORDING = 4_000

router = APIRouter(route_class=ConsoleRoute, include_in_schema=False)


@dataclass(frozen=True)
class Unsaid:
    """A fact that is empty or out of date, and what patients are told meanwhile."""

    fact: Fact
    meanwhile: list[str]


@router.get(PAGE)
def show_content(request: Request, console: ConsoleDep, staff: SignedInDep) -> Response:
    """Show every answer by group, the reviews that are due, and the facts patients are not told."""
    today = console.now().astimezone(console.zone).date()
    with console.database.session() as session:
        facts = _profile(request).facts(session, console.now())
        waiting = session.scalar(sa.select(sa.func.count()).where(Proposal.exported_at.is_(None)))
    wordings = ANSWERS.wordings()
    groups: dict[str, dict[str, list[Wording]]] = {}
    for wording in wordings:
        group = groups.setdefault(wording.topic.partition("/")[0], {})
        group.setdefault(wording.topic, []).append(wording)
    return render(
        request,
        "content.html",
        groups=groups,
        title_of=lambda topic: ANSWERS.title(topic) or topic,
        due={wording.topic for wording in wordings if wording.is_due(today)},
        due_count=sum(wording.is_due(today) for wording in wordings),
        count=len(wordings),
        unsaid=unsaid(facts),
        known=[fact for fact in facts if fact.value is not None],
        label=label,
        in_words=in_words,
        waiting=waiting,
        can_edit=can_edit_content(staff),
    )


@router.get(f"{PAGE}/answers/{{group}}/{{name}}")
def show_answer(request: Request, console: ConsoleDep, staff: SignedInDep, group: str, name: str) -> Response:
    """Show an answer's wordings as patients read them now, what they rest on and who reviewed them. Errors: 404."""
    return _answer_page(request, console, f"{group}/{name}", can_edit_content(staff))


@router.post(f"{PAGE}/answers/{{group}}/{{name}}")
def propose(request: Request, console: ConsoleDep, staff: EditorDep, form: FormDep, group: str, name: str) -> Response:
    """Look at other words for an answer, and keep them as a proposal. Errors: 404; 422 words that may not be said."""
    topic, channel = f"{group}/{name}", form.get("channel", "")
    wording = next((one for one in ANSWERS.of(topic) if one.channel == channel), None)
    if wording is None:
        raise not_found()
    text = " ".join(form.get("text", "").split())[:LONGEST_WORDING]
    with console.database.session() as session:
        facts = _said(_profile(request).facts(session, console.now()))
    linted = lint(wording, text, facts)
    if form.get("check"):
        return _answer_page(request, console, topic, can_edit=True, tried=(channel, text, linted))
    if linted.problems:
        REFUSED.labels("422").inc()
        return _answer_page(request, console, topic, can_edit=True, status=422, tried=(channel, text, linted))
    same = (Proposal.topic == topic, Proposal.channel == channel, Proposal.exported_at.is_(None))
    with console.database.session() as session:
        session.execute(sa.delete(Proposal).where(*same))
        session.add(Proposal(topic=topic, channel=channel, text=text, replaces=wording.text, proposed_by=staff.email))
        record(session, console.now(), staff.email, Action.WORDING_PROPOSED, topic=topic, channel=channel)
    log.info("wording_proposed", topic=topic, channel=channel, staff_id=staff.staff_id)
    return RedirectResponse(f"{PAGE}/answers/{topic}#{channel}", status_code=303)


@router.get(f"{PAGE}/facts/{{key}}")
def show_fact(request: Request, console: ConsoleDep, staff: SignedInDep, key: str) -> Response:
    """Show a fact of the clinic, its history and the answers that say it. Errors: 404."""
    return _fact_page(request, console, key, can_edit_content(staff))


@router.post(f"{PAGE}/facts/{{key}}")
def change_fact(request: Request, console: ConsoleDep, staff: EditorDep, form: FormDep, key: str) -> Response:
    """Change a fact for everybody at once. Errors: 404; 409 somebody else did; 422 what may not be said."""
    typed, until_typed = form.get("text", ""), form.get("until", "").strip()
    lines = [" ".join(line.split()) for line in typed.splitlines() if line.strip()]
    value: str | list[str] | None = None if not lines or form.get("empty") else lines if len(lines) > 1 else lines[0]
    try:
        until = date.fromisoformat(until_typed) if until_typed else None
        _profile(request).change(key, value, until, staff.email, console.now(), form.get("seen", ""))
    except KeyError as error:
        raise not_found() from error
    except ChangedMeanwhile as error:
        raise PageRefused(
            409,
            "Somebody else has just changed this",
            "Nothing was changed. Look at what they wrote first.",
            (f"{PAGE}/facts/{key}", "See it as it is now"),
            kept=typed or None,
        ) from error
    except FactRefused as error:
        REFUSED.labels("422").inc()
        return _fact_page(request, console, key, True, status=422, typed=typed, until=until_typed, problem=str(error))
    except ValueError:
        REFUSED.labels("422").inc()
        problem = "The day cannot be read. Write it as 2026-12-31."
        return _fact_page(request, console, key, True, status=422, typed=typed, until=until_typed, problem=problem)
    log.info("clinic_fact_changed", key=key, staff_id=staff.staff_id)
    return RedirectResponse(f"{PAGE}/facts/{key}", status_code=303)


def unsaid(facts: list[Fact]) -> list[Unsaid]:
    """Return what patients are not told of the clinic, with what they are told instead."""
    found = []
    for fact in facts:
        if fact.value is None:
            said = [
                one.unknown(fact.key) for one in ANSWERS.wordings() if one.channel != "sms" and fact.key in one.keys
            ]
            found.append(Unsaid(fact, list(dict.fromkeys(filter(None, said)))))
    return found


def label(key: str) -> str:
    """Return a fact's name as people say it: `price_infusion` is "Price infusion"."""
    return key.replace("_", " ").capitalize().replace("url", "address on the web")


def _profile(request: Request) -> Profile:
    profile: Profile = request.app.state.profile
    return profile


def _said(facts: list[Fact]) -> Mapping[str, str]:
    return {fact.key: in_words(fact.value) for fact in facts if fact.value is not None}


def _answer_page(
    request: Request,
    console: Console,
    topic: str,
    can_edit: bool,
    status: int = 200,
    tried: tuple[str, str, Linted] | None = None,
) -> Response:
    wordings = ANSWERS.of(topic)
    if not wordings:
        raise not_found()
    with console.database.session() as session:
        facts = _said(_profile(request).facts(session, console.now()))
        proposals = _waiting(session, topic)
    return render(
        request,
        "answer.html",
        status_code=status,
        topic=topic,
        title=ANSWERS.title(topic) or topic,
        wordings=wordings,
        linted={one.channel: lint(one, one.text, facts) for one in wordings},
        proposals=proposals,
        tried={tried[0]: (tried[1], tried[2])} if tried else {},
        sources={name: source_cited(name) for one in wordings for name in one.metadata.get("sources") or []},
        today=console.now().astimezone(console.zone).date(),
        channels=[one.value for one in Channel],
        label=label,
        can_edit=can_edit,
    )


def _fact_page(
    request: Request,
    console: Console,
    key: str,
    can_edit: bool,
    status: int = 200,
    typed: str | None = None,
    until: str | None = None,
    problem: str | None = None,
) -> Response:
    if not is_key(key):
        raise not_found()
    with console.database.session() as session:
        facts = _profile(request).facts(session, console.now())
        fact = next((one for one in facts if one.key == key), None)
        if fact is None:
            raise not_found()
        history = _profile(request).history(session, key)
    said = _said(facts)
    written = fact.written
    change = fact.change
    return render(
        request,
        "fact.html",
        status_code=status,
        fact=fact,
        label=label,
        in_words=in_words,
        written_value=lambda one: in_words(json.loads(one)),
        history=history,
        typed=typed if typed is not None else _typed(written),
        until=until if until is not None else change.holds_until if change and change.holds_until else "",
        seen=change.id if change else "",
        problem=problem,
        said_in=[(one, one.said(said)) for one in ANSWERS.wordings() if key in one.keys],
        title_of=lambda topic: ANSWERS.title(topic) or topic,
        can_edit=can_edit,
    )


def _waiting(session: Session, topic: str) -> dict[str, Proposal]:
    query = sa.select(Proposal).where(Proposal.topic == topic, Proposal.exported_at.is_(None))
    return {one.channel: one for one in session.scalars(query)}


def _typed(value: Any) -> str:
    return "" if value is None else "\n".join(map(str, value)) if isinstance(value, list) else in_words(value)
