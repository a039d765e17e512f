"""What staff see of notifications: a request's history, what could not be delivered, trying again."""

import re
from datetime import UTC, datetime, timedelta

from fastapi.testclient import TestClient

from frontdesk.db import Database
from frontdesk.leads import repository
from frontdesk.leads.models import LeadStatus
from frontdesk.outbox import store
from frontdesk.outbox.models import EventKind
from tests.console.conftest import EMAIL
from tests.outbox.conftest import save_lead

PAGE = "/staff/notifications"


def press(client: TestClient, action: str) -> int:
    """Press the button of the form with this address, as the page of notifications has it."""
    form = re.search(rf'action="{action}">\s*<input type="hidden" name="csrf" value="([^"]+)"', client.get(PAGE).text)
    assert form, f"no form for {action}"
    return client.post(action, data={"csrf": form.group(1)}).status_code


def spread(database: Database, *destinations: str) -> None:
    with database.session() as session:
        store.spread(session, destinations, datetime.now(UTC))


def attempt(database: Database, destination: str, error: str | None = None, is_last: bool = False) -> str:
    """Make an attempt at the next delivery to a destination; return the delivery's id."""
    now = datetime.now(UTC)
    with database.session() as session:
        delivery = store.lease(session, destination, "worker", now, timedelta(minutes=2))
        assert delivery is not None
        if error is None:
            store.mark_delivered(session, delivery.id, now)
        else:
            again_at = None if is_last else now + timedelta(minutes=1)
            store.mark_failed(session, delivery.id, "worker", error, now, again_at)
        return delivery.id


def history(client: TestClient, lead_id: str) -> list[str]:
    """The steps of a request's history, as they are read."""
    page = client.get(f"/staff/leads/{lead_id}").text
    listed = re.search(r'<ol class="history">(.*?)</ol>', page, re.DOTALL)
    assert listed
    steps = re.findall(r"<br>(.*?)</li>", listed.group(1), re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", "", step).split()) for step in steps]


def test_the_history_of_a_request_says_who_was_notified_and_who_saw_it_first(
    staff: TestClient, database: Database
) -> None:
    lead_id = save_lead(database)
    assert history(staff, lead_id)[:3] == [
        "Received: the person confirmed it",
        "Stored",
        "Not notified yet",
    ]
    spread(database, "email:ana@clinic.example", "email:bo@clinic.example", "webhook")
    attempt(database, "email:ana@clinic.example")
    attempt(database, "email:bo@clinic.example", "smtp_550", is_last=True)
    attempt(database, "webhook", "http_503")
    with database.session() as session:
        repository.change_status(session, lead_id, LeadStatus.CONTACTED, "bo@clinic.example")
    assert sorted(history(staff, lead_id)) == sorted(
        [
            "Received: the person confirmed it",
            "Stored",
            "Notified: ana@clinic.example",
            "Could not notify bo@clinic.example: the mail server answered with 550",
            "Not notified yet: the webhook. Tried once: it answered with 503",
            f"First seen by {EMAIL}",
            "New → Contacted by bo@clinic.example",
        ]
    )
    assert history(staff, lead_id)[-1] == "New → Contacted by bo@clinic.example"


def test_a_request_of_which_nobody_was_told_says_what_to_set(staff: TestClient, database: Database) -> None:
    lead_id = save_lead(database)
    spread(database)
    told = history(staff, lead_id)
    assert any("Nobody was notified" in step and "NOTIFY_EMAILS" in step for step in told)


def test_what_could_not_be_delivered_is_seen_from_the_list_and_tried_again(
    staff: TestClient, database: Database
) -> None:
    assert "could not be delivered" not in staff.get("/staff").text
    lead_id = save_lead(database)
    spread(database, "webhook")
    delivery = attempt(database, "webhook", "timeout", is_last=True)
    assert f'<a href="{PAGE}">1 notification could not be delivered</a>' in staff.get("/staff").text
    page = staff.get(PAGE).text
    assert "Could not be delivered: 1" in page and "it did not answer in time" in page
    assert f'href="/staff/leads/{lead_id}"' in page
    assert "Robin" not in page and "555" not in page.replace(lead_id, "").replace(delivery, "")
    assert press(staff, f"{PAGE}/{delivery}/retry") == 303
    page = staff.get(PAGE).text
    assert "Could not be delivered: 0" in page and "Waiting: 1" in page
    assert attempt(database, "webhook") == delivery
    assert "could not be delivered" not in staff.get("/staff").text


def test_all_of_them_are_tried_again_with_one_button(staff: TestClient, database: Database) -> None:
    for number in range(3):
        save_lead(database, number)
    with database.session() as session:
        store.add_event(session, EventKind.ALARM_RAISED, "0" * 32)
    spread(database, "webhook")
    for _ in range(4):
        attempt(database, "webhook", "no_connection", is_last=True)
    page = staff.get(PAGE).text
    assert "Could not be delivered: 4" in page and f'href="/staff/conversations/{"0" * 32}"' in page
    assert press(staff, f"{PAGE}/retry") == 303
    assert "Waiting: 4" in staff.get(PAGE).text


def test_a_button_pressed_twice_or_without_its_token_changes_nothing(staff: TestClient, database: Database) -> None:
    save_lead(database)
    spread(database, "webhook")
    delivery = attempt(database, "webhook", "timeout", is_last=True)
    assert staff.post(f"{PAGE}/{delivery}/retry", data={}).status_code == 403
    assert "Could not be delivered: 1" in staff.get(PAGE).text
    form = re.search(r'name="csrf" value="([^"]+)"', staff.get(PAGE).text)
    assert form
    answers = [staff.post(f"{PAGE}/{delivery}/retry", data={"csrf": form.group(1)}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [303, 404]
    assert staff.post(f"{PAGE}/%00/retry", data={"csrf": form.group(1)}).status_code == 404


def test_the_page_works_without_a_script_and_its_buttons_say_what_for(staff: TestClient, database: Database) -> None:
    save_lead(database)
    spread(database, "webhook")
    delivery = attempt(database, "webhook", "timeout", is_last=True)
    page = staff.get(PAGE).text
    assert "<script>" not in page and "style=" not in page
    assert f'<button aria-describedby="why-{delivery}">Try again</button>' in page
    assert f'id="why-{delivery}"' in page
