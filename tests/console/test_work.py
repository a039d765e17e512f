"""Work on requests: what waits, claims, call-backs, notes that survive, exports, the audit of all of it."""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Response

from frontdesk.app import create_app
from frontdesk.audit import log as audit
from frontdesk.audit.models import AuditEntry
from frontdesk.chat import store
from frontdesk.chat.models import Channel
from frontdesk.console import accounts, sessions
from frontdesk.console.guard import COOKIE, HOME
from frontdesk.console.models import Role, Staff
from frontdesk.db import Database, utc_now
from frontdesk.leads import assigning, repository
from frontdesk.leads.models import LeadStatus
from frontdesk.outbox import store as outbox
from frontdesk.settings import Settings
from tests.commands import Ketalink
from tests.conftest import NEW_YORK
from tests.leads.samples import new_lead, save

ORIGIN = "http://testserver"
ANA, BO, CY = "ana@clinic.example", "bo@clinic.example", "cy@clinic.example"
ROLES = {ANA: Role.STAFF, BO: Role.MANAGER, CY: Role.ADMIN}


@pytest.fixture
def settings(tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    url = request.getfixturevalue(
        "migrated_postgres_url" if getattr(request, "param", "sqlite") == "postgresql" else "sqlite_url"
    )
    return Settings(_env_file=None, data_dir=tmp_path, database_url=url)  # type: ignore[call-arg]


on_both_databases = pytest.mark.parametrize("settings", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def app(settings: Settings) -> Iterator[FastAPI]:
    app = create_app(settings)
    with app.state.database.session() as session:
        session.add_all(Staff(email=email, role=role, password_hash="-") for email, role in ROLES.items())
    yield app
    app.state.database.close()


@pytest.fixture
def database(app: FastAPI) -> Database:
    database: Database = app.state.database
    return database


def signed_in(app: FastAPI, email: str) -> TestClient:
    database: Database = app.state.database
    client = TestClient(app, headers={"origin": ORIGIN}, follow_redirects=False)
    with database.session() as session:
        staff_id = session.scalars(sa.select(Staff.id).where(Staff.email == email)).one()
        token = sessions.start(session, staff_id, utc_now())
    client.cookies.set(COOKIE, token, domain="testserver.local", path=HOME)
    return client


@pytest.fixture
def ana(app: FastAPI) -> TestClient:
    return signed_in(app, ANA)


@pytest.fixture
def bo(app: FastAPI) -> TestClient:
    return signed_in(app, BO)


def csrf_of(client: TestClient) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', client.get("/staff/account").text)
    assert found
    return found.group(1)


def send(client: TestClient, path: str, **fields: str) -> Response:
    return client.post(path, data={"csrf": csrf_of(client), **fields})


def saved(database: Database, number: int = 1, hours_ago: float = 1, **changes: object) -> str:
    values: dict[str, object] = {"full_name": f"Person {number:02}", "phone": f"+1516555{100 + number:04}"}
    lead = new_lead(f"run-{number}", **(values | changes))
    return save(database, lead, utc_now() - timedelta(hours=hours_ago)).lead.id


def names(page: str) -> list[str]:
    return re.findall(r'class="name"><a href="[^"]+"><bdi>(.*?)</bdi>', page)


# --- what waits


@on_both_databases
def test_the_console_opens_on_what_waits_oldest_first_and_says_why(ana: TestClient, database: Database) -> None:
    now = utc_now()
    _, due, later, failed, closed = (saved(database, n, hours_ago=10 - n) for n in range(1, 6))
    with database.session() as session:
        for lead_id in (due, later, failed):
            repository.change_status(session, lead_id, LeadStatus.CONTACTED, BO)
        repository.change_status(session, closed, LeadStatus.CLOSED, BO)
        assigning.set_call_back(session, due, now - timedelta(minutes=1), now)
        assigning.set_call_back(session, later, now + timedelta(hours=1), now)
        outbox.spread(session, ["webhook"], now)
        for delivery in outbox.waiting(session):
            if delivery.event.subject in (failed, closed):
                delivery.dead_at, delivery.next_attempt_at = now, None
    page = ana.get("/staff").text
    assert names(page) == ["Person 01", "Person 02", "Person 04"]
    assert page.count("Call back now") == 1 and page.count("Notification failed") == 1
    assert 'aria-current="page">Needs action <span class="count">3<' in page
    assert names(ana.get("/staff?view=all").text) == [f"Person {n:02}" for n in (5, 4, 3, 2, 1)]


def test_who_wrote_and_got_no_answer_is_shown_until_somebody_answers(ana: TestClient, database: Database) -> None:
    with database.session() as session:
        conversation = store.start_conversation(session, Channel.WIDGET)
        message = store.add_inbound(session, conversation.id, "hello?", client_id=None)
        message.created_at = utc_now() - timedelta(minutes=10)
    page = ana.get("/staff").text
    assert "Wrote and got no answer: 1" in page and f"/staff/conversations/{conversation.id}" in page
    assert "hello?" in ana.get(f"/staff/conversations/{conversation.id}").text
    with database.session() as session:
        again = store.add_inbound(session, conversation.id, "still there?", client_id=None)
        store.add_replies(session, again, [{"kind": "say", "text": "Yes."}], understood=None)
    assert "got no answer" not in ana.get("/staff").text


def test_nothing_waits(ana: TestClient, database: Database) -> None:
    with database.session() as session:
        session.add(Staff(email="dee@clinic.example", role=Role.STAFF, password_hash="-"))
    lead_id = saved(database)
    send(ana, f"/staff/leads/{lead_id}/status", status="contacted")
    assert "Nothing waits for you" in ana.get("/staff").text


@on_both_databases
def test_the_address_says_what_is_shown(ana: TestClient, database: Database) -> None:
    saved(database, 1, hours_ago=100)
    mine = saved(database, 2, hours_ago=50, channel="sms")
    saved(database, 3, hours_ago=1)
    send(ana, f"/staff/leads/{mine}/claim")
    day = (utc_now() - timedelta(hours=50)).astimezone(NEW_YORK).date().isoformat()
    assert names(ana.get("/staff?channel=sms").text) == ["Person 02"]
    assert names(ana.get("/staff?assignee=me").text) == ["Person 02"]
    assert names(ana.get("/staff?assignee=nobody").text) == ["Person 03", "Person 01"]
    assert names(ana.get(f"/staff?since={day}&until={day}").text) == ["Person 02"]
    page = ana.get("/staff?status=new&channel=widget&since=&assignee=").text
    assert names(page) == ["Person 03", "Person 01"]
    assert 'href="/staff?status=contacted&amp;channel=widget"' in page
    assert "No request is like this" in ana.get(f"/staff?status=spam&since={day}").text


# --- claims and call-backs


@on_both_databases
def test_of_fifty_claims_at_once_one_wins(app: FastAPI, database: Database) -> None:
    lead_id = saved(database)
    with database.session() as session:
        session.add_all(Staff(email=f"p{n}@clinic.example", role=Role.STAFF, password_hash="-") for n in range(50))
    claims = []
    for number in range(50):
        client = signed_in(app, f"p{number}@clinic.example")
        claims.append((client, csrf_of(client)))
    with ThreadPoolExecutor(50) as pool:
        answers = list(
            pool.map(lambda one: one[0].post(f"/staff/leads/{lead_id}/claim", data={"csrf": one[1]}), claims)
        )
    assert Counter(answer.status_code for answer in answers) == {303: 1, 409: 49}
    with database.session() as session:
        winner = repository.find(session, lead_id).assigned_to
        assert f"p{[answer.status_code for answer in answers].index(303)}@clinic.example" == winner
        claimed = session.scalars(
            sa.select(AuditEntry).where(AuditEntry.action == audit.Action.LEAD_CLAIMED.value)
        ).all()
        assert [(entry.actor, entry.subject) for entry in claimed] == [(winner, lead_id)]
        assert audit.verify(session).broken is None
    assert all(f"{winner} took this request at Today" in each.text for each in answers if each.status_code == 409)


def test_a_claim_is_put_back_by_its_owner_and_given_away_by_a_manager(
    app: FastAPI, ana: TestClient, bo: TestClient, database: Database
) -> None:
    lead_id = saved(database)
    page = f"/staff/leads/{lead_id}"
    assert send(ana, f"{page}/claim").status_code == 303
    assert send(ana, f"{page}/claim").status_code == 303  # pressed twice
    assert "It is yours" in ana.get(page).text and f"{ANA} works on it" in bo.get(page).text
    assert send(bo, f"{page}/release").status_code == 409
    assert send(ana, f"{page}/assign", to="").status_code == 403
    with database.session() as session:
        bo_id = session.scalars(sa.select(Staff.id).where(Staff.email == BO)).one()
    assert send(bo, f"{page}/assign", to="0" * 32).status_code == 400
    assert send(bo, f"{page}/assign", to=bo_id).status_code == 303
    assert send(bo, f"{page}/release").status_code == 303
    history = " ".join(re.sub(r"<[^>]+>", " ", ana.get(page).text).split())
    assert (
        history.index(f"Claimed by {ANA}") < history.index(f"Claimed by {BO}") < history.index("Put back for anybody")
    )


def test_a_claim_in_the_list_needs_no_reload(ana: TestClient, bo: TestClient, database: Database) -> None:
    lead_id = saved(database)
    claim = f"/staff/leads/{lead_id}/claim"
    mine = ana.post(claim, data={"csrf": csrf_of(ana)}, headers={"hx-request": "true"})
    assert mine.status_code == 200 and "Yours" in mine.text and "<html" not in mine.text
    theirs = bo.post(claim, data={"csrf": csrf_of(bo)}, headers={"hx-request": "true"})
    assert theirs.status_code == 409 and f"{ANA} has it" in theirs.text


def test_a_script_of_a_page_whose_sign_in_is_over_is_sent_to_sign_in(app: FastAPI) -> None:
    answer = TestClient(app, follow_redirects=False).get("/staff/alarms", headers={"hx-request": "true"})
    assert (answer.status_code, answer.headers["hx-redirect"]) == (204, "/staff/sign-in")


@pytest.mark.parametrize(
    "at", ["soon", "2026-13-01T10:00", "2020-01-01T10:00", "2099-01-01T10:00", "2099-01-01T10:00Z"]
)
def test_a_time_to_call_back_has_to_be_one(ana: TestClient, database: Database, at: str) -> None:
    lead_id = saved(database)
    assert send(ana, f"/staff/leads/{lead_id}/call-back", at=at).status_code == 400


def test_a_call_back_is_noted_in_the_clinics_time_and_taken_back(ana: TestClient, database: Database) -> None:
    lead_id = saved(database)
    wanted = (utc_now() + timedelta(days=2)).astimezone(NEW_YORK).replace(hour=9, minute=30, second=0, microsecond=0)
    set_at = f"/staff/leads/{lead_id}/call-back"
    assert send(ana, set_at, at=f"{wanted:%Y-%m-%dT%H:%M}").status_code == 303
    with database.session() as session:
        assert repository.find(session, lead_id).call_back_at == wanted
    assert f'value="{wanted:%Y-%m-%dT%H:%M}"' in ana.get(f"/staff/leads/{lead_id}").text
    assert send(ana, set_at, at="").status_code == 303
    send(ana, f"/staff/leads/{lead_id}/status", status="closed")
    assert send(ana, set_at, at=f"{wanted:%Y-%m-%dT%H:%M}").status_code == 409


# --- notes


def test_a_note_survives_a_sign_in_that_is_over(app: FastAPI, ana: TestClient, database: Database) -> None:
    lead_id = saved(database)
    page = f"/staff/leads/{lead_id}"
    csrf = csrf_of(ana)
    with database.session() as session:
        accounts.set_password(session, ANA, password := "plum-tree-north-window")  # which ends her sign-in
    refused = ana.post(f"{page}/notes", data={"csrf": csrf, "text": "a long <b>call</b>"})
    assert refused.status_code == 401 and "a long &lt;b&gt;call&lt;/b&gt;" in refused.text
    fields = {"email": ANA, "password": password, "next": page, "text": "a long <b>call</b>"}
    assert ana.post("/staff/sign-in", data=fields).headers["location"] == page
    waiting = ana.get(page).text
    assert "a long &lt;b&gt;call&lt;/b&gt;</textarea>" in waiting and "before you were signed out" in waiting
    assert "a long" not in signed_in(app, BO).get(page).text
    send(ana, f"{page}/notes", text="a long <b>call</b>")
    assert "before you were signed out" not in ana.get(page).text
    with database.session() as session:
        assert [note.text for note in repository.find(session, lead_id).notes] == ["a long <b>call</b>"]


# --- taking requests out


def test_an_export_is_safe_for_spreadsheets_filtered_and_written_down(
    ana: TestClient, bo: TestClient, database: Database
) -> None:
    saved(database, 1, full_name="=cmd|' /C calc'!A0", reason="+1+1")
    saved(database, 2, channel="sms")
    assert send(ana, "/staff/export", format="csv").status_code == 403
    assert send(bo, "/staff/export", format="xlsx").status_code == 400
    answer = send(bo, "/staff/export", format="csv", channel="widget")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert re.fullmatch(r'attachment; filename="requests-\d{4}-\d\d-\d\d\.csv"', answer.headers["content-disposition"])
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert (row["full_name"], row["reason"], row["phone"]) == ("'=cmd|' /C calc'!A0", "'+1+1", "'+15165550101")
    lines = send(bo, "/staff/export", format="jsonl").text.splitlines()
    assert [json.loads(line)["full_name"] for line in lines] == ["=cmd|' /C calc'!A0", "Person 02"]
    with database.session() as session:
        entries = audit.page(session, action=audit.Action.LEADS_EXPORTED.value)
        assert [(entry.actor, audit.detail_of(entry)) for entry in reversed(entries)] == [
            (BO, {"channel": "widget", "count": 1, "format": "csv"}),
            (BO, {"count": 2, "format": "jsonl"}),
        ]


def test_an_export_of_many_and_of_none_is_whole(bo: TestClient, database: Database) -> None:
    empty = send(bo, "/staff/export", format="csv").text
    assert empty.startswith("reference,") and empty.count("\n") == 1
    at = utc_now()
    with database.session() as session:
        for number in range(1_001):
            repository.save_once(session, new_lead(f"many-{number}", phone=f"+1516{number:07}"), NEW_YORK, at)
    references = [
        line["reference"] for line in csv.DictReader(io.StringIO(send(bo, "/staff/export", format="csv").text))
    ]
    assert len(references) == len(set(references)) == 1_001


# --- the audit


def test_what_is_looked_at_is_written_down_without_a_word_of_the_patient(ana: TestClient, database: Database) -> None:
    lead_id = saved(database, full_name="Robin Testperson", reason="chronic pain")
    ana.get("/staff")
    ana.get(f"/staff/leads/{lead_id}")
    send(ana, "/staff/search", text="Testperson")
    send(ana, f"/staff/leads/{lead_id}/notes", text="a private note")
    with database.session() as session:
        entries = session.scalars(sa.select(AuditEntry).order_by(AuditEntry.seq)).all()
        told = [(entry.actor, entry.action, entry.subject) for entry in entries]
        written = json.dumps([[entry.actor, entry.subject, entry.detail] for entry in entries])
    assert told == [
        (ANA, "requests listed", None),
        (ANA, "request viewed", lead_id),
        (ANA, "requests searched", None),
        (ANA, "note added", lead_id),
    ]
    for word in ("Robin", "Testperson", "5550101", "chronic", "private"):
        assert word not in written


@on_both_databases
def test_the_database_refuses_to_change_the_audit_and_who_does_it_all_the_same_is_found(
    bo: TestClient,
    database: Database,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for _ in range(3):
        saved(database)
        bo.get("/staff")
        bo.get("/staff/audit")
    with database.session() as session:
        before = audit.verify(session)
    assert before.broken is None and before.count >= 4
    for statement in ("UPDATE audit SET actor = 'nobody' WHERE seq = 2", "DELETE FROM audit WHERE seq = 2"):
        with pytest.raises(sa.exc.DBAPIError, match="never changed"), database.session() as session:
            session.execute(sa.text(statement))
    ketalink = Ketalink(settings, monkeypatch, capsys)
    head = f"{before.last_seq}:{before.last_hash[:16]}"
    assert f"{before.count} rows" in ketalink.run("audit", "verify", "--expect", head)
    with database.session() as session:
        if database.engine.dialect.name == "postgresql":
            session.execute(sa.text("DROP TRIGGER audit_stays ON audit"))
        else:
            session.execute(sa.text("DROP TRIGGER audit_stays_update"))
            session.execute(sa.text("DROP TRIGGER audit_stays_delete"))
        session.execute(sa.text("UPDATE audit SET actor = 'nobody' WHERE seq = 2"))
    assert "row 2: it was changed" in ketalink.refused("audit", "verify")
    with database.session() as session:
        session.execute(sa.text("DELETE FROM audit WHERE seq = 2"))
    assert "row 3: the rows before it are missing" in ketalink.refused("audit", "verify")
    with database.session() as session:
        session.execute(sa.text("DELETE FROM audit WHERE seq > 1"))
    assert "1 rows" in ketalink.run("audit", "verify")
    assert "rows at the end are missing" in ketalink.refused("audit", "verify", "--expect", head)


@on_both_databases
def test_many_who_write_at_once_make_one_chain(database: Database) -> None:
    def write(number: int) -> None:
        with database.session() as session:
            audit.record(session, utc_now(), ANA, audit.Action.LEADS_LISTED, count=number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(40)))
    with database.session() as session:
        checked = audit.verify(session)
    assert (checked.count, checked.last_seq, checked.broken) == (40, 40, None)


def test_the_audit_is_read_narrowed_and_that_is_written_down(bo: TestClient, database: Database) -> None:
    lead_id = saved(database)
    bo.get(f"/staff/leads/{lead_id}")
    page = bo.get(f"/staff/audit?about={lead_id}").text
    assert "<td>request viewed</td>" in page and "<td>requests listed</td>" not in page
    assert "<td>audit viewed</td>" in bo.get("/staff/audit?what=audit+viewed").text
    for wrong in ("who=" + "0" * 32, "what=nothing", "before=x", "about=1"):
        assert bo.get(f"/staff/audit?{wrong}").status_code == 404


# --- accounts of others


def test_nobody_raises_their_own_role_and_there_is_always_an_admin(app: FastAPI, database: Database) -> None:
    cy = signed_in(app, CY)
    with database.session() as session:
        ids = dict(session.execute(sa.select(Staff.email, Staff.id)).all())
    for action in ("role", "disable"):
        own = send(cy, f"/staff/people/{ids[CY]}/{action}", role="admin")
        assert own.status_code == 409 and "Nobody changes their own role" in own.text
    assert send(cy, f"/staff/people/{ids[ANA]}/role", role="boss").status_code == 400
    ana = signed_in(app, ANA)
    assert ana.get("/staff/people").status_code == 403
    assert send(cy, f"/staff/people/{ids[ANA]}/role", role="admin").status_code == 303
    assert ana.get("/staff/people").status_code == 200  # from the next click on
    assert send(ana, f"/staff/people/{ids[CY]}/role", role="staff").status_code == 303
    assert send(cy, f"/staff/people/{ids[ANA]}/role", role="staff").status_code == 403


def test_an_account_is_made_switched_off_and_on_again(app: FastAPI, database: Database) -> None:
    cy = signed_in(app, CY)
    made = send(cy, "/staff/people", email="New@clinic.example", role="staff").text
    assert "new@clinic.example can sign in" in made
    password = re.search(r'<code class="key">([a-z2-9-]{23})</code>', made)
    assert password
    assert send(cy, "/staff/people", email="new@clinic.example", role="staff").status_code == 422
    assert send(cy, "/staff/people", email="new", role="staff").status_code == 422
    person = TestClient(app, headers={"origin": ORIGIN}, follow_redirects=False)
    fields = {"email": "new@clinic.example", "password": password.group(1)}
    assert person.post("/staff/sign-in", data=fields).status_code == 303
    with database.session() as session:
        id = session.scalars(sa.select(Staff.id).where(Staff.email == "new@clinic.example")).one()
    assert send(cy, f"/staff/people/{id}/disable").status_code == 303
    assert person.get("/staff").status_code == 303
    assert person.post("/staff/sign-in", data=fields).status_code == 401
    assert send(cy, f"/staff/people/{id}/enable").status_code == 303
    assert person.post("/staff/sign-in", data=fields).status_code == 303
    assert send(cy, f"/staff/people/{id}/sign-out").status_code == 303
    assert person.get("/staff").status_code == 303


def test_the_system_page_says_what_answers(bo: TestClient) -> None:
    page = bo.get("/staff/system").text
    assert page.count("Down") == 2 and "Up to each person" in page and "SQLite" in page


def test_times_are_whole(database: Database) -> None:
    """A row is the same after the database has kept its time."""
    with database.session() as session:
        audit.record(session, datetime.now(NEW_YORK).replace(microsecond=0), ANA, audit.Action.LEADS_LISTED)
    with database.session() as session:
        assert audit.verify(session).broken is None
