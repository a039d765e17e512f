"""The second factor: set up, asked for, lost; and guessing that locks nobody else out."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyotp
import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Response

from frontdesk.app import create_app
from frontdesk.console import links, second_factor
from frontdesk.console.models import Role, Staff, StaffSession
from frontdesk.db import Database
from frontdesk.limits import MessageLimit
from frontdesk.settings import SecondFactorRule, Settings

EMAIL, PASSWORD = "ana@clinic.example", "plum-tree-north-window"
HERE = "http://127.0.0.1"


class Clock:
    """The console's clock, moved by the test."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def password_hash() -> str:
    return PasswordHasher().hash(PASSWORD)


@pytest.fixture
def settings(tmp_path: Path, sqlite_url: str) -> Settings:
    return Settings(_env_file=None, data_dir=tmp_path, database_url=sqlite_url)  # type: ignore[call-arg]


@pytest.fixture
def app(settings: Settings, clock: Clock, password_hash: str) -> Iterator[FastAPI]:
    app = create_app(settings)
    app.state.console = replace(app.state.console, now=clock)
    with app.state.database.session() as session:
        session.add(Staff(email=EMAIL, role=Role.ADMIN, password_hash=password_hash))
    yield app
    app.state.database.close()


@pytest.fixture
def database(app: FastAPI) -> Database:
    database: Database = app.state.database
    return database


def browser(app: FastAPI, address: str = "127.0.0.1") -> TestClient:
    return TestClient(app, base_url=HERE, headers={"origin": HERE}, client=(address, 1), follow_redirects=False)


def sign_in(client: TestClient, password: str = PASSWORD, **more: str) -> Response:
    return client.post("/staff/sign-in", data={"email": EMAIL, "password": password, **more})


def send(client: TestClient, page: str, action: str, **fields: str) -> Response:
    """Send a form of a page, with the token that the page has."""
    token = re.search(r'name="csrf" value="([^"]+)"', client.get(page).text)
    assert token
    return client.post(action, data={"csrf": token.group(1), **fields})


def code_of(secret: str, clock: Clock) -> str:
    return pyotp.TOTP(secret).at(clock.time)


def set_up(database: Database, clock: Clock) -> tuple[str, list[str]]:
    """Set Ana's second factor up; return its secret and the recovery codes."""
    with database.session() as session:
        staff_id = session.scalars(sa.select(Staff.id)).one()
        secret = second_factor.begin(session, staff_id)
        assert secret
        codes = second_factor.confirm(session, staff_id, code_of(secret, clock), clock.time)
        assert codes
    clock.time += timedelta(minutes=2)
    return secret, codes


def give(client: TestClient, code: str) -> Response:
    return send(client, "/staff/sign-in/code", "/staff/sign-in/code", code=code)


@pytest.mark.parametrize(
    ("rule", "public_url", "needed"),
    [
        (None, None, False),
        (None, "https://clinic.example", True),
        (SecondFactorRule.OPTIONAL, "https://clinic.example", False),
        (SecondFactorRule.REQUIRED, None, True),
    ],
)
def test_who_needs_it(rule: SecondFactorRule | None, public_url: str | None, needed: bool) -> None:
    settings = Settings(_env_file=None, staff_second_factor=rule, public_url=public_url)  # type: ignore[call-arg]
    assert settings.needs_second_factor is needed


