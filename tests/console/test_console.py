"""The staff console: who gets in, what they see, what they may change."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Response

from frontdesk.app import create_app
from frontdesk.chat import store
from frontdesk.chat.models import Channel, Message
from frontdesk.clinic import load_clinic
from frontdesk.console import accounts, pages
from frontdesk.console.models import Role, Staff, StaffSession
from frontdesk.console.state import create_console
from frontdesk.db import Database
from frontdesk.leads import repository
from frontdesk.leads.models import Lead, LeadStatus
from frontdesk.leads.repository import Consent, NewLead, PreferredTime
from frontdesk.limits import MessageLimit
from frontdesk.settings import Settings, SettingsError
from tests.conftest import NEW_YORK
from tests.console.conftest import let_in
from tests.console.routes import routes_of

EMAIL = "ana@clinic.example"
PASSWORD = "plum-tree-north-window"
ORIGIN = "http://testserver"
CONSENT_WORDS = "The clinic may call, text or e-mail me about this request."
NOWHERE = "0" * 32


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
    """What `create_account` makes of PASSWORD, made once: it is slow by design."""
    return PasswordHasher().hash(PASSWORD)


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> str:
    """SQLite, and PostgreSQL for the tests that ask for both."""
    kind = getattr(request, "param", "sqlite")
    url: str = request.getfixturevalue("sqlite_url" if kind == "sqlite" else "migrated_postgres_url")
    return url


on_both_databases = pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    return Settings(_env_file=None, data_dir=tmp_path, database_url=database_url)  # type: ignore[call-arg]


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


@pytest.fixture
def client(app: FastAPI) -> TestClient:
    """A browser in which nobody is signed in."""
    return TestClient(app, base_url=ORIGIN, headers={"origin": ORIGIN}, follow_redirects=False)


@pytest.fixture
def staff(client: TestClient, database: Database, clock: Clock) -> TestClient:
    """A browser in which Ana is signed in."""
    let_in(client, database, clock())
    return client


@pytest.fixture
def lead(database: Database) -> Lead:
    return save_lead(database)


def sign_in(client: TestClient, email: str = EMAIL, password: str = PASSWORD) -> Response:
    return client.post("/staff/sign-in", data={"email": email, "password": password})


def csrf_of(client: TestClient, path: str = "/staff") -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', client.get(path).text)
    assert found
    return found.group(1)


def send(client: TestClient, path: str, **fields: str) -> Response:
    return client.post(path, data={"csrf": csrf_of(client), **fields})


def save_lead(database: Database, number: int = 42, **changes: object) -> Lead:
    """Save a request made in a conversation that has a bit of everything."""
    created_at = datetime(2026, 11, 22, 14, 4, 5, tzinfo=UTC) + timedelta(minutes=number - 42)
    with database.session() as session:
        conversation = store.start_conversation(session, Channel.WIDGET)
        question = store.add_inbound(session, conversation.id, "how long <b>is</b> it", client_id=None)
        answer = {"kind": "answer", "text": "About an hour.", "topics": ["session/duration"], "buttons": []}
        safety = {"kind": "safety", "text": "Please call 988.", "level": "crisis", "buttons": []}
        store.add_replies(session, question, [answer, safety], understood=None)
        store.add_inbound(session, conversation.id, "and now?", client_id=None)
        new = NewLead(
            request_id=f"form-{number}",
            conversation_id=conversation.id,
            channel="widget",
            full_name="Robin <script>alert(1)</script>",
            phone=f"+1{516 + number // 100}55501{number % 100:02}",
            email="robin?bcc=x@example.com",
            patient_type="new",
            reason="chronic pain",
            preferred_time=PreferredTime("next Tuesday morning", date(2026, 12, 1), "morning"),
            consent=Consent(CONSENT_WORDS, created_at),
        )
        new = replace(new, **changes)  # type: ignore[arg-type]
        return repository.save_once(session, new, NEW_YORK, created_at).lead


def no_words_run(page: str) -> bool:
    """Tell whether the page's own two files are its only scripts."""
    scripts = re.findall(r"<script.*?>", page, re.DOTALL)
    ours = [f'<script src="/staff/static/{name}" defer>' for name in ("htmx.min.js", "console.js")]
    return scripts in ([], ours) and not re.search(r"\son\w+=", page)


