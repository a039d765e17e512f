"""The main job, end to end: asked, answered, requested, found by staff; and what happens when parts of it die."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Server, Visitor, wait_until


def test_a_visitor_asks_requests_an_appointment_and_staff_find_it(server: Server, visitor: Visitor) -> None:
    assert visitor.say("how long does an infusion take")[0]["topics"] == ["session/duration"]
    assert [message["kind"] for message in visitor.say("I'd like an appointment")] == ["say", "question"]
    asked = [
        visitor.say(text)[-1]["field"]
        for text in (
            "maria de la cruz",
            "(516) 555-0142",
            "Maria@Example.com",
            "new",
            "years of depression",
            "mornings",
        )
    ]
    assert asked == ["phone", "email", "patient_type", "reason", "preferred_time", "consent"]
    review = visitor.say("yes")[-1]
    assert review["field"] == "review"
    for words in (
        "maria de la cruz",
        "(516) 555-0142",
        "Maria@example.com",
        "years of depression",
        "mornings",
    ):
        assert words in review["text"]
    (confirmation,) = visitor.press(review, "Yes, send it")
    assert confirmation["kind"] == "confirmation"
    assert confirmation["lead"] in confirmation["text"]

    exported = server.ketalink("leads", "export", "--format", "jsonl")
    assert exported.returncode == 0, exported.stderr
    leads = map(json.loads, exported.stdout.splitlines())
    (lead,) = [lead for lead in leads if lead["reference"] == confirmation["lead"]]
    assert lead["phone"] == "+15165550142"
    assert lead["full_name"] == "maria de la cruz"
    assert lead["email"] == "Maria@example.com"
    assert lead["patient_type"] == "new"
    assert lead["reason"] == "years of depression"
    assert lead["preferred_time"] == {"text": "mornings", "date": None, "part_of_day": "morning"}
    assert lead["channel"] == "widget"
    assert lead["status"] == "new"
    consent = lead["consent"]
    assert isinstance(consent, dict)
    assert consent["given"] is True
    assert "contact you" in consent["text"]
    listed = server.ketalink("leads", "list")
    assert str(confirmation["lead"]) in listed.stdout


def test_optional_fields_may_be_skipped(server: Server, visitor: Visitor) -> None:
    visitor.say("can you set up an appointment for me")
    for text in ("Prince", "5165550142", "skip", "skip", "I'd rather not say", "any time", "yes"):
        reply = visitor.say(text)[-1]
    (confirmation,) = visitor.press(reply, "Yes, send it")
    (lead,) = [lead for lead in server.leads() if lead["reference"] == confirmation["lead"]]
    assert (lead["email"], lead["patient_type"], lead["reason"]) == (None, None, None)


def test_a_question_in_the_middle_is_answered_and_the_form_goes_on(visitor: Visitor) -> None:
    visitor.say("I'd like an appointment")
    visitor.say("Jordan Lee")
    answer, question = visitor.say("wait, who drives me home?")
    assert answer["topics"] == ["after/driving_home"]
    assert question["field"] == "phone"
    assert visitor.say("516-555-0142")[-1]["field"] == "email"


def test_never_mind_ends_the_request_at_every_field(server: Server) -> None:
    before = len(server.leads())
    answers = ["Jordan Lee", "516-555-0142", "skip", "new", "skip", "mornings", "yes"]
    for answered in range(len(answers) + 1):
        visitor = Visitor(server.url)
        visitor.say("I'd like an appointment")
        for text in answers[:answered]:
            visitor.say(text)
        (reply,) = visitor.say("never mind")
        assert "dropped the request" in reply["text"]
        assert visitor.say("how long does an infusion take")[0]["topics"] == ["session/duration"]
    assert len(server.leads()) == before


def test_a_crisis_in_the_form_is_answered_alone_and_the_form_waits(visitor: Visitor) -> None:
    visitor.say("I'd like an appointment")
    visitor.say("Jordan Lee")
    (reply,) = visitor.say("i want to kill myself")
    assert (reply["kind"], reply["level"]) == ("safety", "crisis")
    assert all(message["kind"] != "question" for message in visitor.say("ok"))
    assert visitor.say("I'd like an appointment")[-1]["field"] == "phone"


def test_no_consent_saves_nothing(server: Server, visitor: Visitor) -> None:
    before = len(server.leads())
    visitor.say("I'd like an appointment")
    for text in ("Jordan Lee", "516-555-0142", "skip", "skip", "skip", "mornings"):
        question = visitor.say(text)[-1]
    assert question["field"] == "consent"
    (reply,) = visitor.press(question, "No")
    assert "nothing was sent" in reply["text"]
    assert len(server.leads()) == before


def test_a_field_can_be_changed_at_the_review(server: Server, visitor: Visitor) -> None:
    review = visitor.fill_in_form(phone="516-555-0142")
    change = visitor.press(review, "Change something")[-1]
    assert "Which part" in change["text"]
    assert visitor.press(change, "Phone")[-1]["field"] == "phone"
    review = visitor.say("516-555-0143")[-1]
    assert "(516) 555-0143" in review["text"]
    (confirmation,) = visitor.say("yes")
    (lead,) = [lead for lead in server.leads() if lead["reference"] == confirmation["lead"]]
    assert lead["phone"] == "+15165550143"


def test_a_second_request_in_one_conversation_is_another_lead_for_another_person(visitor: Visitor) -> None:
    references = []
    for name in ("Noor Haddad", "Noor Haddad", "Sami Haddad"):
        review = visitor.fill_in_form(name=name, phone="516-555-0177")
        references.append(visitor.press(review, "Yes, send it")[0]["lead"])
    assert references[0] == references[1] != references[2]


def test_a_button_of_an_earlier_question_changes_nothing(visitor: Visitor) -> None:
    visitor.say("I'd like an appointment")
    email = visitor.say("Jordan Lee, 516-555-0142")[-1]
    visitor.say("jordan@example.com")
    visitor.say("new")
    said, question = visitor.press(email, "Skip")
    assert "earlier question" in said["text"]
    assert question["field"] == "reason"
    visitor.say("my back")
    visitor.say("mornings")
    review = visitor.say("yes")[-1]
    assert "jordan@example.com" in review["text"]
    visitor.press(review, "Yes, send it")
    (late,) = visitor.press(review, "Yes, send it")
    assert "earlier question" in late["text"]


# --------------------------------------------------------------------------- when parts of it die


@pytest.fixture(scope="module")
def fragile(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[Server]:
    """An assistant over PostgreSQL, whose processes the tests below kill."""
    data_dir: Path = tmp_path_factory.mktemp("fragile")
    server = Server(data_dir, postgres_url.replace("postgresql+psycopg://", "postgresql://")).start()
    yield server
    server.stop()


def test_rasa_killed_in_mid_form_loses_nothing(fragile: Server) -> None:
    visitor = Visitor(fragile.url)
    visitor.say("I'd like an appointment")
    visitor.say("Jordan Lee")
    fragile.kill(fragile.rasa_port)
    response = visitor.post(text="516-555-0142", id="phone")
    body = response.json()
    assert response.status_code == 503
    assert response.headers["content-type"] == "application/problem+json"
    assert "988" in body["detail"]
    assert "clinic" in body["detail"]
    assert visitor.history()[-1]["text"] == "516-555-0142"
    wait_until(lambda: fragile.readiness().get("rasa") == "ready", 90, "Rasa to be back by itself")
    assert visitor.say("516-555-0142", id="phone")[-1]["field"] == "email"
    assert [entry["text"] for entry in visitor.history()].count("516-555-0142") == 1
    for text in ("skip", "skip", "skip", "mornings"):
        visitor.say(text)
    review = visitor.say("yes")[-1]
    assert "Jordan Lee" in review["text"]
    assert "(516) 555-0142" in review["text"]


def test_the_action_server_killed_in_mid_form_loses_nothing(fragile: Server) -> None:
    visitor = Visitor(fragile.url)
    visitor.say("I'd like an appointment")
    fragile.kill(fragile.actions_port)
    response = visitor.post(text="Jordan Lee")
    if response.status_code == 503:
        assert "988" in response.json()["detail"]
    wait_until(lambda: fragile.readiness().get("actions") == "ready", 60, "the action server to be back by itself")
    if response.status_code == 503:
        assert visitor.say("Jordan Lee")[-1]["field"] == "phone"
    # Questions need no action server, and the half turn left nothing behind.
    assert visitor.say("516-555-0142")[-1]["field"] == "email"


def test_a_confirmed_request_is_saved_once_although_yes_is_sent_again(fragile: Server) -> None:
    visitor = Visitor(fragile.url)
    visitor.fill_in_form(phone="516-555-0188")
    fragile.kill(fragile.actions_port)
    first = visitor.post(text="yes", id="send")
    wait_until(lambda: fragile.readiness().get("actions") == "ready", 60, "the action server to be back by itself")
    (confirmation,) = visitor.say("yes", id="send")
    assert first.status_code in (200, 503)
    assert confirmation["kind"] == "confirmation"
    assert visitor.say("yes", id="send") == [confirmation]
    assert [lead["reference"] for lead in fragile.leads() if lead["phone"] == "+15165550188"] == [confirmation["lead"]]


def test_the_front_desk_killed_comes_back_and_knows_the_conversation(fragile: Server) -> None:
    visitor = Visitor(fragile.url)
    visitor.say("how long does an infusion take")
    fragile.kill(fragile.port)
    fragile.wait_until_ready()
    assert visitor.history()[0]["text"] == "how long does an infusion take"
    assert visitor.say("who drives me home")[0]["topics"] == ["after/driving_home"]
