"""A console that runs, and somebody signed in."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from frontdesk.app import create_app
from frontdesk.console import accounts
from frontdesk.console.models import Role
from frontdesk.db import Database, open_database
from frontdesk.settings import Settings

EMAIL, PASSWORD, ORIGIN = "ana@clinic.example", "plum-tree-north-window", "http://testserver"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(_env_file=None, data_dir=tmp_path)  # type: ignore[call-arg]


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    database = open_database(settings)
    database.migrate()
    with database.session() as session:
        accounts.create_account(session, EMAIL, PASSWORD, Role.STAFF)
    yield database
    database.close()


@pytest.fixture
def staff(settings: Settings, database: Database) -> TestClient:
    """A browser in which Ana is signed in."""
    client = TestClient(create_app(settings), headers={"origin": ORIGIN}, follow_redirects=False)
    assert client.post("/staff/sign-in", data={"email": EMAIL, "password": PASSWORD}).status_code == 303
    return client
