"""A registered version is whole or not there: code, safetensors, card and tags; it loads with pickle forbidden."""

import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hf_cases import small_face, small_voice
from matching_cases import NOBODY, planted
from onscreen.config import Params, TrainFaceVoice, TrainHq
from onscreen.errors import InputError, ToolError
from onscreen.lineage import Pass
from onscreen.matching.folder import describe, load_model, write_trained
from onscreen.matching.towers import TowerSpec, hf_face, hf_voice
from onscreen.matching.train import Recipe, train
from onscreen.stages.items import FaceInput, VoiceInput
from onscreen.tracking.registration import register
from onscreen.tracking.registry import MD5, TEST_SET, TRAINING_LIST, download_folder, version_of, versions_of
from onscreen.tracking.store import RECORDED, connect, store_of
from onscreen.workspace import Workspace

CASES = ("embedding", "mel", "flatten", "hf")
INPUTS = {"face": asdict(FaceInput("embedding", "Dlib")), "voice": asdict(VoiceInput("embedding", "resemblyzer", 5.0))}
TEST_SHA256 = "of the test set"


def case(kind, folder):
    """The recipe of a model of that kind, and pairs of 6 people for it."""
    if kind == "hf":
        towers = hf_face(small_face(folder / "vit")), hf_voice(small_voice(folder / "wav2vec2"), augment=False)
        params = TrainFaceVoice(embedding_dim=8, num_epochs=1, face_frozen_epochs=0, voice_frozen_epochs=0)
        random, pairs = np.random.default_rng(0), planted(6)
        pictures = [random.integers(0, 256, (3, 32, 32), np.uint8) for _ in pairs.faces]
        sounds = [random.normal(0, 0.1, (1, 2000)).astype(np.float32) for _ in pairs.voices]
        return Recipe(params, *towers, frames=1600), replace(pairs, faces=pictures, voices=sounds)
    params = TrainFaceVoice(embedding_dim=8, num_epochs=1) if kind == "embedding" else TrainHq(embedding_dim=8, num_epochs=1)
    voice = TowerSpec("embedding", 32) if kind == "embedding" else TowerSpec(kind, 16, 20 if kind == "flatten" else 0)
    recipe = Recipe(params, TowerSpec("embedding", 24), voice, frames=1 if kind == "embedding" else 20)
    return recipe, planted(6, mel_bands=0 if kind == "embedding" else 16)


def one_pass(md5: str, **figures: object) -> Pass:
    lock = {"stages": {"train": {"outs": [{"path": "models/face_voice", "md5": md5}]}}}
    metrics = {"evaluate": {"face_voice": {"status": "ok", "reason": "made up", "test_set_sha256": TEST_SHA256, **figures}}}
    return Pass("workspace", "0" * 40, {"x": 1}, lock, metrics, f"digest-{md5}")


def write_model(workspace: Workspace, recipe: Recipe, pairs, inputs: dict) -> Path:
    folder = workspace.models / "face_voice"
    folder.mkdir(parents=True)
    trained = train(recipe, pairs, NOBODY, workspace.root / "state", lambda epoch, row: None)
    write_trained(folder, recipe, trained, describe(recipe.params, inputs, pairs, NOBODY))
    (folder / "rejects.parquet").write_bytes(b"ids of clips and people")
    return folder


def registered(workspace: Workspace, md5: str):
    client, experiment = connect(workspace.home)
    client.create_run(experiment, tags={RECORDED: f"digest-{md5}"})
    return register(client, experiment, one_pass(md5), workspace)["face_voice"]


