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

from actions.form import ALWAYS_FIRST, FIELDS, INTERRUPTIONS, RUN_SLOTS, ValidateAppointmentForm
from actions.review import CONFIRMED
from actions.server import create_app
from frontdesk.db import Database
from frontdesk.fields.when import NO_PREFERENCE
from frontdesk.leads.models import Lead
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
    "preferred_time": {"text": "next Tuesday morning", "date": "2026-12-01", "part_of_day": "morning"},
    "consent": {"given": True, "at": "2026-11-22T15:04:05+00:00"},
}
CONFIRMED_RUN = {**FILLED, "review": CONFIRMED}
HOW_LONG = ("how long does an infusion take", "session")


def settings(folder: Path) -> Settings:
    return Settings(
        _env_file=None,
        data_dir=folder,
        database_url=f"sqlite:///{folder / 'leads.db'}",
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
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(settings(tmp_path).database)
    database.migrate()
    yield database
    database.close()


@pytest.fixture
def rasa(tmp_path: Path) -> Iterator[Rasa]:
    with TestClient(create_app(settings(tmp_path))) as client:
        yield Rasa(client)


def leads(database: Database) -> list[dict[str, Any]]:
    with database.session() as session:
        return [as_record(lead) for lead in session.scalars(sa.select(Lead).order_by(Lead.created_at))]


def slots_set(events: list[dict[str, Any]]) -> dict[str, Any]:
    return {event["name"]: event["value"] for event in events if event["event"] == "slot"}


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
    assert rasa.answer(None, "I'd like an appointment", "request_appointment", request_id=begun[0]) == ([], [])


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("full_name", "it's maria de la cruz", "maria de la cruz"),
        ("phone", "(516) 555-0142", "+15165550142"),
        ("email", "Maria@Example.com", "Maria@example.com"),
        ("patient_type", "I'm a new patient", "new"),
        ("reason", "depression that pills did not help", "depression that pills did not help"),
        ("preferred_time", "mornings", {"text": "mornings", "date": None, "part_of_day": "morning"}),
        ("review", "yes, send it", CONFIRMED),
    ],
)
def test_an_answer_is_taken_and_nothing_else_is_touched(rasa: Rasa, field: str, text: str, value: Any) -> None:
    events, said = rasa.answer(field, text)
    assert [event["event"] for event in events] == ["slot"]
    assert slots_set(events) == {field: value}
    assert said == []


@pytest.mark.parametrize(
    ("field", "text", "response"),
    [
        ("full_name", "x" * 300, "utter_invalid_full_name"),
        ("full_name", "yes", "utter_invalid_full_name"),
        ("phone", "555-0142", "utter_invalid_phone"),
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


def test_a_day_is_meant_in_the_clinics_time_zone() -> None:
    late_on_saturday = datetime(2026, 11, 22, 3, 30, tzinfo=UTC)  # 22:30 on 21 November in New York
    form = ValidateAppointmentForm(ZoneInfo("America/New_York"), now=lambda: late_on_saturday)
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
        ("preferred_time", "skip", "skip", {"text": NO_PREFERENCE, "date": None, "part_of_day": None}),
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
    assert slots_set(events) == dict.fromkeys(RUN_SLOTS)
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
    assert "next Tuesday morning (Tuesday, December 1, 2026)" in said["summary"]


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
    assert slots_set(events) == dict.fromkeys(RUN_SLOTS)
    assert {name: lead[name] for name in ("full_name", "phone", "email", "patient_type", "reason")} == {
        name: FILLED[name] for name in ("full_name", "phone", "email", "patient_type", "reason")
    }
    assert lead["preferred_time"] == FILLED["preferred_time"]
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
    first, again, other = (
        rasa.run(SAVE, {**CONFIRMED_RUN, "request_id": request_id})[1][0]["lead"] for request_id in ("a", "a", "b")
    )
    assert first == again != other
    assert [lead["reference"] for lead in leads(database)] == [first, other]


@pytest.mark.parametrize("review", [None, "", "no"])
def test_what_was_not_confirmed_is_not_saved(rasa: Rasa, database: Database, review: str | None) -> None:
    assert rasa.run(SAVE, {**CONFIRMED_RUN, "review": review}) == ([], [])
    assert leads(database) == []


def test_a_cancelled_request_is_forgotten(rasa: Rasa, database: Database) -> None:
    events, (said,) = rasa.run("action_cancel_request", CONFIRMED_RUN)
    assert said["response"] == "utter_request_cancelled"
    assert slots_set(events) == dict.fromkeys(RUN_SLOTS)
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
        database = Database(settings(tmp_path).database)
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
    (tmp_path / "leads.db").mkdir()
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
