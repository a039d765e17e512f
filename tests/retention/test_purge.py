"""What has been kept for long enough goes, from every store and every file; everything else stays."""

import itertools
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from frontdesk.chat import store
from frontdesk.chat.models import Conversation, Message
from frontdesk.console import sessions
from frontdesk.console.models import Staff, StaffSession
from frontdesk.leads import repository
from frontdesk.leads.models import ConsentRecord, Draft, Lead, LeadKey, LeadNote, LeadRun, LeadStatus, LeadStatusChange
from frontdesk.outbox.models import EventKind, OutboxDelivery, OutboxEvent
from frontdesk.outbox.store import add_event, spread
from frontdesk.retention import rules
from frontdesk.retention.nightly import Nightly, as_of
from frontdesk.retention.policy import Kind, Policy
from frontdesk.retention.purge import Purge
from frontdesk.sms.models import SmsOptOut, SmsReceipt
from tests.conftest import wait_until
from tests.retention.clinic import ANA, BO, CAM, NOW, Clinic, days, files_with


def test_a_conversation_goes_90_days_after_its_last_message_with_all_of_it(clinic: Clinic) -> None:
    old = clinic.conversation("my old words", ago=91, number=ANA)
    clinic.draft(ANA, old, ago=91)
    young = clinic.conversation("my young words", ago=89, number=BO)
    assert clinic.purge.due(NOW)[Kind.CONVERSATIONS] == 1
    assert clinic.purge.run(NOW)[Kind.CONVERSATIONS] == 1
    assert clinic.ids(Conversation.id) == clinic.remembered() == {young}
    assert clinic.ids(Message.conversation_id) == clinic.ids(SmsReceipt.conversation_id) == {young}
    assert clinic.ids(Draft.request_id) == set()
    assert clinic.transcripts() == {young: [("visitor", "my young words"), ("assistant", "You said: my young words")]}


def test_a_request_stays_when_its_conversation_goes(clinic: Clinic) -> None:
    conversation = clinic.conversation("I want to come in", ago=91)
    lead = clinic.lead(ANA, conversation, ago=91)
    before = clinic.records()
    clinic.purge.run(NOW)
    assert clinic.ids(Conversation.id) == set()
    assert clinic.ids(Lead.id) == {lead}
    assert clinic.records() == before


def test_a_conversation_with_an_alarm_stays_until_somebody_has_seen_it(clinic: Clinic) -> None:
    conversation = clinic.conversation("I can't go on", ago=200, alarm=True)
    assert clinic.purge.run(NOW)[Kind.CONVERSATIONS] == 0
    assert clinic.ids(Conversation.id) == clinic.remembered() == {conversation}
    with clinic.database.session() as session:
        store.note_seen(session, conversation, "staff@example.com")
    assert clinic.purge.run(NOW)[Kind.CONVERSATIONS] == 1
    assert clinic.ids(Conversation.id) == clinic.remembered() == set()


def test_what_rasa_remembers_of_a_conversation_that_is_gone_goes_too(clinic: Clinic) -> None:
    known = clinic.conversation("still here", ago=1, remembered=False)
    clinic.remember(known, "kept: its conversation is", ago=100)
    clinic.remember("nobody's, old", "left behind", ago=91)
    clinic.remember("nobody's, young", "maybe just begun", ago=89)
    assert clinic.purge.due(NOW)[Kind.MEMORIES] == 1
    assert clinic.purge.run(NOW)[Kind.MEMORIES] == 1
    assert clinic.remembered() == {known, "nobody's, young"}


def test_a_rasa_that_never_ran_is_no_obstacle(clinic: Clinic) -> None:
    with clinic.trackers.database.engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE trackers"))
    clinic.conversation("my old words", ago=91, remembered=False)
    assert clinic.purge.run(NOW)[Kind.CONVERSATIONS] == 1
    assert not clinic.trackers.exist()


def test_an_expired_draft_goes_at_once(clinic: Clinic) -> None:
    conversation = clinic.conversation("hello")
    clinic.draft(ANA, conversation, ago=1.01)
    waiting = clinic.draft(BO, conversation, ago=0.99)
    assert clinic.purge.run(NOW)[Kind.DRAFTS] == 1
    assert clinic.ids(Draft.request_id) == {waiting}