def status_of(database: Database, lead: Lead) -> LeadStatus:
    with database.session() as session:
        return repository.find(session, lead.id).status


def notes_of(database: Database, lead: Lead) -> list[tuple[str, str]]:
    with database.session() as session:
        return [(note.author, note.text) for note in repository.find(session, lead.id).notes]


# --- signing in and out


@on_both_databases
def test_sign_in_opens_the_requests_and_keeps_only_the_fingerprint_of_the_cookie(
    client: TestClient, database: Database
) -> None:
    response = sign_in(client, email=f" {EMAIL.upper()} ")
    assert (response.status_code, response.headers["location"]) == (303, "/staff")
    cookie = response.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and "Path=/staff" in cookie
    assert "Secure" not in cookie
    with database.session() as session:
        saved = session.scalars(sa.select(StaffSession)).one()
    token = client.cookies["ketalink_staff"]
    assert saved.token_hash == hashlib.sha256(token.encode()).hexdigest()
    page = client.get("/staff")
    assert page.status_code == 200 and EMAIL in page.text


@pytest.mark.parametrize(
    ("public_origin", "seen_as", "origin", "secure"),
    [
        (None, "https://testserver", "https://testserver", True),
        ("https://clinic.example", "http://testserver", "https://clinic.example", True),
        ("https://clinic.example", "http://127.0.0.1:8000", "https://clinic.example", True),
        ("https://clinic.example", "http://clinic.example", "http://clinic.example", True),
        ("https://clinic.example", "http://127.0.0.1:8000", "http://127.0.0.1:8000", False),
        ("http://clinic.example", "http://clinic.example", "http://clinic.example", False),
    ],
)
def test_the_cookie_insists_on_https_where_there_is_https(
    app: FastAPI, public_origin: str | None, seen_as: str, origin: str, secure: bool
) -> None:
    app.state.console = replace(app.state.console, public_origin=public_origin)
    client = TestClient(app, base_url=seen_as, headers={"origin": origin}, follow_redirects=False)
    assert ("Secure" in sign_in(client).headers["set-cookie"]) is secure


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Clinic.Example/", "https://clinic.example"),
        ("https://clinic.example:443/desk", "https://clinic.example"),
        ("http://clinic.example:8080", "http://clinic.example:8080"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_the_origin_of_the_public_address(settings: Settings, database: Database, url: str, origin: str) -> None:
    clinic = load_clinic(settings.clinic_profile)
    console = create_console(settings.model_copy(update={"public_url": url}), database, clinic)
    assert console.public_origin == origin


@pytest.mark.parametrize(
    ("setting", "value"),
    [("public_url", "clinic.example"), ("public_url", "https://x:y"), ("clinic_timezone", "Long Island")],
)
def test_an_unusable_setting_is_named(settings: Settings, database: Database, setting: str, value: str) -> None:
    clinic = load_clinic(settings.clinic_profile)
    with pytest.raises(SettingsError, match=setting.upper()):
        create_console(settings.model_copy(update={setting: value}), database, clinic)


def test_wrong_password_and_unknown_email_get_the_same_answer(client: TestClient) -> None:
    wrong = sign_in(client, password="plum-tree-north-windows")
    unknown = sign_in(client, email="bob@clinic.example")
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.text.replace(EMAIL, "?") == unknown.text.replace("bob@clinic.example", "?")
    assert "set-cookie" not in wrong.headers
    assert 'value="ana@clinic.example"' in wrong.text and PASSWORD not in wrong.text


@on_both_databases
@pytest.mark.parametrize("email", ["", "\0", "bob\0@clinic.example", "a" * 400, "'\"><script>", "%ff"])
def test_odd_email_addresses_are_only_wrong(client: TestClient, email: str) -> None:
    response = sign_in(client, email=email)
    assert response.status_code == 401 and "<script>" not in response.text


def test_one_address_may_try_ten_times_a_minute(app: FastAPI, client: TestClient) -> None:
    assert {sign_in(client, email=f"{n}@clinic.example").status_code for n in range(10)} == {401}
    refused = sign_in(client)
    assert refused.status_code == 429 and int(refused.headers["retry-after"]) > 0
    assert "Too many tries" in refused.text
    elsewhere = TestClient(app, headers={"origin": ORIGIN}, client=("203.0.113.9", 1), follow_redirects=False)
    assert sign_in(elsewhere).status_code == 303


def test_one_account_has_a_limit_however_many_addresses_try(app: FastAPI) -> None:
    app.state.console = replace(app.state.console, account_limit=MessageLimit(2, "account"))

    def tries(address: str, email: str) -> int:
        client = TestClient(app, headers={"origin": ORIGIN}, client=(address, 1), follow_redirects=False)
        return sign_in(client, email=email, password="not the right one").status_code

    assert [tries(f"203.0.113.{n}", EMAIL.title()) for n in range(3)] == [401, 401, 429]
    assert tries("203.0.113.9", "bob@clinic.example") == 401


def test_signing_in_again_replaces_the_old_sign_in(staff: TestClient, database: Database) -> None:
    old = staff.cookies["ketalink_staff"]
    sign_in(staff)
    assert staff.cookies["ketalink_staff"] != old
    with database.session() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(StaffSession)) == 1


