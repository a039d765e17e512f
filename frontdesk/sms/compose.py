"""From the assistant's messages to the text of one SMS."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from frontdesk.sms.texts import SmsTexts

LONGEST_SMS = 1_600

# What costs 7 bits a character (3GPP TS 23.038). One character outside more than doubles the price of an SMS.
_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_7 = frozenset(_BASIC + "^{}\\[~]|€")

_PLAIN = str.maketrans(
    {
        "\u2018": "'", "\u2019": "'", "\u201a": "'", "\u201b": "'", "`": "'", "\u00b4": "'", "\u2032": "'",
        "\u201c": '"', "\u201d": '"', "\u201e": '"', "\u2033": '"', "\u00ab": '"', "\u00bb": '"',
        "\u2010": "-", "\u2011": "-", "\u2012": "-", "\u2013": "-", "\u2014": "-", "\u2015": "-",
        "\u2212": "-", "\u2022": "-", "\u00b7": "-", "\u2026": "...", "\u2192": "->", "\u00d7": "x",
        "\u2264": "<=", "\u2265": ">=", "\u00bc": " 1/4", "\u00bd": " 1/2", "\u00be": " 3/4",
        "\u2044": "/", "\u00b0": " deg", "\t": " ", "\r": "\n",
    }
)  # fmt: skip
_SENTENCE_END = re.compile(r"[.!?](?=\s)|\n")


def plain(text: str) -> str:
    """Return the text in GSM-7: plain quotation marks and dashes, no emoji, the few accents GSM-7 has.

    A letter of another script stays, though it makes the SMS longer: it may be in somebody's name.
    """
    text = unicodedata.normalize("NFC", text).replace("\r\n", "\n").translate(_PLAIN)
    text = "".join(character if character in GSM_7 else _plain_character(character) for character in text)
    return re.sub(r" *\n *", "\n", re.sub(r" {2,}", " ", text)).strip()


def shorten(text: str, room: int, more: str) -> str:
    """Return the text in `room` characters: cut after a sentence, and then saying that there is more."""
    if len(text) <= room:
        return text
    room = max(0, room - len(more) - 1)
    sentences = [end.end() for end in _SENTENCE_END.finditer(text, 0, room + 1) if end.end() <= room]
    cut = sentences[-1] if sentences else text.rfind(" ", 0, room + 1)
    head = text[: cut if cut > 0 else room].rstrip()
    return f"{head} {more}".strip()


def compose(messages: Sequence[dict[str, Any]], texts: SmsTexts, *, first: bool) -> str:
    """Return one SMS: the messages with a blank line between, their buttons as numbered choices.

    `messages` are those of the chat API. `first` adds who is speaking: in front, unless there is a safety
    message, which has to be the first thing read.
    """
    parts = [plain(message["text"]) for message in messages]
    body = "\n\n".join(part for part in parts if part)
    titles = [button["title"] for message in messages for button in message.get("buttons") or []]
    choices = [plain(f"{number} {title}") for number, title in enumerate(titles, 1)]
    is_safety = any(message["kind"] == "safety" for message in messages)
    before = [plain(texts.first)] if first and not is_safety else []
    after = ["\n".join([plain(texts.choices), *choices])] if choices else []
    after += [plain(texts.first)] if first and is_safety else []
    room = LONGEST_SMS - sum(len(part) + 2 for part in (*before, *after))
    return "\n\n".join([*before, shorten(body, room, plain(texts.more)), *after])[:LONGEST_SMS]


def _plain_character(character: str) -> str:
    simpler = unicodedata.normalize("NFKD", character).translate(_PLAIN)
    kept = "".join(part for part in simpler if part in GSM_7)
    return kept or (character if character.isalnum() else "")
