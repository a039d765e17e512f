"""Requests are found by phone, e-mail, reference and name, and those that may be the same person's are suggested."""

from datetime import timedelta

import pytest

from frontdesk.db import Database
from frontdesk.leads import repository
from frontdesk.leads.keys import name_words
from frontdesk.lookup import Lookup
from tests.leads.samples import EVENING, new_lead, save

JOSE, MARIA, MING, LUKASZ = "José O'Brien-Núñez", "maria de la cruz", "李明", "Anne-Marie Łukasz"


@pytest.fixture
def names(database: Database) -> dict[str, str]:
    """Four people's requests, a minute apart: name by id."""
    people = [
        (JOSE, "+15165550142", "jose@example.com"),
        (MARIA, "+16465550142", "Maria.Cruz@example.com"),
        (MING, "+442079460958", None),
        (LUKASZ, "+15165550199", "anne@example.com"),
    ]
    found = {}
    for minute, (name, phone, email) in enumerate(people):
        lead = new_lead(f"run-{minute}", full_name=name, phone=phone, email=email)
        found[save(database, lead, EVENING + timedelta(minutes=minute)).lead.id] = name
    return found


def search(database: Database, text: str, limit: int = 50) -> list[str]:
    with database.session() as session:
        return [lead.full_name for lead in repository.search(session, text, limit)]


@pytest.mark.usefixtures("names")
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("+15165550142", [JOSE]),
        ("516-555-0142", [JOSE]),
        ("(516) 555-0142", [JOSE]),
        ("516.555.0142 ext. 3", [JOSE]),
        (" 1 516 555 0142 ", [JOSE]),
        ("0142", [MARIA, JOSE]),
        ("555-0142", [MARIA, JOSE]),
        ("65550142", [MARIA, JOSE]),
        ("165550142", [JOSE]),
        ("+44 20 7946 0958", [MING]),
        ("0143", []),
        ("142", []),
        ("516-555-0143", []),
        ("+++++", []),
    ],
)
def test_a_phone_is_found_in_any_spelling_and_by_its_end(database: Database, text: str, found: list[str]) -> None:
    assert search(database, text) == found


@pytest.mark.usefixtures("names")
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("jose@example.com", [JOSE]),
        ("MARIA.CRUZ@EXAMPLE.COM", [MARIA]),
        ("@", []),
        ("nobody@example.com", []),
    ],
)
def test_an_address_is_found_whatever_its_capitals(database: Database, text: str, found: list[str]) -> None:
    assert search(database, text) == found


@pytest.mark.usefixtures("names")
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("jose", [JOSE]),
        ("JOSÉ", [JOSE]),
        ("o’brien", [JOSE]),
        ("obrien nunez", [JOSE]),
        ("Núñez, José", [JOSE]),
        ("obrien-nunez", [JOSE]),
        ("cruz maria", [MARIA]),
        ("maria nunez", []),
        ("mar", []),
        ("李明", [MING]),
        ("lukasz", [LUKASZ]),
        ("Annemarie", [LUKASZ]),
        ("marie", [LUKASZ]),
        ("", []),
        ("'; DROP TABLE leads; --", []),
    ],
)
def test_a_name_is_found_by_its_words_all_of_which_have_to_match(
    database: Database, text: str, found: list[str]
) -> None:
    assert search(database, text) == found


def test_a_reference_is_found(database: Database, names: dict[str, str]) -> None:
    with database.session() as session:
        leads = {lead.reference: lead.full_name for lead in repository.newest(session)}
    for reference, name in leads.items():
        for spelling in (reference, reference.lower(), reference.replace("-", "")):
            assert search(database, spelling) == [name]


def test_the_newest_come_first_and_no_more_than_asked_for(database: Database) -> None:
    for number in range(7):
        lead = new_lead(f"run-{number}", full_name=f"Ana Number{'abcdefg'[number]}", phone="+15165550142")
        save(database, lead, EVENING + timedelta(minutes=number))
    newest_first = [f"Ana Number{letter}" for letter in "gfedcba"]
    assert search(database, "ana") == newest_first
    assert search(database, "ana", 3) == newest_first[:3]
    assert search(database, "0142", 2) == newest_first[:2]
    assert search(database, "555-0142", 2) == newest_first[:2]


def test_what_a_joined_run_adds_is_found(database: Database) -> None:
    save(database, new_lead(), EVENING)
    assert search(database, "late@example.com") == []
    save(database, new_lead("run-2", email="late@example.com"), EVENING)
    assert search(database, "late@example.com") == [JOSE]


def test_another_secret_finds_nothing_until_the_index_is_made_anew(
    database: Database, database_url: str, names: dict[str, str]
) -> None:
    other = Database(database_url, database.keyring, Lookup("another secret, just as long as the first"))
    assert search(other, "jose") == []
    with other.session() as session:
        assert repository.reindex(session) == len(names)
    assert search(other, "jose") == [JOSE]
    assert search(database, "jose") == []
    other.close()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("José O'Brien-Núñez", ["jose", "obrien", "nunez"]),
        ("  STRAẞE  Øyvind ", ["strasse", "oyvind"]),
        ("Dr. J. Smith, Jr.", ["dr", "j", "smith", "jr"]),
        ("Владимир", ["владимир"]),
        ("🙂", []),
    ],
)
def test_names_are_compared_by_plain_words(name: str, words: list[str]) -> None:
    assert name_words(name) == words


# --------------------------------------------------------------------------- the same person?


@pytest.mark.parametrize(
    ("changes", "is_double"),
    [
        ({"full_name": "Ana Ruiz", "email": None}, True),  # the phone
        ({"full_name": "Ana Ruiz", "phone": "+15165550100", "email": "JOSE@example.com"}, True),
        ({"full_name": "nunez, jose obrien", "phone": "+15165550100"}, True),
        ({"full_name": "José Núñez", "phone": "+15165550100"}, False),
        ({"full_name": "Ana Ruiz", "phone": "+16465550142"}, False),  # the last four digits are everybody's
    ],
)
def test_likely_doubles_share_phone_address_or_whole_name(
    database: Database, changes: dict[str, str | None], is_double: bool
) -> None:
    first = save(database, new_lead(email="jose@example.com"), EVENING - timedelta(days=3)).lead
    other = save(database, new_lead("run-2", **changes), EVENING).lead
    for lead, double in ((first, other), (other, first)):
        with database.session() as session:
            assert [found.id for found in repository.likely_doubles(session, lead)] == [double.id] * is_double


def test_doubles_are_listed_once_and_newest_first(database: Database) -> None:
    leads = [save(database, new_lead(f"run-{day}"), EVENING + timedelta(days=day)).lead for day in range(4)]
    with database.session() as session:
        found = [lead.id for lead in repository.likely_doubles(session, leads[1])]
    assert found == [leads[3].id, leads[2].id, leads[0].id]
