"""What patients are told, the clinic's facts as staff change them, proposed wording, and what is counted."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from fastapi import FastAPI
from fastapi.testclient import TestClient

from frontdesk.app import create_app
from frontdesk.console.models import Role
from frontdesk.content.answers import Answers
from frontdesk.content.models import FactChange
from frontdesk.db import Database, utc_now
from frontdesk.leads import repository
from frontdesk.leads.models import LeadStatus
from frontdesk.leads.saving import save_once
from frontdesk.review.export import Change, replace_wordings
from frontdesk.settings import Settings
from tests.conftest import NEW_YORK, PROJECT
from tests.console.conftest import ORIGIN, let_in, make
from tests.console.reviewing import ANSWER, FALLBACK, post, said, understood
from tests.leads.samples import new_lead

FACTS, PRICE = "/staff/content/facts", "/staff/content/answers/cost/price"


@pytest.fixture(autouse=True)
def _manager(database: Database) -> None:
    make(Role.MANAGER, database)


@pytest.fixture
def app(settings: Settings, database: Database) -> Iterator[FastAPI]:
    yield create_app(settings)


@pytest.fixture
def staff(app: FastAPI, database: Database) -> TestClient:
    client = TestClient(app, headers={"origin": ORIGIN}, follow_redirects=False)
    let_in(client, database, utc_now())
    return client


def in_use(settings: Settings) -> dict[str, object]:
    content: dict[str, object] = yaml.safe_load(settings.profile_in_use.read_text(encoding="utf-8"))
    return content


def last_change(database: Database, key: str) -> str:
    with database.session() as session:
        changes = session.query(FactChange).filter_by(key=key).order_by(FactChange.changed_at).all()
        return changes[-1].id if changes else ""


def test_a_fact_is_said_at_once_everywhere_and_keeps_its_history(
    staff: TestClient, settings: Settings, database: Database
) -> None:
    assert staff.get("/api/chat/welcome").json()["clinic"]["phone"] is None
    assert post(staff, f"{FACTS}/phone", text="516-555-0142").status_code == 303
    assert staff.get("/api/chat/welcome").json()["clinic"]["phone"] == "516-555-0142"
    assert "516-555-0142" in staff.get("/").text
    assert in_use(settings)["phone"] == "516-555-0142"
    first = last_change(database, "phone")
    assert post(staff, f"{FACTS}/phone", text="516-555-0143", seen=first).status_code == 303
    page = staff.get(f"{FACTS}/phone").text
    assert "516-555-0142" in page and "516-555-0143" in page and "ana@clinic.example" in page
    post(staff, f"{FACTS}/phone", text="516-555-0143", empty="yes", seen=last_change(database, "phone"))
    assert in_use(settings)["phone"] is None
    assert staff.get("/api/chat/welcome").json()["clinic"]["phone"] is None


def test_a_price_stops_being_said_after_its_last_day(
    staff: TestClient, app: FastAPI, settings: Settings, database: Database
) -> None:
    today = utc_now().astimezone(NEW_YORK).date()
    post(staff, f"{FACTS}/price_infusion", text="$450", until=today.isoformat())
    assert in_use(settings)["price_infusion"] == "$450"
    assert "One infusion costs $450." in staff.get(PRICE).text
    tomorrow = utc_now() + timedelta(days=1)
    assert app.state.profile.write(tomorrow) is True
    assert in_use(settings)["price_infusion"] is None
    app.state.console = replace(app.state.console, now=lambda: tomorrow)
    let_in(staff, database, tomorrow)
    assert "One infusion costs" not in staff.get(PRICE).text
    assert "Out of date: $450" in staff.get("/staff/content").text


def test_what_may_not_be_said_is_refused_and_changes_nothing(staff: TestClient, settings: Settings) -> None:
    for key, fields, why in (
        ("driving_wait", {"text": "12 hours"}, "24 or more"),
        ("medication_instructions", {"text": "hold all of them that day"}, "stop or skip"),
        ("series_plan", {"text": "six visits, and relief is guaranteed"}, "Nobody may claim this"),
        ("phone", {"text": "the usual one"}, "no phone number"),
        ("hours", {"text": "9 to 5 {phone}"}, "curly braces"),
        ("hours", {"text": "9 to 5 " * 60}, "too long"),
        ("price_infusion", {"text": "$450", "until": "2020-01-01"}, "is over"),
        ("price_infusion", {"text": "$450", "until": "soon"}, "cannot be read"),
    ):
        refused = post(staff, f"{FACTS}/{key}", **fields)
        assert refused.status_code == 422 and why in refused.text, key
        assert "Nothing was changed" in refused.text
    assert not settings.profile_in_use.exists()
    assert staff.get(f"{FACTS}/no_such_fact").status_code == 404
    assert post(staff, f"{FACTS}/no_such_fact", text="x").status_code == 404


def test_of_two_who_change_a_fact_the_second_is_told(staff: TestClient, settings: Settings) -> None:
    post(staff, f"{FACTS}/hours", text="Mon-Fri 9am-5pm")
    second = post(staff, f"{FACTS}/hours", text="Mon-Sat 9am-5pm")
    assert second.status_code == 409 and "Mon-Sat 9am-5pm" in second.text
    assert in_use(settings)["hours"] == "Mon-Fri 9am-5pm"


def test_the_profile_itself_can_still_be_edited(tmp_path: Path, settings: Settings, database: Database) -> None:
    own = tmp_path / "own.yml"
    own.write_text("name: Example Clinic\nphone: 516-555-0100\n")
    app = create_app(settings.model_copy(update={"clinic_profile": own}))
    app.state.profile.write(utc_now())
    own.write_text("name: Example Clinic\nphone: 516-555-0101\n")
    assert app.state.profile.write(utc_now()) is True
    assert app.state.clinic.phone == "516-555-0101"
    own.write_text("- this is no profile")
    with pytest.raises(Exception, match="cannot be read"):
        app.state.profile.write(utc_now())
    assert app.state.clinic.phone == "516-555-0101"


def test_answers_are_read_with_sources_reviewer_and_what_is_said_of_empty_facts(staff: TestClient) -> None:
    page = staff.get("/staff/content").text
    assert "I don&#39;t have this clinic&#39;s prices." in page and "Reviews due" in page
    answer = staff.get("/staff/content/answers/session/duration").text
    assert "Not yet by a clinician" in answer and "Rests on" in answer and "reads at grade" in answer
    assert staff.get("/staff/content/answers/session/nothing").status_code == 404


def test_a_wording_is_looked_at_proposed_and_exported(staff: TestClient, database: Database) -> None:
    wording = Answers(PROJECT).of("cost/price")[1]
    for text, why in (
        ("Relief is guaranteed. {clinic}", "Nobody may claim this"),
        ("Prices can change.", "{clinic}, has to stay"),
        ("{clinic} " + "Ask us about the price. " * 20, "text messages; 2 is the most"),
        ("{clinic} Prices can change 🙂.", "dearer"),
        ("{clinic} Notwithstanding administrative considerations, expenditures necessitate clarification.", "grade"),
    ):
        refused = post(staff, PRICE, channel="sms", text=text)
        assert refused.status_code == 422 and why in refused.text, text
    words = "{clinic} Prices can change. Ask for the full cost in writing before you start."
    assert "Nothing is wrong with it" in post(staff, PRICE, channel="sms", text=words, check="yes").text
    assert post(staff, PRICE, channel="sms", text=words).status_code == 303
    assert "waits for an export" in staff.get(PRICE).text
    change = Change(PROJECT)
    assert replace_wordings(change, [(wording.file, "cost/price", "sms", wording.text, words)]) == 1
    (path,) = change.changed()
    before, after = (yaml.safe_load(text) for text in (wording.file.read_text(), change.files[path]))
    before["responses"]["utter_cost/price"][1]["text"] = words
    assert after == before
    late = Change(PROJECT)
    assert replace_wordings(late, [(wording.file, "cost/price", "sms", "other words than now", words)]) == 0
    assert late.left_out and not late.changed()


def test_whoever_may_not_edit_reads(staff: TestClient, database: Database) -> None:
    make(Role.STAFF, database)
    assert "Change it for everybody" not in staff.get(f"{FACTS}/phone").text
    assert post(staff, f"{FACTS}/phone", text="516-555-0142").status_code == 403
    assert post(staff, PRICE, channel="sms", text="x").status_code == 403


# --- what is counted


def test_insight_counts_by_the_clinics_days_and_gives_each_chart_as_csv(staff: TestClient, database: Database) -> None:
    evening = datetime(2026, 11, 21, 3, 30, tzinfo=UTC)  # the 20th in New York
    said(database, "how long is it", ANSWER, understood("session/duration"), at=evening)
    said(database, "=cmd do you validate", FALLBACK, understood("nlu_fallback", 0.3, "cost/price"), at=evening)
    with database.session() as session:
        lead = save_once(session, new_lead(), NEW_YORK, evening).lead
        lead_id = lead.id
    with database.session() as session:
        repository.change_status(session, lead_id, LeadStatus.CONTACTED, changed_by="ana@clinic.example")
        repository.find(session, lead_id).status_changes[0].changed_at = evening + timedelta(minutes=30)
    days = "from=2026-11-20&to=2026-11-21"
    page = staff.get(f"/staff/insight?{days}")
    assert page.status_code == 200 and "<svg" in page.text and "style=" not in page.text
    assert "50 %" in page.text and "30 min" in page.text and "=cmd do you validate" in page.text

    def rows(name: str) -> list[str]:
        download = staff.get(f"/staff/insight/{name}.csv?{days}")
        assert download.headers["content-type"].startswith("text/csv")
        assert download.headers["cache-control"] == "no-store"
        return download.text.splitlines()[1:]

    assert rows("questions") == ["2026-11-20,2,1,0.500", "2026-11-21,0,0,"]
    assert rows("topics") == ["session/duration,1"]
    assert rows("unanswered") == ["cost/price,1"]
    assert "22,1" in rows("hours") and "within an hour,1" in rows("first-contact")
    assert sorted(rows("channels"))[0] in ("sms,0", "sms,1")
    assert staff.get("/staff/insight/names.csv").status_code == 404
    assert staff.get("/staff/insight?from=then").status_code == 404


def test_insight_of_nothing(staff: TestClient) -> None:
    page = staff.get("/staff/insight?from=2020-01-01&to=2020-01-01")
    assert page.status_code == 200 and "Everything was answered" in page.text
