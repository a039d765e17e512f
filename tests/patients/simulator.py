"""Simulated patients: people with goals and quirks who talk to the assistant through the public chat API.

Who they are and what they say is in personas.yml; here is how they read what the assistant says and answer it. A
patient looks at the question that is open, says what this person says to it, and stops at a confirmation, when nothing
is asked any more, or after `PATIENCE` turns.
"""

import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import NEW_YORK, Visitor

PERSONAS = Path(__file__).with_name("personas.yml")
FIELDS = ("full_name", "phone", "email", "patient_type", "reason", "preferred_time", "consent", "review")
# What a person says to a question personas.yml has no words for.
DEFAULTS: dict[str, Sequence["Move"]] = {
    "email": ["skip"],
    "patient_type": ["skip"],
    "reason": ["skip"],
    "preferred_time": ["any time"],
    "consent": ["yes"],
    "review": ["yes"],
}
PATIENCE = 30  # turns in one visit
MOST_OF_THE_SAME = 5  # replies in a row that say the same
SAME = "same"

Message = dict[str, Any]
Move = str | dict[str, Any]
"""What a person does: text to type, or one of the MOVES with its arguments; see the head of personas.yml."""

MOVES = {
    "ask": {"ask", "topic"},
    "press": {"press"},
    "press_old": {"press_old"},
    "press_twice": {"press_twice"},
    "say_twice": {"say_twice"},
    "tabs": {"tabs"},
}


class BrokenPromise(AssertionError):
    """The assistant did what it never should; the text says what, without the conversation."""


# --------------------------------------------------------------------------- who they are


@dataclass(frozen=True)
class Plan:
    """One request of a persona: what it says, and what has to come of it."""

    opening: Move
    answers: Mapping[str, Sequence[Move]]  # by field; the last one is said again when there is no other
    otherwise: Sequence[Move]  # when nothing is asked, one after the other; then the person leaves
    after: Sequence[Move]  # once the request is confirmed
    lead: Mapping[str, Any] | str | None  # what staff have to get, SAME as the visit before, or None for none at all
    turns: int | None  # at most


@dataclass(frozen=True)
class Persona:
    """A person and what they want, once or more often in one conversation."""

    who: str
    quirk: str
    group: str  # "plain", "at once" or "other"
    plans: Sequence[Plan]


_PLAN_KEYS = {"opening", "answers", "otherwise", "after", "lead", "turns"}
_PERSONA_KEYS = {"who", "quirk", "group", "again"} | _PLAN_KEYS
LEAD_KEYS = {"full_name", "phone", "email", "patient_type", "reason", "when", "date", "part_of_day", "notes"}


def load_personas(path: Path = PERSONAS) -> list[Persona]:
    """Read the personas; raise ValueError for a word in the file that means nothing."""
    return [_persona(entry) for entry in yaml.safe_load(path.read_text(encoding="utf-8"))]


def _persona(entry: dict[str, Any]) -> Persona:
    who = entry["who"]
    _only(entry, _PERSONA_KEYS, who)
    plans = [_plan({key: value for key, value in entry.items() if key in _PLAN_KEYS}, who)]
    plans += [_plan(again, who) for again in entry.get("again", [])]
    return Persona(who, entry["quirk"], entry.get("group", "other"), plans)


def _plan(entry: dict[str, Any], who: str) -> Plan:
    _only(entry, _PLAN_KEYS, who)
    answers = {name: _moves(moves, who) for name, moves in entry.get("answers", {}).items()}
    _only(answers, set(FIELDS), who)
    lead = entry["lead"]
    if isinstance(lead, dict):
        _only(lead, LEAD_KEYS, who)
    elif lead not in (None, SAME):
        raise ValueError(f"{who}: a lead is its fields, null or {SAME!r}, not {lead!r}")
    return Plan(
        opening=_moves(entry["opening"], who)[0],
        answers={**DEFAULTS, **answers},
        otherwise=_moves(entry.get("otherwise", []), who),
        after=_moves(entry.get("after", []), who),
        lead=lead,
        turns=entry.get("turns"),
    )