@pytest.mark.parametrize(
    ("status", "ago", "goes"),
    [
        (LeadStatus.CLOSED, 731, True),
        (LeadStatus.CLOSED, 729, False),
        (LeadStatus.SPAM, 31, True),
        (LeadStatus.SPAM, 29, False),
        (LeadStatus.NEW, 5000, False),
        (LeadStatus.CONTACTED, 5000, False),
        (LeadStatus.SCHEDULED, 5000, False),
    ],
)
def test_a_closed_request_goes_after_its_time_and_an_open_one_never(
    status: LeadStatus, ago: float, goes: bool, clinic: Clinic
) -> None:
    other = clinic.lead(BO, name="Bo Li", status=LeadStatus.CLOSED, ago=10)
    lead = clinic.lead(ANA, status=status, ago=ago)
    clinic.purge.run(NOW, [Kind.LEADS, Kind.SPAM])
    kept = {other} if goes else {other, lead}
    assert clinic.ids(Lead.id) == kept
    for column in (LeadNote.lead_id, LeadRun.lead_id, LeadKey.lead_id, OutboxEvent.subject):
        assert clinic.ids(column) == kept
    assert clinic.ids(LeadStatusChange.lead_id) <= kept
    assert clinic.ids(ConsentRecord.lead_id) == {other, lead}, "what was agreed to can be shown longer"


def test_a_note_keeps_a_closed_request_for_as_long_as_a_change_would(clinic: Clinic) -> None:
    lead = clinic.lead(ANA, status=LeadStatus.CLOSED, ago=800)
    with clinic.database.session() as session:
        repository.add_note(session, lead, "asked for her papers", "staff@example.com")
    assert clinic.purge.run(NOW)[Kind.LEADS] == 0
    assert clinic.purge.run(NOW + days(731))[Kind.LEADS] == 1


def test_consent_is_kept_as_long_as_its_request_and_four_years(clinic: Clinic) -> None:
    kept = clinic.lead(ANA, ago=2000)
    gone = clinic.lead(BO, name="Bo Li", status=LeadStatus.CLOSED, ago=1459)
    older = clinic.lead(CAM, name="Cam Oh", status=LeadStatus.CLOSED, ago=1461)
    with clinic.database.session() as session:
        for run, ago in (("refused long ago", 1461), ("refused lately", 10)):
            consent = repository.Consent("May the clinic contact you?", NOW - days(ago))
            repository.record_refusal(session, run, None, "widget", consent)
    result = clinic.purge.run(NOW)
    assert (result[Kind.LEADS], result[Kind.CONSENTS]) == (2, 2)
    assert clinic.ids(Lead.id) == {kept}
    assert clinic.ids(ConsentRecord.lead_id) == {kept, gone, None}
    assert older not in clinic.ids(ConsentRecord.lead_id)
    assert "refused long ago" not in clinic.ids(ConsentRecord.request_id)


def test_the_reply_to_a_text_goes_after_30_days_and_its_conversation_stays(clinic: Clinic) -> None:
    conversation = clinic.conversation("a text", ago=1, number=ANA)
    clinic.opt_out(ANA)
    with clinic.database.session() as session:
        session.execute(sa.update(SmsReceipt).values(created_at=NOW - days(31)))
    assert clinic.purge.run(NOW)[Kind.RECEIPTS] == 1
    assert clinic.ids(SmsReceipt.message_sid) == set()
    assert clinic.ids(Conversation.id) == {conversation}
    assert len(clinic.ids(SmsOptOut.number_key)) == 1, "who wants no texts gets none, for ever"


