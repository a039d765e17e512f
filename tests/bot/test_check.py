"""What is wrong with the profile and the answers is said before anything is trained or started."""

from pathlib import Path

import pytest

from bot.check import problems
from bot.clinic import DEFAULT_PROFILE, PROJECT

ANSWER = """\
responses:
  utter_session/duration:
  - text: "{clinic} Plan extra time."
    metadata:
      facts:
      - needs: [infusion_minutes_min]
        say: "It takes {infusion_minutes_min} minutes."
"""
SPELLING = "short_forms: {u: you}\nin_context: []\n"
ENTITIES = "condition:\n  ptsd: [trauma]\n"
EXAMPLES = "nlu:\n- intent: session/duration\n  examples: |\n    - how long\n- intent: greet\n  examples: |\n    - hi\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, content in (
        ("answers/session.yml", ANSWER),
        ("nlu/session/duration.yml", EXAMPLES),
        ("language/spelling.yml", SPELLING),
        ("language/entities.yml", ENTITIES),
    ):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    (tmp_path / "clinic.yml").write_text("name: Our clinic\n", encoding="utf-8")
    return tmp_path


def found(project: Path) -> str:
    return "\n".join(problems(project, project / "clinic.yml"))


def test_this_project_is_in_order() -> None:
    assert list(problems(PROJECT, DEFAULT_PROFILE)) == []


def test_a_sound_project_has_no_problem(project: Path) -> None:
    assert found(project) == ""


def test_a_profile_that_may_not_be_said_is_named(project: Path) -> None:
    (project / "clinic.yml").write_text("driving_wait: 2 hours\n", encoding="utf-8")
    assert "driving_wait" in found(project)


def test_a_topic_without_an_answer_and_an_answer_without_examples_are_named(project: Path) -> None:
    (project / "data" / "answers" / "session.yml").write_text(ANSWER.replace("duration", "price"), encoding="utf-8")
    said = found(project)
    assert "session/duration has examples in data/nlu/ but no answer" in said
    assert "session/price has an answer in data/answers/ but no examples" in said


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ('say: "About {price} minutes."', "utter_session/duration says {price} without listing it"),
        ('say: "x"\n        otherwise: "Ask {phone}."', "utter_session/duration says {phone} in `otherwise`"),
    ],
)
def test_a_fact_that_may_be_unknown_when_said_is_named(entry: str, reason: str, project: Path) -> None:
    broken = ANSWER.replace('say: "It takes {infusion_minutes_min} minutes."', entry)
    (project / "data" / "answers" / "session.yml").write_text(broken, encoding="utf-8")
    assert reason in found(project)


@pytest.mark.parametrize("content", ["responses:\n\t- x\n", "- a list\n", "responses: {utter_a/b: [{metadata: 7}]}\n"])
def test_a_file_that_cannot_be_read_is_named(content: str, project: Path) -> None:
    (project / "data" / "answers" / "session.yml").write_text(content, encoding="utf-8")
    assert "data/answers/session.yml" in found(project)


@pytest.mark.parametrize(
    ("name", "content"), [("spelling.yml", "short_forms: [u]\n"), ("entities.yml", "day: [mon]\n")]
)
def test_a_broken_list_of_words_is_named(name: str, content: str, project: Path) -> None:
    (project / "data" / "language" / name).write_text(content, encoding="utf-8")
    assert f"data/language/{name}" in found(project)
    (project / "data" / "language" / name).unlink()
    assert f"data/language/{name}" in found(project)


def test_a_related_topic_that_has_no_answer_is_named(project: Path) -> None:
    path = project / "data" / "answers" / "session.yml"
    path.write_text(ANSWER.replace("facts:", "related: [session/duration]\n      facts:"), encoding="utf-8")
    assert found(project) == ""
    path.write_text(ANSWER.replace("facts:", "related: [session/price]\n      facts:"), encoding="utf-8")
    assert "utter_session/duration names session/price under `related`, which has no answer" in found(project)
