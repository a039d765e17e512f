"""deploy/kubernetes: Kubernetes' own schemas take the manifests, and each pod may do and reach as little as it can."""

import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import kubernetes_validate
import pytest
import yaml

from frontdesk.settings import PROJECT
from tests.deploy.files import ALIVE, COMMANDS, DEPLOY, OF_OTHERS, PORTS, SETTINGS, documented

BASE = DEPLOY / "kubernetes" / "base"
EXAMPLE = DEPLOY / "kubernetes" / "overlays" / "example"
# The oldest and the newest Kubernetes that the manifests are for.
VERSIONS = ["1.29", "1.34"]
KEPT = {"settings.yaml", "databases.yaml"}  # patches of the example, no manifests of their own
LIST = "kustomization.yaml"


def objects() -> Iterator[dict[str, Any]]:
    for folder in (BASE, EXAMPLE):
        listed = yaml.safe_load((folder / LIST).read_text(encoding="utf-8"))["resources"]
        for name in listed:
            if name.endswith(".yaml"):
                yield from yaml.safe_load_all((folder / name).read_text(encoding="utf-8"))


OBJECTS = list(objects())


def named(kind: str) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in OBJECTS if one["kind"] == kind}


def pods() -> list[dict[str, Any]]:
    deployments = [one["spec"]["template"] for one in named("Deployment").values()]
    return deployments + [one["spec"]["jobTemplate"]["spec"]["template"] for one in named("CronJob").values()]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("one", OBJECTS, ids=lambda one: f"{one['kind']}-{one['metadata']['name']}")
def test_kubernetes_takes_it(one: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(one, version, strict=True)


def test_every_file_is_listed() -> None:
    for folder in (BASE, EXAMPLE):
        kustomization = yaml.safe_load((folder / LIST).read_text(encoding="utf-8"))
        listed = {*kustomization["resources"], *(patch["path"] for patch in kustomization.get("patches", []))}
        assert {path.name for path in folder.glob("*.yaml")} - {LIST} == {name for name in listed if ".." not in name}
        assert all((folder / name).exists() for name in listed)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
@pytest.mark.parametrize("folder", [BASE, EXAMPLE], ids=["base", "example"])
def test_kustomize_puts_it_together(folder: Any) -> None:
    done = subprocess.run(
        ["kubectl", "kustomize", str(folder)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    made = list(yaml.safe_load_all(done.stdout))
    for one in made:
        kubernetes_validate.validate(one, VERSIONS[-1], strict=True)
    if folder == EXAMPLE:
        assert {one["metadata"].get("namespace", "ketalink") for one in made} == {"ketalink"}
        images = {box["image"] for one in made if one["kind"] == "Deployment" for box in containers(one)}
        assert all(image.startswith("registry.clinic.example/") for image in images)
        (rasa,) = [one for one in made if one["kind"] == "NetworkPolicy" and one["metadata"]["name"] == "rasa"]
        assert {port["port"] for rule in rasa["spec"]["egress"] for port in rule["ports"]} == {5055, 5432, 6379}


def containers(one: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = one["spec"]["template"]["spec"]["containers"]
    return found


def test_a_pod_may_do_as_little_as_it_can() -> None:
    assert len(pods()) == 5
    for pod in pods():
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for box in spec["containers"]:
            assert box["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert box["resources"]["limits"]["memory"]
            assert box["resources"]["requests"]["cpu"]


def test_each_part_runs_listens_and_is_asked_as_the_others_think() -> None:
    settings = named("ConfigMap")["ketalink-settings"]["data"]
    assert settings["RASA_URL"] == f"http://rasa:{PORTS['rasa']}"
    assert settings["ACTIONS_URL"] == f"http://actions:{PORTS['actions']}"
    for part, port in PORTS.items():
        (box,) = containers(named("Deployment")[part])
        assert box["command"] == COMMANDS[part]
        assert [one["containerPort"] for one in box["ports"]] == [port]
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert box[probe]["httpGet"] == {"path": ALIVE[part], "port": "http"}
        (service_port,) = named("Service")[part]["spec"]["ports"]
        assert service_port["port"] == port
        assert named("PodDisruptionBudget")[part]["spec"]["maxUnavailable"] == 1
        assert named("Deployment")[part]["spec"]["replicas"] >= 2


def test_settings_exist_and_what_is_secret_is_only_referred_to() -> None:
    assert "Secret" not in {one["kind"] for one in OBJECTS}
    names = set(named("ConfigMap")["ketalink-settings"]["data"])
    names |= set(yaml.safe_load((EXAMPLE / "settings.yaml").read_text(encoding="utf-8"))["data"])
    for pod in pods():
        for box in pod["spec"]["containers"]:
            names |= {entry["name"] for entry in box.get("env", [])}
            (mount,) = [mount for mount in box["volumeMounts"] if mount["name"] == "secrets"]
            assert mount["mountPath"] == named("ConfigMap")["ketalink-settings"]["data"]["SECRETS_DIR"]
            assert mount["readOnly"] is True
    assert names <= SETTINGS | OF_OTHERS
    assert all(documented(name) for name in names & SETTINGS)
    assert not any(name.endswith(("_SECRET", "_KEYS", "_TOKEN", "_PASSWORD", "DATABASE_URL")) for name in names)


def test_rasa_is_boxed_in() -> None:
    policies = named("NetworkPolicy")
    everything = policies["nothing-unless-allowed"]["spec"]
    assert (everything["podSelector"], everything["ingress"], everything["egress"]) == ({}, [], [])
    rasa = policies["rasa"]["spec"]
    (asked,) = rasa["ingress"]
    assert asked["from"] == [{"podSelector": {"matchLabels": {"app.kubernetes.io/component": "frontdesk"}}}]
    for rule in rasa["egress"]:
        assert all(set(peer) == {"podSelector"} for peer in rule["to"])
    outside = [name for name, policy in policies.items() if "ipBlock" in str(policy["spec"])]
    assert outside == ["frontdesk"]


def test_from_outside_nobody_reaches_what_is_for_inside() -> None:
    (rule,) = named("Ingress")["frontdesk"]["spec"]["rules"]
    for path in rule["http"]["paths"]:
        assert path["backend"]["service"] == {"name": "frontdesk", "port": {"name": "http"}}
        if path["path"] == "/":
            assert path["pathType"] == "Exact"
        assert not {"/metrics", "/readyz", "/healthz", "/openapi.json"} & {path["path"]}


def test_the_guide_tells_how_the_secret_is_made() -> None:
    operations = (PROJECT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert "create secret generic ketalink-secrets" in operations
