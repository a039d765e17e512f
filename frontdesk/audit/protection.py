"""The database's own refusal to change or delete rows of the audit, lifted only to put a whole backup in its place."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

_PROTECT = {
    "postgresql": (
        "CREATE TRIGGER audit_stays BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION refuse_change()",
    ),
    "sqlite": tuple(
        f"CREATE TRIGGER audit_stays_{event.lower()} BEFORE {event} ON audit "
        "BEGIN SELECT RAISE(ABORT, 'rows of audit are never changed'); END"
        for event in ("UPDATE", "DELETE")
    ),
}
_UNPROTECT = {
    "postgresql": ("DROP TRIGGER IF EXISTS audit_stays ON audit",),
    "sqlite": ("DROP TRIGGER IF EXISTS audit_stays_update", "DROP TRIGGER IF EXISTS audit_stays_delete"),
}


@contextmanager
def lifted(connection: sa.Connection) -> Iterator[None]:
    """Let rows be deleted until the end of the block, in the same transaction."""
    for statement in _UNPROTECT[connection.dialect.name]:
        connection.exec_driver_sql(statement)
    yield
    for statement in _PROTECT[connection.dialect.name]:
        connection.exec_driver_sql(statement)
