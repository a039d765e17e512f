"""The action server as Rasa calls it: a tracker in, events and responses out."""

import asyncio
import json
import logging
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
import sqlalchemy as sa
import yaml
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.interfaces import Tracker
from starlette.testclient import TestClient

from actions.form import ValidateAppointmentForm
from actions.hearing import ALWAYS_FIRST, INTERRUPTIONS
from actions.review import CONFIRMED
from actions.run import ABOUT, FIELDS, RUN_SLOTS, About
from actions.server import create_app
from frontdesk.db import Database, open_database
from frontdesk.fields.when import NO_PREFERENCE
from frontdesk.leads.drafts import open_draft
from frontdesk.leads.models import ConsentRecord, Lead
from frontdesk.leads.repository import as_record
from frontdesk.settings import Settings

PROJECT = Path(__file__).resolve().parents[2]
DOMAIN = yaml.safe_load((PROJECT / "domain.yml").read_text(encoding="utf-8"))
SECRET = "s3cret-" * 6
FORM = "appointment_form"
VALIDATE = f"validate_{FORM}"
SAVE = "action_save_request"

# A run of the form that is complete but for the last yes.
FILLED = {
    "request_id": "0f" * 16,
    "full_name": "Maria de la Cruz",
    "phone": "+15165550142",
    "email": "maria@example.com",
    "patient_type": "new",
    "reason": "years of depression",
    "preferred_time": {
        "text": "next Tuesday morning",
        "date": "2026-12-01",
        "part_of_day": "morning",
        "understood": "Tuesday, December 1, 2026, in the morning",
    },
    "consent": {"given": True, "at": "2026-11-22T15:04:05+00:00"},
}
CONFIRMED_RUN = {**FILLED, "review": CONFIRMED}
HOW_LONG = ("how long does an infusion take", "session")


def settings(folder: Path) -> Settings:
    return Settings(
        _env_file=None,
        data_dir=folder,
        rasa_secret=SECRET,
        clinic_timezone="America/New_York",
    )


def tracker(
    slots: dict[str, Any], field: str | None, text: str, intent: str, confidence: float, channel: str = "widget"
) -> dict[str, Any]:
    """The tracker as Rasa 3.6 sends it while a form asks for `field`."""
    group, _, topic = intent.partition("/")
    message = {
        "text": text,
        "intent": {"name": group, "confidence": confidence} | ({"full_retrieval_intent_name": intent} if topic else {}),
        "entities": [],
        "intent_ranking": [{"name": intent, "confidence": confidence}],
        "message_id": "m1",
        "metadata": {},
    }
    asked = [{"event": "slot", "name": "requested_slot", "value": field}, {"event": "action", "name": FORM}]
    extracted = [{"event": "slot", "name": field, "value": text}] if field else []
    known = {name: slots.get(name) for name in RUN_SLOTS} | {"requested_slot": field}
    return {
        "sender_id": "c0ffee",
        "slots": known | ({field: text} if field else {}),
        "latest_message": message,
        "latest_event_time": 1795348328.57,
        "followup_action": None,
        "paused": False,
        "events": [
            {"event": "action", "name": "action_listen"},
            {"event": "user", "text": text, "parse_data": message, "input_channel": channel},
            *extracted,
            *asked,
            *extracted,
        ],
        "latest_input_channel": channel,
        "active_loop": {"name": FORM, "is_interrupted": False, "rejected": False},
        "latest_action": {"action_name": FORM},
        "latest_action_name": FORM,
    }