@on_both_databases
def test_signing_out_ends_the_sign_in_on_the_server(staff: TestClient) -> None:
    token = staff.cookies["ketalink_staff"]
    response = send(staff, "/staff/sign-out")
    assert response.headers["location"] == "/staff/sign-in?ended=asked"
    staff.cookies.set("ketalink_staff", token, domain="testserver.local", path="/staff")
    assert staff.get("/staff").status_code == 303


@on_both_databases
def test_after_15_idle_minutes_one_signs_in_again_and_is_back_on_the_page(
    staff: TestClient, clock: Clock, lead: Lead
) -> None:
    page = f"/staff/leads/{lead.id}"
    for _ in range(3):
        clock.time += timedelta(minutes=14, seconds=59)
        assert staff.get(page).status_code == 200
    clock.time += timedelta(minutes=15)
    response = staff.get(page)
    assert response.status_code == 303
    assert response.headers["location"] == f"/staff/sign-in?next={page}&ended=idle"
    form = staff.get(response.headers["location"])
    assert "You were signed out" in form.text and f'name="next" value="{page}"' in form.text
    back = staff.post("/staff/sign-in", data={"email": EMAIL, "password": PASSWORD, "next": page})
    assert back.headers["location"] == page


def test_nobody_stays_signed_in_for_more_than_12_hours(staff: TestClient, clock: Clock) -> None:
    signed_in_at = clock.time
    while clock.time + timedelta(minutes=10) < signed_in_at + timedelta(hours=12):
        clock.time += timedelta(minutes=10)
        assert staff.get("/staff").status_code == 200
    clock.time = signed_in_at + timedelta(hours=12)
    assert staff.get("/staff").status_code == 303


@pytest.mark.parametrize(
    "elsewhere",
    ["https://evil.example", "//evil.example", "/staff/leads/../../evil", "/api/chat", "javascript:x"],
)
def test_signing_in_leads_nowhere_else(client: TestClient, elsewhere: str) -> None:
    fields = {"email": EMAIL, "password": PASSWORD, "next": elsewhere}
    assert client.post("/staff/sign-in", data=fields).headers["location"] == "/staff"


def test_a_new_password_ends_the_sign_ins_made_with_the_old_one(staff: TestClient, database: Database) -> None:
    with database.session() as session:
        accounts.set_password(session, EMAIL, "another-good-password")
    assert staff.get("/staff").status_code == 303
    assert sign_in(staff).status_code == 401
    assert sign_in(staff, password="another-good-password").status_code == 303


# --- what is refused


def staff_routes() -> list[tuple[str, str]]:
    """Every method and address of the console that is for people who are signed in."""
    filled = {"rest": "anything/else"}
    return [
        (method, re.sub(r"{(\w+)(:\w+)?}", lambda name: filled.get(name.group(1), NOWHERE), route.path))
        for route in routes_of(pages.staff_pages)
        for method in sorted(route.methods or ())
    ]


def test_the_list_of_routes_below_is_not_empty() -> None:
    assert ("POST", f"/staff/leads/{NOWHERE}/status") in staff_routes()
    assert ("GET", "/staff") in staff_routes()


