"""Rasa's conversations on PostgreSQL: the tests of its own environment, with a server that this one starts."""

import os
import subprocess
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
RASA_PYTHON = PROJECT / ".venv" / "rasa" / "bin" / "python"


def test_rasa_keeps_conversations_on_postgresql(postgres_url: str) -> None:
    command = [str(RASA_PYTHON), "-m", "pytest", "-q", "--confcutdir", "tests/bot", "--disable-warnings"]
    run = subprocess.run(
        [*command, "-k", "postgresql", "tests/bot/test_tracker_database.py"],
        cwd=PROJECT,
        env={
            **os.environ,
            "TEST_DATABASE_URL": postgres_url,
            "RASA_TELEMETRY_ENABLED": "false",
            "OMP_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    summary = run.stdout.strip().splitlines()[-1]
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
    assert "passed" in summary
    assert "skipped" not in summary
