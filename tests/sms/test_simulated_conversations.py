"""A thousand conversations over a bad line: nothing is lost, and nothing is said twice."""

import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import sqlalchemy as sa

from frontdesk.chat.models import Conversation, Message, Sender
from frontdesk.sms.models import SmsOutbound, SmsReceipt
from frontdesk.sms.simulator.twilio import Loss
from tests.conftest import wait_until
from tests.sms.running import Channel, running_channel

CONVERSATIONS = 1_000
TEXTS_EACH = 2
SHARE = 0.05  # of texts, to which each kind of trouble happens


def talk(channel: Channel, number: int) -> None:
    """Have one phone text twice, with whatever happens on the way."""
    chance = random.Random(number)  # no secret; the same trouble each time
    for turn in range(TEXTS_EACH):
        form = channel.twilio.form(f"+1516555{number:04}", f"question {turn} of {number}")
        trouble = chance.random()
        lose = Loss.AFTER if trouble < SHARE else None
        channel.twilio.deliver(form, lose=lose, again=SHARE < trouble < 2 * SHARE)


def answers(channel: Channel) -> Counter[str]:
    """Return how often each answer reached its phone."""
    texts = [text for text in channel.twilio.texts if text.direction != "inbound"]
    return Counter(line for text in texts for line in text.body.splitlines() if line.startswith("Answer to"))


def test_a_thousand_conversations_with_repeats_drops_and_delays(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    chance = random.Random(7)  # no secret
    with running_channel(tmp_path) as channel:
        rasa = channel.start_rasa()
        # Some of Rasa's answers are late, and some requests to Twilio's API are lost on their way.
        late = {f"question {turn} of {n}" for n in range(CONVERSATIONS) for turn in (0, 1) if chance.random() < SHARE}
        rasa.delay_of = lambda text: 1.0 if text in late else 0.0
        channel.twilio.faults.extend(Loss.AFTER if chance.random() < 0.5 else Loss.BEFORE for _ in range(4))
        channel.twilio.tells_statuses = False
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: talk(channel, number), range(CONVERSATIONS)))
        expected = Counter(
            f"Answer to question {turn} of {number}." for number in range(CONVERSATIONS) for turn in range(TEXTS_EACH)
        )
        wait_until(lambda: len(answers(channel)) >= len(expected), 120, "every answer to arrive")
        wait_until(
            lambda: not any(row.message_sid is None for row in channel.rows(SmsOutbound)), 60, "the outbox to rest"
        )
        arrived = answers(channel)
        assert arrived == expected
        assert Counter(text for _, text in rasa.asked) == Counter(
            f"question {turn} of {number}" for number in range(CONVERSATIONS) for turn in range(TEXTS_EACH)
        )
        assert rasa.most_at_once == 1
        assert channel.count(Conversation) == CONVERSATIONS
        assert channel.count(SmsReceipt) == CONVERSATIONS * TEXTS_EACH
        with channel.database.session() as session:
            inbound = sa.select(sa.func.count()).where(Message.sender == Sender.VISITOR.value)
            assert session.scalar(inbound) == CONVERSATIONS * TEXTS_EACH
        slowest = max(exchange.seconds for exchange in channel.twilio.exchanges)
        record_property(
            f"{CONVERSATIONS} conversations by text",
            f"{sum(expected.values())} answers, 0 lost, 0 doubled, "
            f"{channel.count(SmsOutbound)} sent later; slowest webhook {slowest:.2f} s",
        )
