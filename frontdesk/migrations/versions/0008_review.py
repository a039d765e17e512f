"""Review and content: what was understood, reviews, saved tests, facts changed in the console, proposed wording."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "fact_changes",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("holds_until", sa.Date(), nullable=True),
        sa.Column("changed_by", sa.String(length=320), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fact_changes")),
    )
    with op.batch_alter_table("fact_changes", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_fact_changes_key"), ["key"], unique=False)

    op.create_table(
        "proposals",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("topic", sa.String(length=64), nullable=False),
        sa.Column("channel", sa.String(length=10), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("replaces", sa.Text(), nullable=False),
        sa.Column("proposed_by", sa.String(length=320), nullable=False),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("exported_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_proposals")),
    )
    with op.batch_alter_table("proposals", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_proposals_topic"), ["topic"], unique=False)

    op.create_table(
        "saved_tests",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("conversation_id", sa.String(length=32), nullable=False),
        sa.Column("story", sa.Text(), nullable=False),
        sa.Column("saved_by", sa.String(length=320), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("exported_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name=op.f("fk_saved_tests_conversation_id_conversations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_tests")),
    )
    with op.batch_alter_table("saved_tests", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_saved_tests_conversation_id"), ["conversation_id"], unique=False)

    op.create_table(
        "reviews",
        sa.Column("message_id", sa.String(length=32), nullable=False),
        sa.Column("verdict", sa.String(length=10), nullable=False),
        sa.Column("topic", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("reviewed_by", sa.String(length=320), nullable=False),
        sa.Column("reviewed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("exported_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("fk_reviews_message_id_messages"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_reviews")),
    )
    op.create_table(
        "turns",
        sa.Column("message_id", sa.String(length=32), nullable=False),
        sa.Column("conversation_id", sa.String(length=32), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("confidence", sa.Double(), nullable=True),
        sa.Column("level_key", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name=op.f("fk_turns_conversation_id_conversations"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("fk_turns_message_id_messages"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_turns")),
    )
    with op.batch_alter_table("turns", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_turns_at"), ["at"], unique=False)
        batch_op.create_index(batch_op.f("ix_turns_conversation_id"), ["conversation_id"], unique=False)

    op.create_table(
        "turn_topics",
        sa.Column("message_id", sa.String(length=32), nullable=False),
        sa.Column("topic_key", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["message_id"], ["turns.message_id"], name=op.f("fk_turn_topics_message_id_turns"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("message_id", "topic_key", name=op.f("pk_turn_topics")),
    )
    with op.batch_alter_table("turn_topics", schema=None) as batch_op:
        batch_op.create_index("ix_turn_topics_topic_key", ["topic_key"], unique=False)


def downgrade() -> None:
    """Undo it."""
    with op.batch_alter_table("turn_topics", schema=None) as batch_op:
        batch_op.drop_index("ix_turn_topics_topic_key")

    op.drop_table("turn_topics")
    with op.batch_alter_table("turns", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_turns_conversation_id"))
        batch_op.drop_index(batch_op.f("ix_turns_at"))

    op.drop_table("turns")
    op.drop_table("reviews")
    with op.batch_alter_table("saved_tests", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_saved_tests_conversation_id"))

    op.drop_table("saved_tests")
    with op.batch_alter_table("proposals", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_proposals_topic"))

    op.drop_table("proposals")
    with op.batch_alter_table("fact_changes", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_fact_changes_key"))

    op.drop_table("fact_changes")
