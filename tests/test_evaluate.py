"""Training and evaluation as stages, on a small checkout: what they write, what they refuse, what they say when there is nothing."""

import contextlib
import copy
import json
import shutil
import threading
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from filelock import FileLock

from matching_cases import NOBODY, planted
from onscreen.config import Engine, Evaluate, Params, TrainFaceVoice, TrainHq
from onscreen.errors import MixedModelsError
from onscreen.matching.data import Link, PairSet
from onscreen.matching.folder import PARTS, digest_of_person
from onscreen.matching.metrics import CHIEF
from onscreen.matching.paired import paired_interval
from onscreen.matching.towers import FaceVoiceModel, TowerSpec
from onscreen.records import Face, Pair, Reject
from onscreen.stages import evaluate, hq, train_face_voice, train_hq
from onscreen.stages.evaluate_plots import COLUMNS
from onscreen.stages.hq_items import PICTURE_MODELS, Picture, measure_picture
from onscreen.stages.items import FaceInput, VoiceInput
from onscreen.storage import StoredFile
from onscreen.store import read_table, write_json, write_table
from onscreen.voices.embedders import VoiceTask, measure_voice
from onscreen.voices.waveform import Speech
from onscreen.weights import model as weights
from onscreen.weights import path_of
from onscreen.workspace import Workspace
from real_data import DATA, needs_real_data
from stage_cases import checkout

QUICK = Params(
    engine=Engine(workers=1),  # most of the time goes into starting processes
    train_face_voice=TrainFaceVoice(num_epochs=2, embedding_dim=16),
    train_hq=TrainHq(num_epochs=2, embedding_dim=16),
    evaluate=Evaluate(bootstrap=100),
)
FACE, VOICE = FaceInput("embedding", "Dlib"), VoiceInput("embedding", "resemblyzer", 5.0)
WAYS = ("face_to_voice", "voice_to_face", "verification")


def metrics(workspace: Workspace, stage: str) -> dict:
    return json.loads((workspace.reports / "metrics" / f"{stage}.json").read_text())


