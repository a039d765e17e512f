"""`python -m benchmarks.versus_stock.stock_project SOURCE TARGET [EPOCHS]`: our content as a stock Rasa project.

Runs in Rasa's environment. SOURCE is a copy of our project, TARGET an empty folder. Every topic is an intent with one
answer and one rule; pipeline and policies are what `rasa init` suggests. Beside it TARGET/topics.json says which topics
each answer's text belongs to, TARGET/saved.txt how the confirmation of a request begins.
"""

import json
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from benchmarks.nlu import datasets, pipelines
from bot.clinic import read_profile
from bot.responses import CLINIC_PLACEHOLDER, clinic_sentences

FORM = "appointment_form"
FIELDS = ("full_name", "phone", "email", "patient_type", "reason", "preferred_time", "consent", "review")
# What a response of ours leaves to code; stock has slots for it.
SUMMARY = "{full_name}, {phone}, {email}, {patient_type}, {reason}, {preferred_time}"
OTHER_RESPONSES = (
    "utter_default",
    "utter_request_appointment",
    "utter_request_saved",
    "utter_request_cancelled",
    "utter_nothing_to_cancel",
    *(f"utter_ask_{name}" for name in FIELDS),
)
# Intents with rules of their own.
REQUEST, CANCEL = "request_appointment", "cancel_request"


def build(source: Path, target: Path, epochs: int | None) -> None:
    """Write the project."""
    examples = datasets.own_examples(source / "data" / "nlu")
    pipeline = pipelines.stock(epochs)
    intents = pipeline.intent_of(example.topic for example in examples)
    said = dict(_responses(source))
    responses = {f"utter_{intent}": said[f"utter_{topic}"] for topic, intent in intents.items() if topic != CANCEL}
    responses |= {name: said[name] for name in OTHER_RESPONSES}

    rows = [{"text": example.text, "intent": intents[example.topic]} for example in examples]
    (target / "data").mkdir(parents=True)
    # JSON and not YAML: there a text with brackets is markup.
    _write(target / "data" / "nlu.json", json.dumps({"rasa_nlu_data": {"common_examples": rows}}))
    _write_yaml(target / "data" / "rules.yml", {"version": "3.1", "rules": list(_rules(intents.values()))})
    _write_yaml(target / "data" / "stories.yml", {"version": "3.1", "stories": list(_stories(sorted(intents.items())))})
    _write_yaml(target / "domain.yml", _domain(list(intents.values()), responses))
    _write_yaml(target / "config.yml", {**pipeline.config, "policies": _policies(epochs)})
    _write_yaml(target / "credentials.yml", {"rest": None})
    actions = target / "actions"
    actions.mkdir()
    _write(actions / "__init__.py", "")
    shutil.copy(Path(__file__).with_name("stock_actions.py"), actions / "actions.py")
    _write(target / "saved.txt", said["utter_request_saved"]["text"].partition("{lead}")[0])
    _write(target / "topics.json", json.dumps({"examples": len(rows), "topics": _topics(source, intents, said)}))


