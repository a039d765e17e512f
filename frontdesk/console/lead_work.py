"""Working on requests: who has one, when they call back, and taking requests out as a file."""

import io
from collections.abc import Iterator
from datetime import datetime, timedelta

import sqlalchemy as sa
import structlog
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse
from sqlalchemy.orm import Session

from frontdesk.audit.log import Action, record
from frontdesk.console.guard import (
    TO_LIST,
    ConsoleDep,
    ConsoleRoute,
    FormDep,
    ManagerDep,
    PageRefused,
    SignedInDep,
    not_found,
    row_id,
)
from frontdesk.console.models import Staff
from frontdesk.console.queue_pages import read_filters
from frontdesk.console.rendering import local_time, render
from frontdesk.console.state import Console
from frontdesk.leads import assigning, queue
from frontdesk.leads.export import ExportFormat, write_csv, write_jsonl
from frontdesk.leads.models import Lead
from frontdesk.leads.queue import Filters
from frontdesk.leads.repository import as_record

log = structlog.get_logger(__name__)

LATEST_CALL_BACK = timedelta(days=366)
_TYPES = {ExportFormat.CSV: "text/csv", ExportFormat.JSONL: "application/x-ndjson"}
_FILTERS = ("status", "channel", "since", "until", "assignee")

router = APIRouter(route_class=ConsoleRoute, include_in_schema=False)


@router.post("/staff/leads/{lead_id}/claim")
def claim(request: Request, console: ConsoleDep, staff: SignedInDep, lead_id: str) -> Response:
    """Take a request that nobody has. Errors: 404, 409 somebody else has it: who, and since when."""
    lead_id, now = row_id(lead_id), console.now()
    in_place = "hx-request" in request.headers
    try:
        with console.database.session() as session:
            lead = assigning.claim(session, lead_id, staff.email, now)
            if lead is None:
                raise not_found()
            if lead.assigned_at == now:
                record(session, now, staff.email, Action.LEAD_CLAIMED, lead_id)
    except assigning.AlreadyClaimed as error:
        if in_place:
            return render(request, "_who.html", status_code=409, who=error.who, is_mine=False)
        since = f" at {local_time(error.since, console.zone, now)}" if error.since else ""
        detail = f"{error.who} took this request{since}. You can still read along and write notes."
        raise PageRefused(409, "Somebody else has it", detail, _to_lead(lead_id)) from error
    log.info("lead_claimed", lead_id=lead_id, staff_id=staff.staff_id)
    if in_place:
        return render(request, "_who.html", who=staff.email, is_mine=True)
    return RedirectResponse(f"/staff/leads/{lead_id}#work", status_code=303)


@router.post("/staff/leads/{lead_id}/release")
def release(console: ConsoleDep, staff: SignedInDep, lead_id: str) -> Response:
    """Put one's own request back. Errors: 404, 409 it is not one's own."""
    lead_id, now = row_id(lead_id), console.now()
    try:
        with console.database.session() as session:
            _require(session, lead_id)
            assigning.release(session, lead_id, staff.email, now)
            record(session, now, staff.email, Action.LEAD_RELEASED, lead_id)
    except assigning.NotYours as error:
        detail = "Nothing was changed: the request is not yours. Its page shows who has it."
        raise PageRefused(409, "It is not yours to put back", detail, _to_lead(lead_id)) from error
    return RedirectResponse(f"/staff/leads/{lead_id}#work", status_code=303)


@router.post("/staff/leads/{lead_id}/assign")
def assign(console: ConsoleDep, manager: ManagerDep, lead_id: str, form: FormDep) -> Response:
    """Give a request to somebody, or to nobody. Errors: 400 no such person, 404."""
    lead_id, now, to = row_id(lead_id), console.now(), form.get("to", "")
    with console.database.session() as session:
        who = session.scalar(sa.select(Staff.email).where(Staff.id == to, Staff.disabled_at.is_(None))) if to else None
        if to and who is None:
            raise PageRefused(400, "There is no such person", "Nothing was changed.", _to_lead(lead_id))
        if assigning.assign(session, lead_id, who, manager.email, now) is None:
            raise not_found()
        record(session, now, manager.email, Action.LEAD_ASSIGNED, lead_id, to=who)
    return RedirectResponse(f"/staff/leads/{lead_id}#work", status_code=303)


