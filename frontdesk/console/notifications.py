"""The console's page of notifications: what could not be delivered, what waits, and trying again."""

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from frontdesk.audit.log import Action, record
from frontdesk.console.guard import ConsoleDep, ConsoleRoute, SignedInDep, not_found, row_id
from frontdesk.console.rendering import render
from frontdesk.db import utc_now
from frontdesk.outbox import store
from frontdesk.sms.store import not_delivered, recent

log = structlog.get_logger(__name__)

PAGE = "/staff/notifications"
SHOWN = 100

# Part of the pages that need somebody signed in, with all that goes with it.
router = APIRouter(route_class=ConsoleRoute, include_in_schema=False)


@router.get(PAGE)
def show_notifications(request: Request, console: ConsoleDep) -> Response:
    """Show what was given up and what waits, the most urgent first."""
    with console.database.session() as session:
        return render(
            request,
            "notifications.html",
            given_up=store.given_up(session, SHOWN),
            given_up_count=store.count_given_up(session),
            waiting=store.waiting(session, SHOWN),
            waiting_count=store.count_waiting(session),
            lost_texts=not_delivered(session, recent(utc_now()), SHOWN),
            shown=SHOWN,
        )


@router.post(f"{PAGE}/retry")
def retry_all(console: ConsoleDep, staff: SignedInDep) -> Response:
    """Try everything that was given up again."""
    with console.database.session() as session:
        count = store.retry_all(session, utc_now())
        record(session, utc_now(), staff.email, Action.DELIVERIES_RETRIED, count=count)
    log.info("notifications_retried", count=count, staff_id=staff.staff_id)
    return RedirectResponse(PAGE, status_code=303)


@router.post(f"{PAGE}/{{delivery_id}}/retry")
def retry_one(console: ConsoleDep, staff: SignedInDep, delivery_id: str) -> Response:
    """Try one again; nothing happens if somebody else has done so. Errors: 404."""
    try:
        with console.database.session() as session:
            store.retry(session, row_id(delivery_id), utc_now())
            record(session, utc_now(), staff.email, Action.DELIVERIES_RETRIED, delivery_id)
    except store.DeliveryNotFound as error:
        raise not_found() from error
    log.info("notifications_retried", count=1, staff_id=staff.staff_id)
    return RedirectResponse(PAGE, status_code=303)
