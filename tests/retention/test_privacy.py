"""A person gets a copy of everything that is kept of them, or has it deleted; nobody else loses anything."""

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from frontdesk.chat.models import Conversation, Message
from frontdesk.leads import repository
from frontdesk.leads.models import ConsentRecord, Draft, Lead, LeadKey, LeadStatus
from frontdesk.outbox.models import OutboxDelivery, OutboxEvent
from frontdesk.outbox.store import mark_delivered, spread
from frontdesk.retention import person
from frontdesk.retention.erase import erase, extent
from frontdesk.retention.export import export
from frontdesk.retention.person import NoPhoneNumber, Traces, Way, e164, find_traces
from frontdesk.sms.models import SmsOptOut, SmsReceipt
from tests.retention.clinic import ANA, BO, CAM, NOW, Clinic, days, files_with


def traces(clinic: Clinic, number: str = ANA) -> Traces:
    return find_traces(clinic.database, clinic.settings.secret("lookup"), number)


def erase_person(clinic: Clinic, number: str = ANA) -> None:
    erase(clinic.database, clinic.trackers, traces(clinic, number))


def exported(clinic: Clinic, number: str = ANA) -> dict[str, object]:
    """Return what a person gets, as it is after it was written and read."""
    copy: dict[str, object] = json.loads(json.dumps(export(clinic.database, clinic.trackers, traces(clinic, number))))
    return copy


class People:
    """Ana, who has left something in every place there is, and Bo, who has too and stays."""

    def __init__(self, clinic: Clinic) -> None:
        self.web = clinic.conversation("I am ANACANARY", "my number comes later")
        self.lead = clinic.lead(ANA, self.web, name="Anacanary Ruiz", ago=2, run="ana-1")
        self.joined_from = clinic.conversation("Anacanary once more")
        # The same day again: no request of its own, only a consent that names the conversation.
        again = clinic.lead(ANA, self.joined_from, name="Anacanary Ruiz", ago=2, run="ana-2", reason="another one")
        assert again == self.lead
        self.texts = clinic.conversation("anacanary by text", number=ANA)
        self.begun = clinic.conversation("Anacanary begins")
        self.draft = clinic.draft(ANA, self.begun, name="Anacanary Ruiz")
        self.typed = clinic.conversation("call anacanary at (516) 555-01 42, no?")
        self.own = {self.web, self.joined_from, self.texts, self.begun, self.typed}
        self.bo_web = clinic.conversation("I am Bobcanary", "516-555-0143 it is", ago=1)
        self.bo_texts = clinic.conversation("bobcanary by text", number=BO)
        self.bo_lead = clinic.lead(BO, self.bo_web, name="Bobcanary Li", ago=2, status=LeadStatus.CONTACTED)
        self.bo_draft = clinic.draft(BO, self.bo_texts, name="Bobcanary Li")
        for number in (ANA, BO):
            clinic.opt_out(number)
        with clinic.database.session() as session:
            spread(session, ["email:staff@clinic.example", "webhook"], NOW)
            for delivery in session.scalars(sa.select(OutboxDelivery)).all():
                mark_delivered(session, delivery.id, NOW)


@pytest.fixture
def people(clinic: Clinic) -> People:
    return People(clinic)


# --------------------------------------------------------------------------- which number


@pytest.mark.parametrize(
    "typed",
    ["+15165550142", "516-555-0142", "(516) 555 0142", "1 516 555 0142 ext. 7", "tel: 516.555.0142", "5165550142\n"],
)
def test_a_number_is_read_in_any_spelling(typed: str) -> None:
    assert e164(typed) == ANA


@pytest.mark.parametrize(("typed", "stored"), [("1-800-555-0142", "+18005550142"), ("72345", "72345")])
def test_a_number_that_only_texts_come_from_is_read_too(typed: str, stored: str) -> None:
    assert e164(typed) == stored


@pytest.mark.parametrize("typed", ["", "911", "Ana Ruiz", "ana@example.com", "51-67", "555-0199", "+1 5"])
def test_what_is_no_number_is_refused_and_not_repeated(typed: str) -> None:
    with pytest.raises(NoPhoneNumber, match="516-555-0142") as refused:
        e164(typed)
    assert not typed or typed not in str(refused.value)


# --------------------------------------------------------------------------- finding


def test_everything_of_a_person_is_found_and_how(clinic: Clinic, people: People) -> None:
    found = traces(clinic)
    assert found.leads == {people.lead}
    assert found.drafts == {people.draft}
    assert found.conversations == {
        people.web: {Way.REQUEST},
        people.joined_from: {Way.REQUEST},
        people.texts: {Way.TEXTS},
        people.begun: {Way.DRAFT},
        people.typed: {Way.TYPED},
    }
    assert found.shared == set()
    assert found.opted_out_at is not None


