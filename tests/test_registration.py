"""A registered model is code and safetensors: it loads with pickle forbidden and scores as the folder does."""

import numpy as np
import pandas as pd
import pytest

from matching_cases import NOBODY, planted
from onscreen.config import Params, TrainFaceVoice, TrainHq
from onscreen.lineage import Pass
from onscreen.matching.folder import describe, load_model, write_trained
from onscreen.matching.towers import TowerSpec
from onscreen.matching.train import Recipe, train
from onscreen.tracking import _record, connect, register
from onscreen.workspace import Workspace

CASES = {
    "embedding": (TrainFaceVoice(embedding_dim=8, num_epochs=1), TowerSpec("embedding", 32), 1),
    "mel": (TrainHq(embedding_dim=8, num_epochs=1), TowerSpec("mel", 16), 20),
}


def one_pass(md5):
    lock = {"stages": {"train": {"outs": [{"path": "models/face_voice", "md5": md5}]}}}
    return Pass("workspace", "0" * 40, {"x": 1}, lock, {}, f"digest-{md5}")


@pytest.mark.parametrize("kind", CASES)
def test_it_loads_without_pickle_and_scores_as_the_folder_does(tmp_path, monkeypatch, kind):
    import mlflow

    params, voice, frames = CASES[kind]
    pairs = planted(6, mel_bands=16 if kind == "mel" else 0)
    folder = tmp_path / "models" / "face_voice"
    folder.mkdir(parents=True)
    recipe = Recipe(params, TowerSpec("embedding", 24), voice, frames=frames)
    write_trained(
        folder,
        recipe,
        train(recipe, pairs, NOBODY, tmp_path / "state", lambda epoch, row: None),
        describe(params, {}, pairs, NOBODY),
    )
    workspace = Workspace(tmp_path, tmp_path, Params(), tmp_path / ".cache")
    client, experiment = connect(tmp_path)
    for md5 in ("one.dir", "one.dir", "two.dir"):
        _record(client, experiment, one_pass(md5), workspace)
        register(client, experiment, one_pass(md5), tmp_path)
    assert [version.version for version in client.search_model_versions("name = 'onscreen-face-voice'")] in (["2", "1"], [2, 1])

    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    mlflow.set_tracking_uri(client.tracking_uri)
    served = mlflow.pyfunc.load_model("models:/onscreen-face-voice/1")
    faces, voices = pairs.faces[:4], pairs.voices[:4]
    table = pd.DataFrame({"face": [face.tolist() for face in faces], "voice": [item.tolist() for item in voices]})
    model = load_model(folder)
    wanted = (model.embed_faces(faces) * model.embed_voices(voices)).sum(axis=1)
    np.testing.assert_allclose(served.predict(table)["similarity"], wanted, rtol=1e-5, atol=1e-6)
    mlflow.set_tracking_uri("")
