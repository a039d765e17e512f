"""The texts for an A2P 10DLC registration, from the wording that is really sent.

Source: Twilio, "Campaign registration: required information".
"""

from collections.abc import Iterator
from typing import Any

import yaml

from frontdesk.clinic import Clinic
from frontdesk.settings import PROJECT, SettingsError
from frontdesk.sms.compose import compose, plain
from frontdesk.sms.texts import TEXTS, load_texts

DOMAIN = PROJECT / "domain.yml"
# One each of what a patient gets: the question for consent, an answer, a confirmation.
SAMPLES = ("utter_ask_consent", "utter_ask_preferred_time", "utter_request_saved")
REFERENCE = "KL-7Q2MXHD"


def registration(clinic: Clinic, public_url: str | None) -> Iterator[tuple[str, str]]:
    """Yield each field of the form with its text; raise SettingsError when the wording cannot be read."""
    texts, _ = load_texts(clinic)
    site = public_url or "the clinic's website"
    words = _keywords()
    yield "Use case", "Low Volume Mixed: Customer Care, Account Notification"
    yield (
        "Campaign description",
        f"{clinic.name} answers questions of its patients, and of people who consider becoming patients, by text: "
        "about visits, preparation, getting home, opening hours and cost. They can leave a request for an appointment, "
        "and staff answer about it. Every conversation is begun by the patient, who texts the number first or asks on "
        "the website to be contacted. There is no advertising.",
    )
    yield (
        "Message flow (how people opt in)",
        f"Patients opt in by texting the clinic's number first. It is shown on {site} together with: "
        '"Msg & data rates may apply. Message frequency varies. Reply HELP for help, STOP to opt out." '
        "The first reply says who answers, that it is automated, and how to opt out. Whoever leaves a request for an "
        f'appointment, by text or on the website, is asked: "{_consent()}" Without a yes nothing is kept and '
        "nobody is contacted. Consent is no condition of anything else. The wording and time of each yes are stored.",
    )
    for number, sample in enumerate(_samples(clinic), 1):
        yield f"Sample message {number}", sample
    yield "Opt-in keywords", ", ".join(word.upper() for word in words["start"])
    yield "Opt-in message", f"{plain(texts.started)} {plain(texts.what_now)}"
    yield "Opt-out keywords", ", ".join(word.upper() for word in words["stop"])
    yield "Opt-out message", plain(texts.stopped)
    yield "Help keywords", ", ".join(word.upper() for word in words["help"])
    yield "Help message", plain(texts.help)
    yield (
        "Content attributes",
        "Embedded links: no. Phone numbers: yes (988, 911, the clinic's). Age-gated content: no. Direct lending: no.",
    )


def _samples(clinic: Clinic) -> Iterator[str]:
    texts, _ = load_texts(clinic)
    responses = _responses()
    hello: list[dict[str, Any]] = [{"kind": "say", "text": texts.what_now}]
    yield compose(hello, texts, first=True).text
    for name in SAMPLES:
        wording = _by_sms(responses[name])
        # What a clinic's own facts would add is left out.
        text = wording["text"].replace("{lead}", REFERENCE).replace("{clinic}", "").strip()
        message = {"kind": "question", "text": text, "buttons": wording.get("buttons") or []}
        yield compose([message], texts, first=False).text
    yield texts.staff.format(words="we have an opening on Tuesday at 10. Please call us if it suits you.")


def _consent() -> str:
    return str(_by_sms(_responses()["utter_ask_consent"])["text"])


def _by_sms(wordings: list[dict[str, Any]]) -> dict[str, Any]:
    return next((wording for wording in wordings if wording.get("channel") == "sms"), wordings[0])


def _responses() -> dict[str, Any]:
    try:
        responses: dict[str, Any] = yaml.safe_load(DOMAIN.read_text(encoding="utf-8"))["responses"]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError) as error:
        raise SettingsError(f"{DOMAIN} cannot be read: {error!r}") from error
    return responses


def _keywords() -> dict[str, list[str]]:
    keywords: dict[str, list[str]] = yaml.safe_load(TEXTS.read_text(encoding="utf-8"))["keywords"]
    return keywords