@pytest.mark.parametrize("cookie", [b"", b"ketalink_staff=", b"ketalink_staff=forged", b"ketalink_staff=\xff"])
def test_every_page_refuses_those_who_are_not_signed_in(client: TestClient, cookie: bytes) -> None:
    for method, path in staff_routes():
        response = client.request(method, path, headers={b"cookie": cookie})
        if method == "GET":
            assert response.status_code == 303, path
            assert response.headers["location"].startswith("/staff/sign-in")
            assert not response.content
        else:
            assert response.status_code == 401, path
            assert "You are signed out" in response.text


FOREIGN = [
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "http://testserver.evil.example"},
    {"origin": "http://testserver:8000"},
    {"origin": ""},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "none"},
    {"origin": ORIGIN, "sec-fetch-site": "cross-site"},
    {"origin": "https://evil.example", "sec-fetch-site": "same-origin"},
    {},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_posts_from_other_sites_change_nothing(
    app: FastAPI, staff: TestClient, database: Database, lead: Lead, headers: dict[str, str]
) -> None:
    csrf = csrf_of(staff)
    del staff.headers["origin"]
    for path, fields in {
        f"/staff/leads/{lead.id}/status": {"status": "contacted"},
        f"/staff/leads/{lead.id}/notes": {"text": "hello"},
        "/staff/sign-out": {},
        "/staff/sign-in": {"email": EMAIL, "password": PASSWORD},
    }.items():
        response = staff.post(path, data={"csrf": csrf, **fields}, headers=headers)
        assert response.status_code == 403, path
        assert "set-cookie" not in response.headers
    assert status_of(database, lead) is LeadStatus.NEW
    assert notes_of(database, lead) == []
    assert staff.get("/staff").status_code == 200


@pytest.mark.parametrize(
    "headers", [{"origin": ORIGIN}, {"sec-fetch-site": "same-origin"}, {"origin": "https://testserver"}]
)
def test_posts_from_our_own_pages_are_taken(staff: TestClient, headers: dict[str, str]) -> None:
    csrf = csrf_of(staff)
    del staff.headers["origin"]
    assert staff.post("/staff/sign-out", data={"csrf": csrf}, headers=headers).status_code == 303


def test_a_post_needs_the_token_of_its_own_sign_in(
    app: FastAPI, staff: TestClient, database: Database, lead: Lead
) -> None:
    other = TestClient(app, headers={"origin": ORIGIN}, follow_redirects=False)
    sign_in(other)
    for csrf in (None, "", "é", csrf_of(other)):
        fields = {"text": "called <b>twice</b>"} | ({"csrf": csrf} if csrf is not None else {})
        response = staff.post(f"/staff/leads/{lead.id}/notes", data=fields)
        assert response.status_code == 403
        assert "called &lt;b&gt;twice&lt;/b&gt;" in response.text  # what was typed is given back
    assert notes_of(database, lead) == []


def test_a_note_is_given_back_when_the_sign_in_ended_while_it_was_typed(
    staff: TestClient, clock: Clock, lead: Lead
) -> None:
    csrf = csrf_of(staff)
    clock.time += timedelta(minutes=16)
    response = staff.post(f"/staff/leads/{lead.id}/notes", data={"csrf": csrf, "text": "a long call"})
    assert response.status_code == 401
    assert "a long call" in response.text and "Robin" not in response.text


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{}", "application/json", 400),
        (b"\xff=\xff", "application/x-www-form-urlencoded", 400),
        (b"&".join(b"a=b" for _ in range(50)), "application/x-www-form-urlencoded", 400),
        (b"text=" + b"x" * 300_000, "application/x-www-form-urlencoded", 413),
    ],
)
def test_unreadable_forms_are_refused_with_a_page(staff: TestClient, content: bytes, kind: str, status: int) -> None:
    for path in ("/staff/sign-in", "/staff/sign-out"):
        response = staff.post(path, content=content, headers={"content-type": kind})
        assert response.status_code == status
        assert response.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    "path",
    [
        f"/staff/leads/{NOWHERE}",
        "/staff/leads/1",
        "/staff/leads/%00",
        "/staff/leads",
        "/staff/nothing",
        "/staff/static/../console.css",
        "/staff/static/none.css",
        "/staff?status=lost",
        "/staff?channel=fax",
        "/staff?assignee=somebody",
        "/staff?since=2026-13-01",
        "/staff?view=mine",
        "/staff?page=0",
        "/staff?page=-1",
        "/staff?page=1e3",
        "/staff?page=99999999999999999999",
    ],
)
def test_addresses_that_lead_nowhere_get_a_page(staff: TestClient, path: str) -> None:
    response = staff.get(path)
    assert response.status_code == 404
    assert "There is nothing here" in response.text