@router.post("/staff/leads/{lead_id}/call-back")
def set_call_back(console: ConsoleDep, staff: SignedInDep, lead_id: str, form: FormDep) -> Response:
    """Note when to call back, in the clinic's time; empty: not at all. Errors: 400 no time, 404, 409 it is closed."""
    lead_id, now = row_id(lead_id), console.now()
    at = _time(form.get("at", "").strip(), console, now, lead_id)
    try:
        with console.database.session() as session:
            if assigning.set_call_back(session, lead_id, at, now) is None:
                raise not_found()
            record(session, now, staff.email, Action.CALL_BACK_SET, lead_id, time=at.isoformat() if at else None)
    except assigning.NothingToDo as error:
        detail = "The request is closed. Reopen it first if somebody has to call."
        raise PageRefused(409, "No call-back was noted", detail, _to_lead(lead_id)) from error
    return RedirectResponse(f"/staff/leads/{lead_id}#work", status_code=303)


@router.post("/staff/export")
def export(console: ConsoleDep, manager: ManagerDep, form: FormDep) -> Response:
    """Send requests as a file, oldest first; written down before the first byte. Errors: 400 no such format, 404."""
    try:
        kind = ExportFormat(form.get("format", ""))
    except ValueError as error:
        detail = "Nothing was exported. Use the buttons of the list."
        raise PageRefused(400, "There is no such format", detail, TO_LIST) from error
    asked = {name: form[name] for name in _FILTERS if form.get(name)}
    now = console.now()
    with console.database.session() as session:
        filters = read_filters(session, asked, manager)
        count = queue.count_matching(session, filters, console.zone)
        record(session, now, manager.email, Action.LEADS_EXPORTED, format=kind.value, count=count, **asked)
    log.info("leads_exported", staff_id=manager.staff_id, count=count)
    name = f"requests-{now.astimezone(console.zone):%Y-%m-%d}.{kind.value}"
    return StreamingResponse(
        _lines(console, filters, kind),
        media_type=f"{_TYPES[kind]}; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _lines(console: Console, filters: Filters, kind: ExportFormat) -> Iterator[bytes]:
    """Yield the file; each part is read in a transaction of its own, so that nobody waits for a slow download."""
    last: Lead | None = None
    is_first = True
    while True:
        with console.database.session() as session:
            leads = queue.all_matching(session, filters, console.zone, last)
            records = [as_record(lead) for lead in leads]
        if not leads and not is_first:
            return
        part = io.StringIO(newline="")
        if kind is ExportFormat.CSV:
            write_csv(records, part, with_heading=is_first)
        else:
            write_jsonl(records, part)
        yield part.getvalue().encode()
        if not leads:
            return
        last, is_first = leads[-1], False


def _time(typed: str, console: Console, now: datetime, lead_id: str) -> datetime | None:
    if not typed:
        return None
    try:
        at = datetime.fromisoformat(typed)
    except ValueError:
        at = None
    if at is None or at.tzinfo is not None:
        raise _bad_time(lead_id, "Write a date and a time such as 2026-12-01T09:30.")
    at = at.replace(tzinfo=console.zone)
    if not now < at <= now + LATEST_CALL_BACK:
        raise _bad_time(lead_id, "It has to be in the future, and within a year.")
    return at


def _bad_time(lead_id: str, detail: str) -> PageRefused:
    return PageRefused(400, "This is no time to call back", f"Nothing was changed. {detail}", _to_lead(lead_id))


def _require(session: Session, lead_id: str) -> None:
    if session.get(Lead, lead_id) is None:
        raise not_found()


def _to_lead(lead_id: str) -> tuple[str, str]:
    return f"/staff/leads/{lead_id}", "Back to the request"
