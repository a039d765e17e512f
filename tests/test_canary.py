"""Names, numbers and words that a person typed are in no file the assistant wrote, and staff find the request."""

import json
from pathlib import Path

from frontdesk.model_folder import ModelFolder
from frontdesk.settings import PROJECT
from tests.conftest import Server, Visitor

NAME, PHONE, EMAIL = "Quillan Zephyrworth", "516-555-0197", "quillan.zephyrworth@example.com"
REASON = "marmaladecanary knees that hurt"
# As it may be spelled in a file: as typed, as stored, in JSON, in a URL.
CANARIES = ("quillan", "zephyrworth", "555-0197", "5550197", "555%2d0197", "marmaladecanary")


def files_with(canaries: tuple[str, ...], *folders: Path) -> list[str]:
    """Return the files in which any of the words stands, in UTF-8 or UTF-16, whatever the case."""
    needles = [word.encode(coding) for word in canaries for coding in ("utf-8", "utf-16-le")]
    found = []
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file() and any(needle in path.read_bytes().lower() for needle in needles):
                found.append(path.name)
    return found


def test_nothing_a_person_typed_is_readable_in_any_file(server: Server) -> None:
    visitor = Visitor(server.url)
    visitor.say(f"can you tell me how long it takes, I'm {NAME}")
    visitor.say("I'd like an appointment")
    for text in (f"{NAME}, {PHONE}", EMAIL, "new", REASON, "mornings", "yes"):
        review = visitor.say(text)[-1]
    assert NAME in review["text"]
    reference = visitor.press(review, "Yes, send it")[0]["lead"]
    left = Visitor(server.url)
    left.say("I'd like an appointment")
    left.say(f"{NAME}, {PHONE}")  # a draft that nobody finishes
    left.say(REASON)

    models = ModelFolder(PROJECT / "models")
    assert models.current() is not None
    assert files_with(("ketalink",), server.data_dir)  # files are looked into at all
    assert files_with(CANARIES, server.data_dir, PROJECT / "models") == []

    found = server.ketalink("leads", "list", "--search", PHONE)
    assert str(reference) in found.stdout
    exported = [
        json.loads(line) for line in server.ketalink("leads", "export", "--format", "jsonl").stdout.splitlines()
    ]
    (lead,) = [lead for lead in exported if lead["reference"] == reference]
    assert (lead["full_name"], lead["email"], lead["reason"]) == (NAME, EMAIL, REASON)
