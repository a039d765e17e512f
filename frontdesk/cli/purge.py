"""`./ketalink purge`: delete what has been kept for long enough."""

from typing import Annotated

import typer
from rich.table import Table

from frontdesk.cli.console import CommandFailed, err, opened_database, out, print_table
from frontdesk.db import utc_now
from frontdesk.retention.files import FilesNotCleaned
from frontdesk.retention.policy import Kind, Policy
from frontdesk.retention.purge import Purge
from frontdesk.settings import load_settings
from frontdesk.trackers import opened_trackers

_INTERRUPTED = 130
POSTGRESQL = (
    "PostgreSQL keeps deleted rows in its files until they are vacuumed, and in its own backups; both are its "
    "administrator's to look after."
)


def purge(
    kind: Annotated[
        list[Kind] | None, typer.Option(help="Only records of this kind; may be given several times. Absent: all.")
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Delete. Without it nothing changes.")] = False,
) -> None:
    """Delete what has been kept for long enough, from every store. Without --apply: show what would go."""
    settings = load_settings()
    kinds = kind or list(Kind)
    with opened_database(settings) as database, opened_trackers(settings) as trackers:
        work = Purge(database, trackers, Policy.of(settings))
        now = utc_now()
        if not apply:
            _show(work, work.due(now, kinds), "Would go")
            out.print("Nothing was deleted. To delete: ./ketalink purge --apply")
            return
        gone: dict[Kind, int] = dict.fromkeys(kinds, 0)
        try:
            with err.status("") as status:

                def progress(of: Kind, count: int) -> None:
                    gone[of] = count
                    status.update(f"{of.value}: {count:,} deleted")

                work.run(now, kinds, progress)
                status.update("cleaning the files")
                work.clean_files()
        except KeyboardInterrupt:
            _show(work, gone, "Gone so far")
            out.print("Interrupted. Run it again for the rest.")
            raise typer.Exit(_INTERRUPTED) from None
        except FilesNotCleaned as error:
            _show(work, gone, "Gone")
            raise CommandFailed(str(error)) from error
        _show(work, gone, "Gone")
        if database.engine.dialect.name == "postgresql":
            out.print(POSTGRESQL)


def _show(work: Purge, counts: dict[Kind, int], heading: str) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Kind", no_wrap=True)
    table.add_column("Kept")
    table.add_column(heading, justify="right", no_wrap=True)
    for rule in work.rules:
        if rule.kind in counts:
            table.add_row(rule.kind.value, rule.kept, f"{counts[rule.kind]:,}")
    print_table(table)
