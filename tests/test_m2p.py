"""m2p: who counts as a dancer, whose dance it is, what stands in a sample."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onscreen.cache import Item
from onscreen.config import M2p, Params, Split
from onscreen.errors import Rejected
from onscreen.media.probe import probe
from onscreen.media.video import constant_rate_frames
from onscreen.records import Clip, Face, Reject, SplitRow
from onscreen.stages import m2p
from onscreen.stages.m2p import People
from onscreen.stages.m2p_output import Sample
from onscreen.store import read_json, read_table, write_table
from onscreen.workspace import Workspace
from real_data import DATA
from records_of import row

DANCE = DATA / "dance" / "dance_with_music.mp4"
TALK = DATA / "clips" / "hdtf_aoc.mp4"
GOOD = row(
    Clip,
    **{"clip_id": "vid_1", "source": "vid_1.mp4", "source_sha256": "a" * 64, "end_s": 5.0, "fps": 25.0},
    **{"width": 1080, "height": 1920, "has_audio": True, "loudness_lufs": -20.0},
)


def codes(found: Any) -> list[str]:
    return [one.code if isinstance(one, Reject) else "kept" for one in found]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({}, "kept"),
        ({"has_audio": False, "loudness_lufs": None}, "no_audio"),
        ({"loudness_lufs": None}, "silent"),
        ({"end_s": 0.9}, "clip_too_short"),
        ({"fps": 15.0}, "low_fps"),
        ({"fps": 24000 / 1001}, "kept"),
        ({"width": 360}, "too_few_pixels"),
    ],
)
def test_a_clip_that_cannot_be_a_dance_with_music_is_rejected_before_anything_is_decoded(
    change: dict[str, Any], code: str
) -> None:
    found = list(m2p.choose(M2p(), [replace(GOOD, **change)]))
    assert codes(found) == [code]
    if isinstance(found[0], Reject):
        assert (found[0].scope, found[0].stage, found[0].item) == ("dance", "m2p", "vid_1")


def seen(legs: float, limbs: float, frames: int = 8, share: float = 1.0) -> Item:
    """A body of those confidences in that share of the frames, and nothing in the others."""
    there = (np.arange(frames) < share * frames)[:, None].astype(np.float32)
    arrays = {"legs": legs * there * np.ones((1, 6), np.float32), "limbs": limbs * there * np.ones((1, 12), np.float32)}
    return Item({"frames": frames}, arrays)


@pytest.mark.parametrize(
    ("item", "code"),
    [
        (seen(0.9, 0.95), "kept"),
        (seen(0.9, 0.95, share=0.125), "kept"),
        (seen(0.0, 0.82), "no_whole_body"),
        (seen(0.9, 0.7), "no_whole_body"),
        (seen(0, 0), "no_whole_body"),
        (Rejected("no_frames", "none"), "no_frames"),
    ],
)
def test_a_look_keeps_clips_with_a_whole_body_in_any_frame(item: Item | Rejected, code: str) -> None:
    assert codes(m2p.look(M2p(), [(GOOD, item)])) == [code]


def test_one_knee_out_of_the_picture_is_no_whole_body() -> None:
    item = seen(0.9, 0.95)
    item.arrays["legs"][:, 1] = 0
    assert codes(m2p.look(M2p(), [(GOOD, item)])) == ["no_whole_body"]


def dance(share: float = 1.0, frames: int = 48, views: int = 1, embedding: np.ndarray | None = None) -> Item:
    item = seen(0.9, 0.95, frames, share)
    vectors = np.zeros((views, 128), np.float32)
    vectors[:, 0] = 1
    item.arrays["embeddings"] = vectors if embedding is None else embedding[None]
    view = {"frame": 0, "score": 0.9, "interocular_px": 60.0}
    return Item({"frames": frames, "views": [view] * views}, item.arrays)


NOBODY = People({}, {})


def test_a_body_that_is_seen_in_too_few_frames_is_rejected_with_the_share() -> None:
    [found] = m2p.run(Params(), [(GOOD, dance(share=0.25))], NOBODY)
    assert isinstance(found, Reject)
    assert found.code == "body_seldom_seen"
    assert found.numbers["share"] == 0.25


def test_picture_and_sound_that_share_less_than_the_least_length_are_rejected() -> None:
    assert codes(m2p.run(Params(), [(GOOD, dance(frames=23))], NOBODY)) == ["clip_too_short"]


def test_a_dancer_without_a_face_is_known_by_the_source_and_has_no_embedding() -> None:
    [found] = m2p.run(Params(), [(GOOD, dance(views=0))], NOBODY)
    assert isinstance(found, Sample)
    assert found.embedding is None
    assert (found.dancer.identity_id, found.dancer.known_by) == (f"source:{'a' * 64}", "source")


def test_a_face_too_small_to_tell_people_apart_gives_no_embedding() -> None:
    item = dance()
    item.meta["views"][0]["interocular_px"] = 8.0
    [found] = m2p.run(Params(), [(GOOD, item)], NOBODY)
    assert isinstance(found, Sample)
    assert found.embedding is None


def unit(*angles: float) -> np.ndarray:
    vector = np.zeros(128, np.float32)
    vector[0], vector[1] = np.cos(angles[0]), np.sin(angles[0])
    return vector


def people(*sides: str) -> People:
    """Two people of the clip whose faces are a right angle apart."""
    faces = [
        row(Face, face_id=name, clip_id="vid_1", embedder="Dlib", n_frames=5, embedding=unit(angle))
        for name, angle in (("vid_1", np.pi / 2), ("vid_1-p1", 0.0))
    ]
    rows = {
        face.face_id: row(SplitRow, face_id=face.face_id, identity_id=f"id_{face.face_id}", split=side)
        for face, side in zip(faces, sides, strict=True)
    }
    return People({"vid_1": faces}, rows)


def test_the_dancer_is_the_person_of_the_clip_whose_face_is_nearest_not_the_main_one() -> None:
    found = m2p.identify(Split(), GOOD, unit(0.1), people("train", "test"))
    assert (found.identity_id, found.side, found.known_by) == ("id_vid_1-p1", "validation", "face")
    assert m2p.identify(Split(), GOOD, unit(0.1), people("test", "train")).side == "train"


def test_a_face_that_is_nobody_of_the_clip_falls_back_to_the_source() -> None:
    assert m2p.identify(Split(), GOOD, unit(np.pi / 4), people("train", "train")).known_by == "source"
    stranger = np.arccos(1 - 0.0514)  # the distance measured between two real dancers
    assert m2p.identify(Split(), GOOD, unit(stranger), people("train", "train")).known_by == "source"


def test_a_person_in_quarantine_gives_no_sample() -> None:
    with pytest.raises(Rejected, match="quarantine"):
        m2p.identify(Split(), GOOD, unit(0.1), people("train", "quarantine"))


def workspace(root: Path, raw: Path, clips: list[Clip]) -> Workspace:
    params = Params()
    params = params.model_copy(update={"data": params.data.model_copy(update={"raw": str(raw)})})
    found = Workspace(root, root, params, root / "cache")
    write_table(found.prepared / "clips.parquet", Clip, clips)
    write_table(found.faces / "faces.parquet", Face, [])
    write_table(found.splits / "splits.parquet", SplitRow, [])
    return found


def test_without_clips_there_are_empty_folders_and_metrics_that_say_why(tmp_path: Path) -> None:
    m2p.main(workspace(tmp_path, tmp_path, []))
    out = tmp_path / "data" / "m2p"
    assert {path.name for path in out.iterdir()} == {"train", "validation", "metadata.json", "rejects.parquet"}
    assert read_json(out / "metadata.json")["clips"] == []
    assert read_json(tmp_path / "reports" / "metrics" / "m2p.json") == {"status": "no dancers", "samples": 0, "rejects": {}}
    assert list((tmp_path / "reports" / "plots" / "m2p").iterdir())


def clip_of(path: Path, end_s: float) -> Clip:
    found = probe(path)
    return replace(
        GOOD,
        **{"clip_id": path.stem, "source": path.name, "source_sha256": path.stem.ljust(64, "0"), "end_s": end_s},
        **{"fps": found.fps, "width": found.width, "height": found.height, "has_audio": found.has_audio},
    )


@pytest.mark.skipif(not (DANCE.is_file() and TALK.is_file()), reason=f"no dance in {DATA}")
def test_a_real_dance_becomes_a_sample_whose_parts_have_one_clock_and_a_talking_head_does_not(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    for path in (DANCE, TALK):
        shutil.copy(path, raw)
    space = workspace(tmp_path, raw, [replace(clip_of(DANCE, 5.0), start_s=3.0), clip_of(TALK, 2.0)])
    m2p.main(space)
    assert [(reject.item, reject.code) for reject in read_table(space.m2p / "rejects.parquet", Reject)] == [
        (TALK.stem, "no_whole_body")
    ]
    [entry] = read_json(space.m2p / "metadata.json")["clips"]
    sample = space.m2p / entry["folder"]
    assert {path.name for path in sample.iterdir()} == {
        *("video.mp4", "music_features.npy", "pose_annotations.json", "reference_image.jpg", "face_embedding_dlib.npy")
    }
    features = np.load(sample / "music_features.npy")
    poses = json.loads((sample / "pose_annotations.json").read_text())["poses"]
    frames = [frame.image for frame in constant_rate_frames(sample / "video.mp4", 0.0, 2.0, 24)]
    assert features.shape == (48, 4800)
    assert features.dtype == np.float32
    assert len(poses) == len(frames) == entry["frames"] == 48
    assert frames[0].shape == (512, 512, 3)
    found = probe(sample / "video.mp4")
    assert (found.fps, found.has_audio, found.n_frames) == (24, True, 48)
    vector = np.load(sample / "face_embedding_dlib.npy")
    assert vector.shape == (128,)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    assert (entry["complete"], entry["missing"], entry["padded_frames"]) == (False, ["face_embedding"], 0)
    assert (space.reports / "plots" / "m2p" / f"{DANCE.stem}.png").is_file()
