"""Finding conversations, reviewing what was understood, keeping one as a test."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
import sqlalchemy as sa
import yaml
from fastapi.testclient import TestClient

from frontdesk.chat.models import Channel, Message
from frontdesk.console.models import Role
from frontdesk.db import Database, utc_now
from frontdesk.review.cleaning import cleaned
from frontdesk.review.models import Review, SavedTest, Turn
from frontdesk.review.turns import catch_up
from tests.console.conftest import ORIGIN, make
from tests.console.reviewing import ANSWER, CRISIS, FALLBACK, address_of, post, said, understood

DURATION = "session/duration"
UNKNOWN = understood("nlu_fallback", 0.4, "logistics/parking_access")
TODAY = datetime(2026, 11, 22, tzinfo=UTC).date()


@pytest.fixture(autouse=True)
def _manager(database: Database) -> None:
    make(Role.MANAGER, database)


@pytest.fixture
def conversations(database: Database) -> dict[str, str]:
    """One conversation of each kind, by its kind."""
    old = utc_now() - timedelta(days=40)
    made = {
        "sure": said(database, "how long is it", ANSWER, understood(DURATION)),
        "unsure": said(database, "is it long or what", ANSWER, understood(DURATION, 0.52)),
        "fallback": said(database, "do you validate", FALLBACK, UNKNOWN),
        "danger": said(database, "i want to die", CRISIS, {"safety": {"level": "crisis"}}),
        "unhelpful": said(database, "how long does one take", ANSWER, understood(DURATION), helpful=False),
        "sms": said(database, "hours?", ANSWER, understood("logistics/hours"), channel=Channel.SMS),
        "old": said(database, "how long was it", ANSWER, understood(DURATION), at=old),
    }
    return {kind: conversation for kind, (conversation, _message) in made.items()}


FOUND: dict[str, set[str]] = {
    "": {"sure", "unsure", "fallback", "danger", "unhelpful", "sms", "old"},
    "channel=sms": {"sms"},
    "fallback=yes": {"fallback"},
    "unsure=yes": {"unsure"},
    "unhelpful=yes": {"unhelpful"},
    "level=crisis": {"danger"},
    "topic=logistics/hours": {"sms"},
    f"topic={DURATION}&unhelpful=yes": {"unhelpful"},
    "unreviewed=yes": {"sure", "unsure", "fallback", "unhelpful", "sms", "old"},
    "to=2020-01-01": set(),
}


def test_conversations_are_found_by_what_became_of_their_messages(
    staff: TestClient, conversations: dict[str, str]
) -> None:
    for query, kinds in FOUND.items():
        page = staff.get(f"/staff/conversations?{query}")
        assert (page.status_code, page.headers["cache-control"]) == (200, "no-store")
        found = set(re.findall(r"/staff/conversations/([0-9a-f]{32})", page.text))
        assert found == {conversations[kind] for kind in kinds}, query


def test_days_are_the_clinics(staff: TestClient, database: Database) -> None:
    late_in_new_york = datetime(2026, 11, 21, 3, 30, tzinfo=UTC)  # the 20th, 10:30 in the evening
    conversation, _ = said(database, "how long is it", ANSWER, understood(DURATION), at=late_in_new_york)
    for day, is_there in (("2026-11-20", True), ("2026-11-21", False)):
        page = staff.get(f"/staff/conversations?from={day}&to={day}")
        assert (conversation in page.text) is is_there


def test_what_cannot_be_asked_for_is_not_guessed_at(staff: TestClient) -> None:
    for query in ("channel=pigeon", "topic=a/b", "level=high", "fallback=1", "from=yesterday", "page=0", "page=x"):
        assert staff.get(f"/staff/conversations?{query}").status_code == 404, query


def test_topics_and_dangers_are_not_readable_in_the_database(database: Database, conversations: dict[str, str]) -> None:
    with database.engine.connect() as connection:
        for table in ("turns", "turn_topics", "reviews"):
            rows = str(connection.execute(sa.text(f"SELECT * FROM {table}")).all())
            assert "duration" not in rows and "crisis" not in rows


def test_messages_from_before_are_found_too(
    staff: TestClient, database: Database, conversations: dict[str, str]
) -> None:
    with database.session() as session:
        session.execute(sa.delete(Turn))
    assert conversations["fallback"] not in staff.get("/staff/conversations?fallback=yes").text
    assert catch_up(database) == len(conversations)
    assert conversations["fallback"] in staff.get("/staff/conversations?fallback=yes").text


def test_a_conversation_says_of_each_message_what_was_understood(staff: TestClient, database: Database) -> None:
    conversation, _ = said(database, "do you validate", FALLBACK, UNKNOWN)
    page = staff.get(f"/staff/conversations/{conversation}").text
    assert "Not understood" in page and "(40 % sure)" in page and "30 %" in page
    assert "do you validate" not in re.findall(r"<title>(.*?)</title>", page)[0]


# --- a review


def test_personal_data_is_taken_out_shown_and_can_be_edited(staff: TestClient, database: Database) -> None:
    message = said(database, "I'm Ana Ruiz, 516-555-0142, ana@example.com. Do you validate?", FALLBACK, UNKNOWN)
    page = staff.get(address_of(message)).text
    (example,) = re.findall(r'<textarea id="text"[^>]*>\n?(.*?)</textarea>', page, re.DOTALL)
    assert example == "Do you validate?"
    assert "Taken out: a name, a phone number, an e-mail address" in page
    edited = post(staff, address_of(message), verdict="example", topic="logistics/parking_access", text="u validate?")
    assert edited.status_code == 303
    with database.session() as session:
        review = session.get_one(Review, message[1])
        assert (review.text, review.topic) == ("u validate?", "logistics/parking_access")


PARKING = "logistics/parking_access"
NO_EXAMPLES = (
    (PARKING, "call 516-555-0142, do you validate", "a phone number"),
    (PARKING, "ana@example.com do you validate", "an e-mail address"),
    (PARKING, "born 3/12/1980, do you validate", "a date"),
    (PARKING, "my name is Ana Ruiz, do you validate", "a name"),
    (PARKING, " … ", "no words left"),
    (PARKING, "validate " * 50, "at most 300"),
    (PARKING, "[validate](day)", "Brackets"),
    ("", "do you validate", "Choose what it is about"),
    ("logistics/nowhere", "do you validate", "Choose what it is about"),
)


def test_what_cannot_be_an_example_is_refused_and_kept_on_the_page(staff: TestClient, database: Database) -> None:
    message = said(database, "do you validate", FALLBACK, UNKNOWN)
    for topic, text, why in NO_EXAMPLES:
        refused = post(staff, address_of(message), verdict="example", topic=topic, text=text)
        assert refused.status_code == 422
        assert why in refused.text and " ".join(text.split()) in refused.text
    with database.session() as session:
        assert session.get(Review, message[1]) is None


def test_what_only_looks_like_a_name_can_be_kept(staff: TestClient, database: Database) -> None:
    message = said(database, "do you validate", FALLBACK, UNKNOWN)
    fields = {"verdict": "example", "topic": "conditions/overview", "text": "what does Dr. Seuss have to do with it"}
    refused = post(staff, address_of(message), **fields)
    assert refused.status_code == 422 and 'name="sure"' in refused.text
    assert post(staff, address_of(message), **fields, sure="yes").status_code == 303


def test_nothing_is_learned_about_danger_here(staff: TestClient, database: Database) -> None:
    message = said(
        database, "i want to die", CRISIS, understood("crisis/suicidal_now") | {"safety": {"level": "crisis"}}
    )
    assert 'value="example"' not in staff.get(address_of(message)).text
    refused = post(staff, address_of(message), verdict="example", topic="out_of_scope", text="i want to die")
    assert refused.status_code == 422 and "clinician" in refused.text


def test_all_that_was_right_is_reviewed_at_once(staff: TestClient, database: Database) -> None:
    conversation, wrong = said(database, "do you validate", FALLBACK, UNKNOWN)
    said(database, "how long is it", ANSWER, understood(DURATION), conversation=conversation)
    post(staff, address_of((conversation, wrong)), verdict="nothing")
    post(staff, f"/staff/conversations/{conversation}/reviewed")
    with database.session() as session:
        assert sorted(session.scalars(sa.select(Review.verdict))) == ["nothing", "right"]
    assert conversation not in staff.get("/staff/conversations?unreviewed=yes").text


def test_a_review_goes_with_the_conversation(staff: TestClient, database: Database) -> None:
    message = said(database, "do you validate", FALLBACK, UNKNOWN)
    post(staff, address_of(message), verdict="right")
    with database.session() as session:
        session.execute(sa.delete(Message))
        assert session.scalars(sa.select(Review)).all() == session.scalars(sa.select(Turn)).all() == []


# --- a conversation as a test


def test_a_conversation_is_kept_as_a_test_as_rasa_reads_it(staff: TestClient, database: Database) -> None:
    conversation, _ = said(database, "I'm Ana Ruiz, how long is it", ANSWER, understood(DURATION))
    wrong = said(database, "do you validate", FALLBACK, UNKNOWN, conversation=conversation)
    post(staff, address_of(wrong), verdict="example", topic="logistics/parking_access", text="do you validate")
    page = staff.get(f"/staff/conversations/{conversation}/test").text
    (story,) = re.findall(r'<textarea id="text"[^>]*>\n?(.*?)</textarea>', page, re.DOTALL)
    story = unescape(story)
    (content,) = yaml.safe_load(story)
    assert content["steps"] == [
        {"user": "how long is it", "intent": DURATION},
        {"action": "utter_session"},
        {"user": "do you validate", "intent": "logistics/parking_access"},
        {"action": "utter_logistics"},
    ]
    assert post(staff, f"/staff/conversations/{conversation}/test", text=story).status_code == 303
    with database.session() as session:
        assert session.scalars(sa.select(SavedTest)).one().saved_by == "ana@clinic.example"


NO_STORIES = (
    ("", "one `story`"),
    ("- story: [", "YAML"),
    ("- story: a\n  steps:\n  - {user: hi, intent: nothing/such}\n  - action: utter_session", "no topic"),
    ("- story: a\n  steps:\n  - {user: hi, intent: greet}\n  - action: action_delete_all", "said by itself"),
    ("- story: a\n  steps:\n  - {user: my name is Ana Ruiz, intent: greet}\n  - action: utter_greet", "a name"),
)


def test_a_test_that_cannot_be_one_is_refused(staff: TestClient, database: Database) -> None:
    conversation, _ = said(database, "how long is it", ANSWER, understood(DURATION))
    for text, why in NO_STORIES:
        refused = post(staff, f"/staff/conversations/{conversation}/test", text=text)
        assert refused.status_code == 422 and why in refused.text


# --- who may


def test_whoever_may_not_review_sees_only_danger(
    staff: TestClient, database: Database, conversations: dict[str, str]
) -> None:
    make(Role.STAFF, database)
    message = said(database, "do you validate", FALLBACK, UNKNOWN)
    for path in ("/staff/conversations", "/staff/insight", "/staff/insight/topics.csv", address_of(message)):
        assert staff.get(path).status_code == 403, path
    assert post(staff, address_of(message), verdict="right").status_code == 403
    assert staff.get(f"/staff/conversations/{conversations['sure']}").status_code == 404
    assert staff.get(f"/staff/conversations/{conversations['danger']}").status_code == 200


def test_a_form_from_elsewhere_or_without_its_token_changes_nothing(staff: TestClient, database: Database) -> None:
    message = said(database, "do you validate", FALLBACK, UNKNOWN)
    assert staff.post(address_of(message), data={"verdict": "right"}).status_code == 403
    foreign = staff.post(address_of(message), data={"verdict": "right"}, headers={"origin": "https://evil.example"})
    assert foreign.status_code == 403 and ORIGIN not in foreign.text
    with database.session() as session:
        assert session.scalars(sa.select(Review)).all() == []


@pytest.mark.parametrize(
    ("text", "left", "removed"),
    [
        ("My name is Ana Ruiz, 516-555-0142, can I eat first?", "can I eat first?", {"a name", "a phone number"}),
        ("Does Dr. Patel work on Mondays?", "Does Dr. work on Mondays?", {"a name"}),
        ("my wife Maria took it, is it ok", "my wife took it, is it ok", {"a name"}),
        ("it is 1,200 dollars for 6 sessions?", "it is 1,200 dollars for 6 sessions?", set()),
        ("member id 8839201144 is it covered", "member id is it covered", {"a long number"}),
        ("ruiz asked you before, is it covered", "asked you before, is it covered", {"a name"}),
        ("see www.example.com/me, is it covered", "see is it covered", {"a web address"}),
        ("516-555-0142", "", {"a phone number"}),
    ],
)
def test_what_is_personal_is_taken_out_and_the_question_stays(text: str, left: str, removed: set[str]) -> None:
    found = cleaned(text, TODAY, ["Ana Ruiz"])
    assert (found.text, set(found.removed)) == (left, removed)
