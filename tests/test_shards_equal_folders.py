"""The same videos through every stage in both layouts, with one item cache: later stages cannot tell which."""

import unicodedata
from dataclasses import replace
from pathlib import Path
from random import Random

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from face_cases import portrait_video
from onscreen.config import Params, Storage
from onscreen.errors import CorruptTable
from onscreen.ledger import write_ledger
from onscreen.media.audio import Audio
from onscreen.naming import file_stem
from onscreen.records import Clip, Face, Reject, Voice
from onscreen.stages import dedupe, evaluate, extract_faces, hq, m2p, prepare, split, train_face_voice, train_hq, voices
from onscreen.storage import INDEX, Stored, storing
from onscreen.store import write_table
from onscreen.workspace import Workspace
from records_of import row
from stage_cases import RATE, made_clip, made_face, spoken

STAGES = (prepare, extract_faces, dedupe, voices, split, hq, m2p, train_face_voice, train_hq, evaluate)
STORED = ("data/prepared", "data/faces", "data/identities", "data/hq")
IMAGE_OR_SOUND = (".jpg", ".wav", ".npy")


def params_of(raw: Path, layout: str) -> Params:
    """The buzz of stage_cases counts as speech; training takes a moment."""
    given = Params()
    quick = {"num_epochs": 1, "embedding_dim": 16, "batch_size": 2}
    return given.model_copy(
        update={
            "data": given.data.model_copy(update={"raw": str(raw)}),
            "voices": given.voices.model_copy(update={"vad_threshold": 1e-4, "min_speech_s": 0.5}),
            "storage": Storage(layout=layout),
            "train_face_voice": given.train_face_voice.model_copy(update=quick),
            "train_hq": given.train_hq.model_copy(update=quick),
        }
    )


@pytest.fixture(scope="module")
def passes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Workspace, int]]:
    """By layout: the checkout after all stages, and how many items were measured and models trained in it. folders comes first."""
    root = tmp_path_factory.mktemp("layouts")
    for person in range(4):
        for clip in range(2):
            sound = Audio(spoken(person, clip, 3.0), RATE)
            portrait_video(root / "raw" / f"사람 {person}" / f"clip {person} {clip}.mp4", person, 36 - clip, sound)
    portrait_video(root / "raw" / "silent.mp4", 4)
    found, items = {}, 0
    for layout in ("folders", "shards"):
        workspace = Workspace(root / layout, root / layout, params_of(root / "raw", layout), root / "cache")
        write_ledger(workspace.ledger, {})
        for stage in STAGES:
            stage.main(workspace)
        now = sum(path.suffix in (".npz", ".safetensors") for path in workspace.cache_root.rglob("*"))
        found[layout], items = (workspace, now - items), now
    return found


def tables(workspace: Workspace) -> dict[str, object]:
    """Everything that a stage wrote but for what is stored: tables, metrics, plots, models."""
    files = [path for part in ("data", "models", "reports") for path in (workspace.root / part).rglob("*") if path.is_file()]
    named = {path.relative_to(workspace.root).as_posix(): path for path in files}
    return {
        name: pq.read_table(path).to_pylist() if path.suffix == ".parquet" else path.read_bytes()
        for name, path in named.items()
        if path.suffix not in (".tar", *IMAGE_OR_SOUND) and path.name != INDEX
    }


def stored(workspace: Workspace) -> dict[str, bytes]:
    """Every image and sound by name."""
    folders = {name: Stored(workspace.root / name) for name in STORED}
    found = {f"{name}/{file}": folder.read(file) for name, folder in folders.items() for file in folder.names()}
    return {name: data for name, data in found.items() if name.endswith(IMAGE_OR_SOUND)}


def test_every_table_metric_and_model_is_the_same(passes: dict[str, tuple[Workspace, int]]) -> None:
    folders, shards = (tables(passes[layout][0]) for layout in ("folders", "shards"))
    assert {name for name in folders if name.endswith("faces.parquet")}
    assert folders.keys() == shards.keys()
    assert {name for name in folders if folders[name] != shards[name]} == set()


