"""Whatever the order of answers, corrections, questions, nonsense and second thoughts: the form keeps its promises.

Hypothesis makes up what a visitor does; each step is done over the public chat API, and each reply is held against
what the visitor has said so far (`Belief`). Afterwards the visitor answers whatever is asked, which has to lead to a
confirmation.
"""

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.conftest import Server
from tests.patients.simulator import BrokenPromise, Conversation, digits, read_back

EXAMPLES = 30
MOST_STEPS = 14
# Of the same question in a row: asked, explained twice, offered a way out, and taken.
MOST_ASKED_IN_A_ROW = 5
# What it takes at most to get to a confirmation from anywhere, by answering what is asked.
TURNS_TO_THE_END = 12

NAMES = ("Maria de la Cruz", "Jordan Lee", "Siobhán O'Brien-Smith", "Łukasz Wójcik")
# A number for each example, so that no request joins one of another conversation.
PHONES = ("516-555-01{:02}", "(631) 555-01{:02}", "718 555 01{:02}", "+1 917 555 01{:02}")
EMAILS = ("maria@example.com", "jordan.lee@example.com", "siobhan@example.com", "l.wojcik@example.com")
REASONS = ("years of depression", "chronic pain after an accident", "trouble sleeping", "PTSD")
TIMES = ("mornings", "Thursday", "any day but Monday", "next week")
PATIENT_TYPES = ("I'm a new patient", "existing", "new")
QUESTIONS = ("how long does an infusion take?", "who drives me home?", "how much does one infusion cost?")
OPENINGS = ("I'd like an appointment", "please book me in", "can I request an appointment")
# Neither a name nor a yes; only as a reason anything will do.
NONSENSE = ("77 ## 12", "@@@", "1 2 3", "...---...")

ANSWERS = {
    "full_name": NAMES,
    "phone": PHONES,
    "email": EMAILS,
    "patient_type": PATIENT_TYPES,
    "reason": REASONS,
    "preferred_time": TIMES,
    "consent": ("yes", "Yes, that's fine"),
    "review": ("yes", "yes, send it"),
}
# Of the fields that may be told at any time, the words that leave no doubt.
TOLD = {
    "full_name": ("my name is {}", NAMES),
    "phone": ("actually my number is {}", PHONES),
    "email": ("my email is {}", EMAILS),
}
CHANGE = "change my "
WORDS_FOR = {
    "full_name": "name",
    "phone": "phone number",
    "email": "email",
    "reason": "reason",
    "preferred_time": "time",
}
# Buttons that do more than answer the question they stand under.
CHANGE_BUTTONS = {
    "Name": "full_name",
    "Phone": "phone",
    "Email": "email",
    "Reason": "reason",
    "Time": "preferred_time",
}
CANCEL_BUTTON = "Leave the request"


# --------------------------------------------------------------------------- what a visitor may do


@dataclass(frozen=True)
class Step:
    """One thing done, so many times in a row. `pick` chooses among what there is to say, `about` names a field."""

    kind: str
    pick: int = 0
    about: str = ""
    times: int = 1


PICKS = st.integers(0, 3)
answer = st.builds(Step, st.just("answer"), PICKS)
stubborn = st.builds(
    Step, st.sampled_from(["nonsense", "yes", "no", "skip", "again", "change of mind"]), PICKS, times=st.integers(1, 6)
)
steps = st.lists(
    st.one_of(
        answer,
        answer,
        answer,
        st.builds(Step, st.just("both"), PICKS),
        st.builds(Step, st.just("tell"), PICKS, st.sampled_from(sorted(TOLD))),
        st.builds(Step, st.just("change"), PICKS, st.sampled_from(sorted(WORDS_FOR))),
        st.builds(Step, st.sampled_from(["question", "begin", "cancel", "press", "old button", "resend"]), PICKS),
        stubborn,
    ),
    min_size=2,
    max_size=MOST_STEPS,
)