@dataclass
class Rasa:
    """Rasa's side of the connection."""

    client: TestClient

    def call(self, action: str, tracker: dict[str, Any], **request: Any) -> httpx.Response:
        call = {"next_action": action, "sender_id": "c0ffee", "tracker": tracker, "version": "3.6.21", "domain": DOMAIN}
        headers = {"Authorization": f"Bearer {SECRET}"}
        return self.client.post("/webhook", **({"json": call, "headers": headers} | request))

    def answer(
        self, field: str | None, text: str, intent: str = "nlu_fallback", confidence: float = 0.9, **slots: Any
    ) -> tuple[list[dict[str, Any]], list[str]]:
        """Answer the question for `field`; return the events and the names of the responses."""
        known = {"request_id": "0f" * 16} | slots
        return self.outcome(self.call(VALIDATE, tracker(known, field, text, intent, confidence)))

    def run(
        self, action: str, slots: dict[str, Any], field: str | None = None, text: str = "yes", channel: str = "widget"
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Run an action once the form has these slots; return the events and the responses."""
        state = tracker(slots, None, text, "affirm", 0.9, channel)
        state["slots"]["requested_slot"] = field
        response = self.call(action, state)
        assert response.status_code == 200, response.text
        return response.json()["events"], response.json()["responses"]

    @staticmethod
    def outcome(response: httpx.Response) -> tuple[list[dict[str, Any]], list[str]]:
        assert response.status_code == 200, response.text
        result = response.json()
        return result["events"], [said["response"] for said in result["responses"]]


@pytest.fixture
def database(tmp_path: Path, sqlite_url: str) -> Iterator[Database]:
    database = open_database(settings(tmp_path))
    yield database
    database.close()


@pytest.fixture
def rasa(tmp_path: Path, database: Database) -> Iterator[Rasa]:
    with TestClient(create_app(settings(tmp_path))) as client:
        yield Rasa(client)


def leads(database: Database) -> list[dict[str, Any]]:
    with database.session() as session:
        return [as_record(lead) for lead in session.scalars(sa.select(Lead).order_by(Lead.created_at))]


def slots_set(events: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what the events set, but for what a run knows besides its fields."""
    return {event["name"]: event["value"] for event in events if event["event"] == "slot" and event["name"] != ABOUT}


def about(events: list[dict[str, Any]]) -> About:
    """Return what a run knows besides its fields after these events."""
    return About.of({event["name"]: event["value"] for event in events if event["event"] == "slot"})


def is_rejected(events: list[dict[str, Any]]) -> bool:
    """Rejecting the form's execution is what lets a rule answer instead."""
    return [event["name"] for event in events if event["event"] == "action_execution_rejected"] == [FORM]


# --------------------------------------------------------------------------- who may call


@pytest.mark.parametrize("header", [None, "", SECRET, f"Bearer {SECRET}x", f"Bearer {SECRET[:-1]}", "Bearer Ünïcode"])
def test_without_the_shared_secret_nothing_is_done(rasa: Rasa, database: Database, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header.encode()}
    state = tracker(CONFIRMED_RUN, None, "yes", "affirm", 0.9)
    assert rasa.call(SAVE, state, headers=headers).status_code == 401
    assert leads(database) == []
    assert rasa.call(SAVE, state).status_code == 200
    assert len(leads(database)) == 1


def test_a_compressed_call_is_understood(rasa: Rasa) -> None:
    state = tracker({"request_id": "a"}, "full_name", "Ana Ruiz", "nlu_fallback", 0.5)
    call = {"next_action": VALIDATE, "sender_id": "c0ffee", "tracker": state, "domain": DOMAIN}
    headers = {"Authorization": f"Bearer {SECRET}", "Content-Encoding": "deflate"}
    response = rasa.client.post("/webhook", content=zlib.compress(json.dumps(call).encode()), headers=headers)
    assert slots_set(rasa.outcome(response)[0]) == {"full_name": "Ana Ruiz"}


def test_an_action_that_is_not_there_is_named(rasa: Rasa) -> None:
    response = rasa.call("action_unknown", tracker({}, None, "hi", "greet", 0.9))
    assert (response.status_code, response.json()["action_name"]) == (404, "action_unknown")


# --------------------------------------------------------------------------- a field is answered


def test_each_run_of_the_form_gets_an_id_of_its_own(rasa: Rasa) -> None:
    begun = [
        slots_set(rasa.answer(None, "I'd like an appointment", "request_appointment", request_id=None)[0])["request_id"]
        for _ in range(2)
    ]
    assert len(begun[0]) == 32
    assert begun[0] != begun[1]
    again = rasa.answer(None, "I'd like an appointment", "request_appointment", request_id=begun[0])
    assert "request_id" not in slots_set(again[0])


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("full_name", "it's maria de la cruz", "maria de la cruz"),
        ("phone", "(516) 555-0142", "+15165550142"),
        ("email", "Maria@Example.com", "Maria@example.com"),
        ("patient_type", "I'm a new patient", "new"),
        ("reason", "depression that pills did not help", "depression that pills did not help"),
        (
            "preferred_time",
            "mornings",
            {"text": "mornings", "date": None, "part_of_day": "morning", "understood": "in the morning"},
        ),
        ("review", "yes, send it", CONFIRMED),
    ],
)
def test_an_answer_is_taken_and_nothing_else_is_touched(rasa: Rasa, field: str, text: str, value: Any) -> None:
    events, said = rasa.answer(field, text)
    assert {event["event"] for event in events} == {"slot"}
    assert slots_set(events) == {field: value}
    assert said == []


