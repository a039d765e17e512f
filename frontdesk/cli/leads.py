"""`./ketalink leads`: the appointment requests, in the terminal or as a file for other programs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.table import Table
from rich.text import Text

from frontdesk.audit.log import COMMAND_LINE, Action, record
from frontdesk.cli.console import CommandFailed, err, opened_database, out, print_table, private_file
from frontdesk.db import utc_now
from frontdesk.leads import repository
from frontdesk.leads.export import ExportFormat, write_csv, write_jsonl
from frontdesk.leads.models import Lead, LeadStatus
from frontdesk.settings import Settings, load_settings

leads = typer.Typer(name="leads", help="Appointment requests: list them, export them.", no_args_is_help=True)


@leads.command("list")
def list_leads(
    status: Annotated[LeadStatus | None, typer.Option(help="Only requests with this status.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most this many, newest first.")] = 50,
    search: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Only those with this phone number, e-mail address, reference or name."),
    ] = None,
) -> None:
    """List requests, newest first. Times are the clinic's."""
    settings = load_settings()
    if search is not None:
        if status is not None:
            raise CommandFailed("--search looks through requests of every status: leave out --status.")
        with opened_database(settings) as database, database.session() as session:
            found = repository.search(session, search, limit)
        _print(found, settings, "No request was found.")
        return
    with opened_database(settings) as database, database.session() as session:
        counts = repository.count_by_status(session)
        found = repository.newest(session, status, limit)
    total = counts[status] if status else sum(counts.values())
    _print(found, settings, f"No requests with the status {status}." if status else "No requests yet.")
    if total > len(found) > 0:
        out.print(f"{len(found)} of {total}; --limit {total} shows all.", style="dim")


@leads.command()
def reindex() -> None:
    """Make the index anew by which requests are found. Needed after a new LOOKUP_SECRET, and at no other time."""
    with opened_database(load_settings()) as database, database.session() as session:
        count = repository.reindex(session)
    err.print(f"Indexed {count} requests.")


def _print(found: Sequence[Lead], settings: Settings, nothing: str) -> None:
    if not found:
        out.print(nothing)
        return
    zone = ZoneInfo(settings.clinic_timezone)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("Reference", "Received", "Name", "Phone", "When it suits", "Status"):
        table.add_column(heading, no_wrap=heading != "When it suits", overflow="ellipsis")
    for lead in found:
        received = f"{lead.created_at.astimezone(zone):%Y-%m-%d %H:%M}"
        row = (lead.reference, received, lead.full_name, lead.phone, lead.preferred_text or "", lead.status.value)
        table.add_row(*(Text(_printable(cell)) for cell in row))
    print_table(table)


@leads.command()
def export(
    format: Annotated[ExportFormat, typer.Option("--format", help="jsonl: one JSON object a line.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write here instead of to standard output.")
    ] = None,
) -> None:
    """Export every request with its notes, oldest first. The file holds patients' data: keep it safe."""
    settings = load_settings()
    with opened_database(settings) as database, database.session() as session, private_file(output) as file:
        records = (repository.as_record(lead) for lead in repository.oldest_first(session))
        written = write_jsonl(records, file) if format is ExportFormat.JSONL else write_csv(records, file)
        record(session, utc_now(), COMMAND_LINE, Action.LEADS_EXPORTED, format=format.value, count=written)
    if output is not None:
        err.print(f"Wrote {written} requests to {output}, readable by you alone.", markup=False)


def _printable(text: str) -> str:
    """Return text that cannot steer a terminal."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
