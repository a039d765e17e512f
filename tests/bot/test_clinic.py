"""The clinic's profile: what may be said to patients about the clinic, and edits while the assistant runs."""

import os
from pathlib import Path

import pytest

from bot.clinic import DEFAULT_PROFILE, ClinicProfile, ClinicProfileError, profile_path, read_profile


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    return tmp_path / "clinic.yml"


def write(path: Path, text: str, edits: int = 0) -> None:
    """Write the profile, each time with a later time of change."""
    path.write_text(text, encoding="utf-8")
    os.utime(path, (1_800_000_000 + edits, 1_800_000_000 + edits))


@pytest.mark.parametrize(
    ("line", "wording"),
    [
        ("phone: 516-555-0100", "516-555-0100"),
        ("recovery_minutes: 30", "30"),
        ("deposit: 99.5", "99.5"),
        ("referral_required: true", "yes"),
        ("referral_required: false", "no"),
        ("recovery_minutes: 0", "0"),
        ("languages: [English]", "English"),
        ("languages: [English, Spanish, Korean]", "English, Spanish and Korean"),
        ("hours: |\n  Monday to Friday\n  9 to 5", "Monday to Friday 9 to 5"),
        ("name: Clínica Ñandú", "Clínica Ñandú"),
    ],
)
def test_a_fact_is_worded(profile: Path, line: str, wording: str) -> None:
    write(profile, line)
    assert list(read_profile(profile).values()) == [wording]


@pytest.mark.parametrize("text", ["", "# nothing yet", "phone:", "phone: ''", "languages: []", "phone: null"])
def test_what_the_clinic_left_empty_is_unknown(profile: Path, text: str) -> None:
    write(profile, text)
    assert read_profile(profile) == {}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("phone: [", "cannot be read"),
        ("- phone", "must be a list of `key: value` lines"),
        ("just words", "must be a list of `key: value` lines"),
        ("phone: {office: 516-555-0100}", "`phone`"),
        ("name: 'The {clinic}'", "`name` may not contain curly braces"),
        ("name: 'a } b'", "`name` may not contain curly braces"),
    ],
)
def test_a_broken_profile_is_refused_by_its_name_and_key(profile: Path, text: str, says: str) -> None:
    write(profile, text)
    with pytest.raises(ClinicProfileError) as refused:
        read_profile(profile)
    assert str(profile) in str(refused.value)
    assert says in str(refused.value)


def test_a_profile_that_is_no_text_is_refused(profile: Path) -> None:
    with pytest.raises(ClinicProfileError, match="cannot be read"):
        read_profile(profile)
    profile.write_bytes(b"\xff\xfe\x00name")
    with pytest.raises(ClinicProfileError, match="cannot be read"):
        read_profile(profile)


@pytest.mark.parametrize("wait", ["24 hours", "36 hours", "at least 24 hours", "48 hrs", "24h"])
def test_a_day_or_more_without_driving_may_be_said(profile: Path, wait: str) -> None:
    write(profile, f"driving_wait: {wait}")
    assert read_profile(profile)["driving_wait"] == wait


@pytest.mark.parametrize("wait", ["12 hours", "23 hours", "6h", "the next morning", "a few hours", "24", "0 hours"])
def test_less_than_a_day_without_driving_is_never_said(profile: Path, wait: str) -> None:
    write(profile, f"driving_wait: {wait}")
    with pytest.raises(ClinicProfileError, match=r"driving_wait.*24 hours"):
        read_profile(profile)


@pytest.mark.parametrize(
    "instructions",
    [
        "Stop benzodiazepines the night before",
        "skip your morning pills",
        "Hold lamotrigine for a day",
        "taper off first",
        "do not take your blood pressure pill",
        "Please don't take sedatives",
    ],
)
def test_no_profile_tells_a_patient_to_leave_out_a_medicine(profile: Path, instructions: str) -> None:
    write(profile, f"medication_instructions: {instructions}")
    with pytest.raises(ClinicProfileError, match="medication_instructions"):
        read_profile(profile)
    write(profile, "medication_instructions: bring a list of all your medicines")
    assert "list" in read_profile(profile)["medication_instructions"]


def test_the_projects_own_profile_can_be_said() -> None:
    assert read_profile(DEFAULT_PROFILE)["infusion_minutes_min"] == "45"


def test_another_profile_may_be_named(profile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLINIC_PROFILE", str(profile))
    assert profile_path() == profile
    monkeypatch.setenv("CLINIC_PROFILE", "")
    assert profile_path() == DEFAULT_PROFILE


# --------------------------------------------------------------------------- edits while it runs


def test_an_edit_is_noticed(profile: Path) -> None:
    write(profile, "phone: 516-555-0100")
    clinic = ClinicProfile(profile)
    assert clinic.facts() == {"phone": "516-555-0100"}
    write(profile, "phone: 516-555-0101\nhours: 9 to 5", edits=1)
    assert clinic.facts() == {"phone": "516-555-0101", "hours": "9 to 5"}


@pytest.mark.parametrize("broken", ["phone: [", "driving_wait: 2 hours", "phone: {a: b}", "- phone"])
def test_a_broken_edit_keeps_the_last_good_facts_until_it_is_mended(profile: Path, broken: str) -> None:
    write(profile, "phone: 516-555-0100")
    clinic = ClinicProfile(profile)
    write(profile, broken, edits=1)
    assert clinic.facts() == clinic.facts() == {"phone": "516-555-0100"}
    write(profile, "phone: 516-555-0102", edits=2)
    assert clinic.facts() == {"phone": "516-555-0102"}


def test_a_profile_that_vanishes_keeps_its_facts(profile: Path) -> None:
    write(profile, "phone: 516-555-0100")
    clinic = ClinicProfile(profile)
    profile.unlink()
    assert clinic.facts() == {"phone": "516-555-0100"}


def test_it_does_not_start_with_a_broken_profile(profile: Path) -> None:
    write(profile, "driving_wait: 2 hours")
    with pytest.raises(ClinicProfileError):
        ClinicProfile(profile)