@pytest.mark.parametrize(
    ("field", "text", "response"),
    [
        ("full_name", "x" * 300, "utter_invalid_full_name"),
        ("full_name", "yes", "utter_invalid_full_name"),
        ("phone", "555-0142", "utter_invalid_phone_short"),
        ("phone", "911", "utter_invalid_phone_emergency"),
        ("phone", "800-555-0142", "utter_invalid_phone_kind"),
        ("email", "ana@example", "utter_invalid_email"),
        ("patient_type", "both", "utter_invalid_patient_type"),
        ("reason", "x" * 1500, "utter_invalid_reason"),
        ("preferred_time", "yesterday", "utter_invalid_preferred_time"),
        ("consent", "banana", "utter_invalid_consent"),
        ("consent", "yes but only by email", "utter_invalid_consent"),
        ("consent", "I don't mind", "utter_invalid_consent"),
    ],
)
def test_an_answer_that_cannot_be_taken_is_asked_again_with_a_reason(
    rasa: Rasa, field: str, text: str, response: str
) -> None:
    events, said = rasa.answer(field, text)
    assert slots_set(events) == {field: None}
    assert said == [response]
    assert not is_rejected(events)


def test_a_slot_that_was_not_asked_for_is_left_alone(rasa: Rasa) -> None:
    state = tracker({"request_id": "a", "full_name": "Ana"}, "phone", "516-555-0142", "nlu_fallback", 0.5)
    state["events"].append({"event": "action", "name": "action_listen"})  # nothing extracted since
    assert rasa.outcome(rasa.call(VALIDATE, state)) == ([], [])


def test_a_day_is_meant_in_the_clinics_time_zone(database: Database) -> None:
    late_on_saturday = datetime(2026, 11, 22, 3, 30, tzinfo=UTC)  # 22:30 on 21 November in New York
    form = ValidateAppointmentForm(database, ZoneInfo("America/New_York"), now=lambda: late_on_saturday)
    state = tracker({"request_id": "a"}, "preferred_time", "tomorrow", "nlu_fallback", 0.5)
    events = asyncio.run(form.run(CollectingDispatcher(), Tracker.from_dict(state), DOMAIN))
    assert slots_set(events)["preferred_time"]["date"] == "2026-11-22"


# --------------------------------------------------------------------------- skipping


@pytest.mark.parametrize(
    ("field", "text", "intent", "value"),
    [
        ("email", "skip", "skip", ""),
        ("email", "I’d rather not say", "nlu_fallback", ""),
        ("patient_type", "skip this one", "skip", ""),
        ("reason", "no thanks", "deny", ""),
        (
            "preferred_time",
            "skip",
            "skip",
            {"text": NO_PREFERENCE, "date": None, "part_of_day": None, "understood": ""},
        ),
    ],
)
def test_what_may_be_skipped_is_skipped(rasa: Rasa, field: str, text: str, intent: str, value: Any) -> None:
    assert slots_set(rasa.answer(field, text, intent)[0]) == {field: value}


@pytest.mark.parametrize("field", ["full_name", "phone"])
@pytest.mark.parametrize(
    ("text", "intent"), [("skip", "skip"), ("rather not", "nlu_fallback"), ("can we pass", "skip")]
)
def test_what_the_team_needs_is_not_skipped(rasa: Rasa, field: str, text: str, intent: str) -> None:
    events, said = rasa.answer(field, text, intent)
    assert slots_set(events) == {field: None}
    assert said == ["utter_field_needed"]


# --------------------------------------------------------------------------- something else is said


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize(
    ("text", "intent"),
    [
        HOW_LONG,
        ("never mind", "cancel_request"),
        ("i want a real person", "logistics/phone_contact"),
        ("hello?", "greet"),
    ],
)
def test_at_every_field_something_else_is_left_to_the_rules(rasa: Rasa, field: str, text: str, intent: str) -> None:
    events, said = rasa.answer(field, text, intent, 0.95)
    assert is_rejected(events)
    assert slots_set(events) == {field: None}
    assert said == []


def test_the_form_knows_every_intent() -> None:
    answers = {"affirm", "deny", "none_of_these", "skip", "request_appointment"}
    assert set(DOMAIN["intents"]) == INTERRUPTIONS | ALWAYS_FIRST | answers


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("confidence", [0.51, 0.99])
@pytest.mark.parametrize(
    "text",
    ["I want to die", "516-555-0142 but I will be dead by then", "yes. goodbye forever", "tuesday if i'm still alive"],
)
def test_at_every_field_a_crisis_comes_first_and_is_never_an_answer(
    rasa: Rasa, field: str, text: str, confidence: float
) -> None:
    events, said = rasa.answer(field, text, "crisis", confidence)
    assert is_rejected(events)
    assert slots_set(events) == {field: None}
    assert said == []


