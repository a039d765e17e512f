"""The list of requests: what waits for somebody, and every request by status, channel, date and person."""

import re
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from sqlalchemy.orm import Session

from frontdesk.audit.log import Action, record
from frontdesk.chat import store
from frontdesk.console import accounts
from frontdesk.console.guard import ConsoleDep, ConsoleRoute, SignedInDep, not_found
from frontdesk.console.models import Staff
from frontdesk.console.rendering import CHANNELS, render
from frontdesk.console.sessions import SignedIn
from frontdesk.console.state import Console
from frontdesk.leads import queue, repository
from frontdesk.leads.models import LeadStatus
from frontdesk.leads.queue import NOBODY, Filters
from frontdesk.outbox import store as outbox
from frontdesk.sms.store import not_delivered, recent

PAGE_SIZE = 50
ME = "me"
# What has no answer after this long gets none by itself; what is older than the other is history.
UNANSWERED_AFTER = timedelta(minutes=2)
UNANSWERED_FOR = timedelta(days=7)

STATUSES = {status.value: status for status in LeadStatus}
_PAGE_NUMBER = re.compile(r"[1-9][0-9]{0,5}")
_STAFF_ID = re.compile(r"[0-9a-f]{32}")
_PARTS = ("status", "channel", "since", "until", "assignee")

router = APIRouter(route_class=ConsoleRoute, include_in_schema=False)


@router.get("/staff")
def list_leads(request: Request, console: ConsoleDep, staff: SignedInDep) -> Response:
    """Show what waits for somebody, oldest first; with `?view=all` or a filter every request there is, newest first."""
    asked = {name: value for name, value in request.query_params.items() if value}
    number = asked.get("page", "1")
    if not _PAGE_NUMBER.fullmatch(number) or asked.get("view", "all") != "all":
        raise not_found()
    is_now = not (asked.keys() & {"view", *_PARTS})
    now = console.now()
    with console.database.session() as session:
        filters = read_filters(session, asked, staff)
        counts = repository.count_by_status(session)
        waiting_count = queue.count_waiting(session, now)
        if is_now:
            total = waiting_count
            first = _first(number, total)
            waiting = queue.waiting(session, now, PAGE_SIZE, first)
            leads = [each.lead for each in waiting]
            reasons = {each.lead.id: each.why for each in waiting}
        else:
            total = _total(session, filters, counts, console)
            first = _first(number, total)
            leads = list(queue.matching(session, filters, console.zone, PAGE_SIZE, first))
            reasons = {}
        context: dict[str, Any] = {
            "alarms": store.open_alarms(session),
            "unanswered": store.unanswered(session, now - UNANSWERED_FOR, now - UNANSWERED_AFTER),
            "undelivered": outbox.count_given_up(session),
            "lost_texts": len(not_delivered(session, recent(now))),
            "people": [each for each in accounts.everyone(session) if each.disabled_at is None],
        }
        if leads:
            view = "waiting" if is_now else urlencode({name: asked[name] for name in _PARTS if name in asked})
            record(session, now, staff.email, Action.LEADS_LISTED, None, view=view, count=len(leads))
    return render(
        request,
        "leads.html",
        **context,
        leads=leads,
        reasons=reasons,
        is_now=is_now,
        asked=asked,
        filters=filters,
        is_filtered=bool(asked.keys() & {"channel", "since", "until", "assignee"}),
        channels=CHANNELS,
        waiting_count=waiting_count,
        counts=counts,
        status=filters.status,
        page=first // PAGE_SIZE + 1,
        first=first + 1,
        total=total,
        has_more=first + len(leads) < total,
        address=lambda **changes: _address(asked, changes),
    )


@router.get("/staff/alarms")
def alarms(request: Request, console: ConsoleDep) -> Response:
    """Return the banner of conversations with danger alone: pages that stay open ask for it once a minute.

    The request that asked is no sign of life; see `signed_in`.
    """
    with console.database.session() as session:
        return render(request, "_alarms.html", alarms=store.open_alarms(session))


def read_filters(session: Session, asked: dict[str, str], staff: SignedIn) -> Filters:
    """Return the filters of an address or a form; raise PageRefused 404 for what is none."""
    filters = Filters(since=_day(asked.get("since")), until=_day(asked.get("until")))
    if "status" in asked:
        if asked["status"] not in STATUSES:
            raise not_found()
        filters = replace(filters, status=STATUSES[asked["status"]])
    if "channel" in asked:
        if asked["channel"] not in CHANNELS:
            raise not_found()
        filters = replace(filters, channel=asked["channel"])
    if "assignee" in asked:
        filters = replace(filters, assigned_to=_assignee(session, asked["assignee"], staff))
    return filters


def _assignee(session: Session, wanted: str, staff: SignedIn) -> str:
    if wanted == ME:
        return staff.email
    if wanted == NOBODY:
        return NOBODY
    account = session.get(Staff, wanted) if _STAFF_ID.fullmatch(wanted) else None
    if account is None:
        raise not_found()
    return account.email


def _day(text: str | None) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise not_found() from error


def _total(session: Session, filters: Filters, counts: dict[LeadStatus, int], console: Console) -> int:
    """Count the requests; what is known by status need not be counted again."""
    if filters == Filters(status=filters.status):
        return counts[filters.status] if filters.status else sum(counts.values())
    return queue.count_matching(session, filters, console.zone)


def _first(number: str, total: int) -> int:
    page = min(int(number), max(1, -(-total // PAGE_SIZE)))
    return (page - 1) * PAGE_SIZE


def _address(asked: dict[str, str], changes: dict[str, object]) -> str:
    """Return the address of the list with something else asked for; the page begins anew unless it is what changes."""
    kept = {name: value for name, value in asked.items() if name != "page"}
    wanted = {name: str(value) for name, value in (kept | changes).items() if value not in (None, "")}
    if wanted.get("page") == "1":
        del wanted["page"]
    if "status" in wanted or wanted.keys() & set(_PARTS):
        wanted.pop("view", None)
    return "/staff" + (f"?{urlencode(wanted)}" if wanted else "")
