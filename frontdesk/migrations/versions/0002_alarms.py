"""Messages in which a crisis or an emergency was noticed."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    with op.batch_alter_table("messages", schema=None) as batch_op:
        batch_op.add_column(sa.Column("is_alarm", sa.Boolean(), server_default=sa.false(), nullable=False))
        batch_op.add_column(sa.Column("alarm_seen_by", sa.String(length=320), nullable=True))
        batch_op.create_index(batch_op.f("ix_messages_is_alarm"), ["is_alarm"], unique=False)


def downgrade() -> None:
    """Undo it."""
    with op.batch_alter_table("messages", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_messages_is_alarm"))
        batch_op.drop_column("alarm_seen_by")
        batch_op.drop_column("is_alarm")
