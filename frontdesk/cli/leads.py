"""`./ketalink leads`: the appointment requests, in the terminal or as a file for other programs."""

import csv
import json
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TextIO
from zoneinfo import ZoneInfo

import typer
from rich.table import Table
from rich.text import Text

from frontdesk.cli.console import CommandFailed, err, opened_database, out, print_table, private_file
from frontdesk.leads import repository
from frontdesk.leads.models import Lead, LeadStatus
from frontdesk.settings import Settings, load_settings

leads = typer.Typer(name="leads", help="Appointment requests: list them, export them.", no_args_is_help=True)

# What a spreadsheet would run as a formula, plain and full-width, and the characters it skips before one.
_FORMULA_STARTS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
CSV_COLUMNS = (
    "reference",
    "created_at",
    "channel",
    "status",
    "full_name",
    "phone",
    "email",
    "patient_type",
    "reason",
    "preferred_time_text",
    "preferred_time_date",
    "preferred_time_part_of_day",
    "consent_given",
    "consent_at",
    "consent_text",
    "notes",
    "assigned_to",
)


class ExportFormat(StrEnum):
    """How requests can be exported."""

    JSONL = "jsonl"
    CSV = "csv"


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
    if output is not None:
        err.print(f"Wrote {written} requests to {output}, readable by you alone.", markup=False)


def write_jsonl(records: Iterable[dict[str, Any]], file: TextIO) -> int:
    """Write one JSON object a line; return how many."""
    written = 0
    for record in records:
        written += 1
        file.write(json.dumps(record, ensure_ascii=False) + "\n")
    return written


def write_csv(records: Iterable[dict[str, Any]], file: TextIO) -> int:
    """Write a table that is safe to open in a spreadsheet; return the number of requests."""
    table = csv.writer(file)
    table.writerow(CSV_COLUMNS)
    written = 0
    for record in records:
        written += 1
        flat = _flat(record)
        table.writerow([_safe_cell(flat[column]) for column in CSV_COLUMNS])
    return written


def _flat(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record whose values are cells: `preferred_time.date` becomes `preferred_time_date`, notes one text."""
    flat: dict[str, Any] = {}
    for key, value in record.items():
        if isinstance(value, dict):
            flat |= {f"{key}_{inner}": content for inner, content in value.items()}
        else:
            flat[key] = value
    flat["notes"] = "\n".join(f"{note['at']} {note['author']}: {note['text']}" for note in record["notes"])
    return flat


def _safe_cell(value: Any) -> str:
    """Return a cell that no spreadsheet takes for a formula: an apostrophe makes it text, also for `+1516…`."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value)
    return "'" + text if text.startswith(_FORMULA_STARTS) else text


def _printable(text: str) -> str:
    """Return text that cannot steer a terminal."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
