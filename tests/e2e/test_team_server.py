"""A pass and a model go to a real MLflow server, whose runs lie in PostgreSQL and whose files lie in S3, and come back."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import yaml
from servers import S3, mlflow_server, own_folder, postgres, swift

from matching_cases import NOBODY, planted
from onscreen.config import Params, TrainFaceVoice
from onscreen.errors import ToolError
from onscreen.matching.folder import describe, load_model, write_trained
from onscreen.matching.towers import TowerSpec
from onscreen.matching.train import Recipe, train
from onscreen.tracking.passes import track
from onscreen.tracking.registry import download_folder, version_of
from onscreen.tracking.store import RECORDED, connect, store_of
from onscreen.workspace import Workspace

ROOT = Path(__file__).parents[2]
DVC = [sys.executable, "-m", "dvc"]
PAIRS = planted(6)
STAGE = """stages:
  train_face_voice:
    cmd: mkdir -p models && cp -r trained models/face_voice
    params: [x]
    outs: [models/face_voice]
"""


@dataclass
class Team:
    """A running server. address: of MLflow, the only one that a project knows. database: what psycopg2 connects to."""

    address: str
    database: str
    s3: S3


@pytest.fixture(scope="module")
def team() -> Iterator[Team]:
    with own_folder() as base, postgres(base) as database, swift(base) as s3:
        make_buckets(s3)
        with mlflow_server(base, database, s3, "mlflow") as address:
            yield Team(address, database, s3)


def make_buckets(s3: S3) -> None:
    """What the composition's service does, twice: the second time there is nothing left to make."""
    command = [sys.executable, *composed()["buckets"]["command"][1:]]
    for _ in range(2):
        subprocess.run(command, env={**os.environ, **s3.environment}, check=True, capture_output=True, timeout=60)
    assert {bucket["Name"] for bucket in s3.client().list_buckets()["Buckets"]} == {"mlflow", "dvc"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A real DVC project whose one stage brings a model that was trained on made-up people."""
    root = tmp_path_factory.mktemp("team") / "project"
    (root / "trained").mkdir(parents=True)
    recipe = Recipe(
        TrainFaceVoice(embedding_dim=8, num_epochs=1), TowerSpec("embedding", 24), TowerSpec("embedding", 32), frames=1
    )
    trained = train(recipe, PAIRS, NOBODY, root.parent / "state", lambda epoch, row: None)
    write_trained(root / "trained", recipe, trained, describe(recipe.params, {}, PAIRS, NOBODY))
    (root / "dvc.yaml").write_text(STAGE)
    (root / "params.yaml").write_text("x: 1\n")
    (root / ".gitignore").write_text("mlflow.db*\nmlartifacts\n.cache\nmodels\n")
    for command in (["git", "init", "-q"], [*DVC, "init", "-q"], [*DVC, "repro", "-q"], ["git", "add", "-A"]):
        subprocess.run(command, cwd=root, check=True, capture_output=True, timeout=120)
    who = ["-c", "user.email=nobody@example.com", "-c", "user.name=nobody"]
    subprocess.run(["git", *who, "commit", "-qm", "one"], cwd=root, check=True, capture_output=True, timeout=60)
    return Workspace(root, root, Params(), root / ".cache" / "onscreen")


def test_a_pass_goes_to_postgresql_and_s3_once_and_its_model_comes_back_from_there(
    team: Team, project: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", team.address)  # and no key of S3, no password: the server alone knows them
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    assert track(project) == 1
    assert track(project) == 0
    client, experiment = connect(project.home)
    (run,) = client.search_runs([experiment], f"tags.`{RECORDED}` != ''")
    assert run.info.artifact_uri.startswith("mlflow-artifacts:")
    stored = [found["Key"] for found in team.s3.client().list_objects_v2(Bucket="mlflow")["Contents"]]
    assert any(name.endswith(".safetensors") for name in stored)
    assert rows(team.database, "SELECT value FROM tags WHERE key = 'onscreen.pass'") == [(run.data.tags[RECORDED],)]
    assert not (project.root / "mlflow.db").exists()

    version = version_of(client, "face_voice")
    with store_of(client):
        back = load_model(download_folder(version, tmp_path / "back"))
    here = load_model(project.models / "face_voice")
    np.testing.assert_array_equal(back.embed_faces(PAIRS.faces), here.embed_faces(PAIRS.faces))


def test_with_the_artifact_store_gone_the_error_names_the_server_and_the_next_track_completes_it(
    team: Team, project: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", team.address)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    (project.root / "params.yaml").write_text("x: 2\n")
    subprocess.run([*DVC, "repro", "-q"], cwd=project.root, check=True, capture_output=True, timeout=120)
    team.s3.program.stop()
    try:
        with pytest.raises(ToolError, match=re.escape(team.address)):
            track(project)
    finally:
        team.s3.program.start()
        team.s3.program.wait()
    assert track(project) == 1


def rows(database: str, query: str) -> list[tuple[str, ...]]:
    import psycopg2

    with contextlib.closing(psycopg2.connect(database.replace("+psycopg2", ""))) as db, db.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def composed() -> dict[str, dict]:
    return yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]


def test_every_image_of_the_composition_has_a_version_and_every_port_is_this_machines_own() -> None:
    for name, service in composed().items():
        image = service.get("image") or ""
        assert re.fullmatch(r"[\w./-]+:v?\d+(\.\d+)+[\w.-]*", image), (name, image)
        assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", [])), name


def test_the_server_of_the_composition_is_the_one_that_was_tried_in_its_versions() -> None:
    packages = set(re.findall(r"[\w-]+==[\d.]+", composed()["mlflow"]["build"]["dockerfile_inline"]))
    assert packages <= set((ROOT / "constraints.txt").read_text().split())
    assert {package.split("==")[0] for package in packages} == {"mlflow", "psycopg2-binary", "boto3"}
    assert composed()["mlflow"]["command"][:2] == ["mlflow", "server"]
    assert {"MLFLOW_BACKEND_STORE_URI", "MLFLOW_ARTIFACTS_DESTINATION", "MLFLOW_S3_ENDPOINT_URL"} <= composed()["mlflow"][
        "environment"
    ].keys()


def test_a_service_that_others_wait_for_says_whether_it_is_well() -> None:
    services = composed()
    waited = {(name, other): how for name, one in services.items() for other, how in one.get("depends_on", {}).items()}
    for (name, other), how in waited.items():
        expected = "healthcheck" in services[other]
        assert how["condition"] == ("service_healthy" if expected else "service_completed_successfully"), (name, other)
    assert {"postgres", "s3", "mlflow"} <= services.keys()
    assert all("healthcheck" in services[name] for name in ("postgres", "s3", "mlflow"))


def test_no_password_stands_in_the_composition_and_none_has_a_default() -> None:
    text = (ROOT / "compose.yaml").read_text()
    secret = re.compile(r"PASSWORD|SECRET|ACCESS_KEY")
    for name, service in composed().items():
        for key, value in service.get("environment", {}).items():
            if secret.search(key) and value is not None:
                assert re.fullmatch(r"\$\{\w+:\?[^}]+\}", str(value)), (name, key)
    for variable in set(re.findall(r"\$\{(\w*(?:PASSWORD|SECRET|KEY)\w*)[^}]*\}", text)):
        assert re.search(r"\$\{" + variable + r":\?", text), variable
        assert not re.search(r"\$\{" + variable + r"(:?-|\})", text), variable
    ignored = subprocess.run(["git", "check-ignore", ".env"], cwd=ROOT, env={**os.environ}, capture_output=True, timeout=30)
    assert ignored.returncode == 0, "the file with the passwords must not get into git"
