"""A card says what is known, where every number comes from, and why what is missing is missing; it names nobody."""

import json
from dataclasses import asdict

import pytest

from matching_cases import NOBODY, planted
from onscreen.config import Faces, Params, TrainFaceVoice, Voices
from onscreen.lineage import Pass
from onscreen.matching.folder import describe
from onscreen.matching.metrics import Scoring, no_figures
from onscreen.matching.towers import FaceVoiceModel, TowerSpec
from onscreen.stages import evaluate
from onscreen.stages.items import FaceInput, VoiceInput
from onscreen.store import write_json
from onscreen.tracking.card import card, facts_of, summary
from onscreen.tracking.card_weights import weights_behind
from onscreen.workspace import Workspace
from stage_cases import checkout

INPUTS = {"face": asdict(FaceInput("embedding", "Dlib")), "voice": asdict(VoiceInput("embedding", "resemblyzer", 5.0))}
LOCK = {
    "stages": {
        "train_face_voice": {
            "deps": [{"path": "data/splits", "md5": "5p1.dir"}, {"path": "/home/somebody/videos", "md5": "f.dir"}]
        },
        "evaluate": {"deps": [{"path": "models/face_voice", "md5": "f0v.dir"}, {"path": "models/hq", "md5": "h0.dir"}]},
    }
}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A checkout of 2 training, 1 validation and 3 test people with two clips each, and a model's config.json."""
    workspace = checkout(tmp_path_factory.mktemp("card"), {"train": 2, "val": 1, "test": 3})
    about = describe(TrainFaceVoice(), INPUTS, planted(2), planted(1, first=2))
    known = {"status": "ok", "embedding_dim": 512, "best_epoch": 3, "selected_by": "lowest validation loss"}
    known["calibration"] = {"threshold": 0.25, "validation_people": 12, "missed": 0.125, "accepted": 0.25}
    write_json(workspace.models / "face_voice" / "config.json", about | known)
    return workspace


def one_pass(figures: dict | None) -> Pass:
    metrics = {"train_face_voice": {"left_out": {"people": 1, "items": {"too_short": 2}}}}
    metrics |= {"evaluate": {"face_voice": figures}} if figures else {}
    return Pass("workspace", "c0ffee" + "0" * 34, {"x": 1}, LOCK, metrics, "digest")


@pytest.fixture(scope="module")
def figures() -> dict:
    """Of an untrained model on 12 made-up people whose gender is known."""
    pairs = planted(12)
    known = {"gender": {name: "female" if number % 2 else "male" for number, name in enumerate(pairs.people)}}
    untrained = FaceVoiceModel(TowerSpec("embedding", 24), TowerSpec("embedding", 32), 16, 1).eval()
    found = evaluate.run(Params().evaluate, untrained, pairs, NOBODY, known).figures
    return found | {"contaminated": True, "contaminated_reason": "speaker embedding: trained on VoxCeleb1"}