def test_where_it_is_required_the_first_sign_in_sets_it_up(app: FastAPI, database: Database, clock: Clock) -> None:
    app.state.console = replace(app.state.console, needs_second_factor=True)
    client = browser(app)
    assert sign_in(client).headers["location"] == "/staff/second-factor"
    assert client.get("/staff").headers["location"] == "/staff/second-factor"
    page = client.get("/staff/second-factor").text
    secret = re.search(r'<code class="key">([A-Z2-7 ]+)</code>', page)
    assert secret
    picture = client.get("/staff/second-factor/picture.svg")
    assert picture.headers["content-type"] == "image/svg+xml" and picture.headers["cache-control"] == "no-store"
    assert "<script" not in picture.text and "style" not in picture.text
    wrong = send(client, "/staff/second-factor", "/staff/second-factor", code="000000")
    assert wrong.status_code == 422 and "not right" in wrong.text
    before = client.cookies["ketalink_staff"]
    code = code_of(secret.group(1).replace(" ", ""), clock)
    done = send(client, "/staff/second-factor", "/staff/second-factor", code=code)
    assert done.status_code == 200 and len(re.findall(r"<li><code>[a-z0-9-]{17}</code>", done.text)) == 10
    assert client.cookies["ketalink_staff"] != before
    assert client.get("/staff").status_code == 200
    # What was put into the app is shown to nobody any more.
    assert client.get("/staff/second-factor/picture.svg").status_code == 404
    stored = sa.text("SELECT * FROM staff_second_factors")
    with database.engine.connect() as connection:
        assert secret.group(1).replace(" ", "") not in str(connection.execute(stored).all())


def test_the_code_is_asked_for_and_each_works_once(app: FastAPI, database: Database, clock: Clock) -> None:
    secret, _ = set_up(database, clock)
    client = browser(app)
    assert sign_in(client).headers["location"] == "/staff/sign-in/code"
    assert client.get("/staff").headers["location"] == "/staff/sign-in/code"
    half = client.cookies["ketalink_staff"]
    assert give(client, code_of(secret, clock)).headers["location"] == "/staff"
    assert client.cookies["ketalink_staff"] != half and client.get("/staff").status_code == 200
    again = browser(app)
    sign_in(again)
    assert give(again, code_of(secret, clock)).status_code == 401
    clock.time += timedelta(seconds=30)
    assert give(again, code_of(secret, clock)).status_code == 303


def test_a_recovery_code_stands_in_once(app: FastAPI, database: Database, clock: Clock) -> None:
    _, codes = set_up(database, clock)
    client, other = browser(app), browser(app)
    sign_in(client)
    assert give(client, codes[0].upper().replace("-", " ")).status_code == 303
    sign_in(other)
    assert give(other, codes[0]).status_code == 401
    assert "You have 9 recovery codes left" in client.get("/staff/account").text


def test_five_wrong_codes_begin_anew(app: FastAPI, database: Database, clock: Clock) -> None:
    set_up(database, clock)
    client = browser(app)
    sign_in(client)
    answers = [give(client, f"00000{number}") for number in range(5)]
    assert [answer.status_code for answer in answers] == [401] * 5
    assert "begin again" in answers[-1].text
    assert client.get("/staff/sign-in/code").headers["location"].startswith("/staff/sign-in")


def test_the_half_of_a_sign_in_lasts_ten_minutes(app: FastAPI, database: Database, clock: Clock) -> None:
    secret, _ = set_up(database, clock)
    client = browser(app)
    sign_in(client)
    page = client.get("/staff/sign-in/code").text
    clock.time += timedelta(minutes=11)
    token = re.search(r'name="csrf" value="([^"]+)"', page)
    assert token
    late = client.post("/staff/sign-in/code", data={"csrf": token.group(1), "code": code_of(secret, clock)})
    assert late.status_code == 401 and "You are signed out" in late.text


def test_guessing_locks_out_nobody_who_signed_in_from_here_before(app: FastAPI) -> None:
    app.state.console = replace(app.state.console, account_limit=MessageLimit(5, "account"))
    ana = browser(app, "203.0.113.7")
    assert sign_in(ana).status_code == 303
    for network in range(5):
        sign_in(browser(app, f"198.51.100.{network}"), password="guess")
    neighbour = browser(app, "203.0.113.7")  # of the same address, as in one office
    assert sign_in(neighbour).status_code == 429
    assert sign_in(ana).status_code == 303


