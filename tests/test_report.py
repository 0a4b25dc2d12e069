"""The report: complete, safe against what names hold, and without any picture of a person."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from onscreen.config import Evaluate
from onscreen.matching.folder import describe, write_untrained
from onscreen.matching.metrics import Scoring, evaluate, no_figures
from onscreen.records import Reject, SplitRow
from onscreen.report.contents import read_data
from onscreen.report.page import Curves, write_report
from onscreen.report.svg import Axes, Series, lines, steps, ticks
from onscreen.store import read_table, write_json, write_table
from stage_cases import checkout

CURVES = Curves([0, 0.2, 1], [0, 0.9, 1], [-1.0, 0.0, 1.0], [1, 9], [50, 30])

LOST = [Reject(f"clip{number}", "evaluate", "voice", "silent", "no sound") for number in range(3)]


def trained_model(folder: Path) -> None:
    """config.json and history.json of a trained model."""
    from matching_cases import NOBODY, planted
    from onscreen.config import TrainFaceVoice

    inputs = {"face_embedder": "Dlib", "voice_embedder": "resemblyzer"}
    known = {"status": "ok", "best_epoch": 1, "selected_by": "lowest validation loss"}
    write_json(folder / "config.json", known | describe(TrainFaceVoice(), inputs, planted(12), NOBODY))
    losses = {"train_loss": [3.0, 2.0, 1.0], "val_loss": [3.1, 2.5, 2.7], "learning_rate": [1e-4, 1e-4, 0.0]}
    write_json(folder / "history.json", {"status": "ok", **losses})


def untrained_model(folder: Path) -> None:
    from matching_cases import NOBODY, planted
    from onscreen.config import TrainHq

    write_untrained(folder, describe(TrainHq(), {}, planted(1), NOBODY))
    write_table(folder / "rejects.parquet", Reject, [Reject("x.npy", "train_hq", "voice", "unreadable_mel", "no array")])


def page(root: Path, people: int = 12) -> str:
    from test_metrics import made

    workspace = checkout(root, {"train": 2, "test": 1, "quarantine": 1})
    trained_model(workspace.models / "face_voice")
    untrained_model(workspace.models / "hq")
    scoring = Scoring(Evaluate().top_k, 100, 0)
    about = {"backbones_trained_on": {"a voice network": "LibriSpeech, VoxCeleb1"}}
    about["left_out"] = {"test": {"people": 2, "items": {"silent": 3}, "trained_on_people": 1}}
    figures = {"status": "ok", "test_people": people, **about, **evaluate(made(people), scoring, 0.25)}
    null = {"status": "too few people to train", **no_figures(scoring, "too few people to train: 1 training people")}
    write_report(workspace.root, {"status": "hq: too few", "face_voice": figures, "hq": null}, {"face_voice": CURVES}, LOST)
    return (workspace.reports / "report.html").read_text()


def test_the_page_holds_data_rejects_people_figures_and_what_is_null(tmp_path: Path) -> None:
    text = page(tmp_path)
    assert "Weights of epoch 2 of 3" in text
    plain = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))
    assert "8 usable clips" in plain
    assert "prepare the clip too_short 1 0.5 s" in plain
    assert "person 3 quarantine 2 0 2" in plain
    assert "Top-1" in plain
    assert re.search(r"ROC AUC 0\.\d+ 0\.5 0\.\d+ to 0?\.?\d+", plain)
    assert "Not trained: too few people to train" in plain
    assert "VoxCeleb1" in plain  # what the frozen backbones have seen
    assert "train_hq its voice unreadable_mel 1 no array" in plain
    assert "evaluate its voice silent 3 no sound" in plain
    assert "Of the test people 2 have no usable face or voice, and 1 are people whom the model was trained on" in plain
    assert "At the threshold 0.250, chosen on validation people" in plain


def test_dances_are_counted_by_side_people_and_songs(tmp_path: Path) -> None:
    entry = {"identity": "id_1", "song": "song_1", "duration": 90.0, "warnings": [], "complete": True, "split": "train"}
    other = {"identity": "id_2", "split": "validation", "warnings": [{"code": "shorter_than_recommended"}], "complete": False}
    write_json(tmp_path / "data" / "m2p" / "metadata.json", {"clips": [entry, entry, entry | other]})
    plain = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page(tmp_path)))
    told = "2 dances: train 1 dances: validation 2 dancers 1 songs 4.5 minutes of dance 1 below a recommendation 2 with all files"
    assert told in plain


def test_the_page_is_one_file_without_pictures_scripts_or_links(tmp_path: Path) -> None:
    text = page(tmp_path)
    assert not re.search(r"<(img|script|link|iframe)\b|https?://(?!www\.w3\.org/2000/svg)|data:image", text)
    assert text.count("<svg") == 4


def test_the_same_data_give_the_same_page(tmp_path: Path) -> None:
    assert page(tmp_path / "a") == page(tmp_path / "b")


def test_names_and_details_are_text_never_markup(tmp_path: Path) -> None:
    workspace = checkout(tmp_path, {"train": 1})
    nasty = "<script>alert(1)</script>"
    write_table(workspace.prepared / "rejects.parquet", Reject, [Reject(nasty, "prepare", "clip", "too_short", nasty, {})])
    rows = read_table(workspace.splits / "splits.parquet", SplitRow)
    write_table(workspace.splits / "splits.parquet", SplitRow, [SplitRow(r.face_id, r.clip_id, nasty, r.split, "") for r in rows])
    for name in ("face_voice", "hq"):
        untrained_model(workspace.models / name)
    null = {"status": "too few", **no_figures(Scoring((1,), 100, 0), nasty)}
    write_report(workspace.root, {"status": nasty, "face_voice": null, "hq": null}, {})
    text = (workspace.reports / "report.html").read_text()
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "Sample clips" not in text
    write_report(workspace.root, {"status": "ok", "face_voice": null, "hq": null}, {}, sample=True)
    assert "Sample clips of people who do not exist" in (workspace.reports / "report.html").read_text()


def test_data_are_counted_by_side_and_by_person(tmp_path: Path) -> None:
    data = read_data(checkout(tmp_path, {"train": 2, "val": 1, "quarantine": 1}).root)
    assert (data.clips, data.faces, len(data.people)) == (8, 8, 4)
    assert data.sides == {"train": 2, "val": 1, "quarantine": 1}
    assert (data.people[0].faces, data.people[0].voices, data.people[0].sources) == (2, 2, 2)
    assert data.minutes == pytest.approx(8 * 3 / 60)
    assert data.rejects == [("prepare", "clip", "too_short", 1, "0.5 s")]


def test_charts_are_well_formed_and_stay_inside() -> None:
    axes = Axes("epoch", "loss", (0, 3), (0, 4))
    chart = lines("Loss & <more>", axes, [Series("a", [0, 1, 3], [4, 2, 0])])
    root = ET.fromstring(chart)  # noqa: S314  # our own text
    points = root.find("{http://www.w3.org/2000/svg}polyline").get("points").split()
    assert [tuple(map(float, point.split(","))) for point in points] == [(58.0, 14.0), (188.0, 135.0), (448.0, 256.0)]
    bars = ET.fromstring(steps("Scores", Axes("x", "y", (-1, 1), (0, 1)), [-1, 0, 1], [Series("a", [-1, 0], [0.2, 0.8])]))  # noqa: S314
    assert bars.find("{http://www.w3.org/2000/svg}polygon") is not None


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-1, 1), (0, 0.0013), (0, 99), (3, 3), (-0.2, 3.6)])
def test_ticks_are_few_round_and_within(low: float, high: float) -> None:
    found = ticks(low, high)
    assert 1 <= len(found) <= 9
    assert all(low - 1e-9 <= value <= high + 1e-9 for value in found)
