"""The HQ-VoxCeleb tree written from our people, and what becomes of a tree in training."""

import csv
import json
from pathlib import Path

import cv2
import numpy as np

from hq_cases import mel, published_tree
from onscreen.cache import Item
from onscreen.config import Hq
from onscreen.errors import Rejected
from onscreen.matching.hq_tree import read_tree
from onscreen.matching.mel_files import load_mel
from onscreen.records import Reject
from onscreen.stages import hq
from onscreen.stages.hq import Measured, TreeFile, run, write_tree
from onscreen.stages.hq_items import PICTURE_MODELS, Picture, measure_picture
from onscreen.stages.hq_mels import look_at_mels
from onscreen.stages.items import picture_input
from onscreen.stages.train_hq import load_sides
from onscreen.storage import StoredFile, storing
from onscreen.store import read_table
from onscreen.weights import model, path_of
from real_data import DATA, needs_real_data
from stage_cases import checkout, portrait


def voice(name: str, item: str, source: str = "s") -> Measured:
    return Measured(name, item, source, Item({}, {"mel": mel()}))


def face(name: str, item: str, share: float = 0.5) -> Measured:
    jpeg = cv2.imencode(".jpg", portrait(0)[..., ::-1])[1]
    return Measured(name, item, "s", Item({"person_share": share}, {"jpeg": np.asarray(jpeg)}))


def test_only_people_with_a_voice_and_a_face_are_written_and_the_others_named() -> None:
    made = list(run(["a", "b", "c"], [voice("a", "a1"), voice("b", "b1")], [face("a", "a1"), face("c", "c1")]))
    assert {row.path for row in made if isinstance(row, TreeFile)} == {
        "vox1/mel_spectrograms/a/a1.npy",
        "vox1/masked_faces/a/a1.jpg",
    }
    assert {(row.item, row.code, row.scope) for row in made if isinstance(row, Reject)} == {
        ("b", "no_face", "hq"),
        ("c", "no_voice", "hq"),
    }


def test_what_cannot_be_measured_is_a_reject_of_the_hq_tree() -> None:
    bad = Measured("a", "a1", "s", Rejected("silent", "no sound", {"x": 1.0}))
    made = list(run(["a"], [bad, voice("a", "a2")], [face("a", "f1", share=0.02), face("a", "f2")]))
    rejects = {row.item: row for row in made if isinstance(row, Reject)}
    assert (rejects["a1"].code, rejects["f1"].code) == ("silent", "no_person_in_crop")
    assert rejects["f1"].numbers["person_share"] == 0.02
    assert sum(isinstance(row, TreeFile) for row in made) == 2


def test_a_written_tree_has_the_published_layout_and_reads_back(tmp_path: Path) -> None:
    files = [TreeFile(f"p/{n}", "mel_spectrograms", f"c{n}", f"s{n}", mel(seed=n)) for n in range(3)]
    files += [TreeFile(f"p/{n}", "masked_faces", f"c{n}", f"s{n}", face("x", "y").result.arrays["jpeg"]) for n in range(3)]
    with storing(tmp_path, "folders") as save:
        write_tree(tmp_path, save, Hq(), files, {"p/0": "train", "p/1": "val", "p/2": "test"})
    with (tmp_path / "vox1" / "vox1_meta.csv").open() as file:
        rows = list(csv.reader(file, delimiter="\t"))
    assert rows[0] == ["VoxCeleb1 ID", "VGGFace1 ID", "Gender", "Nationality", "Set"]
    assert rows[1] == ["p%2F0", "p%2F0", "", "", "dev"]
    assert rows[3][4] == "test"
    assert json.loads((tmp_path / "split.json").read_text())["vox1"] == {"train": ["p%2F0"], "val": ["p%2F1"], "test": ["p%2F2"]}
    tree = read_tree(tmp_path)
    assert [(person.name, person.side) for person in tree.people] == [("p%2F0", "train"), ("p%2F1", "val"), ("p%2F2", "test")]
    assert np.array_equal(load_mel(tree.files.file(tree.people[1].mels[0])), mel(seed=1))
    assert tree.source_of(tree.people[1].mels[0]) == tree.source_of(tree.people[1].faces[0]) == "s1"
    assert tree.hop_ms == 10.0