def _moves(written: Move | list[Move], who: str) -> list[Move]:
    moves = written if isinstance(written, list) else [written]
    for move in moves:
        if isinstance(move, dict):
            kind = next((kind for kind in MOVES if kind in move), None)
            if kind is None:
                raise ValueError(f"{who}: {move} is none of {', '.join(MOVES)}")
            _only(move, MOVES[kind], who)
        said = list(move.values()) if isinstance(move, dict) else [move]
        if not all(isinstance(text, str | list) for text in said):
            raise ValueError(f"{who}: {move!r} is no text; put it in quotes")
    return moves


def _only(entry: Mapping[str, Any], allowed: set[str], who: str) -> None:
    unknown = set(entry) - allowed
    if unknown:
        raise ValueError(
            f"{who}: nothing is called {', '.join(sorted(unknown))}; there are {', '.join(sorted(allowed))}"
        )


# --------------------------------------------------------------------------- days

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")


def clinic_today() -> date:
    """Return the date where the clinic is."""
    return datetime.now(NEW_YORK).date()


def day_named(name: str, today: date) -> date:
    """Return the day that personas.yml calls "tomorrow", "in 20 days", "coming tuesday" or "next tuesday".

    The coming one is never today; the next one is in the week after this one, and weeks begin on Sunday.
    """
    if name == "tomorrow":
        return today + timedelta(days=1)
    first, _, rest = name.partition(" ")
    if first == "in":
        return today + timedelta(days=int(rest.removesuffix(" days")))
    weekday = _WEEKDAYS.index(rest)
    if first == "coming":
        return today + timedelta(days=(weekday - today.weekday()) % 7 or 7)
    if first == "next":
        next_sunday = today + timedelta(days=7 - (today.weekday() + 1) % 7)
        return next_sunday + timedelta(days=(weekday + 1) % 7)
    raise ValueError(f"no day is called {name!r}")


def filled(text: str, today: date) -> str:
    """Return a text with the days in braces as people write them: "{in 20 days}" becomes "December 12"."""
    return _PLACEHOLDER.sub(lambda match: f"{day_named(match[1], today):%B} {day_named(match[1], today).day}", text)


# --------------------------------------------------------------------------- a conversation


@dataclass(frozen=True)
class Turn:
    """One message of the visitor and the reply to it."""

    said: str
    reply: list[Message]


