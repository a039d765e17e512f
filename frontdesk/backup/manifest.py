"""What a backup says about itself: `manifest.json` in the file."""

import hashlib
import json
import tomllib
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from frontdesk.lookup import Lookup
from frontdesk.settings import PROJECT

NAME = "manifest.json"
FORMAT = "ketalink backup"
FORMAT_VERSION = 1
KEYS_MEMBER = "keys/encryption.keys"
LOOKUP_MEMBER = "keys/lookup.secret"

Place = Literal["main", "rasa"]


class BackupUnusable(Exception):
    """A file cannot be restored; the message says why and what to do. Nothing was changed."""


@dataclass(frozen=True)
class TableEntry:
    """One table: a member with a JSON array a line, its values in the order of `columns`."""

    database: Place
    name: str
    member: str
    columns: list[str]
    encrypted: list[str]
    rows: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What is in the file, and what it needs.

    `keys` are fingerprints of the keys at hand when it was made, newest first, `lookup` that of the secret by which
    phone numbers and names are found; neither says anything about the secret itself. `secrets` are the members that
    hold them, by name, with their SHA-256: none unless whoever made it asked for them.
    """

    product_version: str
    made_at: str
    revision: str
    keys: list[str]
    lookup: str
    tables: list[TableEntry]
    secrets: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> bytes:
        """Return the member's content."""
        content = {"format": FORMAT, "format_version": FORMAT_VERSION, **asdict(self)}
        return json.dumps(content, indent=2).encode() + b"\n"

    @classmethod
    def from_json(cls, content: bytes) -> "Manifest":
        """Read the member's content; raise BackupUnusable."""
        try:
            read: dict[str, Any] = json.loads(content)
            known, version = read.pop("format") == FORMAT, read.pop("format_version")
            if not known:
                raise ValueError
            if version != FORMAT_VERSION:
                raise BackupUnusable(
                    f"This backup has format {version}, and this version reads format {FORMAT_VERSION}. Restore it "
                    f"with version {read.get('product_version')} of the assistant or a newer one."
                )
            tables = [TableEntry(**entry) for entry in read.pop("tables")]
            return cls(tables=tables, **read)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BackupUnusable(
                f"This is no backup of the assistant, or it is damaged: its {NAME} cannot be read."
            ) from error


def lookup_fingerprint(secret: str) -> str:
    """Return what may be shown of the lookup secret: enough to tell it from another."""
    return Lookup(secret).key("fingerprint", "")[:12]


def product_version() -> str:
    """Return the version of the assistant, for people to read."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    return str(project["project"]["version"])


def sha256(content: bytes) -> str:
    """Return the hash of a whole member."""
    return hashlib.sha256(content).hexdigest()
