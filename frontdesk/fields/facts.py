"""The facts of an appointment request that a message holds, whatever was asked for: precise rather than complete.

What is not found is asked for; what is found wrongly would be kept. So a fact is taken only where its wording, and
everything around it in the same clause, leaves one reading.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from frontdesk.fields.email import is_of_a_provider
from frontdesk.fields.find_for_other import find_for_other
from frontdesk.fields.find_names import find_names, is_likely_a_name
from frontdesk.fields.find_patient_type import find_patient_type
from frontdesk.fields.find_reason import find_reason
from frontdesk.fields.find_times import find_time
from frontdesk.fields.message import Message, read_message
from frontdesk.fields.name import find_spelling, respelled
from frontdesk.fields.phone import mended_digits, mended_phone, whose_phone
from frontdesk.fields.reading import Accepted, Doubtful, Refused, tidy

FOR_OTHER = "for_other"
LEAD = 60  # characters in front of a number that tell what it is
MOST_WORDS_OF_AN_EXCUSE = 5

_NAMES_A_PHONE = re.compile(
    r"\b(?:number|phone|cell|mobile|telephone|tel|call|text|reach|contact|ring|landline|cellphone)\b", re.IGNORECASE
)
_NAMES_AN_EMAIL = re.compile(r"\b(?:e-?mail|mail|address|reach|contact|write)\b", re.IGNORECASE)
_MENDS = re.compile(
    r"\b(?:actually|wait|oops|whoops|correction|scratch that|i mean|i meant|make (?:it|that)|should be|instead|typo|"
    r"mistake|mistyped|wrong|rather|"
    r"(?:change|update|correct|fix|switch|move) (?:my|the|it|that|his|her)|"
    r"my new (?:number|phone|cell|e-?mail|address))\b",
    re.IGNORECASE,
)
_MENDS_WEAKLY = re.compile(r"^\W*(?:no|nope|sorry|not)\b(?!\s+(?:for|about|to|that|if|i)\b)", re.IGNORECASE)


@dataclass(frozen=True)
class Fact:
    """One thing a message says.

    Attributes:
        field: "full_name", "phone", "email", "patient_type", "reason", "preferred_time" or "for_other".
        value: what the field's own reader would accept: of a phone its E.164 form, of a time the dictionary that
            `read_preferred_time` returns; of "for_other" who it is for ("mother", "friend", "someone else").
        start, end: where it stands in `tidy(text)`, by characters.
        typed: that part, as it was typed; of a time named in several places, its pieces joined by commas.
        explicit: the text says what it is, as "my name is" and "email me at" do.
        correction: the text mends something said before, as "actually my number is" does.
        whose: of a name or phone, "self" when it is said to be of whoever writes ("I'm", "my cell"), "other" when it is
            of somebody else ("her name is", "my mom's number"); otherwise empty.
        suggestion: what an e-mail address with a likely slip was probably meant to be; empty otherwise.
    """

    field: str
    value: Any
    start: int
    end: int
    typed: str
    explicit: bool = False
    correction: bool = False
    whose: str = ""
    suggestion: str = ""


def find_facts(text: str, today: date, known: Mapping[str, Any] | None = None) -> tuple[Fact, ...]:
    """Return what a message says, in the order it says it: at most one fact a field, of names one of each `whose`.

    Args:
        text: the whole message.
        today: the date in the clinic's time zone.
        known: what the request holds already, by field. Needed only to complete what mends a part of it:
            "it's spelled Kathryn" (`full_name`), "sorry, 0143 not 0142" (`phone`).
    """
    message = read_message(text)
    if not len(message.doc):
        return ()
    return tuple(sorted(_Finder(message, today, known or {}).facts(), key=lambda fact: (fact.start, fact.end)))


def rest_of(text: str, facts: Sequence[Fact]) -> str:
    """Return what a message says besides its facts: the question in "516-555-0142, how much is it?"."""
    message = read_message(text)
    told = [message.tokens_of(fact.start, fact.end) for fact in facts]
    rest = []
    for number, part in enumerate(message.parts):
        inside = [place for place in told if place[0] < part.end and part.start < place[1]]
        if inside and not part.asks:
            continue
        after = message.parts[number + 1].start if number + 1 < len(message.parts) else len(message.doc)
        kept = [index for index in range(part.start, after) if not any(start <= index < end for start, end in inside)]
        rest.append(" ".join(message.text(start, end) for start, end in _stretches(kept)))
    return tidy(" ".join(rest)).strip(" ,;:.-–—")


def without(text: str, facts: Sequence[Fact]) -> str:
    """Return a text with its facts cut out, whatever is left: the name in "its jo park 646 555 0104 thx"."""
    left = tidy(text)
    for fact in sorted(facts, key=lambda fact: -fact.start):
        left = f"{left[: fact.start]} {left[fact.end :]}"
    return tidy(left).strip(" ,;:.-–—")


def _stretches(tokens: list[int]) -> list[tuple[int, int]]:
    """Return some tokens as stretches of neighbours."""
    stretches: list[tuple[int, int]] = []
    for index in tokens:
        if stretches and stretches[-1][1] == index:
            stretches[-1] = (stretches[-1][0], index + 1)
        else:
            stretches.append((index, index + 1))
    return stretches


class _Finder:
    """Looks for one kind of fact after the other; what is found is not looked at again."""

    def __init__(self, message: Message, today: date, known: Mapping[str, Any]) -> None:
        self._message = message
        self._today = today
        self._known = known
        self._taken = set(message.contacts)
        self._facts: list[Fact] = []

    def facts(self) -> list[Fact]:
        """Return all facts, in no order."""
        self._phone()
        self._email()
        for_other = find_for_other(self._message)
        if for_other is not None:
            self._add("for_other", for_other.value, for_other.start, for_other.end, explicit=True)
            # "For my father, Frank Miller": these words are a lead-in as well.
            self._taken.difference_update(range(for_other.start, for_other.end))
        patient_type = find_patient_type(self._message, for_other is not None)
        if patient_type is not None:
            self._add("patient_type", patient_type.value, patient_type.start, patient_type.end, explicit=True)
        self._names()
        if for_other is not None:
            self._taken.update(range(for_other.start, for_other.end))
        self._reason(for_other is not None)
        self._time()
        return self._facts

    def _phone(self) -> None:
        found = self._message.phone
        if found is not None:
            whose = whose_phone(self._message.said)
            self._add_at(
                "phone",
                found.reading.value if isinstance(found.reading, Accepted) else None,
                found.start,
                found.end,
                explicit=_NAMES_A_PHONE.search(self._lead_of(found.start)) is not None,
                correction=len(self._message.phones) > 1 and self._message.phones[0] != found,
                whose={"mine": "self", "theirs": "other"}.get(whose or "", ""),
            )
            return
        mended = mended_digits(self._message.said)
        phone = self._known.get("phone")
        if mended is None or not phone or self._message.phones:
            return
        value = mended_phone(str(phone), self._message.said)
        if value is not None:
            self._add_at("phone", value, *mended, explicit=True, correction=True)

    def _email(self) -> None:
        found = self._message.email
        if found is None or isinstance(found.reading, Refused):
            return
        doubtful = isinstance(found.reading, Doubtful)
        explicit = _NAMES_AN_EMAIL.search(self._lead_of(found.start)) is not None
        spoken = "@" not in self._message.said[found.start : found.end]
        if spoken and not explicit and not is_of_a_provider(found.reading.value):
            return
        self._add_at(
            "email",
            found.reading.value,
            found.start,
            found.end,
            explicit=explicit,
            correction=len(self._message.emails) > 1 and self._message.emails[0] != found,
            suggestion=found.reading.suggestion if isinstance(found.reading, Doubtful) and doubtful else "",
        )

    def _names(self) -> None:
        names = find_names(self._message, self._taken_with_times(), self._beside_a_fact())
        spelling = find_spelling(self._message.said)
        held = str(self._known.get("full_name") or "")
        for whose in ("self", "other"):
            # Of several, the last one that mends the others, else the first.
            of_these = [name for name in names if name.whose == whose]
            if not of_these:
                continue
            chosen = next(
                (name for name in reversed(of_these[1:]) if self._mends(name.start, "full_name")), of_these[0]
            )
            value = chosen.name
            if spelling is not None:
                # "It's Jonathan, not John" mends one word of the name that is held.
                mends_one_word = " " not in value and " " in held
                value = respelled(held if mends_one_word else value, self._message.said) or value
            self._add("full_name", value, chosen.start, chosen.end, explicit=chosen.explicit, whose=whose)
        if names or spelling is None:
            return
        mended = respelled(held, self._message.said) if held else None
        if mended is not None and mended != held:
            self._add_at("full_name", mended, spelling.start, spelling.end, explicit=spelling.explicit, correction=True)
        elif spelling.explicit and not held and is_likely_a_name(spelling.name):
            self._add_at("full_name", spelling.name, spelling.start, spelling.end, explicit=True, correction=True)

    def _reason(self, for_other: bool) -> None:
        found = find_reason(self._message, self._taken_with_times(), for_other, self._beside_a_fact())
        if found is not None:
            self._add("reason", found.value, found.start, found.end, explicit=found.explicit)

    def _time(self) -> None:
        found = find_time(self._message, frozenset(self._taken), self._today)
        if found is not None:
            self._add("preferred_time", found.value, found.start, found.end, explicit=found.explicit, typed=found.typed)

    def _beside_a_fact(self) -> bool:
        return bool(self._facts or self._message.times or self._message.phones)

    def _taken_with_times(self) -> frozenset[int]:
        return frozenset(self._taken | {index for run in self._message.times for index in range(*run)})

    def _add(
        self,
        field: str,
        value: Any,
        start: int,
        end: int,
        *,
        explicit: bool,
        typed: str | None = None,
        whose: str = "",
    ) -> None:
        """Add a fact whose tokens are known."""
        self._taken.update(range(start, end))
        places = self._message.places
        self._facts.append(
            Fact(
                field=field,
                value=value,
                start=places[start][0],
                end=places[end - 1][1],
                typed=self._message.text(start, end) if typed is None else typed,
                explicit=explicit,
                correction=self._mends(start, field) or self._instead_follows(end),
                whose=whose,
            )
        )

    def _add_at(self, field: str, value: Any, start: int, end: int, **more: Any) -> None:
        """Add a fact whose place in the text is known."""
        first, last = self._message.tokens_of(start, end)
        self._taken.update(range(first, last))
        more["correction"] = more.get("correction") or self._mends(first, field) or self._instead_follows(last)
        self._facts.append(Fact(field, value, start, end, self._message.said[start:end], **more))

    def _lead_of(self, start: int) -> str:
        """Return what stands in front of a place: the end of its sentence so far."""
        return re.split(r"[.!?;\n](?=\s|$)|\n", self._message.said[:start])[-1][-LEAD:]

    def _mends(self, token: int, field: str) -> bool:
        """Tell whether what stands in front of a token says that it mends something said before."""
        if not self._message.parts:
            return False
        part = self._message.part_of(token)
        sentence = [one for one in self._message.parts if one.sentence == part.sentence and one.start <= token]
        first = sentence[0].start if sentence else part.start
        before = self._message.text(first, token)
        previous = [one for one in self._message.parts if one.sentence == part.sentence - 1]
        shortly_before = self._message.text(previous[0].start, previous[-1].end) if previous else ""
        if len(shortly_before.split()) > MOST_WORDS_OF_AN_EXCUSE:
            shortly_before = ""
        if _MENDS.search(f"{shortly_before} {before}"):
            return True
        weakly = field in ("full_name", "phone", "email", "preferred_time")
        return weakly and any(
            _MENDS_WEAKLY.search(text) is not None and len(text.split()) <= MOST_WORDS_OF_AN_EXCUSE
            for text in (before, shortly_before)
        )

    def _instead_follows(self, end: int) -> bool:
        return (
            re.match(r"\W*(?:\w+\W+){0,2}instead\b", self._message.said[self._end_place(end) :], re.IGNORECASE)
            is not None
        )

    def _end_place(self, end: int) -> int:
        return self._message.places[end - 1][1] if end else 0
