"""A fact that staff change is told to the next patient: no training, no restart; and taken back just so."""

import re
import subprocess
from collections.abc import Iterator

import httpx
import pytest

from tests.conftest import Server, Visitor, wait_until

EMAIL, PASSWORD = "ana@clinic.example", "plum-tree-north-window"
FACT = "/staff/content/facts/price_infusion"
HOW_MUCH = "how much is one infusion"


@pytest.fixture
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data_dir = tmp_path_factory.mktemp("facts")
    optional = {"STAFF_SECOND_FACTOR": "optional"}
    server = Server(data_dir, f"sqlite:///{data_dir / 'ketalink.db'}", optional, public_url="").start()
    yield server
    server.stop()


def manager(server: Server) -> httpx.Client:
    """Return a browser in which a manager is signed in."""
    added: subprocess.CompletedProcess[str] = server.ketalink(
        "staff", "add", EMAIL, "--role", "manager", "--password-stdin", input=f"{PASSWORD}\n"
    )
    assert added.returncode == 0, added.stderr
    browser = httpx.Client(base_url=server.url, headers={"origin": server.url}, timeout=30)
    signed_in = browser.post("/staff/sign-in", data={"email": EMAIL, "password": PASSWORD})
    assert signed_in.status_code == 303, signed_in.text
    return browser


def change(browser: httpx.Client, text: str) -> None:
    fields = dict(re.findall(r'name="(csrf|seen)" value="([^"]*)"', browser.get(FACT).text))
    changed = browser.post(FACT, data={**fields, "text": text})
    assert changed.status_code == 303, changed.text


def test_a_price_is_said_as_soon_as_it_is_known_and_not_when_it_is_taken_back(running: Server) -> None:
    def answer() -> str:
        return str(Visitor(running.url).say(HOW_MUCH)[0]["text"])

    unknown = answer()
    assert "$" not in unknown
    browser = manager(running)
    change(browser, "$450 for one infusion")
    wait_until(lambda: "$450 for one infusion" in answer(), 10, "the new price to be said")
    change(browser, "")
    wait_until(lambda: answer() == unknown, 10, "the price not to be said any more")
    history = browser.get(FACT).text
    assert history.count(EMAIL) >= 2
