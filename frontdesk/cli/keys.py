"""`./ketalink keys`: the keys of what is stored: list them, replace them."""

import time
from typing import Annotated

import typer
from rich.progress import Progress
from rich.table import Table

from frontdesk import rotation
from frontdesk.cli.console import CommandFailed, err, opened_database, out, print_table
from frontdesk.db import Database
from frontdesk.encryption import KeyFile, Keyring, Ring
from frontdesk.rotation import (
    TRACKERS,
    EncryptedTable,
    NeverDone,
    Tally,
    count_rows,
    encrypted_tables,
    finish,
    rewrite,
    tracker_database,
    was_interrupted,
)
from frontdesk.settings import Settings, load_settings

keys = typer.Typer(name="keys", help="The keys of what is stored: list them, replace them.", no_args_is_help=True)


@keys.command("list")
def list_keys() -> None:
    """List the keys, newest first: what tells them apart and when they were made, never a key itself."""
    with opened_database(load_settings()) as database:
        ring = _keyring(database).ring
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("Fingerprint", "Made", "Use"):
        table.add_column(heading, no_wrap=True)
    for number, key in enumerate(ring.keys):
        table.add_row(key.fingerprint, key.made or "not known", "writes and reads" if number == 0 else "reads")
    print_table(table)
    out.print(f"In {ring.place}.", style="dim")


@keys.command()
def rotate(
    forget_old: Annotated[
        bool, typer.Option("--forget-old", help="Remove the old keys once nothing needs them. Backups still do.")
    ] = False,
) -> None:
    """Make a new key and write everything anew with it, while the assistant runs.

    When it is interrupted, run it again: it goes on. With ENCRYPTION_KEYS set, put the new key in front of it yourself
    and restart the assistant first.
    """
    settings = load_settings()
    with opened_database(settings) as database:
        keyring = _keyring(database)
        if isinstance(keyring, KeyFile):
            with keyring.changing():
                _rotate_file(settings, database, keyring, forget_old)
        else:
            _rewrite_all(settings, database, keyring.ring)
            _say_what_can_go(keyring.ring)


def _rotate_file(settings: Settings, database: Database, keyring: KeyFile, forget_old: bool) -> None:
    if was_interrupted(database, keyring.ring):
        err.print("Going on where the last replacement of the keys was interrupted.")
    else:
        err.print(f"Made the key {keyring.add().fingerprint}. Keep a copy of {keyring.path} in a safe place.")
    began = time.monotonic()
    ring = keyring.ring
    _rewrite_all(settings, database, ring)
    if len(ring.keys) == 1:
        return
    if not forget_old:
        err.print(
            f"The old keys ({len(ring.keys) - 1}) are still there, for backups. Remove them with "
            f"./ketalink keys rotate --forget-old"
        )
        return
    settling = rotation.SETTLING_SECONDS - (time.monotonic() - began)
    if settling > 0:
        err.print(f"Waiting {settling:.0f} s for what was begun with an old key.")
        time.sleep(settling)
    _rewrite_all(settings, database, ring)
    keyring.keep_newest()
    err.print(
        f"Removed the old keys ({len(ring.keys) - 1}). A backup made before needs them: keep their copy as long as it."
    )


def _rewrite_all(settings: Settings, database: Database, ring: Ring) -> None:
    """Write everything anew with the newest key; raise CommandFailed if anything cannot be opened."""
    work = [(database, table) for table in encrypted_tables()]
    trackers = tracker_database(settings)
    if trackers is not None:
        work.append((trackers, TRACKERS))
    unreadable: dict[str, int] = {}
    rewritten = 0
    try:
        with Progress(console=err, transient=True) as progress:
            for where, table in work:
                tally = _rewrite(where, table, ring, progress)
                rewritten += tally.rewritten
                if tally.unreadable:
                    unreadable[table.name] = tally.unreadable
    except NeverDone as error:
        raise CommandFailed(
            f"Something goes on writing into the table {error} with an old key. Restart the assistant, then run "
            f"./ketalink keys rotate again."
        ) from error
    finally:
        if trackers is not None:
            trackers.empty_log()
            trackers.close()
    if unreadable:
        counts = ", ".join(f"{count} in {table}" for table, count in unreadable.items())
        raise CommandFailed(
            f"Some values cannot be opened with any of the keys in {ring.place}: {counts}. All others were written "
            f"anew; no key was removed. Put back the keys they were written with, and run this again. See docs/data.md."
        )
    finish(database, ring)
    err.print(f"Wrote {rewritten} values anew; everything is written with the key {ring.keys[0].fingerprint}.")


def _rewrite(database: Database, table: EncryptedTable, ring: Ring, progress: Progress) -> Tally:
    task = progress.add_task(table.name, total=count_rows(database, table))
    return rewrite(database, table, ring, lambda rows: progress.advance(task, rows))


def _say_what_can_go(ring: Ring) -> None:
    if len(ring.keys) > 1:
        err.print(f"Only backups need the other keys in {ring.place} ({len(ring.keys) - 1}): you can take them away.")


def _keyring(database: Database) -> Keyring:
    assert database.keyring is not None  # noqa: S101 # opened_database gives one
    return database.keyring
