"""The audit's rows."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from frontdesk.db import Base


class AuditEntry(Base):
    """One thing that somebody did or saw. The database refuses to change or delete a row.

    Nothing in it says who a patient is: `subject` is an id, `detail` JSON of names, numbers and ids alone. `hash` is
    of this row and of the `hash` before it, so that no row can be changed, taken out or put in unseen.
    """

    __tablename__ = "audit"
    __table_args__ = (sa.Index("ix_audit_actor", "actor", "seq"), sa.Index("ix_audit_subject", "subject", "seq"))

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(index=True)
    actor: Mapped[str] = mapped_column(sa.String(320))  # staff, by e-mail address, or the command line
    action: Mapped[str] = mapped_column(sa.String(40))
    subject: Mapped[str | None] = mapped_column(sa.String(64))
    detail: Mapped[str] = mapped_column(sa.Text)
    previous: Mapped[str] = mapped_column(sa.String(64))
    hash: Mapped[str] = mapped_column(sa.String(64))