@pytest.mark.parametrize(
    ("said", "is_it"),
    [
        ("5165550142", True),
        ("my cell: +1 (516) 555.0142, evenings", True),
        ("at 4 516 555 0142", True),
        ("５１６-555-0142", True),
        ("516-555-0143", False),
        ("I take 5, 165 and 55 mg since 0142", False),
        ("no number", False),
    ],
)
def test_a_typed_number_is_found_however_its_digits_are_grouped(said: str, is_it: bool, clinic: Clinic) -> None:
    conversation = clinic.conversation("hello", said)
    assert set(traces(clinic).conversations) == ({conversation} if is_it else set())


def test_a_short_code_is_looked_for_as_a_sender_alone(clinic: Clinic) -> None:
    texts = clinic.conversation("a text", number="72345")
    clinic.conversation("my number is 516-727-2345")
    assert set(traces(clinic, "72345").conversations) == {texts}


def test_of_somebody_unknown_nothing_is_found(clinic: Clinic, people: People) -> None:
    assert not traces(clinic, CAM)


def test_conversations_in_which_others_asked_too_are_named(clinic: Clinic, people: People) -> None:
    together = clinic.conversation("for my mother and me")
    clinic.lead(ANA, together, name="Anacanary Ruiz", ago=1, run="both-1")
    clinic.lead(CAM, together, name="Cam Ruiz", ago=1, run="both-2")
    clinic.lead(ANA, people.bo_texts, name="Anacanary Ruiz", ago=5, run="from-bo's-phone")
    assert traces(clinic).shared == {together, people.bo_texts}
    assert traces(clinic, BO).shared == {people.bo_texts}