def test_every_image_and_sound_is_the_same(passes: dict[str, tuple[Workspace, int]]) -> None:
    folders, shards = (stored(passes[layout][0]) for layout in ("folders", "shards"))
    for folder in ("prepared/audio", "faces/extracted_faces", "identities/deduped_faces", "hq/vox1/masked_faces"):
        assert sum(name.startswith(f"data/{folder}/") for name in folders) >= 8, folder
    assert folders == shards


def test_in_shards_no_image_or_sound_lies_by_itself(passes: dict[str, tuple[Workspace, int]]) -> None:
    workspace, _ = passes["shards"]
    loose = [path for name in STORED for path in (workspace.root / name).rglob("*") if path.suffix in IMAGE_OR_SOUND]
    assert loose == []
    assert (workspace.faces / "extracted_faces" / "00000.tar").is_file()
    assert (workspace.identities / "representative_faces" / "00000.tar").is_file()


def test_another_layout_measures_and_trains_nothing_again(passes: dict[str, tuple[Workspace, int]]) -> None:
    assert passes["folders"][1] > 20
    assert passes["shards"][1] == 0


PEOPLE = st.lists(st.integers(1, 3), max_size=5)  # clips of each
WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)


@settings(max_examples=15, deadline=None)
@given(PEOPLE, st.lists(WORDS, min_size=15, max_size=15, unique=True), st.randoms(), st.integers(1, 5000))
def test_any_faces_become_the_same_people_and_sides(
    tmp_path_factory: pytest.TempPathFactory, people: list[int], names: list[str], random: Random, shard_bytes: int
) -> None:
    root = tmp_path_factory.mktemp("people")
    who = [(person, clip) for person, clips in enumerate(people) for clip in range(clips)]
    ids = sorted({unicodedata.normalize("NFC", name).casefold() for name in names})[: len(who)]
    clips = [replace(made_clip(name), audio=f"audio/{file_stem(name)}.wav") for name in ids]
    faces = [
        replace(made_face(name, *of), image=f"extracted_faces/{file_stem(name)}.jpg") for name, of in zip(ids, who, strict=False)
    ]
    content = {face.image: random.randbytes(random.randrange(2000)) for face in faces}
    found = []
    for layout in ("folders", "shards"):
        workspace = Workspace(root / layout, root / layout, params_of(root / "raw", layout), root / "cache")
        write_table(workspace.prepared / "clips.parquet", Clip, clips)
        write_table(workspace.faces / "faces.parquet", Face, faces)
        given = [row(Voice, clip_id=face.clip_id, face_id=face.face_id) for face in faces]
        write_table(workspace.voices / "voices.parquet", Voice, given)
        for part in (workspace.prepared, workspace.faces):
            write_table(part / "rejects.parquet", Reject, [])
        with storing(workspace.faces, layout, shard_bytes) as save:
            for name, data in content.items():
                save(name, data)
        write_ledger(workspace.ledger, {})
        dedupe.main(workspace)
        split.main(workspace)
        images = Stored(workspace.identities)
        found.append((tables(workspace), {name: images.read(name) for name in images.names() if name.endswith(".jpg")}))
    assert found[0] == found[1]
    assert sum(name.startswith("deduped_faces/") for name in found[0][1]) == len(faces)


def test_a_cut_off_shard_stops_the_stage_that_reads_it(passes: dict[str, tuple[Workspace, int]]) -> None:
    workspace, _ = passes["shards"]
    shard = workspace.faces / "extracted_faces" / "00000.tar"
    whole = shard.read_bytes()
    shard.write_bytes(whole[: len(whole) // 2])
    try:
        with pytest.raises(CorruptTable, match=r"00000\.tar is cut off"):
            dedupe.main(workspace)
    finally:
        shard.write_bytes(whole)
