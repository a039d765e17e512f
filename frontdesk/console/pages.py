"""The console's pages: `/staff` and below."""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import structlog
from anyio import to_thread
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool
from starlette.staticfiles import StaticFiles

from frontdesk.chat import store
from frontdesk.console import accounts, content, conversations, insight, notifications, review, sessions
from frontdesk.console.conversations import ConversationIdDep
from frontdesk.console.guard import (
    COOKIE,
    HOME,
    SIGN_IN,
    ConsoleDep,
    ConsoleRoute,
    FormDep,
    PageRefused,
    SignedInDep,
    is_secure,
    not_found,
    place,
    row_id,
    signed_in,
)
from frontdesk.console.rendering import render
from frontdesk.console.sessions import SignedOut
from frontdesk.console.state import Console
from frontdesk.console.timeline import Step, timeline
from frontdesk.db import Database
from frontdesk.leads import repository
from frontdesk.leads.models import Lead, LeadStatus
from frontdesk.limits import TooManyRequests
from frontdesk.metrics import REFUSED
from frontdesk.outbox import store as outbox
from frontdesk.sms.staff import Part, StaffTexts, TextRefused
from frontdesk.sms.store import not_delivered, recent

log = structlog.get_logger(__name__)

PAGE_SIZE = 50
LONGEST_NOTE = 4_000
LONGEST_SEARCH = 320
# The same words by the same person this soon are a button pressed twice.
SAME_NOTE_WITHIN = timedelta(minutes=1)
STATIC_FILES = StaticFiles(directory=Path(__file__).parent / "static")

_STATUSES = {status.value: status for status in LeadStatus}
_PAGE_NUMBER = re.compile(r"[1-9][0-9]{0,5}")

open_pages = APIRouter(route_class=ConsoleRoute, include_in_schema=False)
# Whatever is added here needs somebody signed in, and on POST their form's token.
staff_pages = APIRouter(route_class=ConsoleRoute, include_in_schema=False, dependencies=[Depends(signed_in)])


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


def lead_id_of(lead_id: str) -> str:
    """Return the id in an address; raise PageRefused 404 for what cannot be one."""
    return row_id(lead_id)


LeadIdDep = Annotated[str, Depends(lead_id_of)]


@open_pages.get("/staff/static/{name}")
async def static_file(request: Request, name: str) -> Response:
    """Return the style sheet or the icon. Errors: 404."""
    response = await STATIC_FILES.get_response(name, request.scope)
    response.headers["Cache-Control"] = "no-cache"
    return response


@open_pages.get("/staff/sign-in")
async def show_sign_in(request: Request, console: ConsoleDep) -> Response:
    """Show the form, or the requests to somebody who is signed in."""
    try:
        await signed_in(request, console)
    except SignedOut:
        return await run_in_threadpool(_sign_in_form, request, console, request.query_params.get("next", ""))
    return RedirectResponse(HOME, status_code=303)


@open_pages.post("/staff/sign-in")
async def sign_in(request: Request, console: ConsoleDep, form: FormDep) -> Response:
    """Sign somebody in. Errors: 401 wrong e-mail or password, 429 too many tries."""
    email, password = form.get("email", ""), form.get("password", "")
    try:
        console.address_limit.count(_network(request))
        console.account_limit.count(accounts.account_name(email)[: accounts.LONGEST_EMAIL])
        staff = await to_thread.run_sync(
            accounts.authenticate, console.database, email, password, limiter=console.passwords
        )
    except accounts.WrongCredentials:
        log.warning("staff_sign_in_refused", reason="wrong_credentials")
        error = "The e-mail address or the password is not right."
        return await run_in_threadpool(_sign_in_form, request, console, form.get("next", ""), 401, email, error)
    except TooManyRequests as wait:
        log.warning("staff_sign_in_refused", reason="too_many")
        error = f"Too many tries. Please wait {wait.retry_after_seconds} seconds, then sign in again."
        response = await run_in_threadpool(_sign_in_form, request, console, form.get("next", ""), 429, email, error)
        response.headers["Retry-After"] = str(wait.retry_after_seconds)
        return response
    token = await run_in_threadpool(_start, console, staff.id, request.cookies.get(COOKIE))
    log.info("staff_signed_in", staff_id=staff.id)
    response = RedirectResponse(place(form.get("next", "")), status_code=303)
    response.set_cookie(COOKIE, token, path=HOME, httponly=True, samesite="strict", secure=is_secure(request, console))
    return response


