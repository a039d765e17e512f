"""`./ketalink audit`: whether the list of who did and saw what is as it was written."""

import re
from typing import Annotated

import typer

from frontdesk.audit.log import verify as verify_all
from frontdesk.cli.console import CommandFailed, opened_database
from frontdesk.settings import load_settings

audit = typer.Typer(name="audit", help="The console's audit: check that nobody changed it.", no_args_is_help=True)

_EXPECTED = re.compile(r"([1-9][0-9]{0,9}):([0-9a-f]{8,64})")


@audit.callback()
def commands() -> None:
    """Keep `verify` a command of its own, although it is the only one."""


@audit.command()
def verify(
    expect: Annotated[
        str | None,
        typer.Option(metavar="NUMBER:HASH", help="A row as noted elsewhere; it has to be there, and be the same."),
    ] = None,
) -> None:
    """Check that every row is the one that was written and none is missing; exit code 1 when not."""
    expected = _EXPECTED.fullmatch(expect) if expect else None
    if expect and not expected:
        raise CommandFailed("--expect takes a row's number, a colon and 8 or more digits of its hash: 120:9f86d081884c")
    with opened_database(load_settings()) as database, database.session() as session:
        checked = verify_all(session, (int(expected[1]), expected[2]) if expected else None)
    if checked.broken:
        raise CommandFailed(
            f"The audit was tampered with: row {checked.broken.seq}: {checked.broken.why}. "
            f"The {checked.count} rows before it are as they were written."
        )
    typer.echo(f"{checked.count} rows, all as they were written.")
    if checked.count:
        # Somebody who writes the whole list anew is found by this alone.
        typer.echo(f"Note this elsewhere, for --expect: {checked.last_seq}:{checked.last_hash[:16]}")