def test_posts_to_unknown_requests_get_a_page(staff: TestClient) -> None:
    assert send(staff, f"/staff/leads/{NOWHERE}/status", status="closed").status_code == 404
    assert send(staff, f"/staff/leads/{NOWHERE}/notes", text="hello").status_code == 404
    assert send(staff, f"/staff/leads/{NOWHERE}/notes", text="").status_code == 404


def test_every_page_carries_the_strict_headers(staff: TestClient, lead: Lead) -> None:
    page = f"/staff/leads/{lead.id}"
    answers = [
        staff.get("/staff"),
        staff.get(page),
        staff.get("/staff/nothing"),
        send(staff, f"{page}/status", status="new"),
        staff.post(f"{page}/status", data={}),
        staff.post("/staff/sign-in", headers={"origin": "null"}),
        send(staff, "/staff/sign-out"),
        staff.get("/staff"),
        staff.get("/staff/sign-in"),
        sign_in(staff, password="wrong"),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 404, 303, 403, 403, 303, 303, 200, 401]
    for answer in answers:
        assert answer.headers["content-security-policy"] == (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
            "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
        )
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert no_words_run(answer.text) and "style=" not in answer.text


def test_the_style_sheet_is_served_to_the_sign_in_page(client: TestClient) -> None:
    assert "/staff/static/console.css" in client.get("/staff/sign-in").text
    response = client.get("/staff/static/console.css")
    assert response.status_code == 200 and response.headers["content-type"].startswith("text/css")
    etag = {"if-none-match": response.headers["etag"]}
    assert client.get("/staff/static/console.css", headers=etag).status_code == 304


def test_a_database_that_is_down_gets_a_page(staff: TestClient, database: Database) -> None:
    with database.session() as session:
        session.execute(sa.text("DROP TABLE staff_sessions"))
    response = staff.get("/staff")
    assert response.status_code == 503 and "The database does not answer" in response.text


# --- the list


def test_no_requests_yet(staff: TestClient) -> None:
    assert "No requests yet" in staff.get("/staff").text


@on_both_databases
def test_the_list_shows_requests_newest_first_with_counts(staff: TestClient, database: Database) -> None:
    save_lead(database, 10, full_name="Earlier Person")
    save_lead(database, 42, full_name="Later Person", channel="sms", preferred_time=None)
    with database.session() as session:
        repository.change_status(session, repository.newest(session)[0].id, LeadStatus.SPAM, EMAIL)
    page = staff.get("/staff?view=all").text
    assert page.index("Later Person") < page.index("Earlier Person")
    assert "Text message" in page and "(516) 555-0142" in page and 'href="tel:+15165550142"' in page
    # 14:04 in UTC is 9:04 in the morning on Long Island.
    assert 'title="2026-11-22 14:04:05 UTC">Today, 9:04 AM</time>' in page
    assert re.findall(r'class="count">(\d+)<', page) == ["1", "2", "1", "0", "0", "0", "1"]

    new = staff.get("/staff?status=new").text
    assert "Earlier Person" in new and "Later Person" not in new
    assert 'href="/staff?status=new" aria-current="page"' in new
    assert "No request is contacted right now" in staff.get("/staff?status=contacted").text


def test_the_list_is_paged_by_50(staff: TestClient, database: Database) -> None:
    for number in range(1, 53):
        save_lead(database, number, full_name=f"Person {number:02}")
    first, second = staff.get("/staff?status=new").text, staff.get("/staff?status=new&page=2").text
    assert first.count("Person ") == 50 and "1–50 of 52" in first
    assert 'rel="next" href="/staff?status=new&amp;page=2"' in first and 'rel="prev"' not in first
    assert second.count("Person ") == 2 and "Person 01" in second and "51–52 of 52" in second
    assert 'rel="prev" href="/staff?status=new"' in second and 'rel="next"' not in second
    assert staff.get("/staff?status=new&page=999").text == second


