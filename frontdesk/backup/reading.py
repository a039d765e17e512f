"""Reading a backup, after every byte of it was checked."""

import hashlib
import json
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import sqlalchemy as sa

from frontdesk.backup import manifest
from frontdesk.backup.manifest import BackupUnusable, Manifest, Place, TableEntry
from frontdesk.backup.tables import Record, from_json
from frontdesk.encryption import Keyring, Undecipherable

# What a damaged file ends in, wherever the damage is.
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError, TypeError, NotImplementedError, RuntimeError)


class Archive:
    """An open backup. Everything raises BackupUnusable for a damaged one."""

    def __init__(self, file: zipfile.ZipFile, path: Path) -> None:
        self._file = file
        self._path = path
        with self._reported():
            content = file.read(manifest.NAME)
        self.manifest = Manifest.from_json(content)

    def verify(self) -> None:
        """Read it from end to end and compare hashes and numbers of rows."""
        for entry in self.manifest.tables:
            digest, rows = hashlib.sha256(), 0
            with self._opened(entry.member) as lines:
                for line in lines:
                    digest.update(line)
                    rows += 1
                    if len(json.loads(line)) != len(entry.columns):
                        raise ValueError("a line is not as long as the manifest says")
            if (digest.hexdigest(), rows) != (entry.sha256, entry.rows):
                raise self._damaged(entry.member)
        for member in self.manifest.secrets:
            self.secret(member)

    def table(self, place: Place, name: str) -> TableEntry | None:
        """Return what the manifest says of a table, or None when the backup has none of this name."""
        return next((one for one in self.manifest.tables if (one.database, one.name) == (place, name)), None)

    def records(self, place: Place, table: sa.Table) -> Iterator[Record]:
        """Go through the rows of a table, as values that its columns take."""
        entry = self.table(place, table.name)
        if entry is None:
            return
        with self._opened(entry.member) as lines:
            columns = [table.columns[name] for name in entry.columns]
            for line in lines:
                values = json.loads(line)
                yield {column.name: from_json(value, column) for column, value in zip(columns, values, strict=True)}

    def is_opened_by(self, keyring: Keyring) -> bool:
        """Tell whether some key opens every token in it: all are tried."""
        for entry in self.manifest.tables:
            positions = [entry.columns.index(column) for column in entry.encrypted]
            with self._opened(entry.member) as lines:
                for line in lines:
                    values = json.loads(line)
                    try:
                        for position in positions:
                            if values[position] is not None:
                                keyring.decrypt(values[position])
                    except Undecipherable:
                        return False
        return True

    def secret(self, member: str) -> str | None:
        """Return one of the secrets in it, or None when it has none."""
        expected = self.manifest.secrets.get(member)
        if expected is None:
            return None
        with self._reported():
            content = self._file.read(member)
        if manifest.sha256(content) != expected:
            raise self._damaged(member)
        return content.decode()

    @contextmanager
    def _opened(self, member: str) -> Iterator[IO[bytes]]:
        with self._reported(member), self._file.open(member) as lines:
            yield lines

    @contextmanager
    def _reported(self, member: str = manifest.NAME) -> Iterator[None]:
        try:
            yield
        except _DAMAGE as error:
            raise self._damaged(member) from error

    def _damaged(self, member: str) -> BackupUnusable:
        return BackupUnusable(
            f"{self._path} is damaged ({member} is not what was written). Nothing was changed. Use another copy."
        )


@contextmanager
def opened_backup(path: Path) -> Iterator[Archive]:
    """Open a backup; raise BackupUnusable."""
    try:
        file = zipfile.ZipFile(path)
    except OSError as error:
        raise BackupUnusable(f"{path} cannot be read: {error.strerror}.") from error
    except zipfile.BadZipFile as error:
        raise BackupUnusable(f"{path} is no backup, or it is damaged. Nothing was changed.") from error
    with file:
        yield Archive(file, path)
