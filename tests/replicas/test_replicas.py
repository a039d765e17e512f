"""Two of everything behind HAProxy: a conversation goes on at any replica, and one that is killed loses nothing."""

import itertools
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from pydantic import SecretStr

from frontdesk.content.models import FactChange
from frontdesk.db import Database, open_database, utc_now
from frontdesk.leads import repository
from frontdesk.loopback import NO_TLS
from frontdesk.settings import Settings
from tests.conftest import postgres_database, wait_until
from tests.replicas.cluster import QUESTIONS, Replicas, Talk, started

VISITORS = 3
# Between two messages: visitors read, and killed members start again on the same processors.
READING_SECONDS = 0.15


@pytest.fixture(scope="module")
def replicas(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    """Two of everything, started at the same time on empty databases."""
    folder = tmp_path_factory.mktemp("replicas")
    with (
        postgres_database(postgres_url) as main,
        postgres_database(postgres_url) as trackers,
        started(folder, main, trackers) as replicas,
    ):
        yield replicas


@pytest.fixture(scope="module")
def shared_database(replicas: Replicas, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """The database of all of them."""
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        data_dir=tmp_path_factory.mktemp("looking"),
        database_url=replicas.settings["DATABASE_URL"],
        lookup_secret=SecretStr(replicas.settings["LOOKUP_SECRET"]),
        encryption_keys=SecretStr(replicas.settings["ENCRYPTION_KEYS"]),
    )
    database = open_database(settings)
    yield database
    database.close()


def leads(database: Database) -> list[dict[str, Any]]:
    with database.session() as session:
        return [repository.as_record(lead) for lead in repository.oldest_first(session)]


def test_a_conversation_goes_on_at_the_other_front_desk(replicas: Replicas) -> None:
    talk = Talk(replicas.member("frontdesk", 1).url)
    talk.ask(QUESTIONS[:1])
    other = Talk(replicas.member("frontdesk", 2).url)
    other.token, other.said, other.replies = talk.token, talk.said, talk.replies
    other.ask(QUESTIONS[1:2])
    other.check_history()


def test_a_message_that_comes_to_both_front_desks_at_once_is_answered_once(replicas: Replicas) -> None:
    talk = Talk(replicas.url)
    talk.ask(QUESTIONS[:1])
    for number, text in enumerate(["I'd like an appointment", "Maria de la Cruz"]):
        body = {"session": talk.token, "text": text, "id": f"twice-{number}"}

        def post(member: int, body: dict[str, str] = body) -> dict[str, Any]:
            url = replicas.member("frontdesk", member).url
            answer: dict[str, Any] = httpx.post(f"{url}/api/chat", json=body, timeout=30, verify=NO_TLS).json()
            return answer

        with ThreadPoolExecutor(4) as pool:
            first, *others = [answer["messages"] for answer in pool.map(post, [1, 2, 1, 2])]
        assert others == [first] * 3
        talk.said.append(text)
        talk.replies.append(len(first))
    assert first[-1]["field"] == "phone"  # the name was heard as a name, and not as a number too
    talk.check_history()


def test_every_rasa_says_what_staff_changed(replicas: Replicas, shared_database: Database) -> None:
    with shared_database.session() as session:
        session.add(
            FactChange(key="parking", value=json.dumps("behind the house"), changed_by="test", changed_at=utc_now())
        )

    def known(data_dir: Path) -> bool:
        facts = yaml.safe_load((data_dir / "clinic-now.yml").read_text(encoding="utf-8"))
        return facts["parking"] == "behind the house"

    for member in replicas.members:
        if member.part != "actions":
            wait_until(lambda data_dir=member.data_dir: known(data_dir), 15, f"{member.part} {member.number} to know")


def test_members_are_killed_and_nothing_is_lost_or_doubled(
    replicas: Replicas, shared_database: Database, record_property: Any
) -> None:
    enough, numbers = threading.Event(), itertools.count()
    before = {lead["reference"] for lead in leads(shared_database)}

    def visit(visitor: int) -> list[Talk]:
        talks: list[Talk] = []
        while not enough.is_set() or len(talks) < 2:
            talk = Talk(replicas.url, reading=lambda: enough.wait(READING_SECONDS))
            if len(talks) % 2 == visitor % 2:
                talk.request(next(numbers))
            else:
                talk.ask()
            talk.check_history()
            talks.append(talk)
            talk.close()
        return talks

    with ThreadPoolExecutor(VISITORS) as pool:
        visits = [pool.submit(visit, visitor) for visitor in range(VISITORS)]
        try:
            replicas.member("rasa", 1).kill()
            for part, number in (("frontdesk", 1), ("actions", 1), ("frontdesk", 2), ("actions", 2)):
                member = replicas.member(part, number)
                member.kill()
                member.wait_until_back()
            replicas.member("rasa", 1).wait_until_back()
            replicas.member("rasa", 2).kill()
            replicas.member("frontdesk", 1).kill()
            replicas.member("frontdesk", 1).wait_until_back()
        finally:
            enough.set()
        talks = [talk for visit in visits for talk in visit.result()]

    saved = {lead["reference"]: lead for lead in leads(shared_database) if lead["reference"] not in before}
    confirmed = [talk for talk in talks if talk.reference]
    assert sorted(saved) == sorted(talk.reference or "" for talk in confirmed)
    for talk in confirmed:
        lead = saved[talk.reference or ""]
        assert (lead["full_name"], lead["phone"]) == (talk.name, talk.phone)
    messages, repeats = sum(len(talk.said) for talk in talks), sum(talk.repeats for talk in talks)
    record_property("replicas", f"{messages} messages, {len(confirmed)} requests, {repeats} sent again, 0 lost")
