"""Runs of the form that are not finished. Nothing here commits."""

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from frontdesk.db import utc_now
from frontdesk.leads.keys import phone_key
from frontdesk.leads.models import Draft
from frontdesk.lookup import lookup_of

# How long a draft waits for whoever comes back, since its last change.
KEPT_FOR = timedelta(hours=24)


def keep_draft(
    session: Session,
    request_id: str,
    conversation_id: str,
    data: dict[str, Any],
    phone: str | None = None,
    now: datetime | None = None,
) -> None:
    """Keep what was said so far in a run of the form, in place of what was kept of it before. `phone` is E.164."""
    now = now or utc_now()
    values = {
        "conversation_id": conversation_id,
        "data": data,
        "phone_key": phone_key(lookup_of(session), phone) if phone else None,
        "updated_at": now,
        "expires_at": now + KEPT_FOR,
    }
    change = (
        sa.update(Draft)
        .where(Draft.request_id == request_id)
        .values(values)
        .returning(Draft.request_id)
        .execution_options(synchronize_session=False)
    )
    if session.scalar(change) is not None:
        return
    try:
        with session.begin_nested():
            session.add(Draft(request_id=request_id, **values))
    except IntegrityError:
        # Another process kept the same run in between.
        session.execute(change)


def open_draft(session: Session, conversation_id: str, now: datetime | None = None) -> Draft | None:
    """Return the latest draft of a conversation, or None when there is none that has not expired."""
    return session.scalar(
        sa.select(Draft)
        .where(Draft.conversation_id == conversation_id, Draft.expires_at > (now or utc_now()))
        .order_by(Draft.updated_at.desc())
        .limit(1)
    )


def drop_draft(session: Session, request_id: str) -> None:
    """Delete what was kept of a run."""
    session.execute(sa.delete(Draft).where(Draft.request_id == request_id))