@pytest.mark.parametrize("field", FIELDS)
def test_asking_for_an_appointment_again_only_asks_again(rasa: Rasa, field: str) -> None:
    events, said = rasa.answer(field, "please book me in", "request_appointment")
    assert not is_rejected(events)
    assert said == []


@pytest.mark.parametrize(
    ("field", "text", "intent", "confidence"),
    [
        ("full_name", "Grace Paine", "conditions", 0.6),
        ("full_name", "Will Dye", "out_of_scope", 0.95),
        ("phone", "516-555-0142 anytime after work", "logistics", 0.95),
        ("email", "stop.smith@example.com", "cancel_request", 0.95),
        ("reason", "chronic pain after an accident", "conditions", 0.97),
        ("reason", "I want to talk to somebody about my depression", "logistics", 0.9),
        ("preferred_time", "whenever you are open", "logistics", 0.95),
        ("preferred_time", "Monday morning before my other session", "session", 0.95),
    ],
)
def test_an_answer_that_sounds_like_a_topic_is_still_an_answer(
    rasa: Rasa, field: str, text: str, intent: str, confidence: float
) -> None:
    events, _said = rasa.answer(field, text, intent, confidence)
    assert not is_rejected(events)
    assert slots_set(events)[field] is not None


@pytest.mark.parametrize(
    ("field", "text", "intent"),
    [
        ("full_name", "side effects", "safety"),
        ("reason", "do you treat chronic pain", "conditions"),
        ("preferred_time", "tell me how many weeks of treatment people need", "results"),
        ("patient_type", "what happens to new patients?", "booking"),
        ("review", "how do you keep my phone number private", "logistics"),
    ],
)
def test_a_question_that_could_be_an_answer_is_answered(rasa: Rasa, field: str, text: str, intent: str) -> None:
    assert is_rejected(rasa.answer(field, text, intent, 0.9)[0])


# --------------------------------------------------------------------------- consent


@pytest.mark.parametrize(("text", "intent"), [("yes", "affirm"), ("Yes, contact me", "nlu_fallback"), ("👍", "affirm")])
def test_consent_is_kept_with_its_time(rasa: Rasa, text: str, intent: str) -> None:
    before = datetime.now(UTC)
    consent = slots_set(rasa.answer("consent", text, intent)[0])["consent"]
    assert consent["given"] is True
    assert before <= datetime.fromisoformat(consent["at"]) <= before + timedelta(minutes=1)


@pytest.mark.parametrize(("text", "intent"), [("no", "deny"), ("No thanks", "nlu_fallback"), ("nah", "deny")])
def test_without_consent_the_form_ends_and_nothing_is_saved(
    rasa: Rasa, database: Database, text: str, intent: str
) -> None:
    refused = slots_set(rasa.answer("consent", text, intent)[0])
    assert refused["consent"]["given"] is False
    assert refused["requested_slot"] is None  # which ends the form
    events, responses = rasa.run(SAVE, {**CONFIRMED_RUN, "consent": refused["consent"]})
    assert [said["response"] for said in responses] == ["utter_consent_refused"]
    assert slots_set(events) == dict.fromkeys(slot for slot in RUN_SLOTS if slot != ABOUT)
    assert leads(database) == []


@pytest.mark.parametrize("consent", [None, {}, {"given": False, "at": "2026-11-22T15:04:05+00:00"}])
def test_no_consent_no_lead_whatever_else_is_there(rasa: Rasa, database: Database, consent: Any) -> None:
    rasa.run(SAVE, {**CONFIRMED_RUN, "consent": consent})
    assert leads(database) == []


# --------------------------------------------------------------------------- review


def test_everything_is_read_back(rasa: Rasa) -> None:
    _events, (said,) = rasa.run("action_ask_review", FILLED, field="consent")
    assert said["response"] == "utter_ask_review"
    for words in ("Maria de la Cruz", "(516) 555-0142", "maria@example.com", "new patient", "years of depression"):
        assert words in said["summary"]
    assert "next Tuesday morning (Tuesday, December 1, 2026, in the morning)" in said["summary"]


def test_what_was_skipped_is_read_back_as_not_given(rasa: Rasa) -> None:
    skipped = {**FILLED, "email": "", "patient_type": "", "reason": "", "preferred_time": None}
    _events, (said,) = rasa.run("action_ask_review", skipped, field="consent")
    assert said["summary"].count("not given") == 4


def test_an_extension_is_read_back(rasa: Rasa) -> None:
    _events, (said,) = rasa.run("action_ask_review", {**FILLED, "phone": "+15165550142;ext=12"}, field="consent")
    assert "(516) 555-0142 ext. 12" in said["summary"]


