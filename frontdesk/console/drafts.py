"""Notes that came when their writer's sign-in was over. Nothing here commits."""

import re
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from frontdesk.console.models import NoteDraft
from frontdesk.leads.models import Lead

KEPT = timedelta(days=1)
LONGEST = 100_000
_LEAD = re.compile(r"/staff/leads/([0-9a-f]{32})")


def keep(session: Session, staff_id: str, page: str, text: str, now: datetime) -> None:
    """Keep what somebody had typed on the page of a request; nothing for another page. Old drafts go."""
    session.execute(sa.delete(NoteDraft).where(NoteDraft.created_at <= now - KEPT))
    lead = _LEAD.fullmatch(page)
    if not lead or not text.strip() or session.get(Lead, lead[1]) is None:
        return
    drop(session, staff_id, lead[1])
    session.add(NoteDraft(staff_id=staff_id, lead_id=lead[1], text=text[:LONGEST], created_at=now))


def waiting(session: Session, staff_id: str, lead_id: str) -> str | None:
    """Return what waits for somebody on the page of a request."""
    return session.scalar(sa.select(NoteDraft.text).where(NoteDraft.staff_id == staff_id, NoteDraft.lead_id == lead_id))


def drop(session: Session, staff_id: str, lead_id: str) -> None:
    """Delete what waits: it was saved, or is not wanted."""
    session.execute(sa.delete(NoteDraft).where(NoteDraft.staff_id == staff_id, NoteDraft.lead_id == lead_id))
