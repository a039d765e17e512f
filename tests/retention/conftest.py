"""A clinic on each kind of database."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from frontdesk.settings import Settings
from tests.retention.clinic import Clinic


@pytest.fixture
def settings(tmp_path: Path, database_url: str, migrated: Path) -> Settings:
    """Settings of this test alone. On PostgreSQL Rasa's table is beside the others, which is allowed too."""
    data_dir = tmp_path / "var"
    shutil.copytree(migrated, data_dir)
    is_sqlite = database_url.startswith("sqlite")
    return Settings(
        _env_file=None,  # type: ignore[call-arg]
        data_dir=data_dir,
        database_url=None if is_sqlite else database_url,
        tracker_database_url=None if is_sqlite else database_url,
    )


@pytest.fixture
def clinic(settings: Settings) -> Iterator[Clinic]:
    """A clinic without patients."""
    clinic = Clinic.opened(settings)
    yield clinic
    clinic.close()