def test_brackets_in_the_reason_do_not_disturb_the_wording(rasa: Rasa) -> None:
    _events, (said,) = rasa.run("action_ask_review", {**FILLED, "reason": "pain 0[ {clinic} ]"}, field="consent")
    assert "pain 0( {clinic} )" in said["summary"]


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("change my phone", "phone"), ("the name", "full_name"), ("it's spelled wrong", "full_name"),
        ("correct my email", "email"), ("the reason is wrong", "reason"), ("no, another day", "preferred_time"),
        ("change new or existing", "patient_type"), ("yes but change the time", "preferred_time"),
    ],
)  # fmt: skip
def test_a_part_can_be_changed_at_the_review(rasa: Rasa, text: str, field: str) -> None:
    assert slots_set(rasa.answer("review", text, **FILLED)[0]) == {field: None, "review": None}


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("no", "utter_ask_what_to_change"), ("Change something", "utter_ask_what_to_change"),
        ("banana", "utter_ask_review"), ("no problem", "utter_ask_review"), ("all is correct", "utter_ask_review"),
    ],
)  # fmt: skip
def test_an_unconfirmed_review_is_asked_again(rasa: Rasa, text: str, asked: str) -> None:
    events, said = rasa.answer("review", text, **FILLED)
    assert slots_set(events) == {"review": None}
    assert said == []
    _events, responses = rasa.run("action_ask_review", FILLED, field="review", text=text)
    assert [said["response"] for said in responses] == [asked]


@pytest.mark.parametrize("text", ["yes", "looks good", "yes any time", "that's right", "ok send it"])
def test_a_yes_at_the_review_confirms(rasa: Rasa, text: str) -> None:
    assert slots_set(rasa.answer("review", text, **FILLED)[0]) == {"review": CONFIRMED}


# --------------------------------------------------------------------------- saving and cancelling


def test_a_confirmed_request_is_saved_and_confirmed_with_its_reference(rasa: Rasa, database: Database) -> None:
    events, (said,) = rasa.run(SAVE, CONFIRMED_RUN)
    (lead,) = leads(database)
    assert (said["response"], said["lead"]) == ("utter_request_saved", lead["reference"])
    assert slots_set(events) == dict.fromkeys(slot for slot in RUN_SLOTS if slot != ABOUT)
    assert {name: lead[name] for name in ("full_name", "phone", "email", "patient_type", "reason")} == {
        name: FILLED[name] for name in ("full_name", "phone", "email", "patient_type", "reason")
    }
    assert lead["preferred_time"] == {
        key: value for key, value in FILLED["preferred_time"].items() if key != "understood"
    }
    assert (lead["status"], lead["channel"]) == ("new", "widget")
    question = DOMAIN["responses"]["utter_ask_consent"][0]["text"]
    assert lead["consent"] == {"given": True, "at": "2026-11-22T15:04:05Z", "text": question}


def test_skipped_fields_are_saved_as_unknown(rasa: Rasa, database: Database) -> None:
    rasa.run(SAVE, {**CONFIRMED_RUN, "email": "", "patient_type": "", "reason": ""}, channel="sms")
    (lead,) = leads(database)
    assert (lead["email"], lead["patient_type"], lead["reason"], lead["channel"]) == (None, None, None, "sms")


def test_an_extension_is_kept_beside_the_number(rasa: Rasa, database: Database) -> None:
    rasa.run(SAVE, {**CONFIRMED_RUN, "phone": "+15165550142;ext=12"})
    (lead,) = leads(database)
    assert lead["phone"] == "+15165550142"
    assert [note["text"] for note in lead["notes"]] == ["Phone extension: 12"]


def test_saving_twice_saves_once(rasa: Rasa, database: Database) -> None:
    first, again = (rasa.run(SAVE, {**CONFIRMED_RUN, "request_id": "a"})[1][0]["lead"] for _ in range(2))
    assert first == again
    assert [lead["reference"] for lead in leads(database)] == [first]


def test_the_same_person_the_same_day_joins_the_open_request(rasa: Rasa, database: Database) -> None:
    first = rasa.run(SAVE, {**CONFIRMED_RUN, "request_id": "a"})[1][0]
    again = rasa.run(SAVE, {**CONFIRMED_RUN, "request_id": "b", "reason": "my back as well"})[1][0]
    assert (again["response"], again["lead"]) == ("utter_request_joined", first["lead"])
    (lead,) = leads(database)
    assert any("my back as well" in note["text"] for note in lead["notes"])


def test_another_person_is_another_request(rasa: Rasa, database: Database) -> None:
    rasa.run(SAVE, {**CONFIRMED_RUN, "request_id": "a"})
    rasa.run(SAVE, {**CONFIRMED_RUN, "request_id": "b", "full_name": "Rosa Cruz"})
    assert len(leads(database)) == 2


