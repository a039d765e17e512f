"""`rasa data validate` finds nothing, but for two things it says of every project built like this one.

It knows only the responses that stories and rules name, not those that a form asks with, or that an action or the
response generator says; and its importer adds the retrieval intents to a domain that lists them already, as Rasa's
documentation does.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

PROJECT = Path(__file__).resolve().parents[2]
UNUSED = re.compile(r"The utterance '(utter_\w+)' is not used in any story or rule")
WARNING = re.compile(r"UserWarning: (.*)")


def said_otherwise(response: str) -> bool:
    """Whether a form, an action or the response generator says it."""
    domain = yaml.safe_load((PROJECT / "domain.yml").read_text())
    asked = {f"utter_ask_{field}" for form in domain["forms"].values() for field in form["required_slots"]}
    explained = {f"utter_help_{field}" for form in domain["forms"].values() for field in form["required_slots"]}
    folders = (PROJECT / "actions", PROJECT / "frontdesk" / "fields")
    code = [*(path for folder in folders for path in folder.rglob("*.py")), PROJECT / "bot" / "responses.py"]
    return response in asked | explained or any(f'"{response}"' in path.read_text() for path in code)


def test_rasa_data_validate_is_clean() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "rasa", "data", "validate"],
        cwd=PROJECT,
        env={**os.environ, "RASA_TELEMETRY_ENABLED": "false", "PYTHONWARNINGS": "ignore", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    output = run.stdout + run.stderr
    assert run.returncode == 0, output[-3000:]
    unused = UNUSED.findall(output)
    assert [response for response in unused if not said_otherwise(response)] == []
    others = [
        warning
        for warning in WARNING.findall(output)
        if not UNUSED.search(warning) and not warning.startswith("The following duplicated intents")
    ]
    assert others == []
