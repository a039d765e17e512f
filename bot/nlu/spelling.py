"""Texting spelling and misspelled words, put right before anything else reads a message. Knows nothing of Rasa."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from symspellpy import SymSpell, Verbosity
from symspellpy.suggest_item import SuggestItem

SHORTEST_CORRECTED = 4  # letters; shorter ones have too many neighbours
FAR_FROM = 7  # letters from which two slips are put right, in words of our own only
LONGEST_RUN_TOGETHER = 60
SHORTEST_RUN_TOGETHER = 11
# The commonest English words: what a word may be taken for. All words of the list are left as they are.
ENGLISH_TARGETS = 30_000
# A word that English does not have is ours when this many examples spell it so, and a slip otherwise.
FEWEST_OWN = 3
OWN_COUNT = 10**9  # above every count of the English list: of two equally near words, ours wins

_PREFIX = 7
_PIECE = re.compile(
    r"\b(?:w/o\b|w/out\b|w/(?=\s|[a-z]|$)|b/c\b|b/t\b)|[^\W_]+(?:['’][^\W_]+)*|\s+|.", re.DOTALL | re.IGNORECASE
)
_STRETCHED = re.compile(r"([a-z])\1{2,}", re.IGNORECASE)
_DOUBLED = re.compile(r"([a-z])\1", re.IGNORECASE)
_LETTERS = re.compile(r"[a-z]+", re.IGNORECASE)

ANY, START, END = "any", "start", "end"


@dataclass(frozen=True)
class _InContext:
    read: str
    before: frozenset[str]
    after: frozenset[str]
    not_after: frozenset[str]


class SpellingRules:
    """What `data/language/spelling.yml` says: short forms, and those that depend on the words beside them."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        """Read the file's content; raises ValueError saying which entry is wrong."""
        if not isinstance(content, Mapping):
            raise ValueError("it has to be a mapping")
        short_forms = content.get("short_forms")
        in_context = content.get("in_context")
        if not isinstance(short_forms, dict) or not isinstance(in_context, list):
            raise ValueError("`short_forms` has to be a mapping and `in_context` a list")
        for key, value in short_forms.items():
            if not _is_text(key) or not _is_text(value):
                raise ValueError(f"short_forms: `{key}: {value}` has to be text on both sides")
        needed = {"write", "read", "before", "after"}
        for entry in in_context:
            if not isinstance(entry, dict) or not needed <= set(entry) <= needed | {"not_after"}:
                raise ValueError(f"in_context: {entry!r} needs `write`, `read`, `before`, `after`, perhaps `not_after`")
            for key in ("before", "after", "not_after"):
                wrong = [word for word in entry.get(key, ()) if not isinstance(word, str)]
                if wrong:  # YAML takes on, off, yes and no for true and false
                    raise ValueError(f"in_context: `{entry['write']}`, {key}: {wrong[0]!r} has to be text; use quotes")
            if not _is_text(entry["write"]) or not _is_text(entry["read"]):
                raise ValueError(f"in_context: {entry!r}: `write` and `read` have to be text")
            for key in sorted({"before", "after", "not_after"} & set(entry)):
                if not _is_list_of_text(entry[key]):
                    raise ValueError(f"in_context: {entry!r}: `{key}` has to be a list of words")
        plain_words = content.get("words") or []
        if not _is_list_of_text(plain_words):
            raise ValueError("`words` has to be a list of words")
        self.content = {"short_forms": short_forms, "words": plain_words, "in_context": in_context}
        self._words = frozenset(word.casefold() for word in plain_words)
        self.short_forms = {key.casefold(): value for key, value in short_forms.items()}
        self._in_context: dict[str, list[_InContext]] = {}
        for entry in in_context:
            lists = (frozenset(entry.get(key, ())) for key in ("before", "after", "not_after"))
            self._in_context.setdefault(entry["write"].casefold(), []).append(_InContext(entry["read"], *lists))

    def read(self, word: str, before: str | None, after: str | None) -> str | None:
        """Return what a word stands for between its neighbours (None at an end), or None if only itself."""
        for known in self._in_context.get(word, ()):
            if _fits(before, known.before, START) and _fits(after, known.after, END) and after not in known.not_after:
                return known.read
        return self.short_forms.get(word)

    def words(self) -> set[str]:
        """Return every word that the rules know or lead to."""
        known = {*self._words, *self.short_forms, *self._in_context}
        readings = [entry.read for entries in self._in_context.values() for entry in entries]
        for reading in (*self.short_forms.values(), *readings):
            known.update(_LETTERS.findall(reading.casefold()))
        return known


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_list_of_text(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _fits(neighbour: str | None, allowed: frozenset[str], edge: str) -> bool:
    if neighbour is None:
        return edge in allowed
    return neighbour in allowed or (ANY in allowed and neighbour.isalpha())


def english_words() -> dict[str, int]:
    """Return symspellpy's English words with how often they occur (from Google Books and SCOWL)."""
    listed = resources.files("symspellpy").joinpath("frequency_dictionary_en_82_765.txt").read_text("utf-8-sig")
    words = (line.split(" ") for line in listed.splitlines() if line)
    return {word: int(count) for word, count in words}


def own_words(texts: Iterable[str], terms: Iterable[str], english: Mapping[str, int]) -> dict[str, int]:
    """Return the words of the assistant's own subject, with how many texts have each.

    Args:
        texts: training examples, misspelled ones among them; a word that English does not have counts
            only when it is in FEWEST_OWN of them.
        terms: names that are always right (conditions, medicines, words of the answers).
        english: as `english_words` returns it.
    """
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(set(_LETTERS.findall(text.casefold())))
    certain = {word for term in terms for word in _LETTERS.findall(term.casefold())}
    certain |= {word for word in counts if word in english}
    near = SymSpell(max_dictionary_edit_distance=2, prefix_length=_PREFIX)
    for word in sorted(certain):
        near.create_dictionary_entry(word, counts[word] + 1)
    own = set(certain)
    for word, count in counts.items():
        if count >= FEWEST_OWN and word not in certain:
            alike = near.lookup(word, Verbosity.CLOSEST, max_edit_distance=2 if len(word) >= FAR_FROM else 1)
            if all(found.count <= count for found in alike):  # a slip is rarer than what was meant
                own.add(word)
    return {word: counts[word] + 1 for word in sorted(own) if len(word) >= SHORTEST_CORRECTED}


@dataclass(frozen=True)
class SpelledOut:
    """A text in ordinary spelling. `origins` has, for each of its parts, where the part begins and ends here and,
    second, where in the text as it was written.
    """

    text: str
    origins: tuple[tuple[int, int, int, int], ...]

    @classmethod
    def join(cls, pieces: Iterable[tuple[int, int, str]]) -> "SpelledOut":
        """Put together pieces, each with where it was in the original."""
        text = ""
        origins = []
        for start, end, piece in pieces:
            origins.append((len(text), len(text) + len(piece), start, end))
            text += piece
        return cls(text, tuple(origins))

    def original_span(self, start: int, end: int) -> tuple[int, int]:
        """Return where the characters from `start` to `end` of this text are in the original."""
        touched = [origin for origin in self.origins if origin[0] < end and origin[1] > start]
        return (touched[0][2], touched[-1][3]) if touched else (0, 0)


class Normalizer:
    """Turns "howw lng b4 i can driv, u no?" into "how long before i can drive, you no?"."""

    def __init__(self, rules: SpellingRules, own: Mapping[str, int]) -> None:
        """Prepare to correct towards `own` words first, as `own_words` returns them, and English ones second."""
        self.rules = rules
        self.own = dict(own)
        english = english_words()
        self._known = {*english, *self.own, *rules.words()}
        self._near_own = SymSpell(max_dictionary_edit_distance=2, prefix_length=_PREFIX)
        for word, count in self.own.items():
            self._near_own.create_dictionary_entry(word, count)
        self._near_english = SymSpell(max_dictionary_edit_distance=1, prefix_length=_PREFIX)
        targets = sorted(english, key=english.__getitem__, reverse=True)[:ENGLISH_TARGETS]
        for word in targets:
            if word not in self.own:
                self._near_english.create_dictionary_entry(word, english[word])
        total = sum(english[word] for word in targets)
        # log10 probabilities, for words run together; our own words are at least as likely as common English ones
        self._likelihood = {word: math.log10(english[word] / total) for word in targets if len(word) > 1}
        for word, count in self.own.items():
            likely = math.log10(count / (20 * sum(self.own.values())))
            self._likelihood[word] = max(self._likelihood.get(word, -math.inf), likely)
        for word in ("a", "i"):
            self._likelihood[word] = -2.5
        self._memory: dict[str, str] = {}

    def __call__(self, text: str) -> str:
        """Return the text in ordinary spelling. Punctuation, numbers and what is not understood stay."""
        return self.spelled_out(text).text

    def spelled_out(self, text: str) -> "SpelledOut":
        """Return the text in ordinary spelling, and which part of the original each part of it stands for."""
        pieces = [(found.start(), found.end(), found[0]) for found in _PIECE.finditer(_unshouted(text))]
        words = [index for index, (_start, _end, piece) in enumerate(pieces) if piece[0].isalnum()]
        lowered = [pieces[index][2].casefold().replace("\u2019", "'") for index in words]
        if len(words) == 1:
            apart = self._taken_apart(lowered[0])
            if apart is not None:
                start, end, _piece = pieces[words[0]]
                pieces[words[0]] = (start, end, self(" ".join(apart)))
                words = []
        for place, index in enumerate(words):
            before = lowered[place - 1] if place else None
            after = lowered[place + 1] if place + 1 < len(words) else None
            start, end, piece = pieces[index]
            reading = self._read(piece, lowered[place], before, after)
            if piece.endswith("/") and index + 1 in words:
                reading += " "  # "w/my": the slash kept them apart
            pieces[index] = (start, end, reading)
        return SpelledOut.join(pieces)

    def _read(self, written: str, word: str, before: str | None, after: str | None) -> str:
        reading = self.rules.read(word, before, after)
        if reading is not None:
            return reading
        if not _LETTERS.fullmatch(word):
            return written
        if word in self._known and len(word) > 1:
            return written
        squeezed = _STRETCHED.sub(r"\1\1", word)
        if squeezed != word:
            for candidate in (squeezed, _STRETCHED.sub(r"\1", word)):
                if candidate in self._known or self.rules.read(candidate, before, after):
                    return self.rules.read(candidate, before, after) or candidate
            word = squeezed
        if len(word) < SHORTEST_CORRECTED:
            return written
        if written[0].isupper() and before is not None and not written.isupper():
            # A name inside a sentence is no slip, unless it comes near a word of ours ("Ketemine").
            return self._corrected(word, ours_only=True)
        if word not in self._memory:
            if len(self._memory) > 10_000:
                self._memory.clear()
            self._memory[word] = self._corrected(word)
        return self._memory[word]

    def _corrected(self, word: str, ours_only: bool = False) -> str:
        undoubled = _DOUBLED.sub(r"\1", word)
        if undoubled in self._known:
            return undoubled
        candidates = self._near_own.lookup(word, Verbosity.CLOSEST, max_edit_distance=1)
        candidates += self._near_english.lookup(word, Verbosity.CLOSEST, max_edit_distance=1)
        if ours_only:
            candidates = [found for found in candidates if found.term in self.own and len(word) > SHORTEST_CORRECTED]
        likely = [found for found in candidates if found.term in self.own or _is_plain_slip(word, found.term)]
        if likely:
            return min(likely, key=lambda found: self._rank(word, found)).term
        if len(word) >= FAR_FROM:
            near = self._near_own.lookup(word, Verbosity.TOP, max_edit_distance=2)
            if near:
                return near[0].term
        return word

    def _rank(self, word: str, found: SuggestItem) -> tuple[bool, bool, bool, int]:
        """Order candidates: the same first letter, ours, letters left out or swapped before others, the commoner."""
        return (
            found.term[0] != word[0],
            found.term not in self.own,
            not (_is_within(word, found.term) or sorted(word) == sorted(found.term)),
            -found.count,
        )

    def _taken_apart(self, word: str) -> Sequence[str] | None:
        """Return the words of a text written without spaces, or None if it is one word or none at all."""
        word = word.casefold()
        if not SHORTEST_RUN_TOGETHER <= len(word) <= LONGEST_RUN_TOGETHER or not word.isascii() or word in self._known:
            return None
        if not word.isalpha() or self._corrected(word) != word:
            return None
        unknown = -4.0 * len(word)
        best: list[tuple[float, int]] = [(0.0, 0)]
        for end in range(1, len(word) + 1):
            options = []
            for start in range(max(0, end - 16), end):
                likely = self._likelihood.get(word[start:end])
                if likely is not None:
                    options.append((best[start][0] + likely, start))
            best.append(max(options, default=(unknown * 10, end - 1)))
        if best[-1][0] < unknown:
            return None
        found: list[str] = []
        end = len(word)
        while end:
            start = best[end][1]
            found.append(word[start:end])
            end = start
        return found[::-1] if len(found) > 1 else None


def _is_plain_slip(word: str, candidate: str) -> bool:
    """Tell a letter left out, doubled or swapped, which anybody may do in any word, from another word."""
    if len(word) >= FAR_FROM:
        return True
    return _is_within(word, candidate) or sorted(word) == sorted(candidate) or _DOUBLED.sub(r"\1", word) == candidate


def _is_within(short: str, word: str) -> bool:
    """Tell whether the letters of `short` are in `word`, in this order."""
    letters = iter(word)
    return all(letter in letters for letter in short)


def _unshouted(text: str) -> str:
    """Return the text in small letters if it is all in capitals; its characters keep their places."""
    letters = [character for character in text if character.isalpha()]
    if len(letters) <= 5 or sum(map(str.isupper, letters)) <= 0.8 * len(letters):
        return text
    # "\u0130" in small letters is two characters.
    return "".join(small if len(small := character.lower()) == 1 else character for character in text)
