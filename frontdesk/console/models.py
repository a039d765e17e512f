"""Accounts of the clinic's staff and their sign-ins."""

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from frontdesk.db import Base, new_id, utc_now


class Role(StrEnum):
    """What a member of staff may do. Stored; both may do the same so far."""

    ADMIN = "admin"
    STAFF = "staff"


class Staff(Base):
    """One person's account. `email` is its name, in lower case."""

    __tablename__ = "staff"

    id: Mapped[str] = mapped_column(sa.String(32), primary_key=True, default=new_id)
    email: Mapped[str] = mapped_column(sa.String(320), unique=True)
    role: Mapped[Role] = mapped_column(
        sa.Enum(Role, native_enum=False, length=16, values_callable=lambda roles: [role.value for role in roles])
    )
    password_hash: Mapped[str] = mapped_column(sa.String(255))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class StaffSession(Base):
    """One sign-in. The browser has the token, the database only its SHA-256."""

    __tablename__ = "staff_sessions"

    token_hash: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    staff_id: Mapped[str] = mapped_column(sa.ForeignKey("staff.id", ondelete="CASCADE"), index=True)
    csrf_token: Mapped[str] = mapped_column(sa.String(64))
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime] = mapped_column(index=True)