def test_a_forged_device_is_a_stranger(app: FastAPI) -> None:
    app.state.console = replace(app.state.console, address_limit=MessageLimit(3, "address"))
    client = browser(app)
    for number in range(3):
        client.cookies.set("ketalink_staff_device", f"forged{number}", domain="127.0.0.1", path="/staff/sign-in")
        assert sign_in(client, password="guess").status_code == 401
    assert sign_in(client).status_code == 429


def test_sign_ins_are_listed_and_ended(app: FastAPI, database: Database) -> None:
    one, other = browser(app), browser(app)
    other.headers["user-agent"] = "Mozilla/5.0 (Windows NT 10.0) Gecko/20100101 Firefox/140.0"
    sign_in(one)
    sign_in(other)
    page = one.get("/staff/account").text
    assert "Firefox on Windows" in page
    (session_id,) = re.findall(r"/staff/account/sessions/([0-9a-f]{32})/end", page)
    assert send(one, "/staff/account", f"/staff/account/sessions/{session_id}/end").status_code == 303
    assert other.get("/staff").status_code == 303 and one.get("/staff").status_code == 200
    assert send(one, "/staff/account", f"/staff/account/sessions/{session_id}/end").status_code == 404


def test_asking_how_long_one_stays_is_no_sign_of_life(app: FastAPI, clock: Clock) -> None:
    client = browser(app)
    sign_in(client)
    clock.time += timedelta(minutes=10)
    assert client.get("/staff/session").json() == {"seconds": 300}
    assert client.get("/staff/alarms").status_code == 200
    clock.time += timedelta(minutes=4)
    assert client.get("/staff/session").json() == {"seconds": 60}
    assert send(client, "/staff", "/staff/session").json() == {"seconds": 900}
    clock.time += timedelta(minutes=16)
    assert client.get("/staff/session").json() == {"seconds": 0}


def test_the_link_of_the_terminal_signs_in_once_and_on_this_machine_alone(app: FastAPI, database: Database) -> None:
    with database.session() as session:
        token = links.make(session, app.state.console.now())
    path = f"/staff/sign-in/link?token={token}"
    assert browser(app, "203.0.113.7").get(path).status_code == 403
    client = browser(app)
    assert client.get(path).status_code == 200  # looking at it does not use it up
    assert client.post("/staff/sign-in/link", data={"token": token}).headers["location"] == "/staff"
    assert "admin@localhost" in client.get("/staff").text
    assert browser(app).post("/staff/sign-in/link", data={"token": token}).status_code == 403
    app.state.console = replace(app.state.console, is_local=False)
    assert browser(app).get(path).status_code == 404


def test_with_https_the_cookie_has_the_name_that_no_other_site_can_set(app: FastAPI) -> None:
    client = TestClient(
        app,
        base_url="https://clinic.example",
        headers={"origin": "https://clinic.example"},
        follow_redirects=False,
    )
    app.state.console = replace(app.state.console, public_origin="https://clinic.example")
    cookies = sign_in(client).headers["set-cookie"]
    assert re.search(r"__Host-ketalink_staff=[^;]+; HttpOnly; Path=/; SameSite=strict; Secure", cookies)
    assert client.get("/staff").status_code == 200
    token = client.cookies["__Host-ketalink_staff"]
    client.cookies.clear()
    client.cookies.set("ketalink_staff", token, domain="clinic.example", path="/staff")
    assert client.get("/staff").status_code == 303


def test_a_new_password_is_set_with_the_old_one(app: FastAPI, database: Database) -> None:
    client, other = browser(app), browser(app)
    sign_in(client)
    sign_in(other)
    change = "/staff/account/password"
    assert send(client, "/staff/account", change, old="wrong", new="x" * 20).status_code == 422
    assert send(client, "/staff/account", change, old=PASSWORD, new="short").status_code == 422
    assert send(client, "/staff/account", change, old=PASSWORD, new="another-good-password").status_code == 303
    assert client.get("/staff").status_code == 200 and other.get("/staff").status_code == 303
    with database.session() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(StaffSession)) == 1
