"""What was asked and what became of it, counted over a range of days by the clinic's clock. Nothing here commits."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from frontdesk.chat.models import Message
from frontdesk.leads.models import Lead, LeadStatus, LeadStatusChange
from frontdesk.lookup import lookup_of
from frontdesk.review.models import QUESTIONS, UNANSWERED, Outcome, Turn, TurnTopic
from frontdesk.review.turns import topic_key

READ_AT_MOST = 500  # unanswered messages, which have to be decrypted
EXAMPLES_OF_A_GROUP = 3
# Time to first contact: up to so many hours, in words.
WAITS = ((1, "within an hour"), (4, "1 to 4 hours"), (24, "4 to 24 hours"), (72, "1 to 3 days"))
LONGER, NOT_YET = "longer", "not yet"


@dataclass(frozen=True)
class Range:
    """Days from the first to the last, both of them whole."""

    first: date
    last: date
    zone: ZoneInfo

    @property
    def start(self) -> datetime:
        """When it begins."""
        return datetime.combine(self.first, datetime.min.time(), self.zone)

    @property
    def end(self) -> datetime:
        """When it is over."""
        return datetime.combine(self.last + timedelta(days=1), datetime.min.time(), self.zone)

    def days(self) -> list[date]:
        """Every day of it."""
        return [self.first + timedelta(days=number) for number in range((self.last - self.first).days + 1)]

    def day_of(self, at: datetime) -> date:
        """Return the clinic's day of a moment."""
        return at.astimezone(self.zone).date()


@dataclass(frozen=True)
class Group:
    """Messages that got no answer and are near the same topic; `near` is "" for those near none."""

    near: str
    count: int
    examples: tuple[tuple[str, str], ...]  # (conversation, what was said)


@dataclass(frozen=True)
class Counts:
    """Everything that is drawn, each in the order it is shown."""

    questions: list[tuple[date, int, int]]  # day, asked, answered
    topics: list[tuple[str, int]]
    unanswered: list[Group]
    unanswered_read: int
    channels: list[tuple[str, int]]
    hours: list[tuple[int, int]]
    waits: list[tuple[str, int]]
    median_wait: timedelta | None

    @property
    def asked(self) -> int:
        """How many questions there were."""
        return sum(asked for _, asked, _ in self.questions)

    @property
    def answered(self) -> int:
        """How many got an answer."""
        return sum(answered for _, _, answered in self.questions)

    @property
    def requests(self) -> int:
        """How many requests there were."""
        return sum(count for _, count in self.channels)


def count(session: Session, days: Range, topics: Iterable[str]) -> Counts:
    """Count what happened on these days. `topics` are those there are."""
    asked, answered = _questions(session, days)
    leads = session.execute(
        sa.select(Lead.id, Lead.channel, Lead.created_at, Lead.status).where(
            Lead.created_at >= days.start, Lead.created_at < days.end, Lead.status != LeadStatus.SPAM
        )
    ).all()
    hours = Counter(row.created_at.astimezone(days.zone).hour for row in leads)
    channels = Counter(str(row.channel) for row in leads)
    waits = _waits(session, days)
    groups, read = _unanswered(session, days)
    known = [wait for wait in waits if wait is not None]
    return Counts(
        questions=[(day, asked[day], answered[day]) for day in days.days()],
        topics=_topics(session, days, topics),
        unanswered=groups,
        unanswered_read=read,
        channels=[(name, channels[name]) for name in ("widget", "sms")],
        hours=[(hour, hours[hour]) for hour in range(24)],
        waits=_in_bands(waits),
        median_wait=timedelta(seconds=median(wait.total_seconds() for wait in known)) if known else None,
    )


def _in(days: Range) -> tuple[sa.ColumnElement[bool], ...]:
    return Turn.at >= days.start, Turn.at < days.end


def _questions(session: Session, days: Range) -> tuple[Mapping[date, int], Mapping[date, int]]:
    """Return how many questions were asked and answered on each day; `beyond` says who can help, and is no answer."""
    asked: Counter[date] = Counter()
    answered: Counter[date] = Counter()
    wanted = [outcome.value for outcome in QUESTIONS]
    for at, outcome in session.execute(sa.select(Turn.at, Turn.outcome).where(*_in(days), Turn.outcome.in_(wanted))):
        day = days.day_of(at)
        asked[day] += 1
        answered[day] += outcome == Outcome.ANSWERED
    return asked, answered


def _topics(session: Session, days: Range, topics: Iterable[str]) -> list[tuple[str, int]]:
    lookup = lookup_of(session)
    names = {topic_key(lookup, topic): topic for topic in topics if "/" in topic}
    rows = session.execute(
        sa.select(TurnTopic.topic_key, sa.func.count())
        .join(Turn, Turn.message_id == TurnTopic.message_id)
        .where(*_in(days))
        .group_by(TurnTopic.topic_key)
    )
    found = [(names[key], number) for key, number in rows if key in names]
    return sorted(found, key=lambda item: (-item[1], item[0]))


def _unanswered(session: Session, days: Range) -> tuple[list[Group], int]:
    wanted = [outcome.value for outcome in UNANSWERED]
    messages = session.scalars(
        sa.select(Message)
        .join(Turn, Turn.message_id == Message.id)
        .where(*_in(days), Turn.outcome.in_(wanted))
        .order_by(Turn.at.desc())
        .limit(READ_AT_MOST)
    ).all()
    groups: dict[str, list[Message]] = {}
    for message in messages:
        ranking = (message.understood or {}).get("ranking") or []
        near = next((str(one["name"]) for one in ranking if "/" in str(one["name"])), "")
        groups.setdefault(near, []).append(message)
    found = [Group(near, len(those), _examples(those)) for near, those in groups.items()]
    return sorted(found, key=lambda group: (-group.count, group.near)), len(messages)


def _examples(messages: Sequence[Message]) -> tuple[tuple[str, str], ...]:
    different = {message.text.casefold(): (message.conversation_id, message.text) for message in messages}
    return tuple(different.values())[:EXAMPLES_OF_A_GROUP]


def _waits(session: Session, days: Range) -> list[timedelta | None]:
    """Return how long each request waited until somebody made contact; None when nobody has."""
    contacted = (
        sa.select(LeadStatusChange.lead_id, sa.func.min(LeadStatusChange.changed_at).label("at"))
        .where(LeadStatusChange.to_status.in_([LeadStatus.CONTACTED.value, LeadStatus.SCHEDULED.value]))
        .group_by(LeadStatusChange.lead_id)
        .subquery()
    )
    rows = session.execute(
        sa.select(Lead.created_at, contacted.c.at)
        .outerjoin(contacted, contacted.c.lead_id == Lead.id)
        .where(Lead.created_at >= days.start, Lead.created_at < days.end, Lead.status != LeadStatus.SPAM)
    )
    return [at - created if at is not None else None for created, at in rows]


def _in_bands(waits: Sequence[timedelta | None]) -> list[tuple[str, int]]:
    bands: Counter[str] = Counter()
    for wait in waits:
        hours = wait.total_seconds() / 3600 if wait is not None else None
        bands[NOT_YET if hours is None else next((name for most, name in WAITS if hours <= most), LONGER)] += 1
    return [(name, bands[name]) for name in (*(name for _, name in WAITS), LONGER, NOT_YET)]
