"""The staff console: second factors, sign-ins that can be listed, claims, call-backs, drafts of notes, the audit."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

AT = sa.DateTime(timezone=True)
CALL_BACK = sa.text("call_back_at IS NOT NULL")
UNANSWERED = sa.text("sender = 'visitor' AND NOT answered")


def upgrade() -> None:
    """Make the change."""
    _create_audit()
    _create_sign_in()
    op.create_table(
        "lead_assignments",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("lead_id", sa.String(length=32), nullable=False),
        sa.Column("assigned_to", sa.String(length=320), nullable=True),
        sa.Column("changed_by", sa.String(length=320), nullable=False),
        sa.Column("changed_at", AT, nullable=False),
        sa.ForeignKeyConstraint(
            ["lead_id"], ["leads.id"], name=op.f("fk_lead_assignments_lead_id_leads"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lead_assignments")),
    )
    op.create_index(op.f("ix_lead_assignments_lead_id"), "lead_assignments", ["lead_id"])
    op.create_table(
        "staff_note_drafts",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("staff_id", sa.String(length=32), nullable=False),
        sa.Column("lead_id", sa.String(length=32), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", AT, nullable=False),
        sa.ForeignKeyConstraint(
            ["lead_id"], ["leads.id"], name=op.f("fk_staff_note_drafts_lead_id_leads"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["staff_id"], ["staff.id"], name=op.f("fk_staff_note_drafts_staff_id_staff"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff_note_drafts")),
        sa.UniqueConstraint("staff_id", "lead_id", name=op.f("uq_staff_note_drafts_staff_id")),
    )
    op.create_index(op.f("ix_staff_note_drafts_lead_id"), "staff_note_drafts", ["lead_id"])
    op.add_column("leads", sa.Column("assigned_at", AT, nullable=True))
    op.add_column("leads", sa.Column("call_back_at", AT, nullable=True))
    op.create_index("ix_leads_status_created", "leads", ["status", "created_at"])
    op.create_index("ix_leads_assigned_created", "leads", ["assigned_to", "created_at"])
    op.create_index("ix_leads_call_back", "leads", ["call_back_at"], sqlite_where=CALL_BACK, postgresql_where=CALL_BACK)
    op.create_index(
        "ix_messages_unanswered", "messages", ["created_at"], sqlite_where=UNANSWERED, postgresql_where=UNANSWERED
    )


def downgrade() -> None:
    """Undo it."""
    op.drop_index("ix_messages_unanswered", "messages")
    for index in ("ix_leads_call_back", "ix_leads_assigned_created", "ix_leads_status_created"):
        op.drop_index(index, "leads")
    with op.batch_alter_table("leads") as leads:
        leads.drop_column("call_back_at")
        leads.drop_column("assigned_at")
    for table in ("staff_note_drafts", "lead_assignments", "staff_sign_in_links"):
        op.drop_table(table)
    op.execute("DELETE FROM staff_sessions")
    with op.batch_alter_table("staff_sessions") as sessions:
        sessions.drop_constraint(op.f("uq_staff_sessions_id"), type_="unique")
        for column in ("browser", "tries", "stage", "id"):
            sessions.drop_column(column)
    op.drop_table("staff_recovery_codes")
    op.drop_table("staff_second_factors")
    op.execute("UPDATE staff SET role = 'staff' WHERE role = 'manager'")
    with op.batch_alter_table("staff") as staff:
        staff.drop_column("last_sign_in_at")
        staff.drop_column("disabled_at")
    op.drop_table("audit")


def _create_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", AT, nullable=False),
        sa.Column("actor", sa.String(length=320), nullable=False),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit")),
    )
    op.create_index("ix_audit_actor", "audit", ["actor", "seq"])
    op.create_index(op.f("ix_audit_at"), "audit", ["at"])
    op.create_index("ix_audit_subject", "audit", ["subject", "seq"])
    # As in frontdesk/audit/protection.py, which lifts it for a restored backup.
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE TRIGGER audit_stays BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
    else:
        for event in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_stays_{event.lower()} BEFORE {event} ON audit "
                "BEGIN SELECT RAISE(ABORT, 'rows of audit are never changed'); END"
            )


def _create_sign_in() -> None:
    op.create_table(
        "staff_second_factors",
        sa.Column("staff_id", sa.String(length=32), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("confirmed_at", AT, nullable=True),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["staff_id"], ["staff.id"], name=op.f("fk_staff_second_factors_staff_id_staff"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("staff_id", name=op.f("pk_staff_second_factors")),
    )
    op.create_table(
        "staff_recovery_codes",
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("staff_id", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["staff_id"], ["staff.id"], name=op.f("fk_staff_recovery_codes_staff_id_staff"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("code_hash", name=op.f("pk_staff_recovery_codes")),
    )
    op.create_index(op.f("ix_staff_recovery_codes_staff_id"), "staff_recovery_codes", ["staff_id"])
    op.create_table(
        "staff_sign_in_links",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("expires_at", AT, nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_staff_sign_in_links")),
    )
    op.add_column("staff", sa.Column("disabled_at", AT, nullable=True))
    op.add_column("staff", sa.Column("last_sign_in_at", AT, nullable=True))
    # Everybody signs in again: nobody's sign-in of before had a second factor.
    op.execute("DELETE FROM staff_sessions")
    with op.batch_alter_table("staff_sessions") as sessions:
        sessions.add_column(sa.Column("id", sa.String(length=32), nullable=False))
        sessions.add_column(
            sa.Column(
                "stage",
                sa.Enum("code", "set up", "done", name="stage", native_enum=False, length=16),
                nullable=False,
            )
        )
        sessions.add_column(sa.Column("tries", sa.Integer(), nullable=False))
        sessions.add_column(sa.Column("browser", sa.String(length=60), nullable=False))
        sessions.create_unique_constraint(op.f("uq_staff_sessions_id"), ["id"])
