"""The keys that Rasa's conversations are encrypted with on disk: the same ones the front desk uses.

`ENCRYPTION_KEYS` holds them, comma-separated, or the file that `ENCRYPTION_KEYS_FILE` names, one a line, `#` before a
comment; `var/encryption.keys` unless told otherwise. Newest first: the first one encrypts, each of them decrypts.
`./ketalink serve` names the file and has made it. Neither a key nor what it protects ever gets into a message or a log.
"""

import logging
import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from rasa.shared.exceptions import InvalidConfigException

from bot.clinic import PROJECT

logger = logging.getLogger(__name__)

DEFAULT_FILE = PROJECT / "var" / "encryption.keys"


class UnknownKey(Exception):
    """A token was encrypted with none of the known keys, or is damaged."""


class Keyring:
    """Keys that never change while the program runs."""

    def __init__(self, keys: MultiFernet) -> None:
        self._keys = keys

    def encrypt(self, text: str) -> str:
        """Return a Fernet token of `text`."""
        return self._keys.encrypt(text.encode()).decode("ascii")

    def decrypt(self, token: str) -> str:
        """Return what a token holds; raise UnknownKey when no key opens it."""
        try:
            return self._keys.decrypt(token.encode()).decode()
        except InvalidToken:
            raise UnknownKey from None


class KeyFile(Keyring):
    """Keys in a file that may be rewritten meanwhile (`./ketalink keys rotate`)."""

    def __init__(self, path: Path) -> None:
        super().__init__(_read(path))
        self._path = path
        self._seen = self._state()

    def encrypt(self, text: str) -> str:
        """Return a token made with the key that is the newest now: an older one may be removed any time."""
        if self._state() != self._seen:
            self._reload()
        return super().encrypt(text)

    def decrypt(self, token: str) -> str:
        """Return what a token holds, after a second look at the file if no key opens it; raise UnknownKey."""
        try:
            return super().decrypt(token)
        except UnknownKey:
            self._reload()
            return super().decrypt(token)

    def _state(self) -> tuple[int, ...] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return (found.st_ino, found.st_mtime_ns, found.st_size)

    def _reload(self) -> None:
        state = self._state()
        try:
            self._keys = _read(self._path)
        except InvalidConfigException:
            # Gone or half-written: what is known still works, and the next call looks again.
            logger.warning("encryption_keys_unreadable, going on with those known so far")
            return
        self._seen = state


def load_keyring(may_make: bool, environment: Mapping[str, str] = os.environ) -> Keyring:
    """Return the keys that are set.

    Args:
        may_make: whether keys may be made for Rasa run by hand, when nothing is stored that others would open. A file
            that the front desk names is never made here: only the front desk knows whether its own data needs old keys.
        environment: where the settings are.
    Raises: InvalidConfigException when there are no keys, or unusable ones.
    """
    listed = environment.get("ENCRYPTION_KEYS", "").strip()
    if listed:
        return Keyring(_keys(listed.split(","), "ENCRYPTION_KEYS"))
    named = environment.get("ENCRYPTION_KEYS_FILE")
    path = Path(named) if named else DEFAULT_FILE
    if may_make and not named:
        make_key_file(path)
    return KeyFile(path)


def make_key_file(path: Path) -> None:
    """Write a file with one new key, unless there is one, or another process is faster: then its key counts."""
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, written = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")  # readable by the owner only
    try:
        with os.fdopen(descriptor, "w") as file:
            # As the front desk writes it: `./ketalink keys list` shows when a key was made.
            file.write(f"# made {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}\n{Fernet.generate_key().decode()}\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(written, path)  # whole or not at all, and never over another one
    finally:
        os.unlink(written)


def _read(path: Path) -> MultiFernet:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidConfigException(
            f"The encryption keys {path} cannot be read ({type(error).__name__}). Put the file back from a backup; "
            f"with nothing stored yet, ./ketalink serve makes it."
        ) from None
    return _keys([line.partition("#")[0] for line in lines], str(path))


def _keys(entries: Sequence[str], place: str) -> MultiFernet:
    keys = []
    for number, entry in enumerate(entries, 1):
        if not entry.strip():
            continue
        try:
            keys.append(Fernet(entry.strip()))
        except ValueError:
            raise InvalidConfigException(
                f"Entry {number} of {place} is no encryption key: 32 bytes in URL-safe base64 are. "
                f"Put it back from a backup; without its key, what it encrypted cannot be read."
            ) from None
    if not keys:
        raise InvalidConfigException(f"{place} holds no encryption key. Put it back from a backup.")
    return MultiFernet(keys)
