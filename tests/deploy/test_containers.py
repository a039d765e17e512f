"""deploy/containers: what is built and run there fits the project, and each container may do as little as it can."""

import json
import re
import stat
import subprocess
from pathlib import Path
from typing import Any

import check_jsonschema
import jsonschema
import pytest
import yaml
from cryptography.fernet import Fernet
from dockerfile_parse import DockerfileParser

from frontdesk.cli.serve import SECRETS
from frontdesk.clinic import CRISIS_LINES
from frontdesk.settings import PROJECT, Settings
from tests.deploy.files import ALIVE, COMMANDS, DEPLOY, OF_OTHERS, PORTS, SETTINGS, documented

FOLDER = DEPLOY / "containers"
CONTAINERFILE = FOLDER / "Containerfile"
OURS = ("frontdesk", "rasa", "actions", "backup")


def compose() -> dict[str, Any]:
    project: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yml").read_text(encoding="utf-8"))
    return project


SERVICES: dict[str, dict[str, Any]] = compose()["services"]


def stages() -> list[tuple[str, list[dict[str, Any]]]]:
    """Return the stages of the Containerfile, each with its instructions."""
    parser = DockerfileParser(fileobj=CONTAINERFILE.open("rb"))
    found: list[tuple[str, list[dict[str, Any]]]] = []
    for step in parser.structure:
        if step["instruction"] == "FROM":
            found.append((step["value"].split()[-1], []))
        if found:
            found[-1][1].append(step)
    return found


def steps(stage: str, instruction: str) -> list[str]:
    return [
        step["value"] for name, of in stages() if name == stage for step in of if step["instruction"] == instruction
    ]


# --------------------------------------------------------------------------- images


def test_what_an_image_is_built_from_exists_and_is_sent_to_the_builder() -> None:
    ignored = (PROJECT / ".containerignore").read_text(encoding="utf-8").splitlines()
    assert (PROJECT / ".dockerignore").resolve() == PROJECT / ".containerignore"
    kept = [line.removeprefix("!") for line in ignored if line.startswith("!")]
    assert "*" in ignored
    for name, _ in stages():
        for copied in steps(name, "COPY"):
            if copied.startswith("--from="):
                continue
            for source in copied.split()[:-1]:
                assert (PROJECT / source).exists(), source
                assert any(source.rstrip("/") == one or source.startswith(f"{one}/") for one in kept), source
    assert not any(re.search(r"(^|/)(\.env|var|\.venv|\.git)($|/)", one) for one in kept)


def test_the_images_run_as_nobody_in_particular_and_say_whether_they_live() -> None:
    parser = DockerfileParser(fileobj=CONTAINERFILE.open("rb"))
    assert all(step["instruction"] != "ADD" for step in parser.structure)
    assert steps("app", "USER") == ["10001:10001"]
    assert steps("rasa", "USER") == []  # nor does it become another one
    for stage, part in (("app", "frontdesk"), ("rasa", "rasa")):
        (command,) = steps(stage, "CMD")
        assert json.loads(command) == COMMANDS[part]
        (check,) = steps(stage, "HEALTHCHECK")
        assert f"http://127.0.0.1:{PORTS[part]}{ALIVE[part]}" in check
    assert stages()[-1][0] == "rasa"
    copies = [step for step in stages()[-1][1] if step["instruction"] in ("COPY", "RUN")]
    assert copies[-1]["value"].startswith("--from=model ")  # a new model changes nothing but the last layer


def test_packages_are_installed_by_their_hashes_and_from_nowhere_in_particular() -> None:
    text = CONTAINERFILE.read_text(encoding="utf-8")
    assert text.count("python tools/setup.py --only") == 2
    assert not re.search(r"index-url|PIP_INDEX|UV_INDEX|pip install", text)
    for value in steps("app", "ENV") + steps("rasa", "ENV"):
        names = set(re.findall(r"([A-Z_]+)=", value))
        assert names <= SETTINGS | OF_OTHERS
        assert not names & {f"{name.upper()}_SECRET" for name in SECRETS}


def test_the_model_is_an_image_of_its_own() -> None:
    parser = DockerfileParser(fileobj=(FOLDER / "Containerfile.model").open("rb"))
    assert [step["instruction"] for step in parser.structure if step["instruction"] != "COMMENT"] == ["FROM", "COPY"]
    assert parser.structure[-1]["value"] == "models/current.json models/ketalink-*.tar.gz /models/"


# --------------------------------------------------------------------------- compose