def _responses(source: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield our responses as stock has them: the words for the widget, with the clinic's facts filled in."""
    facts = read_profile(source / "data" / "clinic.yml")
    for name, variants in _written(source).items():
        wording = next(variant for variant in variants if "channel" not in variant)
        text = wording["text"].replace(CLINIC_PLACEHOLDER, clinic_sentences(wording.get("metadata") or {}, facts))
        for key, value in facts.items():
            text = text.replace(f"{{clinic_{key}}}", value)
        response: dict[str, Any] = {"text": text.replace("{summary}", SUMMARY).strip()}
        if wording.get("buttons"):
            response["buttons"] = [dict(button) for button in wording["buttons"]]
        yield name, response


def _written(source: Path) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for path in (source / "domain.yml", *sorted((source / "data" / "answers").glob("*.yml"))):
        found |= yaml.safe_load(path.read_text(encoding="utf-8")).get("responses") or {}
    return found


def _topics(source: Path, intents: Mapping[str, str], said: Mapping[str, dict[str, Any]]) -> dict[str, list[str]]:
    """Return the topics an answer's text is about: what our own reply of these words would say of itself."""
    found: dict[str, list[str]] = {}
    written = _written(source)
    for topic in intents:
        if topic == CANCEL:
            continue
        metadata = written[f"utter_{topic}"][0].get("metadata") or {}
        text, topics = said[f"utter_{topic}"]["text"], metadata.get("topics") or [topic]
        if found.setdefault(text, topics) != topics:
            sys.exit(f"utter_{topic} says the same as another answer, so answers cannot be told apart.")
    return found


def _rules(intents: Iterable[str]) -> Iterator[dict[str, Any]]:
    for intent in intents:
        if intent not in (REQUEST, CANCEL):
            yield {"rule": intent, "steps": [{"intent": intent}, {"action": f"utter_{intent}"}]}
    yield {"rule": "not understood", "steps": [{"intent": "nlu_fallback"}, {"action": "utter_default"}]}
    yield {"rule": "a request is wanted", "steps": [{"intent": REQUEST}, *_form_begins()]}
    yield {"rule": "the request is complete", "condition": [{"active_loop": FORM}], "steps": list(_form_ends())}
    yield {
        "rule": "the request is given up",
        "condition": [{"active_loop": FORM}],
        "steps": [
            {"intent": CANCEL},
            {"action": "utter_request_cancelled"},
            {"action": "action_deactivate_loop"},
            {"active_loop": None},
        ],
    }
    yield {
        "rule": "there is no request to give up",
        "condition": [{"active_loop": None}],
        "steps": [{"intent": CANCEL}, {"action": "utter_nothing_to_cancel"}],
    }


def _stories(intents: list[tuple[str, str]]) -> Iterator[dict[str, Any]]:
    """Three, as `rasa init` has them: without any, two of the policies it suggests would not be trained at all."""
    topics = [intent for topic, intent in intents if "/" in topic]

    def turn(intent: str) -> list[dict[str, Any]]:
        return [{"intent": intent}, {"action": f"utter_{intent}"}]

    first, second, third = topics[0], topics[len(topics) // 2], topics[-1]
    yield {"story": "questions", "steps": [*turn("greet"), *turn(first), *turn(second), *turn("thanks")]}
    request = [{"intent": REQUEST}, *_form_begins(), *_form_ends()]
    yield {"story": "a request", "steps": [*turn("greet"), *request, *turn("thanks")]}
    yield {"story": "a question, then a request", "steps": [*turn(third), *request, *turn("goodbye")]}


def _form_begins() -> list[dict[str, Any]]:
    return [{"action": f"utter_{REQUEST}"}, {"action": FORM}, {"active_loop": FORM}]


def _form_ends() -> list[dict[str, Any]]:
    return [
        {"action": FORM},
        {"active_loop": None},
        {"slot_was_set": [{"requested_slot": None}]},
        {"action": "action_save_request"},
    ]


def _domain(intents: list[str], responses: Mapping[str, Any]) -> dict[str, Any]:
    slots = {
        name: {
            "type": "text",
            "influence_conversation": False,
            "mappings": [{"type": "from_text", "conditions": [{"active_loop": FORM, "requested_slot": name}]}],
        }
        for name in FIELDS
    }
    return {
        "version": "3.1",
        "intents": intents,
        "slots": slots,
        "forms": {FORM: {"ignored_intents": [CANCEL], "required_slots": list(FIELDS)}},
        "responses": {name: [response] for name, response in responses.items()},
        "actions": ["action_save_request"],
        # What `rasa init` writes.
        "session_config": {"session_expiration_time": 60, "carry_over_slots_to_new_session": True},
    }


def _policies(epochs: int | None) -> list[dict[str, Any]]:
    """Return the policies `rasa init` suggests, read from Rasa itself."""
    package = find_spec("rasa")
    assert package is not None and package.origin is not None
    suggested = yaml.safe_load(
        (Path(package.origin).parent / "engine/recipes/config_files/default_config.yml").read_text(encoding="utf-8")
    )
    policies = [dict(policy) for policy in suggested["policies"]]
    for policy in policies:
        if epochs is not None and "epochs" in policy:
            policy["epochs"] = epochs
    return policies


class _Plain(yaml.SafeDumper):
    """Writes what occurs twice out twice, as people do."""

    def ignore_aliases(self, data: Any) -> bool:
        """Say so."""
        return True


def _write_yaml(path: Path, content: Any) -> None:
    _write(path, yaml.dump(content, Dumper=_Plain, sort_keys=False, allow_unicode=True))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    build(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) if sys.argv[3:] else None)