@pytest.mark.parametrize("review", [None, "", "no"])
def test_what_was_not_confirmed_is_not_saved(rasa: Rasa, database: Database, review: str | None) -> None:
    assert rasa.run(SAVE, {**CONFIRMED_RUN, "review": review}) == ([], [])
    assert leads(database) == []


def test_a_cancelled_request_is_forgotten(rasa: Rasa, database: Database) -> None:
    events, (said,) = rasa.run("action_cancel_request", CONFIRMED_RUN)
    assert said["response"] == "utter_request_cancelled"
    assert slots_set(events) == dict.fromkeys(slot for slot in RUN_SLOTS if slot != ABOUT)
    assert leads(database) == []


# --------------------------------------------------------------------------- failures

WORDS = ("Maria", "Cruz", "5550142", "maria@", "depression", "Tuesday")


def test_a_database_that_fails_is_an_error_and_the_yes_can_be_said_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    state = tracker(CONFIRMED_RUN, None, "yes, and tell Maria", "affirm", 0.9)
    with TestClient(create_app(settings(tmp_path))) as client:
        failed = Rasa(client).call(SAVE, state)  # its tables are not there yet
        assert failed.status_code == 500
        database = open_database(settings(tmp_path))
        database.migrate()
        assert Rasa(client).call(SAVE, state).status_code == 200
    assert len(leads(database)) == 1
    database.close()

    printed = capsys.readouterr()
    log = caplog.text + printed.out + printed.err
    assert "action_failed" in log
    assert "lead_saved" in log
    for words in WORDS:
        assert words not in failed.text
        assert words not in log


def test_a_database_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "ketalink.db").mkdir()
    with TestClient(create_app(settings(tmp_path))) as client:
        rasa = Rasa(client)
        assert rasa.call(SAVE, tracker(CONFIRMED_RUN, None, "yes", "affirm", 0.9)).status_code == 500
        assert slots_set(rasa.answer("full_name", "Ana Ruiz")[0]) == {"full_name": "Ana Ruiz"}
        assert client.get("/health").status_code == 200


