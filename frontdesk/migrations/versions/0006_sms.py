"""The SMS channel: whose texts a conversation is, texts that are sent later and what became of them, the ledger."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "sms_numbers",
        sa.Column("conversation_id", sa.String(length=32), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("answers_from", sa.String(length=64), nullable=True),
        sa.Column("introduced_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name=op.f("fk_sms_numbers_conversation_id_conversations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("conversation_id", name=op.f("pk_sms_numbers")),
    )
    op.create_table(
        "sms_outbound",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("conversation_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("in_reply_to", sa.String(length=64), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("written_by", sa.String(length=320), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("status_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("error_code", sa.Integer(), nullable=True),
        sa.Column("message_sid", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name=op.f("fk_sms_outbound_conversation_id_conversations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sms_outbound")),
        sa.UniqueConstraint("in_reply_to", name=op.f("uq_sms_outbound_in_reply_to")),
        sa.UniqueConstraint("message_sid", name=op.f("uq_sms_outbound_message_sid")),
    )
    with op.batch_alter_table("sms_outbound", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_sms_outbound_conversation_id"), ["conversation_id"], unique=False)
    with op.batch_alter_table("sms_receipts", schema=None) as batch_op:
        batch_op.add_column(sa.Column("owed", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("rest", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("delivery", sa.String(length=16), nullable=True))
        batch_op.add_column(sa.Column("error_code", sa.Integer(), nullable=True))
    op.create_index(
        op.f("ix_sms_receipts_owed"),
        "sms_receipts",
        ["created_at"],
        unique=False,
        sqlite_where=sa.text("owed IS NOT NULL"),
        postgresql_where=sa.text("owed IS NOT NULL"),
    )
    with op.batch_alter_table("sms_opt_outs", schema=None) as batch_op:
        batch_op.add_column(sa.Column("source", sa.String(length=10), server_default="text", nullable=False))
        batch_op.add_column(sa.Column("opted_in_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Undo it. Numbers that opted in again are no longer in the ledger, which then holds nothing else."""
    op.execute(sa.text("DELETE FROM sms_opt_outs WHERE opted_in_at IS NOT NULL"))
    with op.batch_alter_table("sms_opt_outs", schema=None) as batch_op:
        batch_op.drop_column("opted_in_at")
        batch_op.drop_column("source")
    op.drop_index(op.f("ix_sms_receipts_owed"), table_name="sms_receipts")
    with op.batch_alter_table("sms_receipts", schema=None) as batch_op:
        batch_op.drop_column("error_code")
        batch_op.drop_column("delivery")
        batch_op.drop_column("rest")
        batch_op.drop_column("owed")
    with op.batch_alter_table("sms_outbound", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_sms_outbound_conversation_id"))
    op.drop_table("sms_outbound")
    op.drop_table("sms_numbers")