def test_a_message_that_no_key_opens_hides_no_other(
    clinic: Clinic, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(person, "AT_ONCE", 2)
    everything = traces(clinic)
    with clinic.database.session() as session:
        tokens = sa.table("messages", sa.column("id"), sa.column("text"), sa.column("sender"))
        first = session.scalar(sa.select(sa.func.min(tokens.c.id)).where(tokens.c.sender == "visitor"))
        belongs_to = session.get_one(Message, first).conversation_id
        session.execute(sa.update(tokens).where(tokens.c.id == first).values(text="no token of ours"))
    found = traces(clinic)
    assert found.unreadable == 1
    assert set(found.conversations) | {belongs_to} == set(everything.conversations) | {belongs_to}


# --------------------------------------------------------------------------- a copy


def test_a_copy_holds_everything_of_the_person_and_nothing_of_another(clinic: Clinic, people: People) -> None:
    copy = exported(clinic)
    assert (copy["format"], copy["phone"]) == ("ketalink personal data 1", ANA)
    assert copy["opted_out_of_text_messages_at"]
    (request,) = copy["requests"]
    with clinic.database.session() as session:
        record = repository.as_record(repository.find(session, people.lead))
    assert {name: request[name] for name in record} == record
    assert [note["text"] for note in request["notes"]][:1] == ["a note on Anacanary Ruiz"]
    assert request["phone_typed"] == "5165550142"
    assert {delivery["by"] for event in request["notifications"] for delivery in event["deliveries"]} == {
        "email",
        "webhook",
    }
    assert all(delivery["delivered_at"] for event in request["notifications"] for delivery in event["deliveries"])
    assert [draft["data"] for draft in copy["drafts"]] == [{"full_name": "Anacanary Ruiz", "phone": ANA}]
    assert [(consent["given"], consent["words"]) for consent in copy["consents"]] == [
        (True, "May the clinic contact you?")
    ] * 2
    conversations = {conversation["id"]: conversation for conversation in copy["conversations"]}
    assert set(conversations) == people.own
    texts = conversations[people.texts]
    assert [(message["from"], message["text"]) for message in texts["messages"]] == [
        ("visitor", "anacanary by text"),
        ("assistant", "You said: anacanary by text"),
    ]
    assert texts["messages"][0]["understood"] == {"intent": "about anacanary by text"}
    assert [sent["text"] for sent in texts["text_messages_sent"]] == ["You texted: anacanary by text"]
    assert texts["assistant_memory"] == {"slots": ["anacanary by text"]}
    assert texts["known_by"] == ["text messages from this number"]
    written = json.dumps(copy).lower()
    assert "bobcanary" not in written
    assert BO not in written
    assert "staff@clinic.example" not in written, "whom the clinic notifies"


def test_a_copy_is_of_what_is_there(clinic: Clinic, people: People) -> None:
    """A conversation that has gone by age is not in it; that it was agreed to in it is."""
    clinic.purge.run(NOW + days(91))
    copy = exported(clinic)
    assert len(copy["requests"]) == 1
    assert len(copy["consents"]) == 2
    assert [conversation["messages"] for conversation in copy["conversations"]] == [[], []]


# --------------------------------------------------------------------------- deletion


def test_erasing_deletes_everything_of_the_person_and_nothing_of_another(clinic: Clinic, people: People) -> None:
    erase_person(clinic)
    assert clinic.ids(Lead.id) == clinic.ids(LeadKey.lead_id) == {people.bo_lead}
    assert clinic.ids(Draft.request_id) == {people.bo_draft}
    assert clinic.ids(Conversation.id) == clinic.remembered() == {people.bo_web, people.bo_texts}
    assert clinic.ids(SmsReceipt.conversation_id) == {people.bo_texts}
    assert clinic.ids(OutboxEvent.subject) == {people.bo_lead}
    assert [record["full_name"] for record in clinic.records()] == ["Bobcanary Li"]
    assert clinic.transcripts()[people.bo_web] == [
        ("visitor", "I am Bobcanary"),
        ("assistant", "You said: I am Bobcanary"),
        ("visitor", "516-555-0143 it is"),
        ("assistant", "You said: 516-555-0143 it is"),
    ]
    left = traces(clinic)
    assert not (left.leads or left.drafts or left.conversations)


def test_what_protects_the_person_stays_and_names_nobody(clinic: Clinic, people: People) -> None:
    consents = clinic.everything()["consents"]
    opted_out = clinic.ids(SmsOptOut.number_key)
    erase_person(clinic)
    assert clinic.everything()["consents"] == consents
    assert clinic.ids(SmsOptOut.number_key) == opted_out
    assert len(clinic.ids(ConsentRecord.id)) == 3
    assert traces(clinic).opted_out_at is not None
    everything = str(clinic.everything()).lower()
    for canary in ("anacanary", "5550142", "516555"):
        assert canary not in everything


def test_nothing_of_an_erased_person_is_left_in_any_file(clinic: Clinic, people: People) -> None:
    pieces = clinic.pieces_of(leads=[people.lead], conversations=sorted(people.own))
    others = clinic.pieces_of(leads=[people.bo_lead], conversations=[people.bo_web, people.bo_texts])
    stays = clinic.ids(SmsOptOut.number_key)
    pieces = [piece for piece in pieces if piece not in others and piece not in stays]
    folder = clinic.settings.data_dir
    if clinic.database.engine.dialect.name == "sqlite":
        assert files_with(folder, pieces), "the test looks in the wrong place"
    erase_person(clinic)
    assert files_with(folder, [*pieces, "Anacanary", "anacanary", "ANACANARY", "5165550142"]) == {}
    assert clinic.pieces_of(leads=[people.bo_lead], conversations=[people.bo_web, people.bo_texts]) == others


def test_counting_says_what_erasing_would_delete_and_changes_nothing(clinic: Clinic, people: People) -> None:
    before = clinic.everything()
    found = extent(clinic.database, clinic.trackers, traces(clinic))
    assert clinic.everything() == before
    assert (found.leads, found.conversations, found.messages, found.receipts) == (1, 5, 12, 1)
    assert (found.drafts, found.memories, found.consents, found.opt_outs) == (1, 5, 2, 1)
    erase_person(clinic)
    after = clinic.everything()
    gone = {table: len(before[table]) - len(after[table]) for table in before}
    assert gone["leads"] == found.leads
    assert gone["lead_notes"] == found.notes
    assert gone["conversations"] == found.conversations
    assert gone["messages"] == found.messages
    assert gone["sms_receipts"] == found.receipts
    assert gone["drafts"] == found.drafts
    assert gone["trackers"] == found.memories
    assert gone["consents"] == gone["sms_opt_outs"] == gone["staff"] == 0


def test_a_request_of_another_stays_when_it_was_made_in_an_erased_conversation(clinic: Clinic) -> None:
    together = clinic.conversation("for my mother and me")
    clinic.lead(ANA, together, run="both-1")
    mother = clinic.lead(CAM, together, name="Cam Ruiz", run="both-2")
    erase_person(clinic)
    assert clinic.ids(Lead.id) == {mother}
    assert clinic.ids(Conversation.id) == set()


def test_an_alarm_is_told_even_if_the_conversation_was_erased(clinic: Clinic) -> None:
    danger = clinic.conversation("I can't go on", number=ANA, alarm=True)
    erase_person(clinic)
    assert clinic.ids(Conversation.id) == set()
    assert clinic.ids(OutboxEvent.subject) == {danger}


def test_erasing_needs_no_rasa(tmp_path: Path, clinic: Clinic) -> None:
    with clinic.trackers.database.engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE trackers"))
    conversation = clinic.conversation("516 555 0142", remembered=False)
    lead = clinic.lead(ANA, conversation)
    assert extent(clinic.database, clinic.trackers, traces(clinic)).memories == 0
    assert exported(clinic)["conversations"][0]["assistant_memory"] is None  # type: ignore[index]
    erase_person(clinic)
    assert lead not in clinic.ids(Lead.id)
    assert clinic.ids(Conversation.id) == set()