def test_compose_is_as_its_specification_says() -> None:
    schema = Path(check_jsonschema.__file__).parent / "builtin_schemas" / "vendor" / "compose-spec.json"
    jsonschema.validate(compose(), json.loads(schema.read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_may_do_as_little_as_it_can(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert not any("docker.sock" in str(volume) for volume in service.get("volumes", []))
    if name != "backup":  # ends by itself
        assert service["healthcheck"]["test"]
        assert service["deploy"]["resources"]["limits"]["memory"]
    if name in OURS:
        assert service["user"] == "10001:10001"
        assert "cap_add" not in service


def test_only_the_proxy_is_reached_from_outside_and_rasa_reaches_nothing_there() -> None:
    networks = compose()["networks"]
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["caddy"]
    assert {name for name, network in networks.items() if not (network or {}).get("internal")} == {"edge"}
    outside = {name for name, service in SERVICES.items() if "edge" in service["networks"]}
    assert outside == {"caddy", "frontdesk"}
    assert set(SERVICES["rasa"]["networks"]) == {"inside", "data"}


def test_settings_exist_and_secrets_come_from_files() -> None:
    project = compose()
    for name in OURS:
        environment = set(SERVICES[name]["environment"])
        assert environment <= SETTINGS | OF_OTHERS
        assert all(documented(setting) for setting in environment & SETTINGS)
        for secret in SERVICES[name]["secrets"]:
            assert secret.upper() in SETTINGS
            assert secret.upper() not in environment
        assert {"rasa_secret", "session_secret", "lookup_secret", "encryption_keys"} <= set(SERVICES[name]["secrets"])
    used = {secret for service in SERVICES.values() for secret in service.get("secrets", [])}
    assert used == set(project["secrets"])
    taken = set(re.findall(r"\$\{([A-Z_]+)", (FOLDER / "compose.yml").read_text(encoding="utf-8")))
    assert taken <= SETTINGS | OF_OTHERS
    example = re.findall(r"^([A-Z_]+)=", (FOLDER / "example.env").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(example) <= taken


def test_each_part_listens_where_the_others_look_for_it() -> None:
    for part, port in PORTS.items():
        service = SERVICES[part]
        assert service["command"] == COMMANDS[part]
        assert service["healthcheck"]["test"][-1] == f"http://127.0.0.1:{port}{ALIVE[part]}"
    shared = SERVICES["frontdesk"]["environment"]
    assert shared["RASA_URL"] == f"http://rasa:{SERVICES['rasa']['environment']['RASA_PORT']}"
    assert shared["ACTIONS_URL"] == f"http://actions:{SERVICES['actions']['environment']['ACTIONS_PORT']}"
    assert shared["TRUSTED_PROXIES"] == SERVICES["caddy"]["networks"]["edge"]["ipv4_address"]
    for service in SERVICES.values():
        for needed, how in service.get("depends_on", {}).items():
            assert how == {"condition": "service_healthy"}
            assert "healthcheck" in SERVICES[needed]


def test_files_that_are_mounted_or_built_from_exist() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (FOLDER / source).is_file() if source.startswith(".") else source in compose()["volumes"]
        if "build" in service:
            assert (PROJECT / service["build"]["dockerfile"]).is_file()
            assert service["build"]["target"] in {name for name, _ in stages()}


# --------------------------------------------------------------------------- the proxy


def test_the_proxy_hides_what_is_for_inside_and_helps_while_the_front_desk_is_down() -> None:
    text = (FOLDER / "Caddyfile").read_text(encoding="utf-8")
    assert text.count("{") == text.count("}")
    assert "@inside path /metrics /readyz" in text
    assert "respond @inside 404" in text
    assert f"reverse_proxy frontdesk:{PORTS['frontdesk']}" in text
    assert CRISIS_LINES in text
    assert set(re.findall(r"\{\$([A-Z_]+)\}", text)) <= set(SERVICES["caddy"]["environment"])


# --------------------------------------------------------------------------- secrets


def run_secrets(folder: Path) -> subprocess.CompletedProcess[str]:
    script = folder / "secrets.sh"
    script.write_bytes((FOLDER / "secrets.sh").read_bytes())
    return subprocess.run(["sh", str(script)], capture_output=True, text=True, check=True, timeout=60)


def test_the_secrets_that_are_made_can_be_used_and_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    run_secrets(tmp_path)
    made = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    assert set(made) == set(compose()["secrets"])
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    settings = Settings(_env_file=None, _secrets_dir=tmp_path / "secrets")  # type: ignore[call-arg]
    assert len({settings.secret(name) for name in SECRETS}) == len(SECRETS)
    assert settings.encryption_keys is not None
    Fernet(settings.encryption_keys.get_secret_value())
    assert settings.database.startswith("postgresql+psycopg://ketalink:")
    assert not settings.twilio_tokens
    assert run_secrets(tmp_path).stdout == ""
    assert made == {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}


@pytest.mark.parametrize("script", ["secrets.sh", "tracker-database.sh"])
def test_a_script_is_one_and_may_be_run(script: str) -> None:
    path = FOLDER / script
    assert path.stat().st_mode & stat.S_IXUSR
    subprocess.run(["sh", "-n", str(path)], check=True, timeout=60)


def test_the_health_check_tells_up_from_down(tmp_path: Path) -> None:
    script = [str(PROJECT / ".venv/app/bin/python"), str(FOLDER / "healthy.py")]
    assert subprocess.run([*script, "http://127.0.0.1:9/healthz"], timeout=60, check=False).returncode == 1
    (tmp_path / "up").write_text("yes")
    assert subprocess.run([*script, (tmp_path / "up").as_uri()], timeout=60, check=False).returncode == 0
