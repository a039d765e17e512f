"""Requests to save, and what a person has to do with them."""

from datetime import UTC, date, datetime

from frontdesk.db import Database
from frontdesk.leads import repository
from frontdesk.leads.repository import Consent, NewLead, PreferredTime, Saved
from tests.conftest import NEW_YORK

# Late on the 21st for the clinic, early on the 22nd in UTC.
EVENING = datetime(2026, 11, 22, 3, 30, tzinfo=UTC)
WORDS = "May the clinic contact you?"


def new_lead(request_id: str = "run-1", **changes: object) -> NewLead:
    """Return a request with everything in it but an e-mail address."""
    values: dict[str, object] = {
        "request_id": request_id,
        "conversation_id": "conversation",
        "channel": "widget",
        "full_name": "José O'Brien-Núñez",
        "phone": "+15165550142",
        "email": None,
        "patient_type": "new",
        "reason": "=HYPERLINK(1); DROP TABLE leads",
        "preferred_time": PreferredTime("next Tuesday morning", date(2026, 12, 1), "morning"),
        "consent": Consent(WORDS, datetime(2026, 11, 22, 15, 4, 5, tzinfo=UTC)),
    }
    return NewLead(**{**values, **changes})  # type: ignore[arg-type]


def save(database: Database, lead: NewLead, now: datetime | None = None) -> Saved:
    """Save a request in a transaction of its own."""
    with database.session() as session:
        return repository.save_once(session, lead, NEW_YORK, now)
