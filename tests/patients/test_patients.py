"""Many different people ask for an appointment, and staff get of each exactly what they meant."""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from statistics import mean
from typing import Any

import pytest

from tests.conftest import Server
from tests.patients.simulator import (
    Persona,
    Story,
    Visit,
    day_named,
    digits,
    filled,
    live,
    load_personas,
    read_back,
)

PERSONAS = load_personas()
AT_ONCE = 3  # conversations
# What the product promises of the number of messages somebody has to write, the opening and the last yes among them.
MOST_TURNS_PLAIN = 8  # on average
TURNS_AT_ONCE = 3  # each

Lead = dict[str, Any]


def exported(server: Server) -> dict[str, Lead]:
    """Return every request as staff's export has it, by its reference."""
    result = server.ketalink("leads", "export", "--format", "jsonl")
    assert result.returncode == 0, result.stderr
    leads = [json.loads(line) for line in result.stdout.splitlines()]
    return {lead["reference"]: lead for lead in leads}


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An assistant that nobody else has left requests with: a persona's would be added to those of the same number."""
    data_dir = tmp_path_factory.mktemp("patients")
    server = Server(data_dir, f"sqlite:///{data_dir / 'ketalink.db'}").start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def lives(own_server: Server) -> tuple[dict[str, Story], dict[str, Lead]]:
    """What became of each persona, by name, and the requests they left."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        stories = list(pool.map(lambda persona: live(persona, own_server.url), PERSONAS))
    return {story.persona.who: story for story in stories}, exported(own_server)


def references(story: Story) -> list[str]:
    return [visit.confirmation["lead"] for visit in story.visits if visit.confirmation]


@pytest.mark.parametrize("persona", PERSONAS, ids=[persona.who for persona in PERSONAS])
def test_staff_get_what_the_patient_meant(persona: Persona, lives: tuple[dict[str, Story], dict[str, Lead]]) -> None:
    stories, leads = lives
    story = stories[persona.who]
    wrong = [story.broken] if story.broken else []
    for number, visit in enumerate(story.visits):
        if not story.broken:
            wrong += wrong_with(visit, story.visits[number - 1] if number else None, leads)
    assert not wrong, "\n".join([*wrong, f"{persona.who} ({persona.quirk}):", story.conversation.transcript()])


def test_nobody_leaves_a_request_they_did_not_confirm(lives: tuple[dict[str, Story], dict[str, Lead]]) -> None:
    stories, leads = lives
    confirmed = [reference for story in stories.values() for reference in references(story)]
    assert set(confirmed) == set(leads)


def test_it_takes_as_few_turns_as_promised(lives: tuple[dict[str, Story], dict[str, Lead]]) -> None:
    stories, _leads = lives
    turns: dict[str, list[int]] = {"plain": [], "at once": []}
    gave_up = []
    for story in stories.values():
        if story.persona.group not in turns:
            continue
        if story.visits[0].confirmation is None:
            gave_up.append(story.persona.who)  # no number of turns, so in no average
        else:
            turns[story.persona.group].append(story.visits[0].turns)
    plain, at_once = turns["plain"], turns["at once"]
    print(
        f"\n{len(stories)} patients, {sum(len(story.conversation.turns) for story in stories.values())} messages, "
        f"{sum(len(references(story)) for story in stories.values())} confirmed requests"
        f"\nplain openings, everything answered: {mean(plain):.2f} turns on average {plain}"
        f"\neverything at once: {at_once}"
        f"\nnever confirmed: {', '.join(gave_up) or 'nobody'}"
    )
    assert not gave_up
    assert mean(plain) <= MOST_TURNS_PLAIN
    assert set(at_once) == {TURNS_AT_ONCE}


# --------------------------------------------------------------------------- what may be wrong with a request


def wrong_with(visit: Visit, before: Visit | None, leads: dict[str, Lead]) -> list[str]:
    """Return what is not as the plan of a visit has it, in words; nothing when all is well."""
    plan = visit.plan
    if plan.lead is None:
        return ["a request was confirmed"] if visit.confirmation else []
    if visit.confirmation is None:
        return ["no request was confirmed"]
    reference = visit.confirmation["lead"]
    if reference not in leads:
        return [f"{reference} was confirmed, and is not in the export"]
    lead = leads[reference]
    if isinstance(plan.lead, str):
        return wrong_with_joined(visit, before, lead)
    wrong = wrong_with_fields(plan.lead, lead, visit.today)
    wrong += wrong_with_what_was_shown(visit, lead)
    if plan.turns is not None and visit.turns > plan.turns:
        wrong.append(f"it took {visit.turns} turns instead of {plan.turns}")
    return wrong


def wrong_with_joined(visit: Visit, before: Visit | None, lead: Lead) -> list[str]:
    """Return what is not as it should be when somebody asks again the same day."""
    assert before is not None
    assert before.confirmation is not None
    if before.confirmation["lead"] != lead["reference"] and len(visit.today | before.today) == 1:
        return ["the same person, the same day, got another reference"]
    shown = read_back(visit.review) if visit.review else None
    if shown is None:
        return ["nothing was read back"]
    again = shown["when"].partition(" (")[0]
    if not any(again in note["text"] for note in lead["notes"]):
        return [f"no note says what was different the second time: {again!r}"]
    return []


def wrong_with_fields(expected: Mapping[str, Any], lead: Lead, today: set[date]) -> list[str]:
    """Return which fields of a lead are not what the person meant."""
    wrong = []
    for name in ("full_name", "phone", "email", "patient_type"):
        if lead[name] != expected.get(name):
            wrong.append(f"{name} is {lead[name]!r} instead of {expected.get(name)!r}")
    reason = expected.get("reason")
    if lead["reason"] is not reason if reason is None else reason not in (lead["reason"] or ""):
        wrong.append(f"reason is {lead['reason']!r} instead of {reason!r}")
    when = lead["preferred_time"]
    if expected["when"] not in (when["text"] or ""):
        wrong.append(f"the time's words are {when['text']!r} instead of {expected['when']!r}")
    days = {day_named(expected["date"], day).isoformat() for day in today} if "date" in expected else {None}
    if when["date"] not in days:
        wrong.append(f"the day is {when['date']!r} instead of {days}")
    if when["part_of_day"] != expected.get("part_of_day"):
        wrong.append(f"the part of the day is {when['part_of_day']!r} instead of {expected.get('part_of_day')!r}")
    notes = [note["text"] for note in lead["notes"]]
    wrong += [f"no note says {said!r}, only {notes}" for said in expected.get("notes", []) if said not in str(notes)]
    if not expected.get("notes") and notes:
        wrong.append(f"there are notes: {notes}")
    if (lead["channel"], lead["status"]) != ("widget", "new"):
        wrong.append(f"channel and status are {lead['channel']} and {lead['status']}")
    return wrong


def wrong_with_what_was_shown(visit: Visit, lead: Lead) -> list[str]:
    """Return where a lead differs from what was read back and agreed to."""
    shown = read_back(visit.review) if visit.review else None
    if shown is None:
        return ["nothing was read back"]
    wrong = []
    if shown["full_name"] != lead["full_name"]:
        wrong.append(f"the name that was read back is {shown['full_name']!r}")
    if lead["phone"].lstrip("+").removeprefix("1") not in digits(shown["phone"]):
        wrong.append(f"the phone that was read back is {shown['phone']!r}")
    if shown["email"] != (lead["email"] or "not given"):
        wrong.append(f"the address that was read back is {shown['email']!r}")
    if shown["reason"] != (lead["reason"] or "not given"):
        wrong.append(f"the reason that was read back is {shown['reason']!r}")
    if (lead["preferred_time"]["text"] or "not given") not in shown["when"]:
        wrong.append(f"the time that was read back is {shown['when']!r}")
    if visit.consent is None or lead["consent"]["text"] != visit.consent["text"] or not lead["consent"]["given"]:
        wrong.append(f"the words agreed to are {lead['consent']['text']!r}")
    return wrong


# --------------------------------------------------------------------------- the personas themselves


def test_personas_are_told_apart() -> None:
    assert len(PERSONAS) >= 44
    names = [persona.who for persona in PERSONAS]
    assert len(set(names)) == len(names)
    people = [
        (plan.lead["full_name"].casefold(), plan.lead["phone"])
        for persona in PERSONAS
        for plan in persona.plans
        if isinstance(plan.lead, dict)
    ]
    assert len(set(people)) == len(people), "the same person twice would join another's request"


def test_days_are_counted_from_the_day_it_is() -> None:
    sunday, saturday = date(2026, 11, 22), date(2026, 11, 28)
    assert day_named("tomorrow", sunday) == date(2026, 11, 23)
    assert day_named("coming sunday", sunday) == date(2026, 11, 29)
    assert day_named("coming monday", saturday) == day_named("next monday", saturday) == date(2026, 11, 30)
    assert day_named("next tuesday", sunday) == date(2026, 12, 1)
    assert filled("on {in 20 days}", sunday) == "on December 12"