def test_no_words_of_a_person_in_titles_and_addresses(staff: TestClient, lead: Lead) -> None:
    for path in ("/staff", "/staff?view=all", f"/staff/leads/{lead.id}"):
        page = staff.get(path).text
        title = re.search(r"<title>(.*?)</title>", page, re.DOTALL)
        assert title and title.group(1) in ("Requests · Staff", "Request · Staff")
        for address in re.findall(r'(?:href|action)="(/[^"]*)"', page):
            assert "Robin" not in address and "55501" not in address and lead.reference not in address


# --- one request


@on_both_databases
def test_the_page_of_a_request_tells_everything(staff: TestClient, lead: Lead) -> None:
    page = staff.get(f"/staff/leads/{lead.id}").text
    for shown in (
        "Robin &lt;script&gt;alert(1)&lt;/script&gt;",
        lead.reference,
        'href="tel:+15165550142"',
        'href="mailto:robin%3Fbcc%3Dx@example.com"',
        "next Tuesday morning",
        "Understood as Tue, Dec 1, 2026, morning",
        "New patient",
        "chronic pain",
        CONSENT_WORDS,
        "how long &lt;b&gt;is&lt;/b&gt; it",
        "About an hour.",
        "Answered: session/duration",
        "Crisis",
        "Not answered",
    ):
        assert shown in page
    assert no_words_run(page)


def test_what_was_not_said_is_said_to_be_missing(staff: TestClient, database: Database) -> None:
    lead = save_lead(database, email=None, patient_type=None, reason=None, preferred_time=None, conversation_id=None)
    page = staff.get(f"/staff/leads/{lead.id}").text
    assert page.count("Not said") == 4 and "No conversation belongs to this request" in page


def test_a_conversation_that_the_visitor_deleted(staff: TestClient, database: Database, lead: Lead) -> None:
    with database.session() as session:
        store.forget(session, lead.conversation_id or "")
    page = staff.get(f"/staff/leads/{lead.id}")
    assert page.status_code == 200 and "The conversation was deleted" in page.text


@on_both_databases
def test_a_request_is_moved_and_its_history_says_by_whom(staff: TestClient, database: Database, lead: Lead) -> None:
    page = f"/staff/leads/{lead.id}"
    response = send(staff, f"{page}/status", status="contacted")
    assert (response.status_code, response.headers["location"]) == (303, f"{page}#status")
    assert status_of(database, lead) is LeadStatus.CONTACTED
    text = staff.get(page).text
    assert "New → Contacted" in text and f"by {EMAIL}" in text
    assert re.findall(r'name="status" value="(\w+)"', text) == ["scheduled", "closed", "spam"]


def test_a_step_that_is_not_allowed_is_refused_with_the_reason(
    staff: TestClient, database: Database, lead: Lead
) -> None:
    page = f"/staff/leads/{lead.id}"
    send(staff, f"{page}/status", status="closed")
    response = send(staff, f"{page}/status", status="scheduled")
    assert response.status_code == 409
    assert "A request that is closed cannot become scheduled." in response.text and page in response.text
    assert status_of(database, lead) is LeadStatus.CLOSED
    assert send(staff, f"{page}/status", status="lost").status_code == 400
    assert send(staff, f"{page}/status").status_code == 400


@on_both_databases
def test_a_note_is_kept_as_written(staff: TestClient, database: Database, lead: Lead) -> None:
    page = f"/staff/leads/{lead.id}"
    response = send(staff, f"{page}/notes", text="  Called.\r\nNo <answer>\0.  ")
    assert (response.status_code, response.headers["location"]) == (303, f"{page}#notes")
    assert notes_of(database, lead) == [(EMAIL, "Called.\nNo <answer>.")]
    assert "No &lt;answer&gt;." in staff.get(page).text


def test_a_button_pressed_twice_makes_one_note(staff: TestClient, clock: Clock, database: Database, lead: Lead) -> None:
    clock.time = datetime.now(UTC)
    sign_in(staff)
    for _ in range(2):
        assert send(staff, f"/staff/leads/{lead.id}/notes", text="Called.").status_code == 303
    send(staff, f"/staff/leads/{lead.id}/notes", text="Called again.")
    assert [text for _, text in notes_of(database, lead)] == ["Called.", "Called again."]


