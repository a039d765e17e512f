"""`./ketalink privacy`: what a person may ask for: a copy of what is kept of them, or its deletion."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from frontdesk.cli.console import CommandFailed, err, opened_database, out, print_table, private_file
from frontdesk.cli.purge import POSTGRESQL
from frontdesk.db import Database
from frontdesk.retention.erase import Extent, erase, extent
from frontdesk.retention.export import export
from frontdesk.retention.files import FilesNotCleaned
from frontdesk.retention.person import NoPhoneNumber, Traces, Way, e164, find_traces
from frontdesk.settings import load_settings
from frontdesk.trackers import Trackers, opened_trackers

privacy = typer.Typer(
    name="privacy",
    help="What is kept of a person, by phone number: a copy of it, or its deletion.",
    no_args_is_help=True,
)

Phone = Annotated[
    str,
    typer.Argument(
        metavar="PHONE", help="The person's number, in any spelling; - reads it from standard input, unseen by others."
    ),
]


@privacy.command("export")
def export_person(
    phone: Phone,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write here instead of to standard output.")
    ] = None,
) -> None:
    """Write everything that is kept of a person, as JSON. Read it through before you hand it out."""
    with _found(phone) as (database, trackers, traces):
        if not traces:
            raise CommandFailed("Nothing is kept under this number. Nothing was written.")
        with private_file(output) as file:
            json.dump(export(database, trackers, traces), file, ensure_ascii=False, indent=2)
            file.write("\n")
        _warn(traces)
    if output is not None:
        err.print(f"Wrote {output}, readable by you alone.", markup=False)


@privacy.command("erase")
def erase_person(
    phone: Phone,
    apply: Annotated[bool, typer.Option("--apply", help="Delete. Without it nothing changes.")] = False,
) -> None:
    """Delete everything that is kept of a person, from every store. Without --apply: show what would go."""
    with _found(phone) as (database, trackers, traces):
        before = extent(database, trackers, traces)
        if not traces:
            out.print("Nothing is kept under this number.")
        else:
            _show(before, traces, "Gone" if apply else "Would go")
        _warn(traces)
        if not apply:
            if not traces:
                return
            out.print("Nothing was deleted. To delete: ./ketalink privacy erase PHONE --apply")
            return
        try:
            erase(database, trackers, traces)
        except FilesNotCleaned as error:
            raise CommandFailed(str(error)) from error
        if database.engine.dialect.name == "postgresql":
            out.print(POSTGRESQL)
        out.print("Copies outside are not touched: backups, exported files, e-mails, the clinic's own records.")


@contextmanager
def _found(phone: str) -> Iterator[tuple[Database, Trackers, Traces]]:
    """Open both databases and find what is kept of a person; raise CommandFailed for what is no number."""
    try:
        number = e164(sys.stdin.readline() if phone == "-" else phone)
    except NoPhoneNumber as error:
        raise CommandFailed(str(error)) from error
    settings = load_settings()
    with opened_database(settings) as database, opened_trackers(settings) as trackers:
        with err.status("looking through all conversations"):
            traces = find_traces(database, settings.secret("lookup"), number)
        yield database, trackers, traces


def _show(found: Extent, traces: Traces, heading: str) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("What", no_wrap=True)
    table.add_column(heading, justify="right", no_wrap=True)
    for what, count in (
        ("requests", found.leads),
        ("notes about them", found.notes),
        ("conversations", found.conversations),
        ("their messages", found.messages),
        ("replies to text messages", found.receipts),
        ("drafts of requests", found.drafts),
        ("Rasa's memories", found.memories),
    ):
        table.add_row(what, f"{count:,}")
    print_table(table)
    for way in Way:
        count = sum(way in ways for ways in traces.conversations.values())
        if count:
            out.print(f"Conversations found because of {way.value}: {count}.")
    if found.consents:
        out.print(f"Stays: {found.consents} answers about being contacted, which name nobody.")
    if found.opt_outs:
        out.print("Stays: that this number wants no text messages, as a keyed hash. It protects the person.")


def _warn(traces: Traces) -> None:
    """Say what a person has to look after: it goes to standard error, for the export may go to standard output."""
    if traces.shared:
        err.print(
            f"{len(traces.shared)} of the conversations hold words of others too: requests with another number, or "
            f"the text messages of another phone. Their requests stay."
        )
    if traces.unreadable:
        err.print(
            f"{traces.unreadable} messages could not be looked through: no key opens them. See ./ketalink doctor."
        )
