"""The clinic's facts as staff changed them, and wording they propose."""

from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from frontdesk.db import Base, new_id, utc_now


class FactChange(Base):
    """A fact of the clinic's profile, changed in the console. The latest change of a key counts; none is deleted.

    `value` is JSON (a text, a number or a list of texts); None when the clinic has none. After `holds_until` it is not
    said any more.
    """

    __tablename__ = "fact_changes"

    id: Mapped[str] = mapped_column(sa.String(32), primary_key=True, default=new_id)
    key: Mapped[str] = mapped_column(sa.String(64), index=True)
    value: Mapped[str | None] = mapped_column(sa.Text)
    holds_until: Mapped[date | None]
    changed_by: Mapped[str] = mapped_column(sa.String(320))
    changed_at: Mapped[datetime] = mapped_column(default=utc_now)


class Proposal(Base):
    """New words for an answer, on one channel, until they are exported."""

    __tablename__ = "proposals"

    id: Mapped[str] = mapped_column(sa.String(32), primary_key=True, default=new_id)
    topic: Mapped[str] = mapped_column(sa.String(64), index=True)
    channel: Mapped[str] = mapped_column(sa.String(10))
    text: Mapped[str] = mapped_column(sa.Text)
    # What it was proposed for: when the answer has changed since, it is not replaced.
    replaces: Mapped[str] = mapped_column(sa.Text)
    proposed_by: Mapped[str] = mapped_column(sa.String(320))
    proposed_at: Mapped[datetime] = mapped_column(default=utc_now)
    exported_at: Mapped[datetime | None]
