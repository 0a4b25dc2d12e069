"""Whether a pretrained network has seen the people under test: true, false, or nobody knows."""

import csv
from pathlib import Path

import pytest

from onscreen.config import Params
from onscreen.errors import InputError
from onscreen.stages.contamination import OWN, backbones_of, contamination
from onscreen.stages.labels import of_own_people, of_tree, read_values
from onscreen.weights import catalogue
from stage_cases import checkout


def inputs(face: str | None, voice: str | None, face_tower: str = "embedding", voice_tower: str = "embedding") -> dict:
    return {"face": {"tower": face_tower, "embedder": face}, "voice": {"tower": voice_tower, "embedder": voice}}


@pytest.mark.parametrize(
    ("of", "corpus", "seen", "word"),
    [
        (inputs("Dlib", "resemblyzer"), "VoxCeleb1", True, "VGG-Face, which shares people"),
        (inputs("Facenet", "resemblyzer"), "VoxCeleb2", True, "trained on VoxCeleb2"),
        (inputs("Facenet", "hf:facebook/wav2vec2-base"), "VoxCeleb1", None, "MS-Celeb-1M"),
        (inputs("Dlib", "resemblyzer"), OWN, None, "own clips"),
        (
            inputs(None, "hf:microsoft/wavlm-base-plus-sv", face_tower="hf:google/vit-base-patch16-224-in21k"),
            "VoxCeleb1",
            True,
            "wavlm",
        ),
        (
            inputs(None, None, "hf:google/vit-base-patch16-224-in21k", "hf:facebook/wav2vec2-base"),
            "VoxCeleb1",
            False,
            "apart from",
        ),
        (inputs(None, None, "hf:some/folder", "mel"), "VoxCeleb1", None, "not known here"),
        ({"face": {"tower": "none"}, "voice": {"tower": "mel", "mel_bands": 64}}, OWN, False, "no pretrained network"),
    ],
)
def test_contamination_is_true_false_or_unknown_with_a_reason(of: dict, corpus: str, seen: bool | None, word: str) -> None:
    found = contamination(backbones_of(of), (corpus,))
    assert found["contaminated"] is seen
    assert word in found["contaminated_reason"]
    assert found["test_corpora"] == [corpus]


def test_every_corpus_of_the_catalogue_stands_in_the_words_beside_it() -> None:
    for entry in catalogue().values():
        for corpus in entry.corpora or ():
            named = {"MS-Celeb-1M": ("MS-Celeb-1M", "MS1M")}.get(corpus, (corpus,))
            assert any(name in entry.trained_on for name in named), entry.name


def test_labels_of_our_own_people_come_from_their_videos(tmp_path: Path) -> None:
    workspace = checkout(tmp_path, {"train": 1, "test": 3}, params=Params())
    workspace.raw.mkdir(parents=True, exist_ok=True)
    assert of_own_people(workspace) == {"gender": {}, "nationality": {}}
    from onscreen.records import Face, SplitRow
    from onscreen.store import read_table

    source = {face.face_id: face.source for face in read_table(workspace.faces / "faces.parquet", Face)}
    by_person: dict[str, list[str]] = {}
    for row in read_table(workspace.splits / "splits.parquet", SplitRow):
        by_person.setdefault(row.identity_id, []).append(source[row.face_id])
    first, second, third, _ = sorted(by_person)
    rows = [(file, first, "F", "") for file in by_person[first]] + [(by_person[second][0], second, "male", "Peru")]
    rows += [(file, third, gender, "") for file, gender in zip(by_person[third], ("m", "f"), strict=True)]
    with (workspace.raw / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "identity", "gender", "nationality"), *rows])
    found = of_own_people(workspace)
    assert {name: found["gender"].get(name) for name in (first, second, third)} == {first: "female", second: "male", third: None}
    assert found["nationality"][second] == "Peru"
    (workspace.raw / "labels.csv").write_text("path\nx\n")
    with pytest.raises(InputError, match="columns file and identity"):
        read_values(workspace.raw / "labels.csv")


def test_labels_of_a_tree_come_from_its_meta_file(tmp_path: Path) -> None:
    (tmp_path / "vox1").mkdir()
    (tmp_path / "vox1" / "vox1_meta.csv").write_text(
        "VoxCeleb1 ID\tVGGFace1 ID\tGender\tNationality\tSet\nid10001\tA.J._Buckley\tm\tIreland\tdev\n"
    )
    assert of_tree(tmp_path, ["A.J._Buckley", "Nobody"]) == {
        "gender": {"A.J._Buckley": "male"},
        "nationality": {"A.J._Buckley": "Ireland"},
    }
    assert of_tree(tmp_path / "none", ["x"]) == {"gender": {}, "nationality": {}}
