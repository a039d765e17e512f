"""Accounts of the clinic's staff, their second factors and their sign-ins."""

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from frontdesk.columns import EncryptedText
from frontdesk.db import Base, new_id, utc_now


class Role(StrEnum):
    """What a member of staff may do: each what the one before may, and more. docs/staff-roles.md has the table."""

    STAFF = "staff"
    MANAGER = "manager"
    ADMIN = "admin"

    def includes(self, other: "Role") -> bool:
        """Tell whether whoever has this role may do what `other` may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


class Stage(StrEnum):
    """How far a sign-in has come."""

    CODE = "code"  # the password was right; the second factor is missing
    SET_UP = "set up"  # the password was right; a second factor has to be set up first
    DONE = "done"


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
    # Nobody signs in with it any more; what its owner did stays under its name.
    disabled_at: Mapped[datetime | None]
    last_sign_in_at: Mapped[datetime | None]


class SecondFactor(Base):
    """The secret that an account's authenticator app has. It counts once a code of it was typed."""

    __tablename__ = "staff_second_factors"

    staff_id: Mapped[str] = mapped_column(sa.ForeignKey("staff.id", ondelete="CASCADE"), primary_key=True)
    secret: Mapped[str] = mapped_column(EncryptedText)
    confirmed_at: Mapped[datetime | None]
    # The half minute of the last code that was taken: no code is taken twice.
    last_step: Mapped[int] = mapped_column(sa.BigInteger, default=0)


class RecoveryCode(Base):
    """One of the codes that stand in for a lost phone, as its SHA-256; it goes when it is used."""

    __tablename__ = "staff_recovery_codes"

    code_hash: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    staff_id: Mapped[str] = mapped_column(sa.ForeignKey("staff.id", ondelete="CASCADE"), index=True)


class StaffSession(Base):
    """One sign-in. The browser has the token, the database only its SHA-256."""

    __tablename__ = "staff_sessions"

    token_hash: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    id: Mapped[str] = mapped_column(sa.String(32), unique=True, default=new_id)  # by which its owner ends it
    staff_id: Mapped[str] = mapped_column(sa.ForeignKey("staff.id", ondelete="CASCADE"), index=True)
    stage: Mapped[Stage] = mapped_column(
        sa.Enum(Stage, native_enum=False, length=16, values_callable=lambda stages: [stage.value for stage in stages])
    )
    tries: Mapped[int] = mapped_column(default=0)  # wrong codes so far
    browser: Mapped[str] = mapped_column(sa.String(60))
    csrf_token: Mapped[str] = mapped_column(sa.String(64))
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime] = mapped_column(index=True)


class SignInLink(Base):
    """A link that signs the local admin in once, for whoever started the assistant on their own machine."""

    __tablename__ = "staff_sign_in_links"

    token_hash: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    expires_at: Mapped[datetime]


class NoteDraft(Base):
    """A note that came when its writer's sign-in was over: it waits in its field until they are back."""

    __tablename__ = "staff_note_drafts"
    __table_args__ = (sa.UniqueConstraint("staff_id", "lead_id"),)

    id: Mapped[str] = mapped_column(sa.String(32), primary_key=True, default=new_id)
    staff_id: Mapped[str] = mapped_column(sa.ForeignKey("staff.id", ondelete="CASCADE"))
    lead_id: Mapped[str] = mapped_column(sa.ForeignKey("leads.id", ondelete="CASCADE"), index=True)
    text: Mapped[str] = mapped_column(EncryptedText)
    created_at: Mapped[datetime]
