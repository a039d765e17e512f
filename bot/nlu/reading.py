"""What spaCy reads from a message: the questions it is made of, and the conditions, medicines, days … it names.

Needs no downloaded pipeline: spaCy's tokenizer, its sentencizer, and its matchers over lists. Knows nothing of Rasa.
"""

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import spacy
from spacy.language import Language
from spacy.matcher import Matcher
from spacy.tokens import Doc, Span

MOST_PARTS = 3
MOST_SPLITS = 3
FEWEST_WORDS = 2


_ASKING = ["how", "what", "when", "where", "why", "who", "which", "whose", "whether"]
_AUXILIARIES_WORDS = (
    "is are was were am do does did can could will would shall should may might must have has had ca wo isn't "
    "aren't don't doesn't can't won't"
)
_AUXILIARIES = _AUXILIARIES_WORDS.split()
_SUBJECTS_WORDS = (
    "i you he she it we they this that these those there my your his her its our their the a an any anyone "
    "anybody someone somebody ketamine insurance medicare medicaid patients people parking kids children staff "
    "nurses doctors"
)
_SUBJECTS = _SUBJECTS_WORDS.split()
# No "or": it mostly joins two answers to one question ("is it a drip or is it a shot").
_JOINING_WORDS = "and also but plus then so oh & + separately second secondly next lastly finally"
_JOINING = _JOINING_WORDS.split()
_REQUESTS_WORDS = (
    "tell know wonder wondering wondered curious ask asking explain describe understand figure find worried confused"
)
_REQUESTS = _REQUESTS_WORDS.split()
# A clause that begins so is part of the question before it: "can I drive if I feel fine", "what happens when I wake".
_DEPENDENT_WORDS = "if when because since while until unless before after though although that than as"
_DEPENDENT = frozenset(_DEPENDENT_WORDS.split())
# Numbers of North America, however they are set apart (516-555-0142, +1 (516) 555 0142), and others with their "+".
_PHONE = re.compile(
    r"(?<!\d)(?:\+?1[\s.\-]{0,2})?\(?[2-9]\d{2}\)?[\s.\-/]{0,3}[2-9]\d{2}[\s.\-]{0,3}\d{4}(?!\d)|\+\d[\d\s().\-]{7,}\d"
)
_NO_WORDS = re.compile(r"[{}<>\[\]]")  # of programs: typed by nobody who leaves a number
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+\.\w{2,}")
_NEGATED = {"LOWER": {"IN": ["n't", "not", "n\u2019t"]}, "OP": "?"}
_VERB_FIRST = [{"LOWER": {"IN": _AUXILIARIES}}, _NEGATED, {"LOWER": {"IN": _SUBJECTS}}]


@dataclass(frozen=True)
class NamedThing:
    """A condition, medicine, day … that a text names; `start` and `end` are characters of that text."""

    entity: str
    value: str
    start: int
    end: int


@dataclass(frozen=True)
class Split:
    """A way to take a text apart, `at_clauses` or sentences, or else just where words are listed.

    `each_asks`: every part is a question by itself, and none just tells something.
    """

    parts: Tuple[str, ...]
    at_clauses: bool
    each_asks: bool = False


def gives_contact(text: str) -> bool:
    """Tell whether a phone number or an e-mail address is in a text."""
    if _NO_WORDS.search(text):
        return False
    return _PHONE.search(text) is not None or _ADDRESS.search(text) is not None


