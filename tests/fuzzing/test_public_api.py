"""Whatever is sent to the public addresses that `/openapi.json` describes: no 5xx, no page, no markup sent back."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]

from frontdesk.loopback import NO_TLS
from tests.sms.running import PUBLIC_URL, TOKEN, running_channel

MARKUP = "<img src=x onerror=alert(1)>{{6173*6991}}${6173*6991}"
COMPUTED = "43155443"
# Of each of the addresses, and of each kind; all of them together take a minute at most.
EXAMPLES = 40
SECONDS = 4.0
HEADERS = {"x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}
# All that is described; a test holds that.
ADDRESSES = {
    "/api/chat": ("POST", "DELETE"),
    "/api/chat/welcome": ("GET",),
    "/api/chat/history": ("GET",),
    "/api/chat/feedback": ("POST",),
    "/sms/twilio": ("POST",),
    "/sms/twilio/status": ("POST",),
}
OPERATIONS = [(path, method) for path, methods in ADDRESSES.items() for method in methods]


class Target:
    """A running front desk, and a conversation in it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.token = httpx.post(f"{url}/api/chat", json={"text": "hello"}, verify=NO_TLS, timeout=30).json()["session"]


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with running_channel(tmp_path_factory.mktemp("fuzzing")) as channel:
        channel.start_rasa().answer = lambda _: [{"text": "An answer.", "metadata": {"kind": "answer"}}]
        yield Target(channel.twilio.desk_url)


@pytest.fixture(scope="module")
def described(target: Target) -> Any:
    return schemathesis.openapi.from_url(f"{target.url}/openapi.json")


def test_all_public_addresses_are_described(target: Target) -> None:
    described = httpx.get(f"{target.url}/openapi.json", verify=NO_TLS).json()["paths"]
    assert {path: {method.upper() for method in operations} for path, operations in described.items()} == {
        path: set(methods) for path, methods in ADDRESSES.items()
    }
    for path, operations in described.items():
        for method, operation in operations.items():
            assert method != "post" or "requestBody" in operation, path


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["as-described", "otherwise"])
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_nothing_that_is_sent_breaks_or_comes_back_as_markup(
    target: Target, described: Any, path: str, method: str, mode: GenerationMode
) -> None:
    if mode is GenerationMode.NEGATIVE and path == "/api/chat/welcome":
        return  # nothing can be sent to it
    until = time.monotonic() + SECONDS  # a slow machine tries less
    tried = []

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
        derandomize=True,
        database=None,
    )
    @given(case=described[path][method].as_strategy(generation_mode=mode))
    def fuzz(case: Any) -> None:
        if time.monotonic() < until:
            tried.append(case.method)
            make_worse(case, target.token)
            check(case)

    fuzz()
    assert tried


def make_worse(case: Any, token: str) -> None:
    """Let half of the requests come further than to the token's check, and give each text some markup."""
    body = case.body if isinstance(case.body, dict) else {}
    if isinstance(body.get("session"), str) and len(body["session"]) % 2 == 0:
        body["session"] = token
    if isinstance(body.get("text"), str):
        body["text"] += MARKUP
    headers = case.headers or {}
    if case.method == "GET" and "Authorization" in headers and len(str(headers["Authorization"])) % 2 == 0:
        headers["Authorization"] = f"Bearer {token}"
    if "X-Twilio-Signature" in headers and all(isinstance(value, str) for value in body.values()):
        # Signed as Twilio signs: what is behind the signature's check is reached too.
        headers["X-Twilio-Signature"] = RequestValidator(TOKEN).compute_signature(PUBLIC_URL + case.path, body)


def check(case: Any) -> None:
    """Send a request and look at what comes back."""
    response = case.call(timeout=30)
    assert response.status_code < 500, response.text
    headers = {name.lower(): values[0] for name, values in response.headers.items()}
    assert {name: headers.get(name) for name in HEADERS} == HEADERS
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "html" not in headers.get("content-type", "")
    if case.method == "POST":  # the history gives people back what they wrote, as JSON
        assert "<img" not in response.text
        assert COMPUTED not in response.text