@pytest.mark.parametrize("text", ["", " \r\n\t ", "<x" + "y" * 3_999])
def test_a_refused_note_stays_in_its_field(staff: TestClient, database: Database, lead: Lead, text: str) -> None:
    response = send(staff, f"/staff/leads/{lead.id}/notes", text=text)
    assert response.status_code == 422 and 'role="alert"' in response.text
    kept = re.search(r"<textarea[^>]*>\n(.*?)</textarea>", response.text, re.DOTALL)
    assert kept and kept.group(1) == text.replace("\r\n", "\n").replace("<", "&lt;")
    assert notes_of(database, lead) == []


@on_both_databases
def test_a_note_may_have_4000_characters(staff: TestClient, database: Database, lead: Lead) -> None:
    send(staff, f"/staff/leads/{lead.id}/notes", text="🙂" * 4_000)
    assert notes_of(database, lead) == [(EMAIL, "🙂" * 4_000)]


# --- accounts


@on_both_databases
def test_accounts_need_a_new_email_address_and_a_long_password(database: Database) -> None:
    for email, password, error in (
        (EMAIL.upper(), "x" * 12, accounts.EmailTaken),
        ("new@clinic.example", "x" * 11, accounts.UnusablePassword),
        ("new@clinic.example", "x" * 1_001, accounts.UnusablePassword),
        ("not an address", "x" * 12, accounts.UnusableEmail),
    ):
        with pytest.raises(error), database.session() as session:
            accounts.create_account(session, email, password, Role.STAFF)
    with pytest.raises(accounts.AccountNotFound), database.session() as session:
        accounts.set_password(session, "new@clinic.example", "x" * 12)
    with database.session() as session:
        assert [account.email for account in accounts.everyone(session)] == [EMAIL]


def test_a_hash_made_with_weaker_settings_is_renewed_at_sign_in(client: TestClient, database: Database) -> None:
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    with database.session() as session:
        session.execute(sa.update(Staff).values(password_hash=weak))
    assert sign_in(client).status_code == 303
    with database.session() as session:
        renewed = session.scalars(sa.select(Staff.password_hash)).one()
    assert renewed != weak and not PasswordHasher().check_needs_rehash(renewed)
    assert sign_in(client).status_code == 303


def test_a_damaged_hash_lets_nobody_in(client: TestClient, database: Database) -> None:
    with database.session() as session:
        session.execute(sa.update(Staff).values(password_hash="damaged"))
    assert sign_in(client).status_code == 401


def test_the_hint_is_given_until_there_is_an_account(client: TestClient, database: Database) -> None:
    assert accounts.first_sign_in_hint(database) is None
    assert "./ketalink staff add" not in client.get("/staff/sign-in").text
    with database.session() as session:
        session.execute(sa.delete(Staff))
    assert "./ketalink staff add you@example.com --role admin" in (accounts.first_sign_in_hint(database) or "")
    assert "./ketalink staff add" in client.get("/staff/sign-in").text


def test_made_passwords_are_long_and_differ() -> None:
    made = {accounts.random_password() for _ in range(50)}
    assert len(made) == 50 and all(re.fullmatch(r"[a-z2-9]{5}(-[a-z2-9]{5}){3}", one) for one in made)


# --------------------------------------------------------------------------- danger


def test_a_crisis_stands_above_the_requests_until_somebody_has_seen_it(staff: TestClient, database: Database) -> None:
    answered = staff.post("/api/chat", json={"text": "I want to kill myself"})
    assert answered.json()["messages"][0]["level"] == "crisis"
    page = staff.get("/staff").text
    assert page.index("Somebody may be in danger") < page.index("Requests for an appointment")
    assert "kill" not in page
    (address,) = set(re.findall(r"/staff/conversations/[0-9a-f]{32}", page))
    conversation = staff.get(address).text
    assert "I want to kill myself" in conversation
    assert "988" in conversation
    assert send(staff, f"{address}/seen", csrf=csrf_of(staff, address)).status_code == 303
    assert "Somebody may be in danger" not in staff.get("/staff").text
    assert "I have seen it" not in staff.get(address).text
    with database.session() as session:
        (alarmed,) = session.scalars(sa.select(Message).where(Message.is_alarm))
        assert alarmed.alarm_seen_by == EMAIL


def test_a_conversation_without_danger_has_no_page(staff: TestClient) -> None:
    staff.post("/api/chat", json={"text": "hello"})
    assert staff.get(f"/staff/conversations/{'0' * 32}").status_code == 404
    assert staff.get("/staff/conversations/nothing").status_code == 404
