"""How the assistant itself is: its parts, what waits in the outbox, what could not be delivered."""

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from frontdesk.audit.models import AuditEntry
from frontdesk.chat.models import Conversation
from frontdesk.console.guard import ConsoleDep, ConsoleRoute, ManagerDep
from frontdesk.console.rendering import render
from frontdesk.console.state import Console
from frontdesk.leads.models import Lead
from frontdesk.model_folder import ModelFolder
from frontdesk.outbox import store
from frontdesk.sms.store import not_delivered, recent

PAGE = "/staff/system"

router = APIRouter(route_class=ConsoleRoute, include_in_schema=False)


@router.get(PAGE)
async def show_system(request: Request, console: ConsoleDep, manager: ManagerDep) -> Response:
    """Show what answers, what waits and what failed."""
    parts = {
        "Understanding and dialogue (Rasa)": await request.app.state.probes["rasa"](),
        "Appointment form (action server)": await request.app.state.probes["actions"](),
    }
    return await run_in_threadpool(_page, request, console, parts)


def _page(request: Request, console: Console, parts: dict[str, bool]) -> Response:
    settings = request.app.state.settings
    model = ModelFolder(settings.model_dir).current()
    with console.database.session() as session:
        return render(
            request,
            "system.html",
            # A database that does not answer gets another page.
            parts_of_it={"Database": True} | parts,
            database=console.database.engine.dialect.name,
            model=model.path.name if model else None,
            given_up=store.count_given_up(session),
            waiting=store.count_waiting(session),
            oldest=store.oldest_waiting(session),
            lost_texts=len(not_delivered(session, recent(console.now()))),
            counts={
                "Requests": _count(session, Lead),
                "Conversations": _count(session, Conversation),
            },
            last_entry=session.scalar(sa.select(AuditEntry).order_by(AuditEntry.seq.desc()).limit(1)),
            told=[*settings.notify_addresses, *(["the webhook"] if settings.webhook_url else [])],
            purges=settings.purge_daily,
            needs_second_factor=console.needs_second_factor,
        )


def _count(session: Session, model: type[Lead] | type[Conversation]) -> int:
    return session.scalar(sa.select(sa.func.count()).select_from(model)) or 0