@staff_pages.post("/staff/sign-out")
def sign_out(request: Request, console: ConsoleDep) -> Response:
    """End this sign-in."""
    with console.database.session() as session:
        sessions.end(session, request.cookies[COOKIE])
    response = RedirectResponse(f"{SIGN_IN}?ended=asked", status_code=303)
    response.delete_cookie(COOKIE, path=HOME)
    return response


@staff_pages.get("/staff")
def list_leads(request: Request, console: ConsoleDep) -> Response:
    """Show the requests, newest first; `?status=` shows those of one status, `?page=` goes back in time."""
    wanted, number = request.query_params.get("status"), request.query_params.get("page", "1")
    status = _STATUSES.get(wanted or "")
    if (wanted is not None and status is None) or not _PAGE_NUMBER.fullmatch(number):
        raise not_found()
    with console.database.session() as session:
        counts = repository.count_by_status(session)
        total = counts[status] if status else sum(counts.values())
        page = min(int(number), max(1, -(-total // PAGE_SIZE)))
        first = (page - 1) * PAGE_SIZE
        leads = repository.newest(session, status, limit=PAGE_SIZE, offset=first)
        alarms = store.open_alarms(session)
        undelivered = outbox.count_given_up(session)
        lost_texts = len(not_delivered(session, recent(console.now())))
    return render(
        request,
        "leads.html",
        leads=leads,
        alarms=alarms,
        undelivered=undelivered,
        lost_texts=lost_texts,
        counts=counts,
        status=status,
        page=page,
        first=first + 1,
        total=total,
        has_older=first + len(leads) < total,
    )


@staff_pages.post("/staff/search")
def search(request: Request, console: ConsoleDep, form: FormDep) -> Response:
    """Show the requests with this name, phone number, e-mail address or reference, newest first."""
    text = form.get("text", "").strip()[:LONGEST_SEARCH]
    with console.database.session() as session:
        leads = repository.search(session, text, PAGE_SIZE + 1)
    return render(request, "search.html", text=text, leads=leads[:PAGE_SIZE], is_cut=len(leads) > PAGE_SIZE)


@staff_pages.get("/staff/leads/{lead_id}")
def show_lead(request: Request, console: ConsoleDep, lead_id: LeadIdDep, staff: SignedInDep) -> Response:
    """Show one request with its notes, its history and its conversation, and note who saw it first. Errors: 404."""
    with console.database.session() as session:
        repository.note_seen(session, lead_id, staff.email, console.now())
    return _lead_page(request, console, lead_id)


@staff_pages.post("/staff/leads/{lead_id}/status")
def change_status(console: ConsoleDep, lead_id: LeadIdDep, staff: SignedInDep, form: FormDep) -> Response:
    """Move a request. Errors: 400 no such status, 404, 409 a step that is not allowed."""
    to_lead = (f"/staff/leads/{lead_id}", "Back to the request")
    wanted = _STATUSES.get(form.get("status", ""))
    if wanted is None:
        raise PageRefused(400, "There is no such status", "Nothing was changed. Use the request's buttons.", to_lead)
    try:
        with console.database.session() as session:
            repository.change_status(session, lead_id, wanted, changed_by=staff.email)
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
        return _lead_page(request, console, lead_id, status=422, typed=typed, error=error)
    try:
        with console.database.session() as session:
            lead = repository.find(session, lead_id)
            since = console.now() - SAME_NOTE_WITHIN
            if not any((n.author, n.text) == (staff.email, text) and n.created_at > since for n in lead.notes):
                repository.add_note(session, lead_id, text, author=staff.email)
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
    except repository.LeadNotFound as not_there:
        raise not_found() from not_there
    except TextRefused as error:
        REFUSED.labels("422").inc()
        return _lead_page(request, console, lead_id, status=422, typed_text=typed, text_error=str(error))
    log.info("staff_text_written", lead_id=lead_id, staff_id=staff.staff_id, text=text_id)
    return RedirectResponse(f"/staff/leads/{lead_id}#conversation", status_code=303)


@staff_pages.post("/staff/conversations/{conversation_id}/seen")
def alarm_seen(console: ConsoleDep, conversation_id: ConversationIdDep, staff: SignedInDep) -> Response:
    """Note who has seen the alarms of a conversation. Errors: 404."""
    with console.database.session() as session:
        if not store.has_alarm(session, conversation_id):
            raise not_found()
        store.note_seen(session, conversation_id, staff.email)
    log.info("alarm_seen", conversation=conversation_id, staff_id=staff.staff_id)
    return RedirectResponse(HOME, status_code=303)


for subject in (notifications, conversations, review, content, insight):
    staff_pages.include_router(subject.router)


@staff_pages.api_route("/staff/{rest:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
def nothing_here(rest: str) -> Response:
    """Answer every other address below `/staff`, so that none of them is open by mistake."""
    if not rest:
        return RedirectResponse(HOME, status_code=303)
    raise not_found()


# In this order: the last of `staff_pages` takes every address that is left.
router = APIRouter()
router.include_router(open_pages)
router.include_router(staff_pages)


def _sign_in_form(
    request: Request,
    console: Console,
    next_page: str,
    status: int = 200,
    email: str = "",
    error: str | None = None,
) -> Response:
    if error:
        REFUSED.labels(str(status)).inc()
    return render(
        request,
        "sign_in.html",
        status_code=status,
        email=email,
        error=error,
        next_page=place(next_page),
        ended=request.query_params.get("ended") if not error else None,
        longest_hours=sessions.LONGEST // timedelta(hours=1),
        hint=accounts.first_sign_in_hint(console.database),
    )


def _start(console: Console, staff_id: str, old_token: str | None) -> str:
    with console.database.session() as session:
        if old_token:
            sessions.end(session, old_token)
        return sessions.start(session, staff_id, console.now())


def _lead_page(
    request: Request,
    console: Console,
    lead_id: str,
    status: int = 200,
    typed: str = "",
    error: str | None = None,
    typed_text: str = "",
    text_error: str | None = None,
) -> Response:
    page = _load(console.database, console.texts, lead_id)
    return render(
        request,
        "lead.html",
        status_code=status,
        page=page,
        lead=page.lead,
        typed=typed,
        error=error,
        typed_text=typed_text,
        text_error=text_error,
    )


def _load(database: Database, texts: StaffTexts, lead_id: str) -> LeadPage:
    with database.session() as session:
        try:
            lead = repository.find(session, lead_id)
        except repository.LeadNotFound as error:
            raise not_found() from error
        parts, no_text = texts.parts_of_lead(session, lead), texts.why_not(session, lead)
        history = timeline(lead, outbox.events_about(session, lead_id))
        doubles = repository.likely_doubles(session, lead)
    order = list(LeadStatus)
    allowed = [status for status in order if status in repository.ALLOWED_STEPS[lead.status]]
    forward = [status for status in allowed if order.index(status) > order.index(lead.status)]
    usual = [status for status in forward if status is not LeadStatus.SPAM]
    back = [status for status in allowed if status not in forward]
    return LeadPage(lead, parts, no_text, forward + back, usual[0] if usual else None, history, doubles)


def _network(request: Request) -> str:
    """Return whom to count: an IPv4 address, or the /64 from which one IPv6 customer can choose."""
    host = request.client.host if request.client else "unknown"
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if address.version == 4 or address.ipv4_mapped:
        return host
    return str(ipaddress.ip_network((address, 64), strict=False))