class Conversation:
    """One conversation over the chat API, with all that was said so far.

    What holds of every reply is checked with each: there is at most one question, at its end.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._visitor = Visitor(url)
        self.turns: list[Turn] = []

    @property
    def reply(self) -> list[Message]:
        """The latest reply."""
        return self.turns[-1].reply if self.turns else []

    @property
    def question(self) -> Message | None:
        """What the assistant waits for."""
        return next((message for message in self.reply if message["kind"] == "question"), None)

    @property
    def asked(self) -> str | None:
        """The field the open question is about."""
        return self.question["field"] if self.question else None

    @property
    def confirmation(self) -> Message | None:
        """The confirmation in the latest reply."""
        return next((message for message in self.reply if message["kind"] == "confirmation"), None)

    def messages(self, kind: str) -> list[Message]:
        """Return all messages of a kind so far."""
        return [message for turn in self.turns for message in turn.reply if message["kind"] == kind]

    def buttons(self) -> Iterator[tuple[str, str]]:
        """Yield title and payload of every button so far, the latest first."""
        for turn in reversed(self.turns):
            for message in turn.reply:
                for button in message.get("buttons") or []:
                    yield button["title"], button["payload"]

    def say(self, text: str) -> None:
        """Type something."""
        self._heard(text, self._post(text=text))

    def press(self, title: str) -> None:
        """Press a button of the latest reply."""
        self.press_payload(title, self._shown(title))

    def press_twice(self, title: str) -> None:
        """Press a button of the latest reply with a double click."""
        self._twice(f"[{title}]", payload=self._shown(title))

    def say_twice(self, text: str) -> None:
        """Send a text with a double click."""
        self._twice(text, text=text)

    def press_old(self, title: str) -> None:
        """Press a button of some earlier reply, wherever it was shown last."""
        payload = next((payload for shown, payload in self.buttons() if shown == title), None)
        if payload is None:
            raise BrokenPromise(f"no button {title!r} was ever shown")
        self.press_payload(title, payload)

    def press_payload(self, title: str, payload: str) -> None:
        """Press the button with this payload."""
        self._heard(f"[{title}]", self._post(payload=payload))

    def in_tabs(self, texts: Sequence[str]) -> None:
        """Type texts in several tabs at once; what counts then is what the conversation shows last."""

        def type_in_a_tab(text: str) -> list[Message]:
            tab = Visitor(self._url)
            tab.token = self._visitor.token
            return tab.say(text)

        with ThreadPoolExecutor(len(texts)) as tabs:
            replies = list(zip(texts, tabs.map(type_in_a_tab, texts), strict=True))
        shown_last = self._visitor.history()[-1]["text"]
        for text, reply in sorted(replies, key=lambda said: said[1][-1]["text"] == shown_last):
            self._heard(f"{text} (in a tab)", reply)

    def transcript(self) -> str:
        """Return the conversation to read."""
        lines = []
        for turn in self.turns:
            lines.append(f"  > {turn.said}")
            for message in turn.reply:
                what = message.get("field") or ", ".join(message.get("topics") or []) or message.get("level", "")
                buttons = " ".join(f"[{button['title']}]" for button in message.get("buttons") or [])
                text = message["text"].replace("\n", "\n      ")
                lines.append(f"  < {message['kind']} {what}: {text} {buttons}".rstrip())
        return "\n".join(lines)

    def _shown(self, title: str) -> str:
        buttons = [button for message in self.reply for button in message.get("buttons") or []]
        payload: str | None = next((button["payload"] for button in buttons if button["title"] == title), None)
        if payload is None:
            raise BrokenPromise(f"there is no button {title!r}, only {[button['title'] for button in buttons]}")
        return payload

    def _twice(self, said: str, **body: str) -> None:
        client_id = uuid.uuid4().hex
        first = self._post(**body, id=client_id)
        if self._post(**body, id=client_id) != first:
            raise BrokenPromise("the same message, sent twice, got two answers")
        self._heard(f"{said} (twice)", first)

    def _post(self, **body: str) -> list[Message]:
        response = self._visitor.post(**body)
        if response.status_code != 200:
            raise BrokenPromise(f"{sorted(body)} was answered with {response.status_code}: {response.text}")
        messages: list[Message] = response.json()["messages"]
        return messages

    def _heard(self, said: str, reply: list[Message]) -> None:
        self.turns.append(Turn(said, reply))
        kinds = [message["kind"] for message in reply]
        if not kinds:
            raise BrokenPromise("an empty reply")
        if "question" in kinds[:-1]:
            raise BrokenPromise("a question was not the one last thing said")


_READ_BACK = {
    "Name": "full_name",
    "Phone": "phone",
    "Email": "email",
    "Patient": "patient_type",
    "Reason": "reason",
    "When": "when",
}


def read_back(question: Message) -> dict[str, str] | None:
    """Return what a review question reads back, by field; None when it asks something else ("what shall I change?")."""
    lines = [line.partition(": ") for line in question["text"].splitlines()]
    shown = {_READ_BACK[name]: value for name, _, value in lines if name in _READ_BACK}
    return shown if len(shown) == len(_READ_BACK) else None


def digits(text: str) -> str:
    """Return the digits of a phone number, by which its spellings are the same."""
    return re.sub(r"\D", "", text)


# --------------------------------------------------------------------------- a visit


@dataclass
class Visit:
    """How one plan went."""

    plan: Plan
    today: set[date] = field(default_factory=set)  # two when it went over midnight
    first_turn: int = 0
    turns: int = 0  # from the opening to the confirmation, both counted
    confirmation: Message | None = None
    consent: Message | None = None  # the question as it was shown last
    review: Message | None = None


@dataclass
class Story:
    """How a persona's whole conversation went."""

    persona: Persona
    conversation: Conversation
    visits: list[Visit] = field(default_factory=list)
    broken: str = ""  # what the assistant did that it never should


