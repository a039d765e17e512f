"""A backup holds everything, opens with the keys alone, and goes back whole or not at all, into either database."""

import itertools
import json
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from frontdesk.audit.log import Action, record
from frontdesk.backup.keys import check_keys, install_keys
from frontdesk.backup.manifest import BackupUnusable, sha256
from frontdesk.backup.reading import opened_backup
from frontdesk.backup.restoring import NotEmpty, RasaNotRestored, check_version, restore
from frontdesk.backup.tables import LEFT_OUT
from frontdesk.backup.writing import BackupNotWritten, write_backup
from frontdesk.chat.models import Message
from frontdesk.console import drafts, sessions
from frontdesk.console.models import RecoveryCode, SecondFactor, SignInLink, Staff
from frontdesk.content.models import FactChange, Proposal
from frontdesk.db import Base
from frontdesk.encryption import KeyFile
from frontdesk.leads import repository
from frontdesk.leads.assigning import claim
from frontdesk.leads.models import Lead, LeadStatus
from frontdesk.outbox.store import spread
from frontdesk.review.models import Review, SavedTest
from frontdesk.rotation import encrypted_tables, rewrite
from frontdesk.settings import Settings
from frontdesk.sms import store as sms_store
from frontdesk.sms.models import SmsOptOut, TextKind
from tests.commands import Ketalink
from tests.retention.clinic import ANA, BO, CAM, NOW, Clinic, files_with

MakeSettings = Callable[..., Settings]


@pytest.fixture
def make_settings(tmp_path: Path, request: pytest.FixtureRequest) -> MakeSettings:
    """Make settings of another machine: "sqlite" or "postgresql", with keys of its own unless told otherwise."""
    numbers = itertools.count()

    def make(kind: str, same_keys_as: Settings | None = None) -> Settings:
        data_dir = tmp_path / f"{kind}-{next(numbers)}"
        data_dir.mkdir()
        url = request.getfixturevalue("postgres_database_url") if kind == "postgresql" else None
        settings = Settings(_env_file=None, data_dir=data_dir, database_url=url)  # type: ignore[call-arg]
        if same_keys_as is not None:
            for file in ("encryption.keys", "secrets.json"):
                (data_dir / file).write_bytes((same_keys_as.data_dir / file).read_bytes())
        return settings

    return make


@pytest.fixture
def opened() -> Iterator[Callable[[Settings], Clinic]]:
    """Open clinics that are closed after the test."""
    clinics: list[Clinic] = []

    def open_one(settings: Settings) -> Clinic:
        clinics.append(Clinic.opened(settings))
        return clinics[-1]

    yield open_one
    for clinic in clinics:
        clinic.close()


Opened = Callable[[Settings], Clinic]


def leave_console_work(clinic: Clinic) -> None:
    """Leave what work in the console leaves."""
    by = "staff@example.com"
    with clinic.database.session() as session:
        (staff_id,) = session.scalars(sa.select(Staff.id))
        sessions.start(session, staff_id, NOW)
        lead_id = session.scalars(sa.select(Lead.id)).all()[0]
        session.add(SecondFactor(staff_id=staff_id, secret="JBSWY3DPEHPK3PXP", confirmed_at=NOW))
        session.add(RecoveryCode(code_hash="0" * 64, staff_id=staff_id))
        session.add(SignInLink(token_hash="1" * 64, expires_at=NOW))
        drafts.keep(session, staff_id, f"/staff/leads/{lead_id}", "half a note", NOW)
        claim(session, lead_id, by, NOW)
        message = session.scalars(sa.select(Message).order_by(Message.position)).all()[0]
        session.add(Review(message_id=message.id, verdict="right", reviewed_by=by, reviewed_at=NOW))
        session.add(SavedTest(conversation_id=message.conversation_id, story="- story: one", saved_by=by))
        session.add(FactChange(key="hours", value='"Mon to Fri"', holds_until=None, changed_by=by, changed_at=NOW))
        session.add(Proposal(topic="cost/price", channel="sms", text="New.", replaces="Old.", proposed_by=by))
        record(session, NOW, by, Action.LEAD_CLAIMED, lead_id)