@pytest.mark.parametrize("missing", ["full_name", "phone", "request_id"])
def test_a_run_that_lost_a_field_is_an_error_not_half_a_lead(
    rasa: Rasa, database: Database, missing: str, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    response = rasa.call(SAVE, tracker({**CONFIRMED_RUN, missing: None}, None, "yes", "affirm", 0.9))
    assert response.status_code == 500
    assert leads(database) == []
    printed = capsys.readouterr()
    for words in WORDS:
        assert words not in response.text
        assert words not in caplog.text + printed.out + printed.err


# --------------------------------------------------------------------------- beginning

BEGIN = "action_begin_request"


def begin(rasa: Rasa, text: str, **slots: Any) -> tuple[dict[str, Any], list[str], About]:
    """Begin a request with this message; return the slots, the responses and what is known besides."""
    events, said = rasa.outcome(rasa.call(BEGIN, tracker(slots, None, text, "request_appointment", 0.9)))
    return slots_set(events), said, about(events)


def test_a_request_is_introduced_and_gets_an_id(rasa: Rasa) -> None:
    slots, said, _ = begin(rasa, "I'd like an appointment")
    assert said == ["utter_request_appointment"]
    assert len(slots["request_id"]) == 32


@pytest.mark.parametrize("text", ["can someone call me", "please give me a call", "I want a callback", "call me back"])
def test_who_wants_a_call_is_asked_for_little(rasa: Rasa, database: Database, text: str) -> None:
    slots, said, known = begin(rasa, text)
    assert said == ["utter_request_call"]
    assert known.call_back
    assert {slots[name] for name in ("email", "patient_type", "reason")} == {""}
    assert slots["preferred_time"] is None
    rasa.run(SAVE, CONFIRMED_RUN | {"request_about": known.as_dict()})
    (lead,) = leads(database)
    assert "Asked to be called back." in [note["text"] for note in lead["notes"]]


def test_what_the_opening_says_is_not_asked_again(rasa: Rasa) -> None:
    text = "I'm Ana Ruiz, 516-555-0142, mornings are best, I'd like an appointment"
    slots = slots_set(rasa.answer(None, text, "request_appointment")[0])
    assert (slots["full_name"], slots["phone"]) == ("Ana Ruiz", "+15165550142")
    assert slots["preferred_time"]["part_of_day"] == "morning"


def test_what_was_given_within_a_day_is_taken_up_again(rasa: Rasa) -> None:
    slots, said, _ = begin(rasa, "appointment", full_name="Ana Ruiz", request_id="a")
    assert said == ["utter_request_resumed"]
    assert (slots["full_name"], slots["request_id"]) == ("Ana Ruiz", "a")


def test_what_is_older_than_a_day_is_forgotten(rasa: Rasa) -> None:
    long_ago = {"changed_at": (datetime.now(UTC) - timedelta(hours=25)).isoformat()}
    slots, said, _ = begin(rasa, "appointment", full_name="Ana Ruiz", request_id="a", request_about=long_ago)
    assert said == ["utter_request_appointment"]
    assert slots["full_name"] is None
    assert slots["request_id"] != "a"


def test_a_draft_is_kept_from_the_first_answer_and_taken_up_when_rasa_forgot_it(rasa: Rasa) -> None:
    rasa.answer("full_name", "Ana Ruiz, 516-555-0142")
    slots, said, _ = begin(rasa, "appointment")
    assert said == ["utter_request_resumed"]
    assert (slots["full_name"], slots["phone"]) == ("Ana Ruiz", "+15165550142")


@pytest.mark.parametrize("end", ["action_cancel_request", SAVE])
def test_the_draft_goes_when_the_request_is_saved_or_given_up(rasa: Rasa, database: Database, end: str) -> None:
    rasa.answer("full_name", "Ana Ruiz", request_id=CONFIRMED_RUN["request_id"])
    with database.session() as session:
        assert open_draft(session, "c0ffee") is not None
    rasa.run(end, CONFIRMED_RUN)
    with database.session() as session:
        assert open_draft(session, "c0ffee") is None


def test_a_no_to_being_contacted_is_all_that_is_kept(rasa: Rasa, database: Database) -> None:
    rasa.answer("full_name", "Ana Ruiz", request_id=CONFIRMED_RUN["request_id"])
    rasa.run(SAVE, {**CONFIRMED_RUN, "consent": {"given": False, "at": "2026-11-22T15:04:05+00:00"}})
    with database.session() as session:
        assert open_draft(session, "c0ffee") is None
        (refusal,) = session.scalars(sa.select(ConsentRecord))
        assert (refusal.given, refusal.lead_id, refusal.channel) == (False, None, "widget")
        assert refusal.words == DOMAIN["responses"]["utter_ask_consent"][0]["text"]


# --------------------------------------------------------------------------- more than one thing in a message


@pytest.mark.parametrize(
    ("field", "text", "expected"),
    [
        ("full_name", "Ana Ruiz, 516-555-0142", {"full_name": "Ana Ruiz", "phone": "+15165550142"}),
        ("full_name", "ana ruiz 516 555 0142", {"full_name": "ana ruiz", "phone": "+15165550142"}),
        ("phone", "516-555-0142, ana@example.com", {"phone": "+15165550142", "email": "ana@example.com"}),
        ("email", "ana@example.com and I'm a new patient", {"email": "ana@example.com", "patient_type": "new"}),
    ],
)
def test_several_facts_in_one_message_are_all_taken(
    rasa: Rasa, field: str, text: str, expected: dict[str, Any]
) -> None:
    slots = slots_set(rasa.answer(field, text)[0])
    assert {name: slots.get(name) for name in expected} == expected


def test_a_fact_and_a_question_are_both_heard(rasa: Rasa) -> None:
    events, _said = rasa.answer("phone", "516-555-0142, and how much does it cost?", "cost/price", 0.9)
    assert is_rejected(events)
    assert slots_set(events)["phone"] == "+15165550142"


@pytest.mark.parametrize("field", ["email", "patient_type", "reason", "preferred_time", "consent", "review"])
def test_a_field_can_be_corrected_at_any_time(rasa: Rasa, field: str) -> None:
    known = {name: value for name, value in FILLED.items() if name != field}
    events, said = rasa.answer(field, "actually my number is 516-555-0143", **known)
    assert slots_set(events)["phone"] == "+15165550143"
    assert slots_set(events)[field] is None
    assert said == ["utter_changed"]
    assert not is_rejected(events)


def test_a_name_can_be_respelled_at_the_review(rasa: Rasa) -> None:
    events, said = rasa.answer("review", "no, it's spelled Mariah", **FILLED)
    assert slots_set(events)["full_name"] == "Mariah de la Cruz"
    assert slots_set(events)["review"] is None
    assert said == ["utter_changed"]


def test_the_same_answer_twice_is_no_answer_to_the_next_question(rasa: Rasa) -> None:
    events, said = rasa.answer("phone", "ana ruiz", full_name="Ana Ruiz")
    assert said == ["utter_have_that"]
    assert slots_set(events) == {"phone": None}


@pytest.mark.parametrize("field", ["email", "patient_type", "preferred_time"])
def test_a_wish_to_change_a_field_asks_for_it_anew_at_any_time(rasa: Rasa, field: str) -> None:
    known = {name: value for name, value in FILLED.items() if name != field}
    events, _ = rasa.answer(field, "change my phone number", "logistics/phone_contact", 0.9, **known)
    assert not is_rejected(events)
    assert slots_set(events) == {field: None, "phone": None}


@pytest.mark.parametrize("text", ["I don't want to give my number", "I'd rather not give you my phone"])
def test_who_will_not_give_a_number_has_not_given_up_the_request(rasa: Rasa, text: str) -> None:
    events, said = rasa.answer("phone", text, "cancel_request", 0.9)
    assert said == ["utter_field_needed"]
    assert not is_rejected(events)


# --------------------------------------------------------------------------- somebody else


def test_a_relative_is_asked_whose_name_and_phone(rasa: Rasa, database: Database) -> None:
    events, _ = rasa.answer(None, "I'm Ana Ruiz and I need an appointment for my mother", "request_appointment")
    known = about(events)
    assert (known.for_other, known.writer) == ("mother", "Ana Ruiz")
    assert "full_name" not in slots_set(events)
    more = {"request_about": known.as_dict()}
    _, (asked,) = rasa.run("action_ask_full_name", more)
    assert asked["response"] == "utter_ask_full_name_of_other"
    _, (asked,) = rasa.run("action_ask_phone", more)
    assert asked["response"] == "utter_ask_phone_for_other"
    events, _ = rasa.answer("phone", "516-555-0142, it's mine", full_name="Rosa Ruiz", **more)
    known = about(events)
    assert known.phone_of == "mine"
    rasa.run(SAVE, {**CONFIRMED_RUN, "full_name": "Rosa Ruiz", "request_about": known.as_dict()})
    (lead,) = leads(database)
    (note,) = lead["notes"]
    for words in ("mother", "Ana Ruiz", "of the person who wrote"):
        assert words in note["text"]


def test_a_name_given_before_it_was_for_somebody_else_is_the_writers(rasa: Rasa) -> None:
    events, _ = rasa.answer("phone", "it's for my mom actually", full_name="Ana Ruiz")
    assert about(events).writer == "Ana Ruiz"
    assert slots_set(events)["full_name"] is None


# --------------------------------------------------------------------------- what cannot be taken, again and again

NONSENSE = "zzz qqq"


def stubborn(rasa: Rasa, field: str) -> list[list[str]]:
    """Answer a question wrongly again and again until the form goes on or ends; return what was said each time."""
    told: list[list[str]] = []
    kept: dict[str, Any] = {}
    for _ in range(6):
        events, said = rasa.answer(field, NONSENSE, "nlu_fallback", 0.2, **kept)
        told.append(said)
        slots = slots_set(events)
        if slots.get(field) is not None or "requested_slot" in slots:
            break
        kept = {"request_about": about(events).as_dict()}
    return told


@pytest.mark.parametrize("field", ["phone", "consent", "review"])
def test_what_is_needed_is_explained_twice_then_a_way_out_is_offered_then_the_form_pauses(
    rasa: Rasa, field: str
) -> None:
    told = stubborn(rasa, field)
    assert told[1:] == [[f"utter_help_{field}"], ["utter_stuck"], ["utter_request_paused"]]


@pytest.mark.parametrize("field", ["email", "patient_type", "preferred_time"])
def test_what_is_not_needed_is_left_out_in_the_end(rasa: Rasa, field: str) -> None:
    told = stubborn(rasa, field)
    assert told[1:] == [[f"utter_help_{field}"], ["utter_stuck_optional"], ["utter_left_out"]]


def test_every_explanation_has_its_words() -> None:
    for field in FIELDS:
        assert f"utter_help_{field}" in DOMAIN["responses"]


def test_a_likely_slip_in_an_address_is_asked_about(rasa: Rasa) -> None:
    events, said = rasa.answer("email", "ana@gmial.com")
    assert (slots_set(events), said) == ({"email": None}, [])
    kept = {"request_about": about(events).as_dict()}
    _, (asked,) = rasa.run("action_ask_email", kept)
    assert (asked["response"], asked["suggestion"]) == ("utter_doubtful_email", "ana@gmail.com")
    for text, address in (("yes", "ana@gmail.com"), ("no", "ana@gmial.com"), ("ana@gmial.com", "ana@gmial.com")):
        assert slots_set(rasa.answer("email", text, **kept)[0]) == {"email": address}
    assert slots_set(rasa.answer("email", "ana@example.com", **kept)[0]) == {"email": "ana@example.com"}