def test_notifications_go_when_everybody_has_them_and_not_while_the_request_is_open(clinic: Clinic) -> None:
    subjects = ("both have it", "one was given up lately", "one was given up long ago", "one waits", "not spread")
    with clinic.database.session() as session:
        for subject in subjects[:-1]:
            add_event(session, EventKind.ALARM_RAISED, subject)
        session.flush()
        spread(session, ["email:ana@clinic.example", "webhook"], NOW - days(100))
        add_event(session, EventKind.ALARM_RAISED, subjects[-1])
        session.flush()
        events = {event.subject: event for event in session.scalars(sa.select(OutboxEvent))}
        for subject, of_the_second in (
            ("both have it", {"delivered_at": NOW - days(31)}),
            ("one was given up lately", {"dead_at": NOW - days(89)}),
            ("one was given up long ago", {"dead_at": NOW - days(91)}),
            ("one waits", {"next_attempt_at": NOW}),
        ):
            first, second = events[subject].deliveries
            first.delivered_at, first.next_attempt_at = NOW - days(31), None
            second.next_attempt_at = None
            for name, at in of_the_second.items():
                setattr(second, name, at)
    open_lead = clinic.lead(ANA, ago=100)
    closed_lead = clinic.lead(BO, name="Bo Li", status=LeadStatus.CLOSED, ago=100)
    with clinic.database.session() as session:
        session.execute(sa.update(OutboxEvent).values(spread_at=NOW - days(100)).where(OutboxEvent.subject.like("%")))
        session.execute(sa.update(OutboxEvent).values(spread_at=None).where(OutboxEvent.subject == "not spread"))
    assert clinic.purge.due(NOW)[Kind.NOTIFICATIONS] == 3
    clinic.purge.run(NOW)
    assert clinic.ids(OutboxEvent.subject) == {"one was given up lately", "one waits", "not spread", open_lead}
    assert clinic.ids(Lead.id) == {open_lead, closed_lead}
    assert len(clinic.ids(OutboxDelivery.id)) == 4


def test_a_sign_in_that_is_over_goes(clinic: Clinic) -> None:
    clinic.employ()
    (staff_id,) = clinic.ids(Staff.id)
    with clinic.database.session() as session:
        sessions.start(session, staff_id, NOW)
    assert clinic.purge.run(NOW + days(0.009))[Kind.SIGN_INS] == 0
    assert clinic.purge.run(NOW + days(0.011))[Kind.SIGN_INS] == 1
    assert clinic.ids(StaffSession.token_hash) == set()
    assert clinic.ids(Staff.id) == {staff_id}


def test_zero_keeps(clinic: Clinic) -> None:
    conversation = clinic.conversation("very old words", ago=4000, number=ANA)
    clinic.remember("nobody's", "left behind", ago=4000)
    lead = clinic.lead(ANA, conversation, status=LeadStatus.CLOSED, ago=4000)
    spam = clinic.lead(BO, name="Bo Li", status=LeadStatus.SPAM, ago=4000)
    for_ever = {name: 0 for name in type(clinic.settings).model_fields if name.startswith("keep_")}
    policy = Policy.of(clinic.settings.model_copy(update=for_ever))
    work = Purge(clinic.database, clinic.trackers, policy)
    assert set(work.run(NOW).values()) == {0}
    assert {rule.kept.split(",")[0] for rule in work.rules if rule.kind is Kind.LEADS} == {rules.FOREVER}
    assert clinic.ids(Lead.id) == {lead, spam}
    assert clinic.ids(Conversation.id) == {conversation}
    assert clinic.remembered() == {conversation, "nobody's"}


def test_counting_changes_nothing(clinic: Clinic) -> None:
    conversation = clinic.conversation("old words", ago=91, number=ANA)
    clinic.draft(ANA, conversation, ago=2)
    clinic.lead(ANA, conversation, status=LeadStatus.CLOSED, ago=800)
    before = clinic.everything()
    due = clinic.purge.due(NOW)
    assert (due[Kind.CONVERSATIONS], due[Kind.DRAFTS], due[Kind.LEADS]) == (1, 1, 1)
    assert clinic.everything() == before


def test_only_the_kinds_that_were_asked_for_go(clinic: Clinic) -> None:
    clinic.conversation("old words", ago=91)
    clinic.lead(ANA, status=LeadStatus.SPAM, ago=91)
    assert clinic.purge.run(NOW, [Kind.SPAM]) == {Kind.SPAM: 1}
    assert len(clinic.ids(Conversation.id)) == 1


