"""The tables' history, run by Alembic at start."""