def live(persona: Persona, url: str) -> Story:
    """Let a persona talk to the assistant at `url`; return how it went."""
    story = Story(persona, Conversation(url))
    try:
        for plan in persona.plans:
            visit = Visit(plan, {clinic_today()}, first_turn=len(story.conversation.turns))
            story.visits.append(visit)
            _visit(visit, story.conversation)
            visit.today.add(clinic_today())
    except AssertionError as error:
        story.broken = str(error)
    return story


def _visit(visit: Visit, talk: Conversation) -> None:
    plan = visit.plan
    answers = {name: list(moves) for name, moves in plan.answers.items()}
    otherwise = list(plan.otherwise)
    move: Move | None = plan.opening
    while move is not None and len(talk.turns) - visit.first_turn < PATIENCE:
        _do(move, talk, min(visit.today))
        _note(visit, talk)
        if talk.confirmation is not None:
            visit.turns = len(talk.turns) - visit.first_turn
            visit.confirmation = talk.confirmation
            break
        _get_on(talk)
        move = _next(talk, answers, otherwise)
    for afterwards in plan.after:
        _do(afterwards, talk, min(visit.today))
        if talk.confirmation is not None:
            raise BrokenPromise("what was done after the confirmation confirmed a request again")


def _get_on(talk: Conversation) -> None:
    """Raise BrokenPromise when the assistant says the same thing for ever."""
    latest = [[message["text"] for message in turn.reply] for turn in talk.turns[-MOST_OF_THE_SAME - 1 :]]
    if len(latest) > MOST_OF_THE_SAME and all(texts == latest[0] for texts in latest):
        raise BrokenPromise(f"the same reply {len(latest)} times in a row")


def _note(visit: Visit, talk: Conversation) -> None:
    if talk.question is not None and talk.asked == "consent":
        visit.consent = talk.question
    if talk.question is not None and talk.asked == "review" and read_back(talk.question):
        visit.review = talk.question


def _next(talk: Conversation, answers: dict[str, list[Move]], otherwise: list[Move]) -> Move | None:
    """Return what the person does next; None when there is nothing left to say."""
    if talk.asked is None:
        return otherwise.pop(0) if otherwise else None
    moves = answers.get(talk.asked)
    if not moves:
        raise BrokenPromise(f"{talk.asked} was asked for, which this person has no answer to")
    return moves.pop(0) if len(moves) > 1 else moves[0]


def _do(move: Move, talk: Conversation, today: date) -> None:
    if isinstance(move, str):
        talk.say(filled(move, today))
    elif "ask" in move:
        _ask_in_between(talk, move["ask"], move.get("topic"))
    elif "press" in move:
        talk.press(move["press"])
    elif "press_old" in move:
        talk.press_old(move["press_old"])
    elif "press_twice" in move:
        talk.press_twice(move["press_twice"])
    elif "say_twice" in move:
        talk.say_twice(move["say_twice"])
    else:
        talk.in_tabs(move["tabs"])


def _ask_in_between(talk: Conversation, text: str, topic: str | None) -> None:
    """Ask something: it is answered, and what was open before is asked for once more."""
    before = talk.asked
    talk.say(text)
    topics = [topic for message in talk.reply for topic in message.get("topics") or []]
    if topic is not None and topic not in topics:
        raise BrokenPromise(f"a question about {topic} was answered with {topics or 'no topic'}")
    if talk.asked != before:
        raise BrokenPromise(f"a question in between led from {before} to {talk.asked}")
