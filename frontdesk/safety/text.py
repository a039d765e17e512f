"""From what somebody typed to plain words that rules can be written for.

Nothing a person can do to letters is meant to hide a cry for help: look-alike and zero-width characters,
"s u i c i d e", "su1cide", "dieee", texting and slips of the keyboard all come out as the words they stand for.
"""

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from itertools import groupby, pairwise, product

# Letters of other alphabets that look like Latin ones and that NFKC keeps apart.
_LOOK_ALIKES = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u0501\u04bb\u0461\u043a\u043c\u0442\u0432\u043d"
    "\u03b1\u03b5\u03bf\u03c1\u03b9\u03ba\u03bd\u03c5\u03c4\u0131\u0251\u0261\u1d0b\u029f\u026a\u1d07\u1d05",
    "aeopcyxijsdhwkmtbhaeopiknutiagklied",
)
_LEET = {"0": "o", "1": "il", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "@": "a", "$": "s", "!": "i", "|": "il"}
_APOSTROPHES = dict.fromkeys(map(ord, "'\u2018\u2019\u02bc\u02b9`\u00b4"))
_OVERDOSED = re.compile(r"\bod(?:['\u2018\u2019\u02bc`\u00b4]|e)d\b")  # without its apostrophe it is "odd"
_MARKUP = re.compile(r"<[^<>]{0,200}>|&[a-z]{2,6};|\\[nrt]")
_LETTER = r"[^\W\d_]"
# Single letters with anything but letters between them: "d i e", "k.m.s", "s-u-i-c-i-d-e".
_SPELLED_OUT = re.compile(rf"(?<!{_LETTER})(?:{_LETTER}[\W_]{{1,3}}){{2,}}{_LETTER}(?!{_LETTER})")
_TOKEN = re.compile(r"[a-z0-9@$|*!]*[a-z][a-z0-9@$|*!]*|\d+|[.?!,;\n]")
_SENTENCE_END = frozenset(".?!;\n")
_MIXED = re.compile(r"[0-9@$|!*]")
LONGEST_GUESS = 12  # letters of a word that "su1c1de" is looked up as


class Words:
    """Knows the words that the rules use, and brings what was typed back to them."""

    def __init__(
        self, known: Collection[str], spellings: Mapping[str, Sequence[str]], keywords: Collection[str]
    ) -> None:
        """Prepare.

        Args:
            known: every word of every rule.
            spellings: what other spellings stand for, perhaps several words.
            keywords: words so rarely meant otherwise that one wrong letter does not hide them.
        """
        self._known = frozenset(known)
        self._spellings = {wrong: tuple(right) for wrong, right in spellings.items()}
        self._slips = {slip: word for word in keywords for slip in _slips(word) if slip not in self._known}

    def read(self, text: str) -> list[str]:
        """Return the words and marks of a text: known words, `SENTENCE_END`, ",", numbers, and other words as typed."""
        found: list[str] = []
        for raw in _TOKEN.findall(_joined(plain(text))):
            # "die!" ends with a mark, "d!e" has a letter that looks like one.
            token = raw.rstrip("!")
            if token:
                found.extend(self._word(token))
            if raw != token:
                found.append(".")
        return found

    def _word(self, written: str) -> Sequence[str]:
        if written in self._known or written in _SENTENCE_END or written == ",":
            return (written,)
        if written in self._spellings:
            return self._spellings[written]
        for guess in self._guesses(written):
            if guess in self._known:
                return (guess,)
            if guess in self._spellings:
                return self._spellings[guess]
        if written in self._slips:
            return (self._slips[written],)
        return (written,)

    def _guesses(self, written: str) -> list[str]:
        guesses: list[str] = []
        if _MIXED.search(written) and not written.isdigit() and len(written) <= LONGEST_GUESS:
            letters = [_LEET.get(character, character) for character in written]
            guesses += ["".join(choice) for choice in product(*letters)][:16]
            if "*" in written:
                pattern = re.compile(re.escape(written).replace(r"\*", "[a-z]?"))
                guesses += sorted(word for word in self._known if len(word) > 2 and pattern.fullmatch(word))
        for word in [written, *guesses]:
            runs = [(letter, len(list(run))) for letter, run in groupby(word)]
            if any(length > 2 for _letter, length in runs):
                choices = [(letter, letter * 2) if length > 1 else (letter,) for letter, length in runs]
                guesses = [*guesses, *("".join(choice) for choice in list(product(*choices))[:16])]
        return guesses


def plain(text: str) -> str:
    """Return the text in small Latin letters without accents, invisible characters, apostrophes and markup."""
    text = unicodedata.normalize("NFKC", text).casefold().translate(_LOOK_ALIKES)
    text = _OVERDOSED.sub("overdosed", text).translate(_APOSTROPHES)
    text = _MARKUP.sub(" ", text)
    kept = []
    for character in unicodedata.normalize("NFKD", text):
        category = unicodedata.category(character)
        if category in {"Cf", "Mn", "Me", "Cc"} and character not in "\n\t":
            continue
        # Emoji and other symbols stand for nothing; "$" and "|" may be letters.
        kept.append(" " if category in {"So", "Sk", "Co", "Cs"} else character)
    return "".join(kept)


def _joined(text: str) -> str:
    """Join what is spelled out letter by letter; two or more spaces are taken for the end of a word."""

    def join(match: "re.Match[str]") -> str:
        words = re.split(r"\s{2,}|\s*[/|]\s*", match[0])
        return " ".join(re.sub(r"[\W_]+", "", word) for word in words)

    return _SPELLED_OUT.sub(join, text)


def _slips(word: str) -> set[str]:
    """Return the word with one letter missing, doubled, exchanged with its neighbour or replaced by another."""
    slips = set()
    for at in range(1, len(word)):
        slips.add(word[:at] + word[at + 1 :])
        slips.add(word[:at] + word[at] + word[at:])
        slips.add(word[: at - 1] + word[at] + word[at - 1] + word[at + 1 :])
        slips.update(word[:at] + letter + word[at + 1 :] for letter in "aeioustnrlcdm")
    return slips - {word}


def sentences(words: Sequence[str]) -> list[tuple[int, int]]:
    """Return where sentences begin and end in the words of a text, without the marks that end them."""
    edges = [-1, *(index for index, word in enumerate(words) if word in _SENTENCE_END), len(words)]
    return [(start + 1, end) for start, end in pairwise(edges) if end > start + 1]