class Reader:
    """Splits texts and names things, all in ordinary spelling."""

    def __init__(self, entities: Mapping[str, Mapping[str, Sequence[str]]]) -> None:
        """Prepare to recognise `{entity: {value: [other ways to write it]}}`."""
        self.entities = {
            name: {value: list(others) for value, others in values.items()} for name, values in entities.items()
        }
        self._language = _language(self.entities)
        begins = [
            [{"LOWER": {"IN": [word for word in _ASKING if word not in _DEPENDENT]}}],
            [{"LOWER": {"IN": ["when", "where"]}}, {"LOWER": {"IN": [*_AUXILIARIES, "'s"]}}],
            _VERB_FIRST,
        ]
        joined = {"LOWER": {"IN": _JOINING}, "OP": "+"}
        otherwise = [{"LOWER": "if"}, {"LOWER": {"IN": ["not", "so"]}}]
        comma = {"TEXT": {"IN": [",", ";", "-", "--", "/", "\u2013", "\u2014", "..."]}}
        patterns: Dict[str, List[List[Dict[str, Any]]]] = {
            "question": [[{"LOWER": {"IN": _ASKING}}], _VERB_FIRST, [{"LOWER": {"IN": _REQUESTS}}]],
            "request": [[{"LOWER": {"IN": _REQUESTS}}]],
            "boundary": [
                [*joining, *begin] for begin in begins for joining in ([joined], [comma, joined], [comma], otherwise)
            ],
            "weak_boundary": [
                [{"LOWER": {"IN": ["and", "&", "+", "plus", "or"]}}, {"IS_ALPHA": True}],
                [{"TEXT": {"IN": [",", ";", "/"]}}, {"IS_ALPHA": True}],
            ],
        }
        # One each: a matcher looks for all it knows, whatever is asked of it.
        self._matchers: Dict[str, Matcher] = {}
        for name, wanted in patterns.items():
            self._matchers[name] = Matcher(self._language.vocab)
            self._matchers[name].add(name, wanted)

    def read(self, text: str) -> Doc:
        """Return the text as a spaCy document with sentences and named things."""
        return self._language(text)

    @staticmethod
    def named(doc: Doc) -> List[NamedThing]:
        """Return what a document names."""
        return [NamedThing(span.label_, span.ent_id_ or span.text, span.start_char, span.end_char) for span in doc.ents]

    @staticmethod
    def sentences(doc: Doc) -> List[str]:
        """Return the sentences that have words."""
        return [span.text.strip() for span in doc.sents if any(token.is_alpha for token in span)]

    def asking(self, doc: Doc) -> List[str]:
        """Return the sentences that ask."""
        return [span.text.strip() for span in doc.sents if any(token.is_alpha for token in span) and self._asks(span)]

    def splits(self, doc: Doc) -> List[Split]:
        """Return the ways in which a text may be more than one question, the likelier ones first.

        None for more questions than are answered at once.
        """
        questions = self._questions(doc)
        if len(questions) > MOST_PARTS:
            return []
        found = {tuple(questions): True}
        found.update(dict.fromkeys(self._halves(doc, self._clause_starts(doc)), True))
        listed = [tuple(self.phrases(doc)), *self._halves(doc, self._starts(doc[:], "weak_boundary"))]
        found.update((parts, False) for parts in listed if parts not in found)
        ways = [(parts, at_clauses) for parts, at_clauses in found.items() if len(parts) > 1]
        return [
            Split(parts, at_clauses, all(self._asks(self._language.make_doc(part)[:]) for part in parts))
            for parts, at_clauses in ways[:MOST_SPLITS]
        ]

    def questions(self, doc: Doc) -> List[str]:
        """Return the questions a text may be made of: sentences that ask, and clauses that are joined.

        Statements around them ("I have PTSD.") are left out. One part or none: there is nothing to split.
        """
        parts = self._questions(doc)
        return parts if len(parts) <= MOST_PARTS else []

    def phrases(self, doc: Doc) -> List[str]:
        """Return what "price and parking?" lists: the text split where words are only joined, not clauses."""
        pieces = _cut(doc[:], self._starts(doc[:], "weak_boundary"))
        parts = [part for part in (_bare(piece, set(_JOINING) | {","}) for piece in pieces) if part]
        return parts if 2 <= len(parts) <= MOST_PARTS else []

    def _questions(self, doc: Doc) -> List[str]:
        return [clause for sentence in doc.sents if self._asks(sentence) for clause in self._clauses(sentence)]

    def _clause_starts(self, doc: Doc) -> List[int]:
        sentences = [sentence.start for sentence in doc.sents if sentence.start > 0]
        return [*sentences, *(start for start in self._starts(doc[:], "boundary") if start not in sentences)]

    @staticmethod
    def _halves(doc: Doc, starts: Sequence[int]) -> List[Tuple[str, ...]]:
        """Return the text cut in two before each of these tokens, where that leaves words on both sides."""
        halves = [
            tuple(_bare(half, set(_JOINING) | {","}) for half in (doc[:start], doc[start:]))
            for start in starts
            if start > 0
        ]
        return [(first, second) for first, second in halves if first and second]

    def _starts(self, span: Span, name: str) -> List[int]:
        """Return where in its document matches of a span begin."""
        return sorted({span.start + start for _key, start, _end in self._matchers[name](span)})

    def _clauses(self, sentence: Span) -> List[str]:
        kept: List[int] = []
        for start in self._starts(sentence, "boundary"):
            before = sentence.doc[kept[-1] if kept else sentence.start : start]
            if sum(token.is_alpha for token in before) >= FEWEST_WORDS and self._asks(before):
                kept.append(start)
        pieces = _cut(sentence, kept)
        return [_bare(piece, set(_JOINING)) for piece in pieces if any(token.is_alpha for token in piece)]

    def _asks(self, span: Span) -> bool:
        """Tell a question from a statement; without a mark at its end a question word anywhere makes it one."""
        text = span.text.rstrip()
        if text.endswith("?"):
            return True
        starts = [start for _key, start, _end in self._matchers["question"](span)]
        if text.endswith((".", "!")):
            return any(start <= 1 for start in starts) or bool(self._matchers["request"](span))
        return bool(starts)


def _language(entities: Mapping[str, Mapping[str, Sequence[str]]]) -> Language:
    language = spacy.blank("en")
    language.add_pipe("sentencizer", config={"punct_chars": [".", "!", "?", "\n", ";", "…"]})
    ruler = language.add_pipe("entity_ruler", config={"phrase_matcher_attr": "LOWER"})
    patterns: List[Dict[str, Any]] = []
    for entity, values in entities.items():
        for value, others in values.items():
            for written in {value, *others}:
                for form in {written, f"{written}s"}:
                    patterns.append({"label": entity, "pattern": form, "id": value})
    ruler.add_patterns(patterns)  # type: ignore[attr-defined]
    return language


def _cut(span: Span, starts: Sequence[int]) -> List[Span]:
    """Cut a span before each of these tokens."""
    edges = [span.start, *(start for start in starts if span.start < start < span.end), span.end]
    return [span.doc[first:last] for first, last in pairwise(edges)]


def _bare(span: Span, joining: "set[str]") -> str:
    """Return a part's words without the words and marks that joined it to the one before."""
    first: Optional[int] = None
    for token in span:
        if (token.is_alpha and token.lower_ not in joining) or token.like_num:
            first = token.i
            break
    if first is None:
        return ""
    last = max(token.i for token in span if not token.is_space and token.text not in {",", ";", "-", "/"})
    return str(span.doc[first : last + 1].text).strip()
