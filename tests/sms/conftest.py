"""The SMS channel that runs, and an account that only sends."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from frontdesk.db import Database, open_database
from frontdesk.outbox.worker import Worker
from frontdesk.settings import Settings
from frontdesk.sms import store
from frontdesk.sms.models import SmsOutbound, TextKind
from frontdesk.sms.sending import SmsDestination, TwilioAccount
from frontdesk.sms.simulator.rest import RestApi
from frontdesk.sms.simulator.twilio import TwilioSimulator
from tests.sms.running import ACCOUNT, OUR_NUMBER, PHONE, PUBLIC_URL, TOKEN, Channel, Clock, running_channel

ZONE = ZoneInfo("America/New_York")


@pytest.fixture
def channel(tmp_path: Path) -> Iterator[Channel]:
    """The whole channel, with a Rasa that answers."""
    with running_channel(tmp_path) as channel:
        channel.start_rasa()
        yield channel


@dataclass
class PostOffice:
    """The way of a text from the database to Twilio, its clock set by the test."""

    settings: Settings
    database: Database
    twilio: TwilioSimulator
    clock: Clock

    @property
    def worker(self) -> Worker:
        account = TwilioAccount.of(self.settings)
        assert account is not None
        return Worker(self.database, [SmsDestination(self.database, account, ZONE, self.clock)], 31, self.clock)

    def key(self, phone: str = PHONE) -> str:
        return store.number_key(self.settings.secret("lookup"), phone)

    def write(self, body: str, kind: TextKind = TextKind.REPLY, phone: str = PHONE) -> str:
        """Put a text into the outbox; return its id."""
        with self.database.session() as session:
            conversation = store.conversation_for(session, self.key(phone))
            store.note_number(session, conversation.id, phone, None)
            return store.add_text(session, conversation.id, kind, body, now=self.clock()).id

    def text(self, text_id: str) -> SmsOutbound:
        with self.database.session() as session:
            return session.get_one(SmsOutbound, text_id)

    def arrived(self, phone: str = PHONE) -> list[str]:
        return [text.body for text in self.twilio.received_by(phone)]


@pytest.fixture
def post_office(tmp_path: Path, database_url: str) -> Iterator[PostOffice]:
    twilio = TwilioSimulator(ACCOUNT, TOKEN, OUR_NUMBER, PUBLIC_URL, "http://127.0.0.1:9", tells_statuses=False)
    with RestApi(twilio) as api:
        settings = Settings(
            _env_file=None,  # type: ignore[call-arg]
            data_dir=tmp_path,
            database_url=database_url,
            public_url=PUBLIC_URL,
            twilio_account_sid=ACCOUNT,
            twilio_auth_token=TOKEN,  # type: ignore[arg-type]
            twilio_phone_number=OUR_NUMBER,
            twilio_api_url=api.url,
        )
        database = open_database(settings)
        database.migrate()
        yield PostOffice(settings, database, twilio, Clock())
        database.close()
        twilio.close()
