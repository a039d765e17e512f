"""What says who somebody is or what they want is encrypted; runs, search keys, consents and drafts."""

import hashlib
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa
from alembic import context, op

from frontdesk.encryption import KeysUnusable
from frontdesk.leads.keys import keys_of

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# Table, its key, and what of it is encrypted.
ENCRYPTED = (
    ("leads", "id", ("full_name", "phone", "email", "reason", "preferred_text")),
    ("lead_notes", "id", ("text",)),
    ("messages", "id", ("text", "content", "understood")),
    ("sms_receipts", "message_sid", ("reply",)),
)
# What no longer fits its type once it is encrypted: table, column, type before, whether it may be empty.
RETYPED: tuple[tuple[str, str, sa.types.TypeEngine[Any], bool], ...] = (
    ("leads", "phone", sa.String(32), False),
    ("leads", "email", sa.String(320), True),
    ("messages", "content", sa.JSON(), True),
    ("messages", "understood", sa.JSON(), True),
)
AT_ONCE = 500
AT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the change."""
    _create_tables()
    _note_runs_consents_and_keys()
    _retype(back=False)
    for column in ("content", "understood"):
        # A JSON column may hold null instead of nothing.
        op.execute(f"UPDATE messages SET {column} = NULL WHERE {column} = 'null'")  # noqa: S608
    _rewrite("encrypt")
    _refuse_changed_consents()


def downgrade() -> None:
    """Undo it."""
    for table in ("drafts", "consents", "lead_keys", "lead_runs", "key_check"):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_change")
    with op.batch_alter_table("leads") as leads:
        for column in ("seen_by", "seen_at", "phone_typed"):
            leads.drop_column(column)
    _rewrite("decrypt")
    _retype(back=True)


def _create_tables() -> None:
    op.create_table(
        "key_check",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("wiped_at", AT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_key_check")),
    )
    op.add_column("leads", sa.Column("phone_typed", sa.Text(), nullable=True))
    op.add_column("leads", sa.Column("seen_at", AT, nullable=True))
    op.add_column("leads", sa.Column("seen_by", sa.String(length=320), nullable=True))
    op.create_table(
        "lead_runs",
        sa.Column("request_id", sa.String(length=64), nullable=False),
        sa.Column("lead_id", sa.String(length=32), nullable=False),
        sa.Column("saved_at", AT, nullable=False),
        sa.ForeignKeyConstraint(["lead_id"], ["leads.id"], name=op.f("fk_lead_runs_lead_id_leads"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_lead_runs")),
    )
    op.create_index(op.f("ix_lead_runs_lead_id"), "lead_runs", ["lead_id"])
    op.create_table(
        "lead_keys",
        sa.Column("lead_id", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("created_at", AT, nullable=False),
        sa.ForeignKeyConstraint(["lead_id"], ["leads.id"], name=op.f("fk_lead_keys_lead_id_leads"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("lead_id", "key", name=op.f("pk_lead_keys")),
    )
    op.create_index("ix_lead_keys_key", "lead_keys", ["key", "created_at"])
    op.create_table(
        "consents",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=False),
        sa.Column("lead_id", sa.String(length=32), nullable=True),
        sa.Column("conversation_id", sa.String(length=64), nullable=True),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("given", sa.Boolean(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("version", sa.String(length=12), nullable=False),
        sa.Column("channel", sa.String(length=10), nullable=False),
        sa.Column("at", AT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consents")),
        sa.UniqueConstraint("request_id", "purpose", "given", name="uq_consents_request_id"),
    )
    op.create_index(op.f("ix_consents_lead_id"), "consents", ["lead_id"])
    op.create_index(op.f("ix_consents_conversation_id"), "consents", ["conversation_id"])
    op.create_table(
        "drafts",
        sa.Column("request_id", sa.String(length=64), nullable=False),
        sa.Column("conversation_id", sa.String(length=64), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("phone_key", sa.String(length=32), nullable=True),
        sa.Column("updated_at", AT, nullable=False),
        sa.Column("expires_at", AT, nullable=False),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_drafts")),
    )
    for column in ("conversation_id", "phone_key", "expires_at"):
        op.create_index(op.f(f"ix_drafts_{column}"), "drafts", [column])


def _note_runs_consents_and_keys() -> None:
    """Note of each request, still in clear text, its run, what was agreed to, and what it is found by."""
    columns = ("request_id", "conversation_id", "channel", "full_name", "phone", "email", "consent_text")
    leads = _table("leads", "id", *columns, created_at=AT, consent_at=AT, consent_given=sa.Boolean())
    runs = _table("lead_runs", "request_id", "lead_id", saved_at=AT)
    keys = _table("lead_keys", "lead_id", "key", "kind", created_at=AT)
    consents = _table(
        "consents",
        *("id", "request_id", "lead_id", "conversation_id", "purpose", "words", "version", "channel"),
        given=sa.Boolean(),
        at=AT,
    )
    lookup = context.config.attributes.get("lookup")
    connection = op.get_bind()
    for batch in _batches(leads, "id"):
        if lookup is None:
            raise KeysUnusable("This database was opened without its lookup secret: requests cannot be indexed.")
        connection.execute(
            sa.insert(runs),
            [
                {"request_id": lead["request_id"], "lead_id": lead["id"], "saved_at": lead["created_at"]}
                for lead in batch
            ],
        )
        connection.execute(
            sa.insert(keys),
            [
                {"lead_id": lead["id"], "key": key, "kind": kind.value, "created_at": lead["created_at"]}
                for lead in batch
                for key, kind in keys_of(lookup, lead["full_name"], lead["phone"], lead["email"]).items()
            ],
        )
        connection.execute(
            sa.insert(consents),
            [
                {
                    "id": uuid.uuid4().hex,
                    "request_id": lead["request_id"],
                    "lead_id": lead["id"],
                    "conversation_id": lead["conversation_id"],
                    "purpose": "contact",
                    "given": lead["consent_given"],
                    "words": lead["consent_text"],
                    "version": hashlib.sha256(lead["consent_text"].encode()).hexdigest()[:12],
                    "channel": lead["channel"],
                    "at": lead["consent_at"],
                }
                for lead in batch
            ],
        )


def _retype(*, back: bool) -> None:
    for name in ("leads", "messages"):
        with op.batch_alter_table(name) as table:
            for _, column, before, nullable in (retyped for retyped in RETYPED if retyped[0] == name):
                is_json = isinstance(before, sa.JSON)
                table.alter_column(
                    column,
                    existing_type=sa.Text() if back else before,
                    type_=before if back else sa.Text(),
                    existing_nullable=nullable,
                    postgresql_using=f"{column}::{'json' if back else 'text'}" if is_json else None,
                )


def _rewrite(how: str) -> None:
    """Encrypt or decrypt everything; `how` is a method of the keyring."""
    keyring = context.config.attributes.get("keyring")
    connection = op.get_bind()
    for name, key, columns in ENCRYPTED:
        table = _table(name, key, *columns)
        change = (
            sa.update(table)
            .where(table.c[key] == sa.bindparam("its_key"))
            .values({column: sa.bindparam(f"new_{column}") for column in columns})
        )
        for batch in _batches(table, key):
            if keyring is None:
                raise KeysUnusable("This database was opened without keys: what it holds cannot be rewritten.")
            method: Callable[[str], str] = getattr(keyring, how)
            connection.execute(
                change,
                [
                    {"its_key": row[key]}
                    | {f"new_{column}": None if row[column] is None else method(row[column]) for column in columns}
                    for row in batch
                ],
            )


def _refuse_changed_consents() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'rows of % are never changed', TG_TABLE_NAME; END $$"
        )
        op.execute(
            "CREATE TRIGGER consents_stay BEFORE UPDATE ON consents FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
    else:
        op.execute(
            "CREATE TRIGGER consents_stay BEFORE UPDATE ON consents "
            "BEGIN SELECT RAISE(ABORT, 'rows of consents are never changed'); END"
        )


def _table(name: str, *texts: str, **others: sa.types.TypeEngine[Any]) -> sa.TableClause:
    columns = [sa.column(column, sa.Text()) for column in texts]
    return sa.table(name, *columns, *(sa.column(column, kind) for column, kind in others.items()))


def _batches(table: sa.TableClause, key: str) -> Iterator[list[Any]]:
    """Yield all rows in the order of their key, so many at a time, as mappings."""
    connection, after = op.get_bind(), ""
    while True:
        query = sa.select(table).where(table.c[key] > after).order_by(table.c[key]).limit(AT_ONCE)
        rows = list(connection.execute(query).mappings())
        if not rows:
            return
        yield rows
        after = rows[-1][key]