def populate(clinic: Clinic) -> Clinic:
    """Give every table of a clinic some rows."""
    populate_without_console(clinic)
    leave_console_work(clinic)
    filled = {name for name, rows in clinic.everything().items() if rows}
    assert filled == {*Base.metadata.tables, "trackers"}, "a table has no rows: nothing would show that it is restored"
    return clinic


def populate_without_console(clinic: Clinic) -> Clinic:
    """Leave what patients leave."""
    clinic.employ()
    web = clinic.conversation("I am Ana\u2028Ñuñez 🌿", 'a "quote", a tab\t and a line\nbreak', ago=3)
    clinic.lead(ANA, web, name="Ana Ñuñez", ago=3, status=LeadStatus.CONTACTED)
    clinic.lead(BO, name="Bo Li", ago=2, email=None, preferred_time=None, reason=None, phone_typed=None)
    danger = clinic.conversation("I can't go on", number=BO, alarm=True)
    clinic.draft(CAM, danger, name="Cam Oh")
    clinic.opt_out(BO)
    with clinic.database.session() as session:
        sms_store.note_number(session, danger, BO, "+15165550100")
        sms_store.add_text(session, danger, TextKind.STAFF, "Please call us.", written_by="staff@example.com")
        spread(session, ["email:staff@clinic.example", "webhook"], NOW)
        clinic_lead = session.scalars(sa.select(Lead.id)).first()
        repository.note_seen(session, str(clinic_lead), "staff@example.com")
    return clinic


def write(clinic: Clinic, path: Path, **options: Any) -> Path:
    write_backup(clinic.database, clinic.trackers, clinic.settings.secret("lookup"), path, **options)
    return path


def put_back(settings: Settings, path: Path, **options: Any) -> None:
    """Restore as the command does."""
    lost = options.pop("lookup_lost", False)
    with opened_backup(path) as archive:
        check_version(archive)
        archive.verify()
        install_keys(settings, archive)
        check_keys(settings, archive, lookup_lost=lost)
        restore(settings, archive, **options)


def kept(clinic: Clinic) -> dict[str, list[dict[str, Any]]]:
    """Return every row that a backup holds."""
    return {name: rows for name, rows in clinic.everything().items() if name not in LEFT_OUT}


def tampered(path: Path, member: str, change: Callable[[bytes], bytes]) -> Path:
    """Return a backup with one member changed, and a manifest that says so."""
    changed = path.with_name(f"changed-{path.name}")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(changed, "w") as new:
        manifest = json.loads(old.read("manifest.json"))
        content = change(old.read(member))
        for table in manifest["tables"]:
            if table["member"] == member:
                table["sha256"], table["rows"] = sha256(content), content.count(b"\n")
        for name in old.namelist():
            if name not in (member, "manifest.json"):
                new.writestr(name, old.read(name))
        new.writestr(member, content)
        if member != "manifest.json":
            new.writestr("manifest.json", json.dumps(manifest))
    return changed


# --------------------------------------------------------------------------- there and back


@pytest.mark.parametrize(("here", "there"), list(itertools.product(["sqlite", "postgresql"], repeat=2)))
def test_a_backup_of_either_database_goes_into_either(
    here: str, there: str, make_settings: MakeSettings, opened: Opened, tmp_path: Path
) -> None:
    clinic = populate(opened(make_settings(here)))
    before, records, transcripts = kept(clinic), clinic.records(), clinic.transcripts()
    path = write(clinic, tmp_path / "backup.zip")
    if here == there == "postgresql":
        # The fixture gives one database: it is emptied.
        clinic.database.migrate("base")
    other = make_settings(there, same_keys_as=clinic.settings)
    put_back(other, path)
    restored = opened(other)
    assert kept(restored) == before
    assert restored.records() == records
    assert restored.transcripts() == transcripts
    assert restored.remembered() == clinic.remembered()
    with restored.database.session() as session:
        assert [lead.full_name for lead in repository.search(session, "516-555-0142")] == ["Ana Ñuñez"]


def test_a_restored_database_goes_on_working(make_settings: MakeSettings, opened: Opened, tmp_path: Path) -> None:
    clinic = populate(opened(make_settings("sqlite")))
    path = write(clinic, tmp_path / "backup.zip")
    other = make_settings("postgresql", same_keys_as=clinic.settings)
    put_back(other, path)
    restored = opened(other)
    restored.lead(CAM, restored.conversation("after the restore"), name="Cam Oh")
    assert len(restored.records()) == 3
    with pytest.raises(sa.exc.DatabaseError), restored.database.session() as session:
        session.execute(sa.text("UPDATE consents SET words = 'something else'"))