def row(text: str, *starts: str) -> list[str]:
    """The cells of the table row that begins with these."""
    line = next(line for line in text.splitlines() if line.startswith("| " + " | ".join(starts) + " |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_every_figure_stands_with_interval_chance_and_gender_floor(here: Workspace, figures: dict) -> None:
    text = card(facts_of("face_voice", one_pass(figures), here))
    auc = figures["all"]["verification"]["auc"]
    cells = row(text, "Same person or not", "ROC AUC")
    assert cells[2:] == [
        f"{auc['value']:.3f}",
        f"{auc['low']:.3f} to {auc['high']:.3f}",
        "0.500",
        f"{auc['gender_floor']:.3f}",
    ]
    assert row(text, "people with one source video")[2] == "none: no person has such a pair"
    assert row(text, "same gender")[1] == "12"
    assert "known of 12 of 12 people" in text
    assert "yes; speaker embedding: trained on VoxCeleb1" in text
    assert "from 0.2500, chosen on 12 validation people: there 12.5% of right combinations are missed" in text


def test_data_is_counted_by_side_without_a_name(here: Workspace, figures: dict) -> None:
    text = card(facts_of("face_voice", one_pass(figures), here))
    assert row(text, "training") == ["training", "2", "4", "4", "4", "4", "10.4"]
    assert row(text, "validation") == ["validation", "1", "2", "2", "2", "2", "5.2"]
    assert row(text, "test") == ["test", "12", "6", "6", "6", "6", "15.6"]
    assert "training and validation: 1 people, items: 2 x too_short" in text
    for secret in ("person 0", "person000", "p0c0", str(here.root), "/home/somebody"):
        assert secret not in text
        assert secret not in summary(facts_of("face_voice", one_pass(figures), here))


def test_lineage_names_commit_parameters_and_data_but_no_other_model(here: Workspace, figures: dict) -> None:
    text = card(facts_of("face_voice", one_pass(figures), here))
    assert row(text, "commit that it was made on")[1].startswith("c0ffee")
    assert row(text, "md5 of data/splits")[1] == "5p1.dir"
    assert row(text, "md5 of models/face_voice")[1] == "f0v.dir"
    assert "models/hq" not in text


def test_a_model_that_was_not_scored_has_no_figures_and_says_so(here: Workspace) -> None:
    text = card(facts_of("face_voice", one_pass(None), here))
    assert "evaluate.json holds nothing of this model" in text
    assert "ROC AUC" not in text
    nobody = {"status": "no test people", **no_figures(Scoring((1,), 100, 0), "no test person has both a face and a voice")}
    assert "None: no test people." in card(facts_of("face_voice", one_pass(nobody), here))
    assert row(card(facts_of("face_voice", one_pass(nobody), here)), "test")[1] == "it was scored on nobody"


def test_the_sample_says_that_its_scores_mean_nothing(here: Workspace, figures: dict) -> None:
    (here.raw).mkdir(parents=True, exist_ok=True)
    (here.raw / "sample.json").write_text("{}")
    facts = facts_of("face_voice", one_pass(figures), here)
    (here.raw / "sample.json").unlink()
    assert "scores mean nothing" in card(facts)
    assert "scores mean nothing" in summary(facts)
    assert any(one.name == "dlib_landmarks_68" and one.limit == "for research only" for one in facts.weights)
    assert "scores mean nothing" not in card(facts_of("face_voice", one_pass(figures), here)).lower()


def test_every_network_is_named_with_its_licence_and_what_that_forbids() -> None:
    params = Params(faces=Faces(detector="retinaface", embedder="buffalo_l"), voices=Voices(active_speaker="light_asd"))
    inputs = {"face": {"tower": "embedding", "embedder": "buffalo_l"}, "voice": {"tower": "hf:facebook/wav2vec2-base"}}
    found = {one.name: one for one in weights_behind(inputs, params, own=True, sample=False)}
    assert set(found) == {
        *("buffalo_l", "mediapipe_face_mesh", "mediapipe_face_full_range", "silero_vad", "resemblyzer", "light_asd"),
        "hf:facebook/wav2vec2-base",
    }
    assert found["buffalo_l"].limit == "not for commercial use; for research only"
    assert found["buffalo_l"].role == "face tower, finds faces, tells people apart"
    assert found["hf:facebook/wav2vec2-base"].trained_on == "LibriSpeech"
    assert found["hf:facebook/wav2vec2-base"].limit == "not known"
    assert found["silero_vad"].limit == ""


def test_a_network_in_a_folder_and_one_inside_a_package_are_named_without_a_place() -> None:
    tree = {"face": {"tower": "embedding", "embedder": "Dlib"}, "voice": {"tower": "mel", "mel_bands": 40, "hop_ms": 10}}
    adopted = {one.name for one in weights_behind(tree, Params(), own=False, sample=False)}
    assert adopted == {"dlib_resnet", "mediapipe_face_mesh", "package dlib-bin"}
    inputs = {"face": {"tower": "hf:/home/somebody/vit"}, "voice": {"tower": "embedding", "embedder": "resemblyzer"}}
    named = json.dumps([asdict(one) for one in weights_behind(inputs, Params(), own=True, sample=False)])
    assert "hf:(a folder)" in named
    assert "somebody" not in named
