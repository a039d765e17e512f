"""A console that runs, and somebody signed in."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from frontdesk.app import create_app
from frontdesk.console import sessions
from frontdesk.console.guard import COOKIE, HOME
from frontdesk.console.models import Role, Staff
from frontdesk.db import Database, open_database, utc_now
from frontdesk.settings import Settings

EMAIL, ORIGIN = "ana@clinic.example", "http://testserver"


def let_in(client: TestClient, database: Database, now: datetime) -> None:
    """Leave in a browser what Ana's signing in leaves there, without the work that her password is by design."""
    with database.session() as session:
        token = sessions.start(session, session.scalars(sa.select(Staff.id).where(Staff.email == EMAIL)).one(), now)
    client.cookies.set(COOKIE, token, domain="testserver.local", path=HOME)


@pytest.fixture
def settings(tmp_path: Path, sqlite_url: str) -> Settings:
    return Settings(_env_file=None, data_dir=tmp_path, database_url=sqlite_url)  # type: ignore[call-arg]


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    database = open_database(settings)
    with database.session() as session:
        session.add(Staff(email=EMAIL, role=Role.STAFF, password_hash="of no password"))
    yield database
    database.close()


@pytest.fixture
def staff(settings: Settings, database: Database) -> TestClient:
    """A browser in which Ana is signed in."""
    client = TestClient(create_app(settings), headers={"origin": ORIGIN}, follow_redirects=False)
    let_in(client, database, utc_now())
    return client


def make(role: Role, database: Database) -> None:
    """Give Ana another role."""
    with database.session() as session:
        session.execute(sa.update(Staff).where(Staff.email == EMAIL).values(role=role))
