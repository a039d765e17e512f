"""Encryption at rest: the keys, where they are kept, and how they are replaced while everything runs.

What is stored is a Fernet token (AES-128-CBC and HMAC-SHA256) of UTF-8 text. The newest key writes, every key reads.
Rasa's side (`bot/encryption.py`) reads the same keys in the same order.
"""

import fcntl
import hashlib
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from sqlalchemy.exc import DontWrapMixin, SQLAlchemyError

from frontdesk.settings import Settings, SettingsError

_MADE = "# made "
_HEADER = """\
# The keys that open what the assistant stores, newest first. Without them names, phone numbers, requests and
# conversations are lost: keep a copy in a safe place, apart from copies of the data. See docs/data.md.
"""


class KeysUnusable(SettingsError, DontWrapMixin, SQLAlchemyError):
    """The keys are missing or damaged, or do not open what is stored; the message says what to do.

    For whoever waits for an answer it is one more way in which the database cannot be used, hence its base; it never
    holds what is stored.
    """


class Undecipherable(KeysUnusable):
    """A stored value that none of the keys opens."""


@dataclass(frozen=True)
class Key:
    """One key, and when it was made, if its file says so."""

    value: str = field(repr=False)
    made: str | None = None

    @property
    def fingerprint(self) -> str:
        """Return what may be shown of it: enough to tell keys apart."""
        return hashlib.sha256(self.value.encode()).hexdigest()[:12]


class Ring:
    """Keys that stay as they are, newest first."""

    def __init__(self, keys: Sequence[Key], place: str) -> None:
        """Raise KeysUnusable for what is no key; `place` is where a person finds the keys."""
        if not keys:
            raise KeysUnusable(f"{place} holds no key. Put back the keys from your backup. See docs/data.md.")
        self.keys = tuple(keys)
        self.place = place
        self._newest, *_ = fernets = [_fernet(key, number, place) for number, key in enumerate(keys, start=1)]
        self._all = MultiFernet(fernets)

    def encrypt(self, text: str) -> str:
        """Return a token of `text`, made with the newest key."""
        return self._newest.encrypt(text.encode()).decode("ascii")

    def decrypt(self, token: str) -> str:
        """Return the text of a token; raise Undecipherable when no key opens it."""
        try:
            return self._all.decrypt(token.encode()).decode()
        except InvalidToken:
            raise self._undecipherable() from None

    def rotate(self, token: str) -> str:
        """Return a token of the same text, made with the newest key; raise Undecipherable."""
        try:
            return self._all.rotate(token.encode()).decode("ascii")
        except InvalidToken:
            raise self._undecipherable() from None

    def is_newest(self, token: str) -> bool:
        """Tell whether the newest key made this token."""
        try:
            self._newest.decrypt(token.encode())
        except InvalidToken:
            return False
        return True

    def _undecipherable(self) -> Undecipherable:
        keys = "only key" if len(self.keys) == 1 else f"{len(self.keys)} keys"
        return Undecipherable(
            f"A stored value cannot be opened with the {keys} in {self.place}: it was written with a key that is not "
            f"there, or it is damaged. Put back the keys from your backup; ./ketalink doctor says whether they open "
            f"what is stored. See docs/data.md."
        )


class Keyring:
    """The keys of ENCRYPTION_KEYS, which are the same as long as the process runs. Threads may share one."""

    def __init__(self, ring: Ring) -> None:
        self._ring = ring

    @property
    def ring(self) -> Ring:
        """Return the keys as they are now; raise KeysUnusable."""
        return self._ring

    def exists(self) -> bool:
        """Tell whether there are keys."""
        return True

    def create(self) -> None:
        """Make the first key if there is none."""

    def encrypt(self, text: str) -> str:
        """Return a token of `text`, made with the newest key; raise KeysUnusable."""
        return self.ring.encrypt(text)

    def decrypt(self, token: str) -> str:
        """Return the text of a token; raise KeysUnusable, Undecipherable when no key opens it."""
        return self.ring.decrypt(token)

    def rotate(self, token: str) -> str:
        """Return a token of the same text, made with the newest key; raise as `decrypt` does."""
        return self.ring.rotate(token)


