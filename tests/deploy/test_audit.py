"""The audit of dependencies: what nobody explained is a failure, a service that does not answer is none."""

import datetime
import json
import subprocess
import sys

import pytest
import yaml

from frontdesk.settings import PROJECT
from tools import audit

TODAY = datetime.date(2026, 11, 23)
FOUND = audit.Finding("app", "somepackage", ("PYSEC-2026-1", "CVE-2026-1"))


def accepted(until: str, name: str = "CVE-2026-1", package: str = "somepackage") -> list[audit.Accepted]:
    text = f"[{{id: {name}, package: {package}, reason: It is never called., until: {until}}}]"
    return audit.accepted(yaml.safe_load(text))


def test_what_nobody_explained_is_named_with_the_way_out() -> None:
    (problem,) = audit.judge([FOUND, FOUND], [], TODAY)
    assert "somepackage (app): PYSEC-2026-1, CVE-2026-1." in problem
    assert "requirements/accepted-findings.yml" in problem


def test_what_is_explained_by_any_of_its_names_is_accepted_until_its_day() -> None:
    assert audit.judge([FOUND], accepted("2026-11-23"), TODAY) == []
    (problem,) = audit.judge([FOUND], accepted("2026-11-22"), TODAY)
    assert "Look again" in problem
    assert audit.judge([FOUND], accepted("2027-01-01", package="other"), TODAY)
    assert audit.judge([FOUND], accepted("2027-01-01", name="CVE-2026-2"), TODAY)


def test_the_reports_of_both_tools_are_read() -> None:
    report = {
        "dependencies": [
            {"name": "good", "version": "1", "vulns": []},
            {"name": "somepackage", "version": "1", "vulns": [{"id": "PYSEC-2026-1", "aliases": ["CVE-2026-1"]}]},
        ]
    }
    assert list(audit.python_findings("app", json.dumps(report))) == [FOUND]
    url = "https://github.com/advisories/GHSA-xxxx"
    npm = {"vulnerabilities": {"a": {"via": ["b"]}, "b": {"via": [{"url": url}]}}}
    assert list(audit.npm_findings(json.dumps(npm))) == [audit.Finding("widget", "b", ("GHSA-xxxx",))]


@pytest.mark.parametrize("report", ["", "not JSON", '{"message": "405 Method Not Allowed", "statusCode": 405}'])
def test_a_service_that_does_not_answer_is_told_from_one_that_finds_nothing(report: str) -> None:
    with pytest.raises(audit.CannotAsk, match="cannot be reached"):
        list(audit.npm_findings(report))


def test_without_a_network_it_says_so_and_does_not_fail() -> None:
    nobody = {"HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9", "npm_config_fetch_retries": "0"}
    done = subprocess.run(
        [sys.executable, "tools/audit.py"],
        cwd=PROJECT,
        env={"PATH": "/usr/bin:/bin", **nobody},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("Nothing was checked.") == 4


def test_every_accepted_finding_has_a_reason() -> None:
    for entry in audit.accepted(yaml.safe_load(audit.ACCEPTED.read_text(encoding="utf-8"))):
        assert len(entry.reason) > 20, entry.id
