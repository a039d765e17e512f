"""The keys and the secret that a backup needs: whether they are at hand, and putting those that it brings in place."""

import json
import os
import secrets
from pathlib import Path

from frontdesk.backup.manifest import KEYS_MEMBER, LOOKUP_MEMBER, BackupUnusable, lookup_fingerprint
from frontdesk.backup.reading import Archive
from frontdesk.encryption import keyring_of
from frontdesk.settings import Settings


def install_keys(settings: Settings, archive: Archive) -> list[Path]:
    """Put the keys that are in a backup where there are none, and return the files that were made."""
    keys, lookup = archive.secret(KEYS_MEMBER), archive.secret(LOOKUP_MEMBER)
    made = []
    if keys and settings.encryption_keys is None and not settings.encryption_keys_file.exists():
        _write_private(settings.encryption_keys_file, keys)
        made.append(settings.encryption_keys_file)
    if lookup and settings.lookup_secret is None and not settings.secrets_file.exists():
        fresh = {name: secrets.token_urlsafe(32) for name in ("rasa", "session")}
        _write_private(settings.secrets_file, json.dumps(fresh | {"lookup": lookup.strip()}))
        made.append(settings.secrets_file)
    return made


def check_keys(settings: Settings, archive: Archive, *, lookup_lost: bool = False) -> None:
    """Raise BackupUnusable unless the keys at hand open a backup, and the lookup secret is the one it was made with.

    With `lookup_lost` the secret may be another one.
    """
    keyring = keyring_of(settings)
    at_hand = [key.fingerprint for key in keyring.ring.keys] if keyring.exists() else []
    missing = [fingerprint for fingerprint in archive.manifest.keys if fingerprint not in at_hand]
    # A missing key may be one that nothing was encrypted with any more: then the others are enough.
    if missing and not (at_hand and archive.is_opened_by(keyring)):
        place = "ENCRYPTION_KEYS" if settings.encryption_keys else settings.encryption_keys_file
        raise BackupUnusable(
            f"The keys at hand do not open this backup: missing is the one with the fingerprint "
            f"{' and '.join(missing)}. Put it into {place}. Nothing was changed.{_hint(settings, archive)}"
        )
    if not lookup_lost and archive.manifest.lookup != lookup_fingerprint(settings.secret("lookup")):
        raise BackupUnusable(
            f"This backup was made with another LOOKUP_SECRET. With the one at hand no request would be found by its "
            f"number, and whoever asked for no more text messages would get some. Put back the old one: LOOKUP_SECRET, "
            f"or {settings.secrets_file}. If it is lost for good: --lookup-lost. Nothing was changed."
            f"{_hint(settings, archive)}"
        )


def _hint(settings: Settings, archive: Archive) -> str:
    if not archive.manifest.secrets:
        return ""
    return (
        f" The backup holds its own keys; to use those, move {settings.encryption_keys_file} and "
        f"{settings.secrets_file} away, leave ENCRYPTION_KEYS and LOOKUP_SECRET unset, and run it again."
    )


def _write_private(path: Path, content: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
