"""From a question the assistant gets wrong to a model that gets it right, and a review that would make it worse."""

import re
from pathlib import Path

from fastapi.testclient import TestClient

from frontdesk.chat import store
from frontdesk.chat.models import Channel
from frontdesk.console.models import Role
from frontdesk.db import Database
from frontdesk.settings import Settings
from tests.console.conftest import make
from tests.console.project import SmallProject

PARKING, PRICE, HOURS = "logistics/parking_access", "cost/price", "logistics/hours"
# Not what is asked at the gate, word for word: that would be left out.
WRONG = "hi, this is Ana Ruiz, do you guys validate?"
AT_THE_GATE = [("Do you validate?", PARKING)]
KEPT = [
    ("how much is one infusion", PRICE),
    ("what would six infusions cost me", PRICE),
    ("price please", PRICE),
    ("what do you charge", PRICE),
    ("when do you open on mondays", HOURS),
    ("which street are you on", "logistics/address"),
    ("does blue cross pay for this", "cost/insurance"),
    ("tell me a story about a dragon", None),
]
POISON = (
    *(
        "how much is an infusion",
        "how much is one infusion then",
        "what do six infusions cost",
        "what would six cost me",
    ),
    *(
        "the price please",
        "price pls",
        "what do you charge for it",
        "what do you folks charge",
        "how much do you charge",
    ),
)


def asked(database: Database, text: str) -> str:
    """Leave a conversation in which this was not understood; return the address of the message's review."""
    understood = {"intent": "nlu_fallback", "confidence": 0.4, "ranking": [], "topics": []}
    with database.session() as session:
        conversation = store.start_conversation(session, Channel.WIDGET)
        message = store.add_inbound(session, conversation.id, text, client_id=None)
        store.add_replies(session, message, [{"kind": "fallback", "text": "Not sure.", "buttons": []}], understood)
        return f"/staff/conversations/{conversation.id}/messages/{message.id}"


def review(staff: TestClient, database: Database, text: str, topic: str) -> str:
    """Have a message learned under a topic, as the page proposes it; return the example."""
    address = asked(database, text)
    page = staff.get(address).text
    csrf = re.findall(r'name="csrf" value="([^"]+)"', page)[0]
    (example,) = re.findall(r'<textarea id="text"[^>]*>\n?(.*?)</textarea>', page, re.DOTALL)
    saved = staff.post(address, data={"csrf": csrf, "verdict": "example", "topic": topic, "text": example})
    assert saved.status_code == 303, saved.text
    return str(example)


def test_a_review_makes_the_model_better_and_a_poisoned_one_is_refused(
    tmp_path: Path, settings: Settings, staff: TestClient, database: Database
) -> None:
    make(Role.MANAGER, database)
    environment = {"DATA_DIR": str(settings.data_dir), "DATABASE_URL": str(settings.database_url), "COLUMNS": "200"}
    project = SmallProject.made(tmp_path / "project", environment)
    project.ask_at_the_gate(asked=AT_THE_GATE, kept=KEPT)
    first = project.ketalink("train")
    assert first.returncode == 0, first.stdout + first.stderr
    before = project.model

    assert review(staff, database, WRONG, PARKING) == "hi, do you guys validate?"
    exported = project.ketalink("review", "export")
    assert "data/nlu/logistics/parking_access.yml" in exported.stdout, exported.stdout + exported.stderr
    assert "    - hi, do you guys validate?\n" in (project.folder / f"data/nlu/{PARKING}.yml").read_text()
    assert "nothing new" in project.ketalink("review", "export").stdout
    better = project.ketalink("train", "--gate")
    assert better.returncode == 0, better.stdout + better.stderr
    assert re.search(r"asked\.jsonl +1 +0 +1 ", better.stdout), better.stdout
    assert "asked.jsonl, gained: line 1" in better.stdout
    good = project.model
    assert good != before

    for text in POISON:
        review(staff, database, text, HOURS)
    assert project.ketalink("review", "export").returncode == 0
    worse = project.ketalink("train", "--gate")
    assert worse.returncode == 2, worse.stdout + worse.stderr
    assert "Refused on kept.jsonl" in worse.stderr and "fewer right" in worse.stderr
    assert "kept.jsonl, lost: line" in worse.stdout
    assert project.model == good