def test_it_goes_in_batches_and_goes_on_where_it_was_interrupted(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "AT_ONCE", 3)
    for number in range(8):
        clinic.conversation(f"old words {number}", ago=91)
    young = clinic.conversation("young words")

    class Interrupted(Exception):
        pass

    def interrupt(kind: Kind, count: int) -> None:
        if count == 6:
            raise Interrupted

    with pytest.raises(Interrupted):
        clinic.purge.run(NOW, progress=interrupt)
    assert len(clinic.ids(Conversation.id)) == len(clinic.remembered()) == 3
    assert clinic.purge.run(NOW)[Kind.CONVERSATIONS] == 2
    assert clinic.ids(Conversation.id) == clinic.remembered() == {young}


def test_nothing_of_it_is_left_in_any_file(clinic: Clinic) -> None:
    """On PostgreSQL the files are not ours; the rows are looked at by the other tests."""
    old = [
        clinic.conversation(f"old words {number}" * 9, ago=91, number=f"+1516555{n}")
        for number, n in enumerate(range(1100, 1140))
    ]
    young = clinic.conversation("young words", number=BO)
    gone = [
        clinic.lead(f"+1516555{n}", name=f"Old Patient{n}", status=LeadStatus.SPAM, ago=91) for n in range(1100, 1140)
    ]
    kept = clinic.lead(BO, young, name="Bo Li")
    pieces = clinic.pieces_of(leads=gone, conversations=old)
    others = clinic.pieces_of(leads=[kept], conversations=[young])
    # Some search keys are shared with whoever stays: the last four digits, a word of a name.
    pieces = [piece for piece in pieces if piece not in others]
    folder = clinic.settings.data_dir
    if clinic.database.engine.dialect.name == "sqlite":
        assert sum(files_with(folder, pieces).values()) >= len(pieces)
    clinic.purge.run(NOW)
    clinic.purge.clean_files()
    assert files_with(folder, pieces) == {}
    assert clinic.pieces_of(leads=[kept], conversations=[young]) == others


def test_a_message_that_comes_in_meanwhile_keeps_its_conversation(clinic: Clinic) -> None:
    conversation = clinic.conversation("old words", ago=91)
    rule = next(rule for rule in clinic.purge.rules if rule.kind is Kind.CONVERSATIONS)

    class Slow(type(clinic.trackers)):  # type: ignore[misc]
        def delete(self, ids: object) -> int:
            with clinic.database.session() as session:
                store.add_inbound(session, conversation, "I am back", None)
            return 0

    work = rules.Conversations(
        clinic.database, Slow(clinic.trackers.database), Policy.of(clinic.settings).conversations
    )
    assert rule.count(NOW) == 1
    assert list(itertools.islice(work.delete(NOW), 5)) == [0]
    assert clinic.transcripts()[conversation][-1] == ("visitor", "I am back")


# --------------------------------------------------------------------------- every night


@pytest.mark.parametrize(
    ("clock", "expected"),
    [
        (datetime(2026, 11, 22, 8, 30, tzinfo=UTC), datetime(2026, 11, 22, 8, 30, tzinfo=UTC)),  # 3:30 in New York
        (datetime(2026, 11, 22, 18, 0, tzinfo=UTC), datetime(2026, 11, 21, 18, 0, tzinfo=UTC)),
    ],
)
def test_at_night_what_is_due_goes_and_by_day_what_was_missed(clock: datetime, expected: datetime) -> None:
    assert as_of(clock, ZoneInfo("America/New_York")) == expected


def test_the_front_desk_purges_by_itself(clinic: Clinic) -> None:
    missed = clinic.conversation("missed last night", ago=92)
    tonight = clinic.conversation("due since noon", ago=90.2)
    at_noon = NOW.astimezone(ZoneInfo("America/New_York")).replace(hour=12)
    nightly = Nightly(
        Purge(clinic.database, clinic.trackers, Policy.of(clinic.settings)),
        ZoneInfo("America/New_York"),
        clock=lambda: at_noon,
        every=days(0) + (days(1) / 86_400 / 20),
    )
    nightly.start()
    try:
        wait_until(lambda: missed not in clinic.ids(Conversation.id), 10, "the purge")
    finally:
        nightly.stop()
    assert clinic.ids(Conversation.id) == {tonight}