def test_nobody_is_signed_in_by_a_restored_backup(make_settings: MakeSettings, opened: Opened, tmp_path: Path) -> None:
    clinic = populate(opened(make_settings("sqlite")))
    path = write(clinic, tmp_path / "backup.zip")
    put_back(clinic.settings, path, replace=True)
    assert clinic.everything()["staff_sessions"] == []
    assert len(clinic.everything()["staff"]) == 1


def test_a_backup_of_an_assistant_that_never_ran(make_settings: MakeSettings, tmp_path: Path) -> None:
    clinic = Clinic.opened(make_settings("sqlite"), remembering=False)
    path = write(clinic, tmp_path / "backup.zip")
    assert not (clinic.settings.data_dir / "conversations.db").exists(), "a backup makes no file but itself"
    clinic.close()
    other = make_settings("sqlite", same_keys_as=clinic.settings)
    put_back(other, path)
    restored = Clinic.opened(other)
    assert restored.records() == []
    restored.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_backup_is_of_one_moment_and_holds_up_nobody(
    kind: str, make_settings: MakeSettings, opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clinic = populate(opened(make_settings(kind)))
    monkeypatch.setattr("frontdesk.backup.writing._TELL_EVERY", 1)
    before = kept(clinic)
    written: list[str] = []

    def save_meanwhile(table: str, rows: int) -> None:
        """A request is saved while the backup is in the middle of its tables."""
        if not written:
            saving = threading.Thread(target=lambda: written.append(clinic.lead(CAM, name="Cam Oh")))
            saving.start()
            saving.join(timeout=5)
            assert written, "whoever saves had to wait for the backup"

    path = write(clinic, tmp_path / "backup.zip", progress=save_meanwhile)
    other = make_settings("sqlite", same_keys_as=clinic.settings)
    put_back(other, path)
    assert kept(opened(other)) == before
    assert len(clinic.records()) == 3


def test_a_backup_of_an_older_version_is_brought_up_to_date(
    make_settings: MakeSettings, opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made with the tables of 0003; what came later is empty, or filled by its migration."""
    clinic = populate_without_console(opened(make_settings("sqlite")))
    before = kept(clinic)
    clinic.database.migrate("-5")
    path = write(clinic, tmp_path / "old.zip")
    assert json.loads(zipfile.ZipFile(path).read("manifest.json"))["revision"] == "0003"
    for kind in ("sqlite", "postgresql"):
        other = make_settings(kind, same_keys_as=clinic.settings)
        put_back(other, path)
        restored = kept(opened(other))
        later = {"outbox_events", "outbox_deliveries", "sms_numbers", "sms_outbound", "turns", "turn_topics"}
        assert [name for name in later if restored[name]] == []
        same = [name for name in before if name not in later]
        assert {name: restored[name] for name in same} == {name: before[name] for name in same}
        assert list(other.data_dir.glob("restore-*")) == []


# --------------------------------------------------------------------------- what is in it


def test_it_holds_no_patient_in_clear_text_and_no_key(
    make_settings: MakeSettings, opened: Opened, tmp_path: Path
) -> None:
    clinic = populate(opened(make_settings("sqlite")))
    path = write(clinic, tmp_path / "backup.zip")
    assert path.stat().st_mode & 0o777 == 0o600
    with zipfile.ZipFile(path) as archive:
        everything = b"".join(archive.read(name) for name in archive.namelist())
        manifest = json.loads(archive.read("manifest.json"))
    keys = KeyFile(clinic.settings.encryption_keys_file).ring.keys
    secrets = [*(key.value for key in keys), clinic.settings.secret("lookup")]
    for canary in ("Ana", "Ñuñez", "Bo Li", "5550142", "example.com\\", "go on", "pain", *secrets):
        assert canary.encode() not in everything, canary
    assert manifest["keys"] == [key.fingerprint for key in keys]
    assert {table["name"]: table["rows"] for table in manifest["tables"]} == {
        name: len(rows) for name, rows in kept(clinic).items()
    }


def test_a_file_that_is_there_is_not_overwritten(make_settings: MakeSettings, opened: Opened, tmp_path: Path) -> None:
    clinic = opened(make_settings("sqlite"))
    there = tmp_path / "backup.zip"
    there.write_text("the backup of last week")
    with pytest.raises(BackupNotWritten, match="exists already"):
        write(clinic, there)
    assert there.read_text() == "the backup of last week"


def test_half_a_backup_is_none(make_settings: MakeSettings, opened: Opened, tmp_path: Path) -> None:
    clinic = populate(opened(make_settings("sqlite")))

    def fail(table: str, rows: int) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("frontdesk.backup.writing._TELL_EVERY", 1)
        write(clinic, tmp_path / "backup.zip", progress=fail)
    assert list(tmp_path.glob("backup.zip*")) == []
    with pytest.raises(BackupNotWritten, match="cannot be written"):
        write(clinic, tmp_path / "no such folder" / "backup.zip")


# --------------------------------------------------------------------------- refused, with nothing changed


def test_what_is_there_is_not_overwritten_unless_told_so(
    make_settings: MakeSettings, opened: Opened, tmp_path: Path
) -> None:
    clinic = populate(opened(make_settings("sqlite")))
    path = write(clinic, tmp_path / "backup.zip")
    lead = clinic.lead(CAM, name="Cam Oh")
    now = clinic.everything()
    with pytest.raises(NotEmpty, match=r"3 in leads.*--replace"):
        put_back(clinic.settings, path)
    assert clinic.everything() == now
    put_back(clinic.settings, path, replace=True)
    assert len(clinic.records()) == 2
    assert lead not in clinic.ids(Lead.id)


def test_who_opted_out_since_the_backup_stays_so(make_settings: MakeSettings, opened: Opened, tmp_path: Path) -> None:
    clinic = populate(opened(make_settings("sqlite")))
    path = write(clinic, tmp_path / "backup.zip")
    clinic.opt_out(CAM)
    put_back(clinic.settings, path, replace=True)
    assert len(clinic.ids(SmsOptOut.number_key)) == 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"no zip at all",
        lambda content: content[: len(content) // 2],
        lambda content: content[:2000] + bytes([content[2000] ^ 1]) + content[2001:],
        lambda content: content[:-10],
    ],
    ids=["no zip", "half of it", "one bit", "without its end"],
)
def test_a_damaged_file_is_refused(
    damage: Callable[[bytes], bytes], make_settings: MakeSettings, opened: Opened, tmp_path: Path
) -> None:
    clinic = populate(opened(make_settings("sqlite")))
    path = write(clinic, tmp_path / "backup.zip")
    path.write_bytes(damage(path.read_bytes()))
    now = clinic.everything()
    with pytest.raises(BackupUnusable, match=r"damaged.*Nothing was changed"):
        put_back(clinic.settings, path, replace=True)
    assert clinic.everything() == now


def test_a_changed_or_missing_line_is_refused(make_settings: MakeSettings, opened: Opened, tmp_path: Path) -> None:
    clinic = populate(opened(make_settings("sqlite")))
    path = write(clinic, tmp_path / "backup.zip")
    changed = path.with_name("changed.zip")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, content.replace(b"contacted", b"scheduled") if name == "main/leads.jsonl" else content)
    with pytest.raises(BackupUnusable, match=r"main/leads\.jsonl is not what was written"):
        put_back(clinic.settings, changed, replace=True)
    shorter = path.with_name("shorter.zip")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(shorter, "w") as new:
        for name in old.namelist():
            if name != "main/leads.jsonl":
                new.writestr(name, old.read(name))
    with pytest.raises(BackupUnusable, match=r"main/leads\.jsonl"):
        put_back(clinic.settings, shorter, replace=True)
    assert len(clinic.records()) == 2


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_backup_that_the_database_refuses_leaves_what_was_there(
    kind: str, make_settings: MakeSettings, opened: Opened, tmp_path: Path
) -> None:
    clinic = populate(opened(make_settings(kind)))
    path = write(clinic, tmp_path / "backup.zip")
    lines = [json.loads(line) for line in zipfile.ZipFile(path).read("main/lead_notes.jsonl").splitlines()]

    def orphan(content: bytes) -> bytes:
        lines[-1][1] = "no such lead"
        return b"".join(json.dumps(line).encode() + b"\n" for line in lines)

    bad = tampered(path, "main/lead_notes.jsonl", orphan)
    clinic.lead(CAM, name="Cam Oh")
    now = clinic.everything()
    with pytest.raises(sa.exc.IntegrityError):
        put_back(clinic.settings, bad, replace=True)
    assert clinic.everything() == now


def test_a_backup_of_a_newer_version_is_refused(make_settings: MakeSettings, opened: Opened, tmp_path: Path) -> None:
    clinic = opened(make_settings("sqlite"))
    path = write(clinic, tmp_path / "backup.zip")
    newer = tampered(path, "manifest.json", lambda content: content.replace(b'"revision": "0', b'"revision": "9'))
    with pytest.raises(BackupUnusable, match="newer version"):
        put_back(clinic.settings, newer, replace=True)
    format_2 = tampered(
        path, "manifest.json", lambda content: content.replace(b'format_version": 1', b'format_version": 2')
    )
    with pytest.raises(BackupUnusable, match="format 2"):
        put_back(clinic.settings, format_2, replace=True)


def test_rasa_comes_second_and_its_failure_is_named(
    make_settings: MakeSettings, opened: Opened, tmp_path: Path
) -> None:
    clinic = populate(opened(make_settings("sqlite")))
    path = write(clinic, tmp_path / "backup.zip")
    (line,) = [line for line in zipfile.ZipFile(path).read("rasa/trackers.jsonl").splitlines(keepends=True)][:1]
    bad = tampered(path, "rasa/trackers.jsonl", lambda content: line * 2)
    clinic.lead(CAM, name="Cam Oh")
    remembered = clinic.everything()["trackers"]
    with pytest.raises(RasaNotRestored, match="begin anew"):
        put_back(clinic.settings, bad, replace=True)
    assert len(clinic.records()) == 2
    assert clinic.everything()["trackers"] == remembered


# --------------------------------------------------------------------------- keys


def test_without_its_keys_it_is_refused_and_the_missing_one_is_named(
    make_settings: MakeSettings, opened: Opened, tmp_path: Path
) -> None:
    clinic = populate(opened(make_settings("sqlite")))
    path = write(clinic, tmp_path / "backup.zip")
    (key,) = KeyFile(clinic.settings.encryption_keys_file).ring.keys
    fresh = make_settings("sqlite")
    with pytest.raises(BackupUnusable, match=rf"{key.fingerprint}.*{fresh.data_dir}/encryption\.keys"):
        put_back(fresh, path)
    assert not fresh.encryption_keys_file.exists(), "no key is made that would open nothing"
    used = opened(make_settings("sqlite"))
    with pytest.raises(BackupUnusable, match=key.fingerprint):
        put_back(used.settings, path)
    assert used.records() == []


def test_another_lookup_secret_is_refused_unless_the_old_one_is_lost(
    make_settings: MakeSettings, opened: Opened, tmp_path: Path
) -> None:
    clinic = populate(opened(make_settings("sqlite")))
    path = write(clinic, tmp_path / "backup.zip")
    other = make_settings("sqlite", same_keys_as=clinic.settings)
    other.secrets_file.unlink()
    with pytest.raises(BackupUnusable, match=r"LOOKUP_SECRET.*--lookup-lost"):
        put_back(other, path)
    put_back(other, path, lookup_lost=True)
    assert opened(other).records() == clinic.records()


def test_after_the_keys_were_replaced_an_old_backup_opens_as_long_as_the_old_key_is_there(
    make_settings: MakeSettings, opened: Opened, tmp_path: Path
) -> None:
    clinic = populate(opened(make_settings("sqlite")))
    old = write(clinic, tmp_path / "old.zip")
    keys = KeyFile(clinic.settings.encryption_keys_file)
    keys.add()
    for table in encrypted_tables():
        rewrite(clinic.database, table, keys.ring)
    with clinic.database.session() as session:
        session.execute(sa.text("UPDATE key_check SET token = :token"), {"token": keys.encrypt("ketalink")})
    both = write(clinic, tmp_path / "both.zip")
    put_back(make_settings("sqlite", same_keys_as=clinic.settings), old)
    keys.keep_newest()
    with pytest.raises(BackupUnusable, match="fingerprint"):
        put_back(make_settings("sqlite", same_keys_as=clinic.settings), old)
    # Rasa's conversations still need the old key here; without them nothing does.
    without_rasa = tampered(both, "rasa/trackers.jsonl", lambda content: b"")
    put_back(make_settings("sqlite", same_keys_as=clinic.settings), without_rasa)


def test_a_backup_with_its_keys_is_enough_on_a_new_machine(
    make_settings: MakeSettings, opened: Opened, tmp_path: Path
) -> None:
    clinic = populate(opened(make_settings("sqlite")))
    path = write(clinic, tmp_path / "backup.zip", with_keys=True)
    new = make_settings("sqlite")
    put_back(new, path)
    assert opened(new).records() == clinic.records()
    assert new.secret("lookup") == clinic.settings.secret("lookup")
    assert new.secret("session") != clinic.settings.secret("session")
    for file in (new.encryption_keys_file, new.secrets_file):
        assert file.stat().st_mode & 0o777 == 0o600


def test_a_backup_with_its_keys_replaces_no_others(make_settings: MakeSettings, opened: Opened, tmp_path: Path) -> None:
    path = write(populate(opened(make_settings("sqlite"))), tmp_path / "backup.zip", with_keys=True)
    used = opened(make_settings("sqlite"))
    key_file = used.settings.encryption_keys_file.read_bytes()
    with pytest.raises(BackupUnusable, match=r"holds its own keys; to use those, move .*encryption\.keys"):
        put_back(used.settings, path)
    assert used.settings.encryption_keys_file.read_bytes() == key_file


def test_keys_may_come_from_the_environment(make_settings: MakeSettings, opened: Opened, tmp_path: Path) -> None:
    clinic = populate(opened(make_settings("sqlite")))
    path = write(clinic, tmp_path / "backup.zip")
    (key,) = KeyFile(clinic.settings.encryption_keys_file).ring.keys
    other = make_settings("sqlite").model_copy(
        update={
            "encryption_keys": SecretStr(key.value),
            "lookup_secret": SecretStr(clinic.settings.secret("lookup")),
        }
    )
    put_back(other, path)
    assert opened(other).records() == clinic.records()


# --------------------------------------------------------------------------- the commands


def test_backup_and_restore_by_hand(
    make_settings: MakeSettings,
    opened: Opened,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    clinic = populate(opened(make_settings("sqlite")))
    ketalink = Ketalink(clinic.settings, monkeypatch, capsys)
    path = tmp_path / "backup.zip"
    said = ketalink.run("backup", str(path))
    assert "readable by you alone" in said
    assert "encryption.keys" in said
    assert "exists already" in ketalink.refused("backup", str(path))
    lead = clinic.lead(CAM, name="Cam Oh", ago=1)
    pieces = [piece for piece in clinic.pieces_of(leads=[lead]) if len(piece) > 40]
    assert "3 in leads" in ketalink.refused("restore", str(path))
    assert files_with(clinic.settings.data_dir, pieces)
    assert "Is replaced: " in (replaced := ketalink.run("restore", str(path), "--replace"))
    assert "./ketalink serve" in replaced
    assert len(clinic.records()) == 2
    assert files_with(clinic.settings.data_dir, pieces) == {}, "what was replaced is in no file any more"
    new = make_settings("sqlite")
    ketalink.use(new)
    assert "The keys at hand do not open this backup" in ketalink.refused("restore", str(path))
    ketalink.use(clinic.settings)
    assert "the keys are in it" in ketalink.errors("backup", str(tmp_path / "whole.zip"), "--with-keys")
    ketalink.use(new)
    new.secrets_file.unlink(missing_ok=True)
    assert "Made " in ketalink.run("restore", str(tmp_path / "whole.zip"))
    assert opened(new).records() == clinic.records()


def test_restore_says_what_a_file_lacks(
    make_settings: MakeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ketalink = Ketalink(make_settings("sqlite"), monkeypatch, capsys)
    assert "cannot be read: No such file" in ketalink.refused("restore", str(tmp_path / "nothing.zip"))
    (tmp_path / "notes.txt").write_text("some notes")
    assert "is no backup" in ketalink.refused("restore", str(tmp_path / "notes.txt"))
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as other:
        other.writestr("hello.txt", "hello")
    assert "manifest.json" in ketalink.refused("restore", str(tmp_path / "other.zip"))