# --------------------------------------------------------------------------- what the assistant has to know by then


@dataclass
class Belief:
    """What was said in this run of the form, as far as it is beyond doubt. A run given up leaves an empty one."""

    told: dict[str, str] = field(default_factory=dict)  # name and phone as they were said last
    has: set[str] = field(default_factory=set)  # fields that were answered, told or skipped
    agreed: bool = False  # to be contacted
    shown: dict[str, str] | None = None  # what was read back last, if nothing was said to change it since
    row: int = 0  # how often the open question was asked in a row, for want of an answer


@dataclass
class RandomVisitor:
    """Does steps, and holds every reply against what was said."""

    talk: Conversation
    number: int  # of the example, below 100
    belief: Belief = field(default_factory=Belief)
    confirmed: list[tuple[str, dict[str, str]]] = field(default_factory=list)  # reference and read-back
    last_text: str = "hello"

    def do(self, step: Step) -> None:
        """Do a step, as often as it says."""
        for _ in range(step.times):
            self._do(step)

    def _do(self, step: Step) -> None:
        asked = self.talk.asked
        if asked is None and step.kind not in ("question", "cancel", "begin"):
            step = Step("begin", step.pick)  # what is said outside the form is another subject
        getattr(self, "_" + step.kind.replace(" ", "_"))(step, asked)

    # ------------------------------------------------------------------- steps

    def _begin(self, step: Step, asked: str | None) -> None:
        self._say(self._one_of(OPENINGS, step))
        self._expect(self.talk.asked is not None, "a wish for an appointment was not taken up")
        self._check(asked, serves=True)

    def _answer(self, step: Step, asked: str | None) -> None:
        assert asked is not None
        said = self._one_of(ANSWERS[asked], step)
        if asked == "review" and not self._reads_back():
            said = "no, it is all right as it is"
        self._say(said)
        self._check(asked, agrees=asked in ("consent", "review"), said={asked: said})

    def _both(self, step: Step, asked: str | None) -> None:
        if asked != "full_name":
            return self._answer(step, asked)
        name, phone = self._one_of(NAMES, step), self._one_of(PHONES, step)
        self._say(f"{name}, {phone}")
        self._expect(
            self.talk.asked not in ("full_name", "phone"), "a name and a phone in one answer were not both taken"
        )
        self.belief.has |= {"phone"}
        self._check(asked, said={"full_name": name, "phone": phone})

    def _tell(self, step: Step, asked: str | None) -> None:
        words, values = TOLD[step.about]
        value = self._one_of(values, step)
        self._say(words.format(value))
        self.belief.shown = None
        self._check(asked, serves=step.about != asked, said={step.about: value}, told=step.about)

    def _change(self, step: Step, asked: str | None) -> None:
        self._say(CHANGE + WORDS_FOR[step.about])
        known = step.about in self.belief.has
        self._expect(not known or self.talk.asked == step.about, f"a wish to change {step.about} was not taken up")
        self._asked_to_change(step.about, asked)

    def _asked_to_change(self, name: str, asked: str | None) -> None:
        self.belief.shown = None
        self.belief.has.discard(name)
        self._check(asked, serves=True)

    def _question(self, step: Step, asked: str | None) -> None:
        self._say(self._one_of(QUESTIONS, step))
        self._expect(any(message["kind"] == "answer" for message in self.talk.reply), "a question was not answered")
        self._expect(self.talk.asked == asked, f"a question led from {asked} to {self.talk.asked}")
        self._check(asked, serves=True)

    def _cancel(self, step: Step, asked: str | None) -> None:
        self._say("never mind")
        self._expect(self.talk.asked is None, "the request was not given up")
        self.belief = Belief()

    def _nonsense(self, step: Step, asked: str | None) -> None:
        self._say(self._one_of(NONSENSE, step))
        self._check(asked)

    def _skip(self, step: Step, asked: str | None) -> None:
        self._say("skip")
        self._check(asked)

    def _yes(self, step: Step, asked: str | None) -> None:
        self._say("yes")
        self._check(asked, agrees=True)

    def _no(self, step: Step, asked: str | None) -> None:
        self._say("no")
        self._check(asked)

    def _change_of_mind(self, step: Step, asked: str | None) -> None:
        self._say("hmm, I'm not sure")
        self._check(asked)

    def _again(self, step: Step, asked: str | None) -> None:
        said = self.last_text
        self._say(said)
        # Said again, a message counts as it did the first time.
        serves = said in QUESTIONS + OPENINGS or said.startswith(CHANGE)
        self._check(asked, agrees=said.lower().startswith("yes"), serves=serves)
        if asked is not None and self.talk.asked is None and self.last_text == "never mind":
            self.belief = Belief()

    def _resend(self, step: Step, asked: str | None) -> None:
        self._before()
        self.talk.say_twice(self._one_of(QUESTIONS, step))
        self._expect(self.talk.asked == asked, f"a question led from {asked} to {self.talk.asked}")

    def _press(self, step: Step, asked: str | None) -> None:
        shown = [button for message in self.talk.reply for button in message.get("buttons") or []]
        if not shown:
            return self._answer(step, asked)
        button = shown[step.pick % len(shown)]
        self._pressed(button["title"], button["payload"], asked)

    def _old_button(self, step: Step, asked: str | None) -> None:
        buttons = list(self.talk.buttons())
        title, payload = buttons[len(buttons) // (step.pick + 1) - 1] if buttons else ("", "")
        if not buttons:
            return self._answer(step, asked)
        self._pressed(title, payload, asked)

    def _pressed(self, title: str, payload: str, asked: str | None) -> None:
        self._before()
        self.talk.press_payload(title, payload)
        if title == CANCEL_BUTTON and self.talk.asked is None:
            self.belief = Belief()
        elif title in CHANGE_BUTTONS and self.talk.asked == CHANGE_BUTTONS[title]:
            self._asked_to_change(CHANGE_BUTTONS[title], asked)
        else:
            self._check(asked, agrees=title.startswith("Yes"), serves=self.talk.asked == asked)

    # ------------------------------------------------------------------- promises

    def _one_of(self, texts: Sequence[str], step: Step) -> str:
        return texts[step.pick % len(texts)].format(self.number)

    def _say(self, text: str) -> None:
        self._before()
        self.talk.say(text)
        self.last_text = text

    def _before(self) -> None:
        """Remember what is read back at this moment: that is what a yes would agree to."""
        if self._reads_back():
            assert self.talk.question is not None
            self.belief.shown = read_back(self.talk.question)

    def _reads_back(self) -> bool:
        return (
            self.talk.asked == "review" and self.talk.question is not None and read_back(self.talk.question) is not None
        )

    def _expect(self, kept: bool, otherwise: str) -> None:
        if not kept:
            raise BrokenPromise(f"{otherwise}\n{self.talk.transcript()}")

    def _check(
        self,
        before: str | None,
        *,
        agrees: bool = False,
        serves: bool = False,
        said: dict[str, str] | None = None,
        told: str | None = None,
    ) -> None:
        """Hold a reply against what was said.

        Args:
            before: the field that was asked for.
            agrees: what was said is a yes.
            serves: what was said wanted something else than to answer, and got it.
            said: values that were given in so many words, by field.
            told: the field that was given without having been asked for.
        """
        asked, belief = self.talk.asked, self.belief
        if self.talk.confirmation is not None:
            self._confirmed(before, agrees)
            return
        if asked is None:
            if before == "consent":
                self.belief = Belief()  # refused
            return
        if before == "consent" and asked == "review":
            self._expect(agrees, "consent was taken from something else than a yes")
            belief.agreed = True
        if told is not None:
            belief.has.add(told)
        if before is not None and asked != before and not serves:
            belief.has.add(before)
        for name in ("full_name", "phone"):
            if said and name in said and name in belief.has:
                belief.told[name] = said[name]
        self._expect(asked == "review" or asked not in belief.has, f"{asked} was asked for, which is known")
        belief.row = belief.row + 1 if asked == before and not serves else 1
        self._expect(belief.row <= MOST_ASKED_IN_A_ROW, f"{asked} was asked for {belief.row} times in a row")

    def _confirmed(self, before: str | None, agrees: bool) -> None:
        belief = self.belief
        assert self.talk.confirmation is not None
        self._expect(before == "review" and agrees, "a request was confirmed without a yes to the read-back")
        self._expect(belief.agreed, "a request was confirmed without consent")
        self._expect(belief.shown is not None, "a request was confirmed without a read-back since the last change")
        assert belief.shown is not None
        for name, value in belief.told.items():
            right = belief.shown[name] == value if name == "full_name" else same_phone(belief.shown[name], value)
            self._expect(right, f"{name} was read back as {belief.shown[name]!r} instead of {value!r}")
        self.confirmed.append((self.talk.confirmation["lead"], belief.shown))
        self.belief = Belief()

    def finish(self) -> None:
        """Answer whatever is asked until the request is confirmed."""
        already = len(self.confirmed)
        for turn in range(TURNS_TO_THE_END):
            self._do(Step("answer", turn % 4))
            if len(self.confirmed) > already:
                return
        self._expect(False, f"no confirmation after {TURNS_TO_THE_END} answers")


def same_phone(one: str, other: str) -> bool:
    return digits(one).removeprefix("1") == digits(other).removeprefix("1")


# --------------------------------------------------------------------------- the property


def test_whatever_is_said_the_form_keeps_its_promises(server: Server) -> None:
    confirmed: list[tuple[str, dict[str, str]]] = []
    numbers = itertools.count()

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )
    @given(steps)
    def converse(doing: list[Step]) -> None:
        visitor = RandomVisitor(Conversation(server.url), next(numbers) % 100)
        visitor.do(Step("begin"))
        for step in doing:
            visitor.do(step)
        visitor.finish()
        confirmed.extend(visitor.confirmed)

    converse()
    exported = server.ketalink("leads", "export", "--format", "jsonl")
    assert exported.returncode == 0, exported.stderr
    leads: dict[str, dict[str, Any]] = {
        lead["reference"]: lead for lead in map(json.loads, exported.stdout.splitlines())
    }
    assert len(confirmed) >= EXAMPLES
    for reference, shown in confirmed:
        assert reference in leads, "a confirmed request is not in the export"
        differs = unlike(shown, leads[reference])
        assert not differs, f"{reference} was read back as {shown}, and is {leads[reference]}: {differs}"


def unlike(shown: dict[str, str], lead: dict[str, Any]) -> list[str]:
    """Return the fields in which a request differs from what was read back of it.

    Somebody who asks twice the same day joins their first request: what they said differently is in a note there, and
    what they left out the second time is still known.
    """
    noted = " ".join(note["text"] for note in lead["notes"])
    joined = "Asked again" in noted
    patient_type = lead["patient_type"] and f"{lead['patient_type']} patient"
    kept = {
        "full_name": shown["full_name"].casefold() == lead["full_name"].casefold(),
        "phone": same_phone(shown["phone"], lead["phone"]),
        "when": shown["when"].startswith(lead["preferred_time"]["text"] or "not given"),
    }
    for name, value in (("email", lead["email"]), ("reason", lead["reason"]), ("patient_type", patient_type)):
        kept[name] = shown[name] == (value or "not given") or (joined and shown[name] == "not given")
    in_a_note = {
        "when": shown["when"].partition(" (")[0],
        "email": shown["email"],
        "reason": shown["reason"],
        "patient_type": shown["patient_type"].removesuffix(" patient"),
    }
    return [name for name, is_kept in kept.items() if not is_kept and in_a_note.get(name, "\0") not in noted]