def empty(root: Path) -> Workspace:
    return Workspace(root, root, Params(), root / ".cache")


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A checkout with one model, registered twice under one content and once under another."""
    workspace = empty(tmp_path_factory.mktemp("registered"))
    write_model(workspace, *case("embedding", workspace.root), INPUTS)
    for md5 in ("one.dir", "one.dir", "two.dir"):
        registered(workspace, md5)
    return workspace


def test_each_content_of_the_folder_is_one_version_with_its_tags(here: Workspace) -> None:
    client, _ = connect(here.home)
    versions = versions_of(client, "face_voice")
    assert [(str(found.version), found.tags[MD5]) for found in versions] == [("1", "one.dir"), ("2", "two.dir")]
    assert versions[0].tags[TEST_SET] == TEST_SHA256
    assert len(versions[0].tags[TRAINING_LIST]) == 64
    assert versions[0].description.startswith("Face-voice matching on our own videos. Trained on 12 pairs of 6 people.")


def test_it_loads_with_pickle_forbidden_and_answers(here: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow

    client, _ = connect(here.home)
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    with store_of(client):
        served = mlflow.pyfunc.load_model("models:/face_voice/1")
        answer = served.predict(pd.DataFrame({"image": ["AAAA"], "audio": ["AAAA"]}))
    assert "image" in answer["reject"][0]
    assert served.metadata.signature is not None


def test_it_brings_its_card_and_nobody_s_name_and_no_place_of_this_machine(here: Workspace, tmp_path: Path) -> None:
    from mlflow.artifacts import download_artifacts

    client, _ = connect(here.home)
    with store_of(client):
        folder = Path(download_artifacts("models:/face_voice/1", dst_path=str(tmp_path)))
    text = (folder / "artifacts" / "model_card.md").read_text()
    assert text.startswith("# face_voice: ")
    files = {
        path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and path.parent.name != "__pycache__"
    }  # of loading
    assert not [
        path
        for path in files
        if path.name == "rejects.parquet" or path.suffix in (".pkl", ".pickle", ".pyc") or "last" in path.parts
    ]
    for path in (
        folder / "artifacts" / "model_card.md",
        folder / "artifacts" / "model" / "config.json",
        folder / "requirements.txt",
    ):
        assert "person0" not in path.read_text(), path
        assert str(here.root) not in path.read_text(), path
    assert all("==" in line for line in (folder / "requirements.txt").read_text().split())


@pytest.mark.parametrize("kind", CASES)
def test_its_files_come_back_and_score_as_the_folder_does(tmp_path: Path, kind: str) -> None:
    workspace = empty(tmp_path)
    recipe, pairs = case(kind, tmp_path)
    folder = write_model(workspace, recipe, pairs, {})
    version = registered(workspace, "one.dir")
    for backbone in ("vit", "wav2vec2"):
        shutil.rmtree(tmp_path / backbone, ignore_errors=True)  # a registered model needs nothing beside it
    with store_of(connect(tmp_path)[0]):
        back = load_model(download_folder(version, tmp_path / "back"))
    model = load_model(folder)
    np.testing.assert_array_equal(back.embed_faces(pairs.faces), model.embed_faces(pairs.faces))
    np.testing.assert_array_equal(back.embed_voices(pairs.voices), model.embed_voices(pairs.voices))


def test_versions_are_found_by_name_number_and_alias_and_what_is_missing_is_named_with_what_is_there(here: Workspace) -> None:
    client, _ = connect(here.home)
    assert {name: str(version_of(client, name).version) for name in ("face_voice", "face_voice/1", "models:/face_voice/2")} == {
        "face_voice": "2",
        "face_voice/1": "1",
        "models:/face_voice/2": "2",
    }
    with pytest.raises(InputError, match=r"has no alias 'champion'\. It has: none yet"):
        version_of(client, "face_voice@champion")
    with pytest.raises(InputError, match=r"no version of 'hq' is registered\. Registered: face_voice"):
        version_of(client, "hq")
    with pytest.raises(InputError, match="is no registered model"):
        version_of(client, "face_voice'; drop")


def test_an_artifact_store_that_takes_nothing_leaves_no_version(tmp_path: Path) -> None:
    workspace = empty(tmp_path)
    write_model(workspace, *case("embedding", tmp_path), INPUTS)
    client, _ = connect(tmp_path)
    (tmp_path / "mlartifacts").write_text("where a folder is needed")
    with pytest.raises(ToolError, match=r"models/face_voice could not be registered.*onscreen track"):
        registered(workspace, "one.dir")
    assert versions_of(client, "face_voice") == []
    (tmp_path / "mlartifacts").unlink()
    assert str(registered(workspace, "one.dir").version) == "1"
