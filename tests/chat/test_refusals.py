"""What the chat API says when it cannot or may not answer: the real front desk, with no Rasa behind it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from frontdesk.app import create_app
from frontdesk.db import open_database
from frontdesk.settings import Settings
from tests.conftest import free_ports


def settings(folder: Path, **changes: object) -> Settings:
    rasa_port, actions_port = free_ports(2)
    values: dict[str, object] = {
        "data_dir": folder,
        "database_url": f"sqlite:///{folder / 'ketalink.db'}",
        "rasa_port": rasa_port,
        "actions_port": actions_port,
        "chat_limit_per_minute": 3,
    }
    return Settings(_env_file=None, **(values | changes))  # type: ignore[arg-type]


@pytest.fixture
def client(tmp_path: Path, sqlite_url: str) -> Iterator[TestClient]:
    chosen = settings(tmp_path, database_url=sqlite_url)
    with TestClient(create_app(chosen), raise_server_exceptions=False) as client:
        yield client


def test_the_fourth_message_of_a_minute_is_refused_with_a_time_to_wait(client: TestClient) -> None:
    statuses = [client.post("/api/chat", json={"text": "hello"}).status_code for _ in range(4)]
    assert statuses == [503, 503, 503, 429]
    refused = client.post("/api/chat", json={"text": "hello"})
    assert refused.headers["content-type"] == "application/problem+json"
    assert 0 < int(refused.headers["retry-after"]) <= 60
    assert "988" in refused.json()["detail"]


def test_without_rasa_the_message_is_kept_and_the_503_helps(client: TestClient) -> None:
    response = client.post("/api/chat", json={"text": "how long does an infusion take"})
    assert response.status_code == 503
    body = response.json()
    assert "your message is kept" in body["detail"]
    for words in ("988", "911", "contact the clinic", "leave a request"):
        assert words in body["detail"]
    assert body["messages"][0]["kind"] == "say"
    history = client.get("/api/chat/history", headers={"Authorization": f"Bearer {body['session']}"})
    assert [entry["text"] for entry in history.json()["messages"]] == ["how long does an infusion take"]


def test_an_unforeseen_error_helps_and_has_the_headers_of_every_answer(client: TestClient) -> None:
    client.app.state.chat = None  # type: ignore[attr-defined]  # a mistake in the program
    response = client.get("/api/chat/welcome")
    assert response.status_code == 503
    assert "988" in response.json()["detail"]
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"


def test_a_place_that_no_conversation_has_is_malformed(client: TestClient) -> None:
    opening = client.get("/api/chat/welcome").json()["session"]
    headers = {"Authorization": f"Bearer {opening}"}
    assert client.get("/api/chat/history", params={"after": 2**63}, headers=headers).status_code == 400
    assert client.get("/api/chat/history", params={"after": 7}, headers=headers).status_code == 200


def test_the_clinics_number_is_in_the_503_once_the_profile_has_it(tmp_path: Path) -> None:
    profile = tmp_path / "clinic.yml"
    profile.write_text("name: Ketalink Ketamine Center\nphone: (516) 555-0100\n")
    chosen = settings(tmp_path, clinic_profile=profile)
    open_database(chosen).migrate()
    with TestClient(create_app(chosen)) as client:
        body = client.post("/api/chat", json={"text": "hello"}).json()
    assert body["phone"] == "(516) 555-0100"
    assert "(516) 555-0100" in body["detail"]


def test_a_conversation_is_not_half_forgotten(client: TestClient) -> None:
    token = client.post("/api/chat", json={"text": "hello"}).json()["session"]
    headers = {"Authorization": f"Bearer {token}"}
    assert client.delete("/api/chat", headers=headers).status_code == 503
    assert len(client.get("/api/chat/history", headers=headers).json()["messages"]) == 1


def test_without_its_tables_it_still_helps_and_promises_nothing(tmp_path: Path) -> None:
    with TestClient(create_app(settings(tmp_path)), raise_server_exceptions=False) as client:
        response = client.post("/api/chat", json={"text": "my secret words"})
        assert client.get("/readyz").status_code == 503
    assert response.status_code == 503
    assert response.headers["content-type"] == "application/problem+json"
    assert "988" in response.json()["detail"]
    assert "kept" not in response.json()["detail"]
    assert "secret" not in response.text


def test_only_the_sites_that_are_named_may_embed_the_chat(tmp_path: Path) -> None:
    chosen = settings(tmp_path, allowed_origins="https://clinic.example, https://www.clinic.example")
    preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    with TestClient(create_app(chosen)) as client:
        allowed = client.options("/api/chat", headers={"Origin": "https://www.clinic.example", **preflight})
        refused = client.options("/api/chat", headers={"Origin": "https://evil.example", **preflight})
    assert allowed.headers["access-control-allow-origin"] == "https://www.clinic.example"
    assert "access-control-allow-origin" not in refused.headers
