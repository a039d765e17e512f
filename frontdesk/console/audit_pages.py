"""The audit as managers and admins read it. Reading it is written down in it."""

import re

from fastapi import APIRouter, Request, Response

from frontdesk.audit import log as audit
from frontdesk.audit.log import Action
from frontdesk.console import accounts
from frontdesk.console.guard import ConsoleDep, ConsoleRoute, ManagerDep, not_found
from frontdesk.console.rendering import render

PAGE = "/staff/audit"
PAGE_SIZE = 100

_NUMBER = re.compile(r"[1-9][0-9]{0,9}")
_SUBJECT = re.compile(r"[0-9a-f]{32}")

router = APIRouter(route_class=ConsoleRoute, include_in_schema=False)


@router.get(PAGE)
def show_audit(request: Request, console: ConsoleDep, manager: ManagerDep) -> Response:
    """Show rows, newest first: `?who=`, `?what=`, `?about=` narrow them, `?before=` goes back."""
    asked = {name: value for name, value in request.query_params.items() if value}
    before, subject, who = asked.get("before"), asked.get("about"), asked.get("who")
    if (before and not _NUMBER.fullmatch(before)) or (subject and not _SUBJECT.fullmatch(subject)):
        raise not_found()
    if asked.get("what", Action.LEAD_VIEWED.value) not in list(Action):
        raise not_found()
    with console.database.session() as session:
        people = {each.id: each.email for each in accounts.everyone(session)}
        if who and who not in people:
            raise not_found()
        entries = audit.page(
            session,
            int(before) if before else None,
            people[who] if who else None,
            asked.get("what"),
            subject,
            PAGE_SIZE + 1,
        )
        session.expunge_all()
        audit.record(session, console.now(), manager.email, Action.AUDIT_VIEWED)
    shown = entries[:PAGE_SIZE]
    return render(
        request,
        "audit.html",
        entries=[(entry, audit.detail_of(entry)) for entry in shown],
        people=people,
        actions=list(Action),
        asked=asked,
        older=shown[-1].seq if len(entries) > PAGE_SIZE else None,
    )
