"""The Kubernetes manifests are complete, closed, and as the documents say.

They are built by kustomize and checked against the schemas of Kubernetes; no cluster runs them.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
MANIFESTS = ROOT / "deploy" / "kubernetes"
OVERLAYS = ("small", "production")
DUE = "portal_due_rows"
# Of requirements-dev.txt, or the machine's where that has none for its system.
KUBECTL = shutil.which(Path(sys.executable).with_name("kubectl")) or shutil.which("kubectl")

pytestmark = pytest.mark.skipif(KUBECTL is None, reason="kubectl is missing")


def built(overlay: str, root: Path = MANIFESTS) -> str:
    assert KUBECTL
    there = root / "overlays" / overlay
    done = subprocess.run([KUBECTL, "kustomize", there], capture_output=True, text=True, check=True)
    return done.stdout


def complaints(manifests: str, folder: Path) -> str:
    """What the checker has against these manifests; empty when nothing."""
    path = folder / "built.yaml"
    path.write_text(manifests)
    checker = Path(sys.executable).with_name("kubernetes-validate")
    done = subprocess.run(
        [checker, "--strict", "--quiet", "--no-warn", path],
        check=False,
        capture_output=True,
        text=True,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def pods(overlay: str) -> dict[str, dict[str, Any]]:
    """The pods of an overlay by the name of what makes them."""
    rows = (row for row in yaml.safe_load_all(built(overlay)))
    return {
        row["metadata"]["name"]: row["spec"]["template"]
        for row in rows
        if row["kind"] in {"Deployment", "Job"}
    }


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_each_overlay_is_what_kubernetes_knows(overlay: str, tmp_path: Path) -> None:
    assert not complaints(built(overlay), tmp_path)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("readOnlyRootFilesystem: true", "readOnlyRootFilesystm: true"),
        ("replicas: 3", "replicas: three"),
        ("minAvailable: 1", "minAvailable: [1]"),
    ],
)
def test_a_broken_copy_is_refused(right: str, wrong: str, tmp_path: Path) -> None:
    manifests = built("production")
    assert right in manifests
    assert complaints(manifests.replace(right, wrong), tmp_path)


def with_keda(folder: Path) -> dict[str, dict[str, Any]]:
    """What the overlay of production is with the component, by kind and name."""
    shutil.copytree(MANIFESTS, folder / "kubernetes")
    scaled = folder / "kubernetes/overlays/scaled"
    scaled.mkdir()
    parts = {"resources": ["../production"], "components": ["../../components/keda"]}
    (scaled / "kustomization.yaml").write_text(yaml.safe_dump(parts))
    rows = yaml.safe_load_all(built("scaled", folder / "kubernetes"))
    return {f"{row['kind']}/{row['metadata']['name']}": row for row in rows}


def test_keda_scales_a_deployment_that_there_is_by_a_figure_that_is_told(tmp_path: Path) -> None:
    """Its kind is unknown to the checker, so its form is checked here."""
    made = with_keda(tmp_path)
    [scaled] = [row for row in made.values() if row["kind"] == "ScaledObject"]
    worker = made[f"Deployment/{scaled['spec']['scaleTargetRef']['name']}"]
    assert "replicas" not in worker["spec"]  # two that set it would fight
    assert 0 < scaled["spec"]["minReplicaCount"] < scaled["spec"]["maxReplicaCount"]
    [trigger] = scaled["spec"]["triggers"]
    assert trigger["type"] == "prometheus"
    assert float(trigger["metadata"]["threshold"]) > 0
    assert set(re.findall(r"portal_\w+", trigger["metadata"]["query"])) == {DUE}
    assert not any(
        row["kind"] == "HorizontalPodAutoscaler" and target(row) == "worker"
        for row in made.values()
    )


def target(scaler: dict[str, Any]) -> str:
    return str(scaler["spec"]["scaleTargetRef"]["name"])


def made(overlay: str) -> dict[str, dict[str, Any]]:
    """What an overlay makes, by kind and name."""
    rows = yaml.safe_load_all(built(overlay))
    return {f"{row['kind']}/{row['metadata']['name']}": row for row in rows}


@pytest.mark.parametrize(
    ("overlay", "webs"), [("small", ["web"]), ("production", ["web", "api-web"])]
)
def test_web_pods_go_one_at_a_time_and_serve_on_until_nobody_sends_them_requests(
    overlay: str, webs: list[str]
) -> None:
    found = made(overlay)
    assert found["Job/migrate"]
    for name in webs:
        spec = found[f"Deployment/{name}"]["spec"]
        assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
        pod = spec["template"]["spec"]
        [web] = [each for each in pod["containers"] if each["name"] == "web"]
        waits = web["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert waits >= 5
        assert pod["terminationGracePeriodSeconds"] > waits + 10  # for open requests
        assert web["readinessProbe"]["httpGet"]["path"] == "/readyz"
        budget = found[f"PodDisruptionBudget/{name}"]["spec"]
        assert budget["minAvailable"] == 1
        labels = spec["template"]["metadata"]["labels"]
        assert budget["selector"]["matchLabels"].items() <= labels.items()


def test_in_production_web_pods_are_made_by_load() -> None:
    found = made("production")
    for name in ("web", "api-web"):
        scaler = found[f"HorizontalPodAutoscaler/{name}"]
        assert target(scaler) == name
        assert 2 <= scaler["spec"]["minReplicas"] < scaler["spec"]["maxReplicas"]
        # two that set it would fight
        assert "replicas" not in found[f"Deployment/{name}"]["spec"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_nobody_reaches_a_pod_but_the_ingress_and_prometheus(overlay: str) -> None:
    policies = {
        name.partition("/")[2]: row["spec"]
        for name, row in made(overlay).items()
        if row["kind"] == "NetworkPolicy"
    }
    everybody = {"matchLabels": {"app.kubernetes.io/part-of": "loyalty-portal"}}
    assert policies["closed"] == {"podSelector": everybody, "policyTypes": ["Ingress"]}
    opened = {name: row["ingress"] for name, row in policies.items() if name != "closed"}
    assert set(opened) == {"web-from-ingress", "figures-from-prometheus"}
    for rules in opened.values():
        assert all(rule["from"] and rule["ports"] for rule in rules)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_each_container_is_closed_and_has_limits(overlay: str) -> None:
    for name, pod in pods(overlay).items():
        assert pod["spec"]["securityContext"]["runAsNonRoot"], name
        assert not pod["spec"]["automountServiceAccountToken"], name
        assert pod["metadata"]["labels"]["app.kubernetes.io/part-of"] == "loyalty-portal", name
        for one in [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]:
            assert one["securityContext"]["readOnlyRootFilesystem"], name
            assert one["securityContext"]["capabilities"] == {"drop": ["ALL"]}, name
            assert one["resources"]["limits"]["memory"], name
            assert ":latest" not in one["image"], name


def test_they_start_what_compose_starts() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    for name in ("worker", "sweeper", "beat"):
        [container] = pods("production")[name]["spec"]["containers"]
        assert " ".join(container["command"]) == services[name]["command"]
    [migrate] = pods("production")["migrate"]["spec"]["initContainers"]
    assert " ".join(migrate["command"]) == services["migrate"]["command"]
    beside = {each["name"]: each for each in pods("production")["web"]["spec"]["containers"]}
    indexer = beside.pop("indexer")
    assert " ".join(indexer["command"]) == services["indexer"]["command"]
    [web] = beside.values()
    assert "command" not in web  # as in compose, it is the image's own


def test_the_api_has_pods_of_its_own() -> None:
    rows = list(yaml.safe_load_all(built("production")))
    chosen = {
        row["metadata"]["name"]: row["spec"]["selector"] for row in rows if row["kind"] == "Service"
    }
    labels = {name: pod["metadata"]["labels"] for name, pod in pods("production").items()}
    for name in ("web", "api-web"):
        matching = {each for each, has in labels.items() if chosen[name].items() <= has.items()}
        assert matching == {name}
