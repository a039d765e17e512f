"""Making a backup: both databases as they are at one moment, while everything runs."""

import hashlib
import json
import os
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import sqlalchemy as sa
from alembic.migration import MigrationContext

from frontdesk.backup import manifest
from frontdesk.backup.manifest import Manifest, Place, TableEntry, lookup_fingerprint, product_version
from frontdesk.backup.tables import encrypted_columns, records, stored_tables, table_names, to_json
from frontdesk.db import Database, utc_now
from frontdesk.trackers import TRACKERS, Trackers

# Told of a table, and of how many rows of it are written.
Progress = Callable[[str, int], None]
_TELL_EVERY = 5_000


class BackupNotWritten(Exception):
    """No backup was made; the message says why and what to do."""


def write_backup(
    database: Database,
    trackers: Trackers,
    lookup_secret: str,
    path: Path,
    *,
    with_keys: bool = False,
    progress: Progress = lambda table, rows: None,
) -> Manifest:
    """Write everything that is stored to a new file, readable by its owner only; raise BackupNotWritten.

    The file is there once it is whole. Without `with_keys` nobody can read it who has not the keys too.
    """
    if path.exists():
        raise BackupNotWritten(f"{path} exists already. Choose another name, or move it away.")
    unfinished = path.with_name(path.name + ".part")
    try:
        unfinished.unlink(missing_ok=True)
        descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w+b") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                made = _fill(archive, database, trackers, lookup_secret, with_keys, progress)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        raise BackupNotWritten(f"{path} cannot be written: {error.strerror}. No backup was made.") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return made


def _fill(
    archive: zipfile.ZipFile,
    database: Database,
    trackers: Trackers,
    lookup_secret: str,
    with_keys: bool,
    progress: Progress,
) -> Manifest:
    keyring = database.keyring
    if keyring is None:
        raise RuntimeError("This database was opened without its keys. Open it with `open_database`.")
    before = keyring.ring.keys
    made_at = utc_now()
    with database.snapshot() as connection:
        revision = MigrationContext.configure(connection).get_current_revision()
        tables = stored_tables(connection, table_names())
        entries = [_write_table(archive, connection, table, "main", progress) for table in tables]
    entries.append(_write_trackers(archive, trackers, progress))
    # Keys may be replaced while rows are read: those from before opened some of them, those from now the others.
    keys = list(dict.fromkeys((*keyring.ring.keys, *before)))
    secrets: dict[str, str] = {}
    if with_keys:
        lines = "".join(f"{key.value}\n" for key in keys)
        for member, content in ((manifest.KEYS_MEMBER, lines), (manifest.LOOKUP_MEMBER, f"{lookup_secret}\n")):
            archive.writestr(member, content)
            secrets[member] = manifest.sha256(content.encode())
    made = Manifest(
        product_version=product_version(),
        made_at=f"{made_at:%Y-%m-%dT%H:%M:%SZ}",
        revision=str(revision),
        keys=[key.fingerprint for key in keys],
        lookup=lookup_fingerprint(lookup_secret),
        tables=entries,
        secrets=secrets,
    )
    archive.writestr(manifest.NAME, made.to_json())
    return made


def _write_trackers(archive: zipfile.ZipFile, trackers: Trackers, progress: Progress) -> TableEntry:
    if not trackers.exist():
        return _write(archive, TRACKERS, "rasa", (), progress)
    with trackers.database.snapshot() as connection:
        return _write_table(archive, connection, TRACKERS, "rasa", progress)


def _write_table(
    archive: zipfile.ZipFile, connection: sa.Connection, table: sa.Table, place: Place, progress: Progress
) -> TableEntry:
    return _write(archive, table, place, records(connection, table), progress)


def _write(
    archive: zipfile.ZipFile, table: sa.Table, place: Place, rows: Iterable[dict[str, object]], progress: Progress
) -> TableEntry:
    member = f"{place}/{table.name}.jsonl"
    columns = [column.name for column in table.columns]
    digest, count = hashlib.sha256(), 0
    with archive.open(member, "w", force_zip64=True) as file:
        for row in rows:
            values = [to_json(row[column]) for column in columns]
            line = json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
            digest.update(line)
            file.write(line)
            count += 1
            if count % _TELL_EVERY == 0:
                progress(table.name, count)
    return TableEntry(
        database=place,
        name=table.name,
        member=member,
        columns=columns,
        encrypted=encrypted_columns().get(table.name, []),
        rows=count,
        sha256=digest.hexdigest(),
    )
