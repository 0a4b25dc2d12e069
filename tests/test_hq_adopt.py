"""hq.root: a tree that exists becomes data/hq, and is itself left as it is."""

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from hq_cases import mel, published_pickle, published_tree
from onscreen.config import Hq, Params, Storage
from onscreen.errors import ConfigError, InputError
from onscreen.matching.hq_tree import read_tree
from onscreen.records import Reject
from onscreen.stages import hq
from onscreen.stages.hq_adopt import source_root
from onscreen.stages.hq_mels import look_at_mels
from onscreen.stages.items import picture_input
from onscreen.stages.train_hq import load_sides, mel_items
from onscreen.store import read_table
from onscreen.workspace import Workspace
from real_data import DATA, needs_real_data
from stage_cases import checkout
from test_numpy_pickle import Marks


def adopting(root: Path, tree: Path, layout: str = "folders") -> Workspace:
    return checkout(root, {}, params=Params(hq=Hq(root=str(tree)), storage=Storage(layout=layout)))


def metrics(workspace: Workspace) -> dict:
    return json.loads((workspace.reports / "metrics" / "hq.json").read_text())


def bytes_of(root: Path) -> dict[Path, bytes]:
    return {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("layout", ["folders", "shards"])
def test_usable_files_are_adopted_byte_by_byte_and_all_else_is_a_reject(tmp_path: Path, layout: str) -> None:
    source = tmp_path / "HQVoxCeleb"
    published_tree(source, {"a": "train", "b b": "train", "c": "test", "d": "train"})
    own = source / "vox1" / "mel_spectograms"
    published_pickle(own / "a" / "turned.pickle", mel(8, 31))
    (own / "a" / "bad.pickle").write_bytes(pickle.dumps({"LogMel_Features": mel(), "x": Marks(tmp_path / "marker")}))
    np.save(own / "b b" / "nan.npy", np.full((8, 30), np.nan))
    (source / "vox1/masked_faces/c/a.jpg").write_bytes(b"no picture")
    split = json.loads((source / "split.json").read_text())
    split["vox1"]["val"] = ["ghost"]
    (source / "split.json").write_text(json.dumps(split))
    before = bytes_of(source)
    workspace = adopting(tmp_path / "here", source, layout)
    hq.main(workspace)
    assert bytes_of(source) == before
    assert not (tmp_path / "marker").exists()
    tree = read_tree(workspace.hq)
    assert [(person.name, person.side, len(person.mels), len(person.faces)) for person in tree.people] == [
        ("a", "train", 3, 1),
        ("b b", "train", 2, 1),
        ("d", "train", 2, 1),
    ]
    assert all(tree.files.read(path) == before[Path(path)] for person in tree.people for path in (*person.mels, *person.faces))
    assert {(Path(row.item).name, row.code) for row in read_table(workspace.hq / "rejects.parquet", Reject)} == {
        ("bad.pickle", "unsafe_pickle"),
        ("nan.npy", "not_finite"),
        ("a.jpg", "unreadable_image"),
        ("c", "no_face"),
        ("ghost", "no_media"),
    }
    told = metrics(workspace)
    assert (told["status"], told["people"], told["sides_from"]) == ("ok", {"train": 3, "val": 0, "test": 0}, "its own split.json")
    assert json.loads((workspace.hq / "tree.json").read_text())["corpus"] == {"vox1": "VoxCeleb1"}
    assert any(workspace.plots("hq").iterdir())


def test_an_adopted_tree_is_trained_on_without_looking_at_its_files_anew(tmp_path: Path) -> None:
    source = tmp_path / "HQVoxCeleb"
    published_tree(source, {"a": "train", "b": "train"})
    workspace = adopting(tmp_path, source)
    hq.main(workspace)
    before = set(workspace.cache.root.rglob("*.npz"))
    tree = read_tree(workspace.hq)
    look_at_mels(workspace, tree)
    assert set(workspace.cache.root.rglob("*.npz")) == before
    assert load_sides(workspace, tree, ("val",), picture_input("embedding"), 8)["val"].pairs.people == ()


def test_frames_first_trees_are_turned(tmp_path: Path) -> None:
    source = tmp_path / "HQVoxCeleb"
    published_tree(source, {"a": "train", "b": "train"})
    for number, path in enumerate(sorted(source.rglob("*.npy"))):
        np.save(path, mel(8, 30 + number).T)
    workspace = adopting(tmp_path, source)
    hq.main(workspace)
    assert metrics(workspace)["spectrograms"] == "frames x bands, seen"
    tree = read_tree(workspace.hq)
    mels = look_at_mels(workspace, tree)
    assert mels.layout.told == "frames x bands, as tree.json says"
    items = mel_items(workspace, tree, mels, 8)
    assert items.digest.keys() == items.known.keys()
    assert len(set(items.digest.values())) == len({tree.files.read(path) for path in items.known})
    assert sorted(items.of([path])[0].shape for path in items.known) == [(8, frames) for frames in range(30, 34)]


@needs_real_data
def test_real_faces_take_the_sides_of_their_rows_and_keep_the_meta_file(tmp_path: Path) -> None:
    source = tmp_path / "HQVoxCeleb"
    shutil.copytree(DATA / "face_voice" / "hq_faces", source / "vox1" / "masked_faces")
    for person in (source / "vox1" / "masked_faces").iterdir():
        for number in range(2):
            published_pickle(
                source / "vox1/mel_spectrograms" / person.name / f"id10001_{'x' * 11}_0000{number}.pickle", mel(40, 90 + number)
            )
    meta = DATA / "face_voice" / "meta" / "vox1_meta.csv"
    workspace = adopting(tmp_path, source)
    with pytest.raises(InputError, match=r"vox1/vox1_meta\.csv does not exist.*onscreen hq split .*--rule available"):
        hq.main(workspace)
    shutil.copy(meta, source / "vox1")
    hq.main(workspace)
    tree = read_tree(workspace.hq)
    assert {person.name: person.side for person in tree.people} == {
        "Alex_Borstein": "train",
        "Andrea_Riseborough": "val",
        "Andrew_Rannells": "train",
        "Anthony_Anderson": "train",
        "Bear_Grylls": "val",
        "Emraan_Hashmi": "train",
        "Fawad_Khan": "train",
        "Freida_Pinto": "train",
    }
    assert (workspace.hq / "vox1" / "vox1_meta.csv").read_bytes() == meta.read_bytes()
    assert metrics(workspace)["masked_faces"] == 22


def test_an_empty_folder_is_no_tree_and_what_is_missing_or_wrong_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / ".gitignore").touch()
    assert source_root(adopting(tmp_path, tmp_path / "empty")) is None
    assert source_root(checkout(tmp_path, {})) is None
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file"):
        source_root(adopting(tmp_path, tmp_path / "file"))
    with pytest.raises(InputError, match=r"there is no folder .*set hq.root to data/hq_source"):
        source_root(adopting(tmp_path, tmp_path / "gone"))
    (tmp_path / "data" / "hq").mkdir(parents=True)
    with pytest.raises(ConfigError, match="is what this stage writes"):
        source_root(adopting(tmp_path, Path("data/hq")))
    (tmp_path / "empty" / "notes.txt").touch()
    with pytest.raises(InputError, match="holds no HQ-VoxCeleb tree"):
        hq.main(adopting(tmp_path, tmp_path / "empty"))


def test_a_relative_tree_that_an_experiment_does_not_have_is_explained(tmp_path: Path) -> None:
    (tmp_path / "home" / "mine").mkdir(parents=True)
    workspace = Workspace(tmp_path / "temp", tmp_path / "home", Params(hq=Hq(root="mine")), tmp_path / ".cache")
    with pytest.raises(InputError, match=r"dvc add mine.*absolute path"):
        source_root(workspace)