class KeyFile(Keyring):
    """The keys in a file, one a line, newest first; read when first needed, and again whenever the file changes.

    So a key that `./ketalink keys rotate` adds is used by the processes that run for whatever they write next. A file
    that is gone meanwhile stops nobody; the next start does not make another in its place when data needs the old one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read: tuple[_State, Ring] | None = None

    @property
    def ring(self) -> Ring:
        """Return the keys as they are now; raise KeysUnusable."""
        known = self._read
        state = _state(self.path)
        if known is not None and state in (known[0], None):
            return known[1]
        if state is None:
            raise KeysUnusable(
                f"The keys file {self.path} is missing. Put it back from your backup: what is stored cannot be read "
                f"without it. With nothing stored yet, ./ketalink serve makes it. See docs/data.md."
            )
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise KeysUnusable(f"The keys file {self.path} cannot be read: {type(error).__name__}.") from error
        ring = Ring(_parse(lines), str(self.path))
        self._read = (state, ring)
        return ring

    def exists(self) -> bool:
        """Tell whether the file is there."""
        return self.path.exists()

    def create(self) -> None:
        """Make the file with one new key, for its owner only, unless another process was faster."""
        unfinished = self._write([_new_key()])
        try:
            # Unlike a rename, a link fails when the file is there by now; and nobody ever reads half of it.
            with suppress(FileExistsError):
                os.link(unfinished, self.path)
        except OSError as error:
            raise self._unwritable(error) from error
        finally:
            unfinished.unlink(missing_ok=True)
        _sync_folder(self.path.parent)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Keep other processes from changing the keys; raise KeysUnusable while one does."""
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise KeysUnusable("Another ./ketalink keys rotate is at work. Wait until it has ended.") from None
        finally:
            os.close(folder)

    def add(self) -> Key:
        """Put a new key in front and return it; within `changing`."""
        key = _new_key()
        self._replace([key, *self.ring.keys])
        return key

    def keep_newest(self) -> None:
        """Remove every key but the newest; within `changing`. What only they open can never be read again."""
        self._replace([self.ring.keys[0]])

    def _replace(self, keys: Sequence[Key]) -> None:
        unfinished = self._write(keys)
        try:
            unfinished.replace(self.path)
        except OSError as error:
            unfinished.unlink(missing_ok=True)
            raise self._unwritable(error) from error
        _sync_folder(self.path.parent)

    def _write(self, keys: Sequence[Key]) -> Path:
        """Write the keys to a file beside the real one and return it."""
        unfinished = self.path.with_name(f"{self.path.name}.{secrets.token_hex(8)}")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(_HEADER)
                for key in keys:
                    file.write(f"{_MADE}{key.made}\n{key.value}\n" if key.made else f"{key.value}\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise self._unwritable(error) from error
        return unfinished

    def _unwritable(self, error: OSError) -> KeysUnusable:
        return KeysUnusable(f"The keys file {self.path} cannot be written: {error.strerror}.")


def keyring_of(settings: Settings) -> Keyring:
    """Return the keys in ENCRYPTION_KEYS, else those in the file of DATA_DIR; raise KeysUnusable for what is no key."""
    chosen = settings.encryption_keys
    if chosen is None:
        return KeyFile(settings.encryption_keys_file)
    values = [value.strip() for value in chosen.get_secret_value().split(",")]
    return Keyring(Ring([Key(value) for value in values if value], "ENCRYPTION_KEYS"))


# What changes when a file is replaced or edited: time of change in nanoseconds, size, inode.
_State = tuple[int, int, int]


def _state(path: Path) -> _State | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _new_key() -> Key:
    return Key(Fernet.generate_key().decode("ascii"), f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")


def _parse(lines: Sequence[str]) -> list[Key]:
    keys, made = [], None
    for line in lines:
        value = line.partition("#")[0].strip()
        if line.startswith(_MADE):
            made = line.removeprefix(_MADE).strip()
        elif value:
            keys.append(Key(value, made))
            made = None
    return keys


def _fernet(key: Key, number: int, place: str) -> Fernet:
    try:
        return Fernet(key.value)
    except ValueError:
        raise KeysUnusable(
            f"Key number {number} in {place} is no key: 44 characters of Base64 are expected. Put back the keys from "
            f"your backup. See docs/data.md."
        ) from None


def _sync_folder(folder: Path) -> None:
    """Make sure that a file's name outlives a loss of power: data encrypted with a key that is lost is lost."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
