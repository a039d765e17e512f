"""Sending a text through Twilio's REST API: the outbox's destination for texts.

Twilio knows no key by which it would take a text only once. So an attempt is noted before it is made; when its outcome
is not known, the texts that Twilio has are looked through before it is made again.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import requests
import structlog
from twilio.base.exceptions import TwilioException, TwilioRestException  # type: ignore[import-untyped]
from twilio.http.http_client import TwilioHttpClient  # type: ignore[import-untyped]
from twilio.rest import Client  # type: ignore[import-untyped]

from frontdesk.chat.models import Conversation
from frontdesk.db import Database, utc_now
from frontdesk.outbox.destination import DeliveryFailed, NotNow
from frontdesk.outbox.notices import Notice
from frontdesk.outbox.store import QUIET_HOURS, SMS
from frontdesk.settings import Settings
from frontdesk.sms import store
from frontdesk.sms.models import OptOutSource, SmsNumber, SmsOutbound, TextKind, TextStatus
from frontdesk.sms.quiet import next_allowed

log = structlog.get_logger(__name__)

TIMEOUT_SECONDS = 10.0
# Somebody waits for it: the first repeat comes soon.
FIRST_PAUSE = timedelta(seconds=4)
# A reply that comes later than this answers what nobody asks any more.
TOO_LATE = timedelta(hours=1)
# Of texts to one number, how soon it is looked whether the earlier one has gone.
IN_TURN_AGAIN = timedelta(seconds=2)
# For a text that may have been sent, so many are looked through: those sent around the time of the attempt.
LOOKED_THROUGH, AT_ONCE = 5_000, 1_000
SENT_WITHIN = timedelta(minutes=15)

OPTED_OUT, WRONG_TOKEN, TOO_FAST = 21610, 20003, 20429


@dataclass(frozen=True)
class TwilioAccount:
    """Where texts are sent from. `tokens` has two while the account changes from one to the other."""

    sid: str
    tokens: Sequence[str]
    number: str | None
    api_url: str
    status_url: str

    @classmethod
    def of(cls, settings: Settings) -> "TwilioAccount | None":
        """Return the account in the settings; None when texts can only be answered, not sent."""
        tokens = settings.twilio_tokens
        if not (settings.twilio_account_sid and tokens and settings.public_url):
            return None
        return cls(
            sid=settings.twilio_account_sid,
            tokens=tokens,
            number=settings.twilio_phone_number,
            api_url=settings.twilio_api_url,
            status_url=status_url(settings.public_url),
        )


def status_url(public_url: str) -> str:
    """Return where Twilio tells what became of a text."""
    return public_url.strip().rstrip("/") + STATUS_PATH


STATUS_PATH = "/sms/twilio/status"


def clients(account: TwilioAccount) -> list[Client]:
    """Return a client for each token. What it sends and gets is never logged."""
    silent = logging.getLogger(f"{__name__}.http")
    silent.disabled = True
    made = []
    for token in account.tokens:
        client = Client(
            account.sid, token, http_client=TwilioHttpClient(timeout=TIMEOUT_SECONDS, logger=silent, max_retries=0)
        )
        client.api.base_url = account.api_url
        made.append(client)
    return made


class SmsDestination:
    """Takes texts from the outbox to Twilio, those of one number in order. Asks the opt-out ledger before each."""

    def __init__(
        self,
        database: Database,
        account: TwilioAccount,
        zone: ZoneInfo,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._database = database
        self._account = account
        self._zone = zone
        self._clock = clock
        self._clients = clients(account)

    @property
    def name(self) -> str:
        """Name it as deliveries do."""
        return SMS

    def send(self, notice: Notice) -> None:
        """Have Twilio take a text; raise DeliveryFailed or NotNow. One that may not be sent any more is not."""
        ready = self._prepare(notice.text or "")
        if ready is None:
            return
        text, address, sender, is_repeat = ready
        try:
            sid = self._found(text, address, sender) if is_repeat else None
            sid = sid or self._create(text, address, sender)
        except TwilioRestException as error:
            self._refused(text, error)
        except (requests.RequestException, TwilioException, OSError) as error:
            if isinstance(error, requests.Timeout):
                # Twilio may be about to take it: it is looked for once it surely has, or has not.
                raise DeliveryFailed("timeout") from error
            raise DeliveryFailed("no_connection", first_pause=FIRST_PAUSE) from error
        else:
            with self._database.session() as session:
                sent = session.get_one(SmsOutbound, text.id, with_for_update=True)
                sent.message_sid = sid
                if sent.status in (TextStatus.SENDING, TextStatus.WAITING, TextStatus.FAILED):
                    # Not if a callback was faster.
                    sent.status, sent.status_at, sent.error_code = "queued", self._clock(), None
            log.info("sms_sent", text=text.id, message_sid=sid)

    def _prepare(self, text_id: str) -> tuple[SmsOutbound, str, str | None, bool] | None:
        """Return a text with its addresses, noted as being sent; None when there is nothing to send any more."""
        now = self._clock()
        with self._database.session() as session:
            text = session.get(SmsOutbound, text_id, with_for_update=True)
            if text is None or text.message_sid is not None:
                return None
            number = session.get(SmsNumber, text.conversation_id)
            key = session.get_one(Conversation, text.conversation_id).sms_key or ""
            if store.is_opted_out(session, key):
                store.advance(text, TextStatus.OPTED_OUT, None, now)
                return None
            if number is None or (text.kind == TextKind.REPLY and now - text.created_at > TOO_LATE):
                store.advance(text, TextStatus.EXPIRED, None, now)
                log.warning("sms_expired", text=text.id)
                return None
            if text.kind != TextKind.REPLY and (morning := next_allowed(now, self._zone)) > now:
                raise NotNow(QUIET_HOURS, morning)
            if store.is_overtaking(session, text):
                raise NotNow("in_turn", now + IN_TURN_AGAIN)
            is_repeat = text.status == TextStatus.SENDING
            store.advance(text, TextStatus.SENDING, None, now)
            return text, number.address, number.answers_from or self._account.number, is_repeat

    def _create(self, text: SmsOutbound, address: str, sender: str | None) -> str:
        values: dict[str, Any] = {
            "to": address,
            "body": text.body,
            "status_callback": f"{self._account.status_url}?text={text.id}",
        }
        values["messaging_service_sid" if (sender or "").startswith("MG") else "from_"] = sender
        return str(self._with_any_token(lambda client: client.messages.create(**values)).sid)

    def _found(self, text: SmsOutbound, address: str, sender: str | None) -> str | None:
        """Return the id of this text at Twilio, if an attempt of which nothing is known has reached it."""
        # The patient's number is no parameter: it would stand in an address.
        around: dict[str, Any] = {
            "date_sent_after": text.created_at - timedelta(minutes=1),
            "date_sent_before": text.status_at + SENT_WITHIN,
        }
        if sender and not sender.startswith("MG"):
            around["from_"] = sender
        there = self._with_any_token(
            lambda client: client.messages.list(**around, limit=LOOKED_THROUGH, page_size=AT_ONCE)
        )
        alike = [
            message.sid
            for message in there
            if message.to == address and message.body == text.body and str(message.direction).startswith("outbound-api")
        ]
        with self._database.session() as session:
            known = {text.message_sid for text in session.query(SmsOutbound).filter(SmsOutbound.message_sid.in_(alike))}
        return next((sid for sid in alike if sid not in known), None)

    def _with_any_token(self, call: Callable[[Client], Any]) -> Any:
        for client in self._clients[:-1]:
            try:
                return call(client)
            except TwilioRestException as error:
                if error.code != WRONG_TOKEN:
                    raise
        return call(self._clients[-1])

    def _refused(self, text: SmsOutbound, error: TwilioRestException) -> None:
        """Note what Twilio answered, and raise DeliveryFailed unless there is nothing to try again."""
        code = int(error.code or error.status or 0)
        now = self._clock()
        with self._database.session() as session:
            sent = session.get_one(SmsOutbound, text.id, with_for_update=True)
            sent.error_code = code
            if code == OPTED_OUT:
                key = session.get_one(Conversation, sent.conversation_id).sms_key or ""
                store.opt_out(session, key, OptOutSource.CARRIER, now)
                store.advance(sent, TextStatus.OPTED_OUT, code, now)
                log.warning("sms_opted_out", text=text.id, source=OptOutSource.CARRIER.value)
                return
            if error.status < 500:
                sent.status = TextStatus.WAITING.value  # it was refused: surely not sent
            is_final = 400 <= error.status < 500 and code not in (WRONG_TOKEN, TOO_FAST) and error.status != 429
            if is_final:
                store.advance(sent, TextStatus.FAILED, code, now)
        raise DeliveryFailed(f"twilio_{code}", is_final=is_final, first_pause=FIRST_PAUSE) from error
