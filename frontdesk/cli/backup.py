"""`./ketalink backup` and `restore`: everything that is stored, in one file."""

from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.exc import SQLAlchemyError

from frontdesk.backup.keys import check_keys, install_keys
from frontdesk.backup.manifest import BackupUnusable
from frontdesk.backup.reading import Archive, opened_backup
from frontdesk.backup.restoring import NotEmpty, RasaNotRestored, check_version, contents, listed
from frontdesk.backup.restoring import restore as put_back
from frontdesk.backup.writing import BackupNotWritten, write_backup
from frontdesk.cli.console import CommandFailed, err, opened_database, out
from frontdesk.db import Database
from frontdesk.encryption import KeysUnusable
from frontdesk.retention.files import FilesNotCleaned, leave_nothing_behind
from frontdesk.settings import Settings, load_settings
from frontdesk.trackers import opened_trackers


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to make; it must not exist yet.")],
    with_keys: Annotated[
        bool, typer.Option("--with-keys", help="Put the keys into it too: then the file alone opens everything.")
    ] = False,
) -> None:
    """Write everything that is stored to one file, as it is at this moment. The assistant may go on running."""
    settings = load_settings()
    with opened_database(settings) as database, opened_trackers(settings) as trackers, err.status("") as status:
        try:
            made = write_backup(
                database,
                trackers,
                settings.secret("lookup"),
                file,
                with_keys=with_keys,
                progress=lambda table, rows: status.update(f"{table}: {rows:,}"),
            )
        except BackupNotWritten as error:
            raise CommandFailed(str(error)) from error
    rows = sum(table.rows for table in made.tables)
    out.print(f"Wrote {rows:,} rows of {len(made.tables)} tables to {file}, readable by you alone.", markup=False)
    if with_keys:
        err.print(
            "Whoever gets this file can read everything that patients wrote: the keys are in it. Keep it accordingly."
        )
    else:
        where = "ENCRYPTION_KEYS" if settings.encryption_keys else str(settings.encryption_keys_file)
        lookup = "LOOKUP_SECRET" if settings.lookup_secret else str(settings.secrets_file)
        out.print(
            f"It cannot be read without {where} and {lookup}: keep copies of those, apart from it. Their fingerprints: "
            f"{', '.join([*made.keys, made.lookup])}.",
            markup=False,
        )


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that `backup` has made.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="In place of what is stored now, all of which is deleted.")
    ] = False,
    lookup_lost: Annotated[
        bool,
        typer.Option("--lookup-lost", help="The LOOKUP_SECRET of the backup is lost: go on without who opted out."),
    ] = False,
) -> None:
    """Put a backup back: all of it or nothing. Stop the assistant first."""
    settings = load_settings()
    try:
        with opened_backup(file) as archive, err.status("checking the file") as status:
            check_version(archive)
            archive.verify()
            there = contents(settings)
            if there and not replace:
                raise NotEmpty(there)
            for made in install_keys(settings, archive):
                out.print(f"Made {made} from the backup.", markup=False)
            check_keys(settings, archive, lookup_lost=lookup_lost)
            if there:
                out.print(f"Is replaced: {listed(there)}.", markup=False)
            put_back(
                settings,
                archive,
                replace=replace,
                progress=lambda table, rows: status.update(f"{table}: {rows:,}"),
            )
            _report(archive, file)
            if there:
                status.update("cleaning the files")
                _clean(settings)
    except BackupUnusable as error:
        raise CommandFailed(str(error)) from error
    except RasaNotRestored as error:
        raise CommandFailed(str(error)) from error
    except KeysUnusable:
        raise
    except SQLAlchemyError as error:
        raise CommandFailed(
            f"The database did not take the backup ({type(error).__name__}). Nothing of it was kept; what was there "
            f"is still there. Stop the assistant, run ./ketalink doctor, and try again."
        ) from error
    if lookup_lost:
        out.print("To find requests by number and name again: ./ketalink leads reindex")
    out.print(
        "Start the assistant anew, or for the first time: ./ketalink serve\n"
        "What was erased after the backup was made is back: erase it again (./ketalink privacy erase), and delete what "
        "has become too old since (./ketalink purge --apply)."
    )


def _report(archive: Archive, file: Path) -> None:
    rows = sum(table.rows for table in archive.manifest.tables)
    out.print(f"Restored {rows:,} rows from {file}, made at {archive.manifest.made_at}.", markup=False)


def _clean(settings: Settings) -> None:
    with opened_database(settings) as database, opened_trackers(settings) as trackers:
        for each in (database, trackers.database):
            _clean_one(each)


def _clean_one(database: Database) -> None:
    try:
        leave_nothing_behind(database)
    except FilesNotCleaned as error:
        err.print(str(error), markup=False)
