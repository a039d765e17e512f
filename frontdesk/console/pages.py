"""The console's pages: `/staff` and below."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse
from starlette.staticfiles import StaticFiles

from frontdesk.audit.log import Action, record
from frontdesk.chat import store
from frontdesk.console import (
    account,
    accounts,
    audit_pages,
    content,
    conversations,
    drafts,
    insight,
    lead_work,
    notifications,
    people,
    queue_pages,
    review,
    sign_in,
    system,
)
from frontdesk.console.conversations import ConversationIdDep
from frontdesk.console.guard import (
    HOME,
    ConsoleDep,
    ConsoleRoute,
    FormDep,
    PageRefused,
    SignedInDep,
    not_found,
    row_id,
    signed_in,
    signing_in,
)
from frontdesk.console.models import Staff
from frontdesk.console.queue_pages import PAGE_SIZE, STATUSES
from frontdesk.console.rendering import render
from frontdesk.console.sessions import SignedIn
from frontdesk.console.state import Console
from frontdesk.console.timeline import Step, timeline
from frontdesk.leads import repository
from frontdesk.leads.models import Lead, LeadStatus
from frontdesk.metrics import REFUSED
from frontdesk.outbox import store as outbox
from frontdesk.sms.staff import Part, TextRefused

log = structlog.get_logger(__name__)

LONGEST_NOTE = 4_000
LONGEST_SEARCH = 320
# The same words by the same person this soon are a button pressed twice.
SAME_NOTE_WITHIN = timedelta(minutes=1)
STATIC_FILES = StaticFiles(directory=Path(__file__).parent / "static")

open_pages = APIRouter(route_class=ConsoleRoute, include_in_schema=False)
# Whatever is added here needs somebody signed in, and on POST their form's token.
staff_pages = APIRouter(route_class=ConsoleRoute, include_in_schema=False, dependencies=[Depends(signed_in)])
# Whatever is added here is for those too whose second factor is still to come.
half_way_pages = APIRouter(route_class=ConsoleRoute, include_in_schema=False, dependencies=[Depends(signing_in)])


@dataclass(frozen=True)
class LeadPage:
    """One request, its conversations, and where it may go, the steps forward first.

    `parts` are the conversations from the same number, on whatever channel; empty when there is none, or the visitor
    deleted it. `next_step` is None when no step is the usual one. `no_text` is why no text may be sent to the number.
    """

    lead: Lead
    parts: list[Part]
    no_text: str | None
    steps: list[LeadStatus]
    next_step: LeadStatus | None
    timeline: list[Step]
    doubles: Sequence[Lead]  # other requests that may be the same person's
    everyone: Sequence[Staff]  # to whom it can be given


def lead_id_of(lead_id: str) -> str:
    """Return the id in an address; raise PageRefused 404 for what cannot be one."""
    return row_id(lead_id)


LeadIdDep = Annotated[str, Depends(lead_id_of)]


@open_pages.get("/staff/static/{name}")
async def static_file(request: Request, name: str) -> Response:
    """Return the style sheet, the icon or a script. Errors: 404."""
    response = await STATIC_FILES.get_response(name, request.scope)
    response.headers["Cache-Control"] = "no-cache"
    return response


@staff_pages.post("/staff/search")
def search(request: Request, console: ConsoleDep, staff: SignedInDep, form: FormDep) -> Response:
    """Show the requests with this name, phone number, e-mail address or reference, newest first."""
    text = form.get("text", "").strip()[:LONGEST_SEARCH]
    with console.database.session() as session:
        leads = repository.search(session, text, PAGE_SIZE + 1)
        # Not what was looked for: it says who somebody is.
        record(session, console.now(), staff.email, Action.LEADS_SEARCHED, count=len(leads[:PAGE_SIZE]))
    return render(request, "search.html", text=text, leads=leads[:PAGE_SIZE], is_cut=len(leads) > PAGE_SIZE)


@staff_pages.get("/staff/leads/{lead_id}")
def show_lead(request: Request, console: ConsoleDep, lead_id: LeadIdDep, staff: SignedInDep) -> Response:
    """Show one request with its notes, its history and its conversation, and note who saw it first. Errors: 404."""
    with console.database.session() as session:
        repository.note_seen(session, lead_id, staff.email, console.now())
        draft = drafts.waiting(session, staff.staff_id, lead_id)
    return _lead_page(request, console, staff, lead_id, typed=draft or "", has_draft=draft is not None)


@staff_pages.post("/staff/leads/{lead_id}/status")
def change_status(console: ConsoleDep, lead_id: LeadIdDep, staff: SignedInDep, form: FormDep) -> Response:
    """Move a request. Errors: 400 no such status, 404, 409 a step that is not allowed."""
    to_lead = (f"/staff/leads/{lead_id}", "Back to the request")
    wanted = STATUSES.get(form.get("status", ""))
    if wanted is None:
        raise PageRefused(400, "There is no such status", "Nothing was changed. Use the request's buttons.", to_lead)
    try:
        with console.database.session() as session:
            repository.change_status(session, lead_id, wanted, changed_by=staff.email)
            record(session, console.now(), staff.email, Action.LEAD_MOVED, lead_id, to=wanted.value)
    except repository.LeadNotFound as error:
        raise not_found() from error
    except repository.IllegalStatusChange as error:
        detail = f"{error} Somebody else may have changed it meanwhile: its page shows how it stands now."
        raise PageRefused(409, "The status was not changed", detail, to_lead) from error
    log.info("lead_status_changed", lead_id=lead_id, staff_id=staff.staff_id, status=wanted.value)
    return RedirectResponse(f"/staff/leads/{lead_id}#status", status_code=303)


@staff_pages.post("/staff/leads/{lead_id}/notes")
def add_note(request: Request, console: ConsoleDep, lead_id: LeadIdDep, staff: SignedInDep, form: FormDep) -> Response:
    """Attach a note. Errors: 404; 422 empty or too long, and then the page still holds what was typed."""
    typed = form.get("text", "")
    text = typed.strip()
    if not 1 <= len(text) <= LONGEST_NOTE:
        error = (
            f"The note has {len(text):,} characters; {LONGEST_NOTE:,} is the most. It was not saved."
            if text
            else "The note is empty. Write something first."
        )
        REFUSED.labels("422").inc()
        return _lead_page(request, console, staff, lead_id, status=422, typed=typed, error=error)
    try:
        with console.database.session() as session:
            lead = repository.find(session, lead_id)
            since = console.now() - SAME_NOTE_WITHIN
            if not any((n.author, n.text) == (staff.email, text) and n.created_at > since for n in lead.notes):
                repository.add_note(session, lead_id, text, author=staff.email)
                drafts.drop(session, staff.staff_id, lead_id)
                session.flush()
                record(session, console.now(), staff.email, Action.NOTE_ADDED, lead_id)
    except repository.LeadNotFound as not_there:
        raise not_found() from not_there
    return RedirectResponse(f"/staff/leads/{lead_id}#notes", status_code=303)


@staff_pages.post("/staff/leads/{lead_id}/texts")
def send_text(request: Request, console: ConsoleDep, lead_id: LeadIdDep, staff: SignedInDep, form: FormDep) -> Response:
    """Send a text to the number of a request. Errors: 404; 422 one that may not be sent: the page says why."""
    typed = form.get("text", "")
    try:
        with console.database.session() as session:
            text = console.texts.send(session, repository.find(session, lead_id), typed, staff.email, console.now())
            text_id = text.id
            session.flush()
            record(session, console.now(), staff.email, Action.TEXT_SENT, lead_id)
    except repository.LeadNotFound as not_there:
        raise not_found() from not_there
    except TextRefused as error:
        REFUSED.labels("422").inc()
        return _lead_page(request, console, staff, lead_id, status=422, typed_text=typed, text_error=str(error))
    log.info("staff_text_written", lead_id=lead_id, staff_id=staff.staff_id, text=text_id)
    return RedirectResponse(f"/staff/leads/{lead_id}#conversation", status_code=303)


@staff_pages.post("/staff/conversations/{conversation_id}/seen")
def alarm_seen(console: ConsoleDep, conversation_id: ConversationIdDep, staff: SignedInDep) -> Response:
    """Note who has seen the alarms of a conversation. Errors: 404."""
    with console.database.session() as session:
        if not store.has_alarm(session, conversation_id):
            raise not_found()
        store.note_seen(session, conversation_id, staff.email)
        record(session, console.now(), staff.email, Action.ALARM_SEEN, conversation_id)
    log.info("alarm_seen", conversation=conversation_id, staff_id=staff.staff_id)
    return RedirectResponse(HOME, status_code=303)


for subject in (
    queue_pages,
    lead_work,
    notifications,
    conversations,
    review,
    content,
    insight,
    account,
    people,
    audit_pages,
    system,
):
    staff_pages.include_router(subject.router)
half_way_pages.include_router(account.set_up_pages)


@staff_pages.api_route("/staff/{rest:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
def nothing_here(rest: str) -> Response:
    """Answer every other address below `/staff`, so that none of them is open by mistake."""
    if not rest:
        return RedirectResponse(HOME, status_code=303)
    raise not_found()


# In this order: the last of `staff_pages` takes every address that is left.
router = APIRouter()
router.include_router(open_pages)
router.include_router(sign_in.router)
router.include_router(account.clock_pages)
router.include_router(half_way_pages)
router.include_router(staff_pages)


def _lead_page(
    request: Request,
    console: Console,
    staff: SignedIn,
    lead_id: str,
    status: int = 200,
    typed: str = "",
    has_draft: bool = False,
    error: str | None = None,
    typed_text: str = "",
    text_error: str | None = None,
) -> Response:
    page = _load(console, staff, lead_id)
    return render(
        request,
        "lead.html",
        status_code=status,
        page=page,
        lead=page.lead,
        typed=typed,
        has_draft=has_draft,
        error=error,
        typed_text=typed_text,
        text_error=text_error,
    )


def _load(console: Console, staff: SignedIn, lead_id: str) -> LeadPage:
    texts = console.texts
    with console.database.session() as session:
        try:
            lead = repository.find(session, lead_id)
        except repository.LeadNotFound as error:
            raise not_found() from error
        parts, no_text = texts.parts_of_lead(session, lead), texts.why_not(session, lead)
        history = timeline(lead, outbox.events_about(session, lead_id))
        doubles = repository.likely_doubles(session, lead)
        everyone = [each for each in accounts.everyone(session) if each.disabled_at is None]
        record(session, console.now(), staff.email, Action.LEAD_VIEWED, lead_id)
    order = list(LeadStatus)
    allowed = [status for status in order if status in repository.ALLOWED_STEPS[lead.status]]
    forward = [status for status in allowed if order.index(status) > order.index(lead.status)]
    usual = [status for status in forward if status is not LeadStatus.SPAM]
    back = [status for status in allowed if status not in forward]
    return LeadPage(lead, parts, no_text, forward + back, usual[0] if usual else None, history, doubles, everyone)
