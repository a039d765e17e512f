"""Ask which of the pinned dependencies have known vulnerabilities: `python tools/audit.py`. Needs the test environment.

Both Python environments and the test tools by pip-audit (OSV), the website widget by `npm audit`. Ends with 1 when
something is found that requirements/accepted-findings.yml does not explain. When a service that knows vulnerabilities
cannot be reached, that is said, and is no failure: the code has not changed for it.
"""

import datetime
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
ACCEPTED = ROOT / "requirements" / "accepted-findings.yml"
LOCKED = ("app", "rasa", "test")
WIDGET = ROOT / "frontdesk" / "widget"
SECONDS = 120
# What a tool says when nobody answers, as opposed to when it is used wrongly.
UNREACHABLE = (
    "ConnectionError",
    "ConnectTimeout",
    "ReadTimeout",
    "ServiceError",
    "HTTPError",
    "SSLError",
    "ProxyError",
)


class CannotAsk(Exception):
    """The service that knows vulnerabilities does not answer; the message says what was tried."""


@dataclass(frozen=True, order=True)
class Finding:
    """A known vulnerability of a package, by every name it has."""

    where: str
    package: str
    ids: tuple[str, ...]


@dataclass(frozen=True)
class Accepted:
    """A finding that somebody has looked at: why it does no harm here, and until when that holds."""

    id: str
    package: str
    reason: str
    until: datetime.date


def main() -> int:
    """Ask, print what was found, return the exit code."""
    known = accepted(yaml.safe_load(ACCEPTED.read_text(encoding="utf-8")) or [])
    findings: list[Finding] = []
    for where in (*LOCKED, "widget"):
        try:
            asked = widget() if where == "widget" else list(python_findings(where, pip_audit(where)))
        except CannotAsk as error:
            print(f"audit of {where}: {error} Nothing was checked.")
        else:
            print(f"audit of {where}: {len(asked)} findings")
            findings += asked
    problems = judge(findings, known, datetime.date.today())
    print("\n".join(problems) if problems else "audit: nothing that is not explained")
    return 1 if problems else 0


def accepted(entries: Sequence[Mapping[str, Any]]) -> list[Accepted]:
    """Read the accepted findings."""
    return [Accepted(entry["id"], entry["package"], entry["reason"].strip(), entry["until"]) for entry in entries]


def judge(findings: Sequence[Finding], known: Sequence[Accepted], today: datetime.date) -> list[str]:
    """Return what has to be done: about findings that nobody explained, and explanations whose time is over."""
    problems = []
    for finding in sorted(set(findings)):
        reasons = [entry for entry in known if entry.package == finding.package and entry.id in finding.ids]
        if not reasons:
            problems.append(
                f"{finding.package} ({finding.where}): {', '.join(finding.ids)}. Take a version without it (make "
                f"upgrade), or say in {ACCEPTED.relative_to(ROOT)} why it does no harm here."
            )
        elif all(entry.until < today for entry in reasons):
            problems.append(f"{finding.package}: {reasons[0].id} was accepted until {reasons[0].until}. Look again.")
    return problems


def pip_audit(name: str) -> str:
    """Return pip-audit's report on a requirement file, as JSON; raise CannotAsk."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(ROOT / "requirements" / f"{name}.txt")]
    command += ["--disable-pip", "--no-deps", "--vulnerability-service", "osv", "--format", "json"]
    done = run([*command, "--progress-spinner", "off"])
    if not done.stdout.strip():
        said = done.stderr.strip().splitlines() or ["no answer"]
        if any(sign in done.stderr for sign in UNREACHABLE):
            raise CannotAsk("the service that knows vulnerabilities (OSV) cannot be reached.")
        sys.exit(f"pip-audit failed: {said[-1]}")
    return done.stdout


def python_findings(where: str, report: str) -> Iterator[Finding]:
    """Yield the findings of a report by pip-audit."""
    for package in json.loads(report)["dependencies"]:
        for found in package.get("vulns", []):
            yield Finding(where, package["name"], (found["id"], *sorted(found["aliases"])))


def widget() -> list[Finding]:
    """Return the findings about the widget's dependencies; raise CannotAsk."""
    try:
        done = run(["npm", "audit", "--json", "--package-lock-only"], WIDGET)
    except FileNotFoundError:
        raise CannotAsk("npm is not installed.") from None
    return list(npm_findings(done.stdout))


def npm_findings(report: str) -> Iterator[Finding]:
    """Yield the findings of a report by npm; raise CannotAsk when it is none."""
    try:
        answer = json.loads(report)
    except ValueError:
        answer = {}
    if "vulnerabilities" not in answer:
        raise CannotAsk("npm's service that knows vulnerabilities cannot be reached.")
    for name, package in answer["vulnerabilities"].items():
        for found in package["via"]:
            if isinstance(found, dict):  # else the name of another package of the list
                yield Finding("widget", name, (found["url"].rsplit("/", 1)[-1],))


def run(command: list[str], folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a program; raise CannotAsk when it waits for too long."""
    try:
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise CannotAsk(f"no answer within {SECONDS} s.") from None


if __name__ == "__main__":
    sys.exit(main())
