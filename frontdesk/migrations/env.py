"""Run by Alembic; the connection comes from `frontdesk.db.Database.migrate`."""

from alembic import context

from frontdesk.db import Base
from frontdesk.migrations import models  # noqa: F401  # fills the metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
