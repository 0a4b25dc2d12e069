"""A registered model is code and safetensors: it loads with pickle forbidden and scores as the folder does."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from hf_cases import small_face, small_voice
from matching_cases import NOBODY, planted
from onscreen.config import Params, TrainFaceVoice, TrainHq
from onscreen.lineage import Pass
from onscreen.matching.folder import describe, load_model, write_trained
from onscreen.matching.towers import TowerSpec, hf_face, hf_voice
from onscreen.matching.train import Recipe, train
from onscreen.tracking.passes import _record
from onscreen.tracking.registry import register
from onscreen.tracking.store import connect
from onscreen.workspace import Workspace

CASES = ("embedding", "mel", "flatten", "hf")


def case(kind, folder):
    """The recipe of a model of that kind, and pairs of 6 people for it."""
    if kind == "hf":
        towers = hf_face(small_face(folder / "vit")), hf_voice(small_voice(folder / "wav2vec2"), augment=False)
        train = TrainFaceVoice(embedding_dim=8, num_epochs=1, face_frozen_epochs=0, voice_frozen_epochs=0)
        random, pairs = np.random.default_rng(0), planted(6)
        pictures = [random.integers(0, 256, (3, 32, 32), np.uint8) for _ in pairs.faces]
        sounds = [random.normal(0, 0.1, (1, 2000)).astype(np.float32) for _ in pairs.voices]
        return Recipe(train, *towers, frames=1600), replace(pairs, faces=pictures, voices=sounds)
    params = TrainFaceVoice(embedding_dim=8, num_epochs=1) if kind == "embedding" else TrainHq(embedding_dim=8, num_epochs=1)
    voice = TowerSpec("embedding", 32) if kind == "embedding" else TowerSpec(kind, 16, 20 if kind == "flatten" else 0)
    recipe = Recipe(params, TowerSpec("embedding", 24), voice, frames=1 if kind == "embedding" else 20)
    return recipe, planted(6, mel_bands=0 if kind == "embedding" else 16)


def cells(items, kind):
    """Items as a request holds them: a waveform is its samples."""
    return [(item[0] if kind == "hf_voice" else item).tolist() for item in items]


def one_pass(md5):
    lock = {"stages": {"train": {"outs": [{"path": "models/face_voice", "md5": md5}]}}}
    return Pass("workspace", "0" * 40, {"x": 1}, lock, {}, f"digest-{md5}")


@pytest.mark.parametrize("kind", CASES)
def test_it_loads_without_pickle_and_scores_as_the_folder_does(tmp_path, monkeypatch, kind):
    import mlflow

    recipe, pairs = case(kind, tmp_path)
    folder = tmp_path / "models" / "face_voice"
    folder.mkdir(parents=True)
    write_trained(
        folder,
        recipe,
        train(recipe, pairs, NOBODY, tmp_path / "state", lambda epoch, row: None),
        describe(recipe.params, {}, pairs, NOBODY),
    )
    workspace = Workspace(tmp_path, tmp_path, Params(), tmp_path / ".cache")
    client, experiment = connect(tmp_path)
    md5s = ("one.dir", "one.dir", "two.dir") if kind == "embedding" else ("one.dir",)
    for md5 in md5s:
        _record(client, experiment, one_pass(md5), workspace)
        register(client, experiment, one_pass(md5), tmp_path)
    versions = client.search_model_versions("name = 'face_voice'")
    assert sorted(int(found.version) for found in versions) == list(range(1, 1 + len(set(md5s))))
    for backbone in ("vit", "wav2vec2"):
        shutil.rmtree(tmp_path / backbone, ignore_errors=True)  # a registered model needs nothing beside it

    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    mlflow.set_tracking_uri(client.tracking_uri)
    served = mlflow.pyfunc.load_model("models:/face_voice/1")
    faces, voices = pairs.faces[:4], pairs.voices[:4]
    table = pd.DataFrame({"face": cells(faces, recipe.face.kind), "voice": cells(voices, recipe.voice.kind)})
    model = load_model(folder)
    wanted = (model.embed_faces(faces) * model.embed_voices(voices)).sum(axis=1)
    np.testing.assert_allclose(served.predict(table)["similarity"], wanted, rtol=1e-5, atol=1e-6)
    mlflow.set_tracking_uri("")
