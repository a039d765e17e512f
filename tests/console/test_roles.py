"""Every address × role × method is allowed or refused as the table in docs/staff-roles.md says."""

import re
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Response

from frontdesk.app import create_app
from frontdesk.console import pages, sessions
from frontdesk.console.guard import COOKIE, HOME
from frontdesk.console.models import Role, Staff, StaffSession, Stage
from frontdesk.db import Database, open_database, utc_now
from frontdesk.settings import PROJECT, Settings
from tests.console.routes import routes_of

ORIGIN = "http://127.0.0.1"
NOWHERE = "0" * 32
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
NOBODY = "nobody"
REST = "/staff/{rest:path}"
Table = dict[tuple[str, str], dict[str, bool]]


def documented() -> Table:
    """Return the table of the docs: who may use which method of which address."""
    rows = re.findall(
        r"^\| (\w+) \| `([^`]+)` \| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$",
        (PROJECT / "docs" / "staff-roles.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    who = (NOBODY, *(role.value for role in Role))
    return {
        (method, address): dict(zip(who, (cell == "yes" for cell in cells), strict=True))
        for method, address, *cells in rows
    }


TABLE = documented()
WHO = (NOBODY, *(role.value for role in Role))


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    folder = tmp_path_factory.mktemp("roles")
    settings = Settings(_env_file=None, data_dir=folder, chat_limit_per_minute=0)  # type: ignore[call-arg]
    database = open_database(settings)
    database.migrate()
    with database.session() as session:
        session.add_all(Staff(email=f"{role}@clinic.example", role=role, password_hash="-") for role in Role)
    database.close()
    app = create_app(settings)
    app.state.browser = TestClient(app, base_url=ORIGIN, client=("127.0.0.1", 1), follow_redirects=False)
    yield app
    app.state.database.close()


def ask(app: FastAPI, who: str, method: str, address: str, stage: Stage = Stage.DONE, **changes: object) -> Response:
    """Ask as somebody with this role does whose page sent it; `csrf` and `headers` may be changed."""
    database: Database = app.state.database
    client: TestClient = app.state.browser
    client.cookies.clear()
    form = {}
    if who != NOBODY:
        with database.session() as session:
            staff_id = session.scalars(sa.select(Staff.id).where(Staff.email == f"{who}@clinic.example")).one()
            token = sessions.start(session, staff_id, utc_now(), stage)
            session.flush()
            row = session.get_one(StaffSession, sessions.fingerprint(token))
            form["csrf"] = row.csrf_token
        client.cookies.set(COOKIE, token, domain="127.0.0.1", path=HOME)
    headers = {"origin": ORIGIN} | dict(changes.get("headers", {}))  # type: ignore[call-overload]
    form |= dict(changes.get("form", {}))  # type: ignore[call-overload]
    path = re.sub(r"{(\w+)(:\w+)?}", NOWHERE, address)
    return client.request(method, path, headers=headers, data=form if method != "GET" else None)


def is_refused(answer: Response, method: str) -> bool:
    """Tell whether somebody was sent to sign in, or told that it is not for them."""
    if answer.status_code == 303 and method == "GET":
        return answer.headers["location"].startswith(("/staff/sign-in?", "/staff/second-factor")) or (
            answer.headers["location"] in ("/staff/sign-in", "/staff/sign-in/code")
        )
    return "<h1>You are signed out" in answer.text or "This is not for your role" in answer.text


def test_the_docs_name_every_route_and_no_other() -> None:
    there = {
        (method, route.path)
        for route in routes_of(pages.router)
        for method in route.methods or ()
        if route.path != REST
    }
    assert len(there) > 40
    assert set(TABLE) == there


@pytest.mark.parametrize("who", WHO)
def test_every_route_lets_in_whom_the_docs_say(app: FastAPI, who: str) -> None:
    wrong = []
    for (method, address), allowed in TABLE.items():
        answer = ask(app, who, method, address)
        if answer.status_code >= 500 or is_refused(answer, method) is allowed[who]:
            wrong.append((method, address, answer.status_code))
    assert wrong == []


@pytest.mark.parametrize("who", WHO)
def test_no_address_takes_a_method_that_the_docs_do_not_name(app: FastAPI, who: str) -> None:
    addresses = {address for _, address in TABLE}
    patterns = {(method, re.sub(r"{\w+}", "[^/]+", address)) for method, address in TABLE}
    answers = {
        (method, address): ask(app, who, method, address).status_code
        for address in addresses
        for method in METHODS
        if not any(known == method and re.fullmatch(pattern, address) for known, pattern in patterns)
    }
    assert answers
    assert set(answers.values()) <= ({303, 401, 404, 405} if who == NOBODY else {404, 405})


def changing() -> list[tuple[str, str]]:
    return [(method, address) for method, address in TABLE if method != "GET"]


@pytest.mark.parametrize(
    "headers",
    [{"origin": "https://evil.example"}, {"origin": "null"}, {"origin": ORIGIN, "sec-fetch-site": "cross-site"}],
)
def test_everything_that_changes_something_refuses_other_sites(app: FastAPI, headers: dict[str, str]) -> None:
    for method, address in changing():
        answer = ask(app, Role.ADMIN.value, method, address, headers=headers)
        assert answer.status_code == 403, address
        assert "came from somewhere else" in answer.text
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("csrf", ["", "forged"])
def test_everything_that_changes_something_needs_the_token_of_its_sign_in(app: FastAPI, csrf: str) -> None:
    for method, address in changing():
        if TABLE[(method, address)][NOBODY]:
            continue  # before signing in there is none
        answer = ask(app, Role.ADMIN.value, method, address, form={"csrf": csrf})
        assert answer.status_code == 403, address
        assert "out of date" in answer.text


@pytest.mark.parametrize("stage", [Stage.CODE, Stage.SET_UP])
def test_a_password_alone_reaches_nothing_but_the_second_factor(app: FastAPI, stage: Stage) -> None:
    reached = set()
    for method, address in TABLE:
        if TABLE[(method, address)][NOBODY]:
            continue
        answer = ask(app, Role.ADMIN.value, method, address, stage)
        went_back = answer.status_code == 303 and answer.headers["location"] in (
            "/staff/sign-in/code",
            "/staff/second-factor",
        )
        if not went_back:
            reached.add(address)
    own = {"/staff/sign-in/code", "/staff/sign-out", "/staff/second-factor", "/staff/second-factor/picture.svg"}
    assert reached <= own