@needs_real_data
def test_our_meta_file_has_the_columns_of_the_real_one(tmp_path: Path) -> None:
    with storing(tmp_path, "folders") as save:
        write_tree(tmp_path, save, Hq(), [], {})
    real = (DATA / "face_voice" / "meta" / "vox1_meta.csv").read_text().splitlines()[0]
    assert (tmp_path / "vox1" / "vox1_meta.csv").read_text().splitlines()[0] == real


def test_a_tree_becomes_pairs_and_what_does_not_fit_is_counted(tmp_path: Path) -> None:
    root = tmp_path / "data" / "hq"
    published_tree(root, {"a": "train", "b": "train", "c": "train", "d": "val"})
    np.save(root / "vox1/mel_spectograms/a/other.npy", mel(bands=9))
    np.save(root / "vox1/mel_spectograms/a/broken.npy", np.zeros(3))
    cv2.imwrite(str(root / "vox1/masked_faces/b/a.jpg"), np.zeros((90, 90, 3), np.uint8))
    workspace = checkout(tmp_path, {})
    tree = read_tree(workspace.hq)
    mels = look_at_mels(workspace, tree)
    assert mels.layout.bands == 8
    sides = load_sides(workspace, tree, ("train", "val"), picture_input("embedding"), 8)
    loaded = sides["train"]
    assert loaded.pairs.people == ("a", "c")
    assert {(Path(row.item).name, row.scope, row.code) for row in loaded.items} == {
        ("other.npy", "voice", "other_band_count"),
        ("broken.npy", "voice", "not_a_spectrogram"),
        ("a.jpg", "face", "no_face_found"),
    }
    assert [(row.item, row.scope, row.code) for row in loaded.people] == [("b", "face", "no_face")]
    assert str(tmp_path) not in "".join(row.detail for row in loaded.rejects)
    assert len(loaded.pairs.links) == 4
    assert not any(link.same_source for link in loaded.pairs.links)
    assert loaded.pairs.faces[0].shape == (128,)
    assert sides["val"].pairs.people == ("d",)


def test_a_face_is_embedded_alike_whatever_the_size_of_its_picture(tmp_path: Path) -> None:
    files = {file: path_of(name, file) for name in PICTURE_MODELS for file in model(name).files}
    vectors = []
    for side in (120, 256, 700):
        path = tmp_path / f"{side}.png"
        cv2.imwrite(str(path), cv2.resize(portrait(0)[..., ::-1], (side, side)))
        vectors.append(measure_picture(Picture(StoredFile(path), files)).arrays["embedding"])
    assert min(vectors[1] @ other for other in vectors) > 0.98


def test_the_stage_writes_the_tree_with_backgrounds_removed(tmp_path: Path) -> None:
    workspace = checkout(tmp_path, {"train": 2, "test": 1, "quarantine": 1})
    hq.main(workspace)
    tree = read_tree(workspace.hq)
    assert [(person.name, person.side) for person in tree.people] == [
        ("person 0", "train"),
        ("person 1", "train"),
        ("person 2", "test"),
    ]
    assert not (workspace.hq / "vox1" / "masked_faces" / "person 3").exists()
    masked = cv2.imread(str(workspace.hq / tree.people[0].faces[0]))
    assert masked.shape == (256, 256, 3)
    assert (masked[:20, :20] < 12).all()  # a corner is background
    assert masked[110:150, 110:150].mean() > 50  # the face is there
    assert load_mel(tree.files.file(tree.people[0].mels[0])).shape[0] == 64
    metrics = json.loads((workspace.reports / "metrics" / "hq.json").read_text())
    assert metrics["status"] == "ok"
    assert metrics["people"] == {"train": 2, "val": 0, "test": 1}
    assert metrics["quarantined_people"] == 1
    assert read_table(workspace.hq / "rejects.parquet", Reject) == []
    first = {path: path.read_bytes() for path in workspace.hq.rglob("*.*")}
    hq.main(workspace)
    assert {path: path.read_bytes() for path in workspace.hq.rglob("*.*")} == first


def test_with_nobody_the_stage_writes_an_empty_tree_and_says_why(tmp_path: Path) -> None:
    workspace = checkout(tmp_path, {})
    hq.main(workspace)
    assert read_tree(workspace.hq).people == ()
    assert "no person" in json.loads((workspace.reports / "metrics" / "hq.json").read_text())["status"]
    assert any((workspace.plots("hq")).iterdir())