def run_all(workspace: Workspace) -> dict:
    for stage in (hq, train_face_voice, train_hq, evaluate):
        stage.main(workspace)
    return metrics(workspace, "evaluate")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A checkout with 5 training, 2 validation and 3 test people, all stages run once."""
    workspace = checkout(tmp_path_factory.mktemp("checkout"), {"train": 5, "val": 2, "test": 3}, params=QUICK)
    run_all(workspace)
    return workspace


@pytest.mark.parametrize("name", ["face_voice", "hq"])
def test_a_model_folder_holds_what_the_design_names(done: Workspace, name: str) -> None:
    folder = done.models / name
    assert {path.name for path in folder.iterdir()} == {
        *(f"{part}.safetensors" for part in PARTS),
        "last",
        "config.json",
        "history.json",
        "rejects.parquet",
        "sources_sha256.txt",
    }
    assert read_table(folder / "rejects.parquet", Reject) == []
    config = json.loads((folder / "config.json").read_text())
    assert config["data"]["training_people"] == 5
    assert config["training_people_sha256"] == sorted(digest_of_person(f"person {number}") for number in range(5))
    assert config["temperature"] == 0.07
    history = json.loads((folder / "history.json").read_text())
    assert [len(history[key]) for key in ("train_loss", "val_loss", "learning_rate")] == [2, 2, 2]
    assert None not in history["val_loss"]


def test_both_models_have_all_figures_with_chance_and_sizes(done: Workspace) -> None:
    found = metrics(done, "evaluate")
    assert found["status"] == "ok"
    for name in ("face_voice", "hq"):
        part = found[name]["all"]["face_to_voice"]
        assert (part["queries"], part["gallery"], part["gallery_people"]) == (6, 6, 3)
        assert 0 <= part["top1"]["value"] <= 1
        assert part["top1"]["chance"] == pytest.approx(1 / 5)  # 6 voices, the one of the face's own video left out
        assert part["top5"]["value"] is None
        assert "chance" in part["top5"]["reason"]
        assert found[name]["all"]["verification"]["auc"]["value"] is not None
        assert found[name]["all"]["verification"]["auc"]["interval_reason"].startswith("3 people")
        assert found[name]["all"]["verification"]["at_threshold"]["value"] is not None
        assert found[name]["same_source"]["verification"]["auc"]["value"] is None
        assert found[name]["permuted_labels"]["auc"]["value"] == pytest.approx(0.5, abs=0.1)


def test_metrics_and_plots_hold_no_number_that_json_lacks(done: Workspace) -> None:
    assert "Infinity" not in (done.reports / "metrics" / "evaluate.json").read_text()
    for model in ("face_voice", "hq"):
        for name, columns in COLUMNS.items():
            header, *rows = (done.plots("evaluate") / f"{model}_{name}.csv").read_text().splitlines()
            assert header.split(",") == list(columns)
            assert rows
            assert np.isfinite([[float(value) for value in row.split(",")] for row in rows]).all()
    for stage in ("train_face_voice", "train_hq", "hq"):
        assert any(done.plots(stage).iterdir())


def test_the_columns_of_experiments_are_chief_figures_under_their_names(done: Workspace) -> None:
    found, scores = metrics(done, "evaluate"), json.loads((done.reports / "scores.json").read_text())
    for model in ("face_voice", "hq"):
        assert scores[model]["test_people"] == 3
        assert {f"all.{part}.{name}" for part, of in scores[model]["all"].items() for name in of} == set(CHIEF)
        assert scores[model]["all"]["verification"]["auc"] == {"value": found[model]["all"]["verification"]["auc"]["value"]}


def test_draws_of_few_people_are_not_kept_and_the_test_set_is_told(done: Workspace) -> None:
    found, kept = metrics(done, "evaluate"), json.loads((done.reports / "resamples.json").read_text())
    for model in ("face_voice", "hq"):
        assert kept[model]["reason"] == "3 people; an interval needs 10"
        assert kept[model]["test_set_sha256"] == found[model]["test_set_sha256"]


def test_what_is_kept_of_every_draw_gives_the_intervals_of_the_figures(tmp_path: Path) -> None:
    params = Evaluate(bootstrap=200)
    scores = evaluate.run(params, model(), planted(24), NOBODY)
    both = {"face_voice": scores, "hq": evaluate.run(params, model(), NOBODY, NOBODY)}
    evaluate.write_resamples(tmp_path / "resamples.json", both, params)
    kept = json.loads((tmp_path / "resamples.json").read_text(), parse_constant=pytest.fail)
    assert kept["hq"] == {"reason": "no test people"}
    about = {key: value for key, value in kept["face_voice"].items() if key != "figures"}
    assert about == {"test_set_sha256": planted(24).test_set_sha256, "people": 24, "resamples": 200, "seed": 0}
    assert set(kept["face_voice"]["figures"]) == set(CHIEF)
    for name, values in kept["face_voice"]["figures"].items():
        stratum, part, figure = name.split(".")
        told = scores.figures[stratum][part][figure]
        assert len(values) == 200
        if told["value"] not in (0, 1):  # whose interval is the binomial one
            assert np.percentile(values, [2.5, 97.5]) == pytest.approx([told["low"], told["high"]], abs=1e-5)


def test_one_draw_is_of_the_same_people_for_two_models() -> None:
    pairs, params, one = planted(24), Evaluate(bootstrap=200), model()
    first, again = (evaluate.run(params, one, pairs, NOBODY) for _ in range(2))
    for name in CHIEF:
        assert paired_interval(first.samples[name].tolist(), again.samples[name].tolist()) == (0.0, 0.0)
    other, random = copy.deepcopy(one), torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in other.parameters():
            weight.add_(0.02 * torch.randn(weight.shape, generator=random))
    third = evaluate.run(params, other, pairs, NOBODY)
    ours, others = first.samples["all.verification.auc"], third.samples["all.verification.auc"]
    assert 0 < (ours - others).std() < (ours - np.roll(others, 1)).std()  # what makes people easy for both falls out


def test_a_test_set_is_known_by_its_people_items_and_sources_and_not_by_its_model() -> None:
    pairs = planted(5)
    assert planted(5, noise=0.5).test_set_sha256 == pairs.test_set_sha256
    assert planted(6).test_set_sha256 != pairs.test_set_sha256
    named = replace(pairs, face_name=tuple(f"f{number}" for number in range(10)), voice_name=pairs.voice_source)
    assert named.test_set_sha256 != pairs.test_set_sha256
    other = replace(pairs, face_source=("another video", *pairs.face_source[1:]))
    assert other.test_set_sha256 != pairs.test_set_sha256
    less = evaluate.without(named, [digest_of_person("person001")])
    assert less.face_name == tuple(name for name in named.face_name if name not in ("f2", "f3"))
    assert less.test_set_sha256 != named.test_set_sha256


def test_a_second_pass_writes_the_same_bytes(done: Workspace) -> None:
    def outputs() -> dict[Path, bytes]:
        folders = [done.models, done.hq, done.reports]
        return {path: path.read_bytes() for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()}

    before = outputs()
    run_all(done)
    after = outputs()
    assert {path for path in before if before[path] != after[path]} == set()


def test_training_from_nothing_gives_what_the_kept_state_gave(done: Workspace) -> None:
    before = (done.models / "hq" / "audio_projection.safetensors").read_bytes()
    for state in (done.cache_root / "training").iterdir():
        state.unlink()
    train_hq.main(done)
    assert (done.models / "hq" / "audio_projection.safetensors").read_bytes() == before


def test_curves_are_logged_live_to_the_tracker(done: Workspace) -> None:
    from onscreen.tracking.store import connect

    client, experiment = connect(done.home)
    runs = [run for run in client.search_runs([experiment]) if run.data.tags.get("onscreen.stage") == "train_face_voice"]
    points = client.get_metric_history(runs[-1].info.run_id, "train_loss")
    assert [point.step for point in points] == [0, 1]


def test_with_one_training_person_there_is_no_model_and_every_figure_says_why(tmp_path: Path) -> None:
    workspace = checkout(tmp_path, {"train": 1, "test": 2}, params=QUICK)
    found = run_all(workspace)
    assert metrics(workspace, "train_hq")["status"] == "too few people to train"
    assert "too few people to train" in found["status"]
    assert not list(workspace.models.rglob("*.safetensors"))
    for name in ("face_voice", "hq"):
        for way in WAYS:
            for figure in found[name]["all"][way].values():
                assert figure["value"] is None
                assert "1 training people" in figure["reason"]


def test_with_nobody_at_all_everything_is_written_and_says_so(tmp_path: Path) -> None:
    workspace = checkout(tmp_path, {}, params=QUICK)
    found = run_all(workspace)
    assert "too few people" in found["status"]
    assert "0 training people" in (workspace.reports / "report.html").read_text()
    assert any(workspace.plots("evaluate").iterdir())


def model() -> FaceVoiceModel:
    return FaceVoiceModel(TowerSpec("embedding", 24), TowerSpec("embedding", 32), 16, 1).eval()


def test_an_empty_test_set_is_said_and_one_person_gives_no_figure() -> None:
    params = Evaluate(bootstrap=100)
    nobody = evaluate.run(params, model(), NOBODY, NOBODY).figures
    assert nobody["status"] == "no test people"
    assert nobody["all"]["face_to_voice"]["top1"] == {"value": None, "reason": "no test person has both a face and a voice"}
    one = evaluate.run(params, model(), planted(1), NOBODY)
    assert "1 test person" in one.figures["status"]
    assert one.figures["all"]["verification"]["auc"]["value"] is None
    assert one.drawn is None


def test_the_threshold_is_null_without_validation_people() -> None:
    found = evaluate.run(Evaluate(bootstrap=100), model(), planted(4), NOBODY).figures
    assert found["all"]["verification"]["at_threshold"]["value"] is None
    assert "validation" in found["all"]["verification"]["at_threshold"]["reason"]


def test_known_labels_give_strata_and_a_floor_and_are_counted(tmp_path: Path) -> None:
    pairs = planted(12)
    known = {"gender": {name: "female" if number % 2 else "male" for number, name in enumerate(pairs.people[:11])}}
    found = evaluate.run(Evaluate(bootstrap=100), model(), pairs, NOBODY, known).figures
    write_json(tmp_path / "evaluate.json", found)  # refuses NaN
    assert found["labels"]["gender"] == {"labelled": 11, "of": 12, "people": {"female": 5, "male": 6}, "alone": 0}
    assert found["labels"]["nationality"]["reason"] == "nobody's nationality is known"
    assert found["same_gender"]["people"] == 11
    assert 0.5 < found["all"]["face_to_voice"]["one_of_two"]["gender_floor"] < 0.8
    none = evaluate.run(Evaluate(bootstrap=100), model(), pairs, NOBODY).figures
    assert "same_gender" not in none
    assert none["labels"]["gender"]["reason"] == "nobody's gender is known"


def test_a_model_whose_embeddings_are_no_numbers_has_no_figures() -> None:
    broken = model()
    with torch.no_grad():
        next(iter(broken.face_projection.parameters())).fill_(float("nan"))
    found = evaluate.run(Evaluate(bootstrap=100), broken, planted(12), NOBODY)
    assert found.figures["status"] == evaluate.NO_NUMBERS
    assert found.figures["all"]["face_to_voice"]["top1"] == {"value": None, "reason": evaluate.NO_NUMBERS}
    assert found.drawn is None


def test_the_models_say_whether_their_networks_have_seen_the_test(done: Workspace) -> None:
    found = metrics(done, "evaluate")
    assert found["face_voice"]["contaminated"] is None
    assert "own clips" in found["face_voice"]["contaminated_reason"]
    assert found["hq"]["test_corpora"] == ["own clips"]
    assert "Contaminated or not: unknown" in (done.reports / "report.html").read_text()


def test_people_whom_the_model_has_seen_are_left_out_of_the_test() -> None:
    pairs = planted(5)
    left = evaluate.without(pairs, [digest_of_person("person001"), digest_of_person("person004")])
    assert left.people == ("person000", "person002", "person003")
    assert (len(left.faces), len(left.voices), len(left.links)) == (6, 6, 6)
    assert left.voice_source == tuple(f"video{person}-{clip}" for person in (0, 2, 3) for clip in range(2))
    for link in left.links:
        assert np.array_equal(left.faces[link.face], pairs.faces[2 * int(left.people[link.person][-1]) + link.face % 2])
    found = evaluate.run(Evaluate(bootstrap=100), model(), left, NOBODY).figures
    assert found["test_people"] == 3
    assert found["all"]["face_to_voice"]["gallery_people"] == 3


def test_two_people_left_of_twenty_are_scored_as_two(tmp_path: Path) -> None:
    pairs = planted(20)
    left = evaluate.without(pairs, [digest_of_person(name) for name in pairs.people[:18]])
    found = evaluate.run(Evaluate(bootstrap=100), model(), left, left).figures
    write_json(tmp_path / "evaluate.json", found)  # refuses NaN
    assert (found["test_people"], found["validation_people"]) == (2, 2)
    assert found["permuted_labels"]["auc"]["value"] == pytest.approx(0.5, abs=0.2)


def test_people_whom_the_model_has_seen_choose_no_threshold(done: Workspace, tmp_path: Path) -> None:
    root = tmp_path / "root"
    shutil.copytree(done.root, root)
    workspace = replace(done, root=root)
    path = workspace.models / "face_voice" / "config.json"
    config = json.loads(path.read_text())
    config["training_people_sha256"] += [digest_of_person("person 5"), digest_of_person("person 7")]
    write_json(path, config)
    evaluate.main(workspace)
    found = metrics(workspace, "evaluate")["face_voice"]
    assert (found["validation_people"], found["test_people"]) == (1, 2)
    assert found["left_out"]["val"] == {"people": 0, "items": {}, "trained_on_people": 1}
    assert found["left_out"]["test"] == {"people": 0, "items": {}, "trained_on_people": 1}
    assert "1 validation people" in found["all"]["verification"]["at_threshold"]["reason"]


def test_who_is_lost_after_the_split_is_named_counted_and_in_the_report(done: Workspace, tmp_path: Path) -> None:
    root = tmp_path / "root"
    shutil.copytree(done.root, root, ignore=shutil.ignore_patterns("*.lock"))
    workspace = replace(done, root=root, params=replace_epochs(done.params, 1))
    silence = np.zeros(48_000)
    for clip_id in ("p1c0", "p7c0", "p7c1"):  # a training person's one voice, a test person's both
        soundfile.write(workspace.prepared / "audio" / f"{clip_id}.wav", silence, 16_000)
    for stage in (train_face_voice, evaluate):
        stage.main(workspace)
    rows = read_table(workspace.models / "face_voice" / "rejects.parquet", Reject)
    assert [(row.item, row.stage, row.scope, row.code) for row in rows] == [("p1c0", "train_face_voice", "voice", "silent")]
    assert metrics(workspace, "train_face_voice")["left_out"] == {"people": 0, "items": {"silent": 1}}
    found = metrics(workspace, "evaluate")["face_voice"]
    assert found["left_out"]["test"] == {"people": 1, "items": {"silent": 2}, "trained_on_people": 0}
    assert found["test_people"] == 2
    text = (workspace.reports / "report.html").read_text()
    assert "<td>train_face_voice</td><td>its voice</td><td><code>silent</code></td>" in text
    assert '<td>evaluate</td><td>its voice</td><td><code>silent</code></td><td class="n">2</td>' in text
    assert "<code>no_voice</code>" in text


def replace_epochs(params: Params, epochs: int) -> Params:
    return params.model_copy(update={"train_face_voice": params.train_face_voice.model_copy(update={"num_epochs": epochs})})


def test_what_the_frozen_inputs_were_trained_on_stands_beside_the_figures(done: Workspace) -> None:
    found = metrics(done, "evaluate")
    assert any("VoxCeleb1" in seen for seen in found["face_voice"]["backbones_trained_on"].values())
    assert len(found["face_voice"]["backbones_trained_on"]) == 2
    assert len(found["hq"]["backbones_trained_on"]) == 1


def test_two_trainings_on_the_same_inputs_wait_for_each_other(done: Workspace) -> None:
    states = list((done.cache_root / "training").glob("*.safetensors"))
    folder = done.models / "hq"
    before = folder.stat().st_ino
    with contextlib.ExitStack() as held:
        for state in states:
            held.enter_context(FileLock(f"{state}.lock"))
        other = threading.Thread(target=train_hq.main, args=[done])
        other.start()
        other.join(timeout=8)
        assert other.is_alive()
        assert folder.stat().st_ino == before
    other.join(timeout=120)
    assert not other.is_alive()
    assert folder.stat().st_ino != before


def test_faces_of_another_model_than_the_one_trained_on_are_refused(tmp_path: Path) -> None:
    workspace = checkout(tmp_path, {"train": 2}, params=QUICK)
    path = workspace.faces / "faces.parquet"
    faces = read_table(path, Face)
    with pytest.raises(MixedModelsError, match="Facenet"):
        write_table(path, Face, [replace(face, embedder="Facenet") for face in faces])
        evaluate.load_face_voice(workspace, {"inputs": {"face": asdict(FACE), "voice": asdict(VOICE)}})
    mixed = {face.face_id: replace(face, embedder=f"{number}") for number, face in enumerate(faces)}
    pairs = read_table(workspace.splits / "pairs.parquet", Pair)
    with pytest.raises(MixedModelsError, match="0 and 1"):
        train_face_voice.check_embedders(mixed, pairs)


def test_a_voice_that_cannot_be_embedded_is_left_out_and_counted(tmp_path: Path) -> None:
    workspace = checkout(tmp_path, {"train": 3}, params=QUICK)
    soundfile.write(workspace.prepared / "audio" / "p1c0.wav", np.zeros(48_000), 16_000)
    sides = train_face_voice.load_sides(workspace, ("train",), FACE, VOICE)
    assert [(row.item, row.scope, row.code) for row in sides["train"].rejects] == [("p1c0", "voice", "silent")]
    assert [len(links) for links in sides["train"].pairs.by_person] == [2, 1, 2]


@needs_real_data
def test_an_untrained_model_is_at_chance_on_ten_real_people() -> None:
    folder = DATA / "face_voice" / "voxceleb1_10"
    names = sorted(path.stem for path in folder.glob("*.wav"))
    files = {file: path_of(name, file) for name in PICTURE_MODELS for file in weights(name).files}
    faces = [measure_picture(Picture(StoredFile(folder / f"{name}.png"), files)).arrays["embedding"] for name in names]
    voices = []
    for name in names:
        speech = Speech(StoredFile(folder / f"{name}.wav"), (0.0,), (soundfile.info(folder / f"{name}.wav").duration,))
        voices.append(measure_voice(VoiceTask(speech, "resemblyzer", 5.0)).arrays["embedding"])
    links = tuple(Link(number, number, number, same_source=False) for number in range(10))
    pairs = PairSet(tuple(names), faces, voices, links, tuple(f"photo {name}" for name in names), tuple(names))
    torch.manual_seed(0)
    untrained = FaceVoiceModel(TowerSpec("embedding", 128), TowerSpec("embedding", 256), 64, 1)
    untrained.face_encoder.fit(faces, np.arange(10))
    untrained.audio_encoder.fit(voices, np.arange(10))
    found = evaluate.run(Evaluate(), untrained.eval(), pairs, NOBODY).figures["all"]
    area = found["verification"]["auc"]
    assert area["low"] < 0.5 < area["high"]
    assert found["face_to_voice"]["top1"]["low"] <= 0.1 <= found["face_to_voice"]["top1"]["high"]
    assert found["face_to_voice"]["top5"]["chance"] == pytest.approx(0.5)
    assert found["face_to_voice"]["top10"]["value"] is None
