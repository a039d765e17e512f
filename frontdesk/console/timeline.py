"""What became of a request, in the order it happened: confirmed, stored, told of, seen, moved."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from frontdesk.console.rendering import STATUSES
from frontdesk.leads.models import Lead, LeadAssignment, LeadStatus
from frontdesk.outbox.models import EventKind, OutboxDelivery, OutboxEvent
from frontdesk.outbox.words import destination_name, error_words

NOBODY_TOLD = "Nobody was notified: no address is configured. Whoever runs this system can set NOTIFY_EMAILS."


@dataclass(frozen=True)
class Step:
    """One thing that happened. `by` is a member of staff; a problem is something to look after."""

    at: datetime
    text: str
    by: str | None = None
    is_problem: bool = False


def timeline(lead: Lead, events: Sequence[OutboxEvent]) -> list[Step]:
    """Return the steps of a request, oldest first. History and deliveries have to be loaded."""
    # Sorting keeps the order of those of the same moment.
    return sorted(_steps(lead, events), key=lambda step: step.at)


def _steps(lead: Lead, events: Sequence[OutboxEvent]) -> Iterator[Step]:
    yield Step(lead.consent_at, "Received: the person confirmed it")
    yield Step(lead.created_at, "Stored")
    for event in events:
        yield from _told(event)
    if lead.seen_at is not None:
        yield Step(lead.seen_at, "First seen", by=lead.seen_by)
    for change in lead.status_changes:
        before, after = (STATUSES[LeadStatus(status)] for status in (change.from_status, change.to_status))
        yield Step(change.changed_at, f"{before} → {after}", by=change.changed_by)
    for assignment in lead.assignments:
        yield Step(assignment.changed_at, _assigned(assignment), by=assignment.changed_by)


def _assigned(assignment: LeadAssignment) -> str:
    if assignment.assigned_to is None:
        return "Put back for anybody"
    return "Claimed" if assignment.assigned_to == assignment.changed_by else f"Given to {assignment.assigned_to}"


def _told(event: OutboxEvent) -> Iterator[Step]:
    if event.kind is EventKind.LEAD_JOINED:
        yield Step(event.created_at, "The person asked again; it was added to this request")
    if event.spread_at is None:
        yield Step(event.created_at, "Not notified yet")
    elif not event.deliveries:
        yield Step(event.spread_at, NOBODY_TOLD, is_problem=True)
    for delivery in event.deliveries:
        yield _delivery(delivery, event.spread_at or event.created_at)


def _delivery(delivery: OutboxDelivery, since: datetime) -> Step:
    name = destination_name(delivery.destination)
    if delivery.delivered_at is not None:
        return Step(delivery.delivered_at, f"Notified: {name}")
    if delivery.dead_at is not None:
        why = f"Could not notify {name}: {error_words(delivery.last_error)}"
        return Step(delivery.dead_at, why, is_problem=True)
    if delivery.last_error is not None:
        tried = "once" if delivery.attempts == 1 else f"{delivery.attempts} times"
        why = f"Not notified yet: {name}. Tried {tried}: {error_words(delivery.last_error)}"
        return Step(since, why, is_problem=True)
    return Step(since, f"Not notified yet: {name}")
