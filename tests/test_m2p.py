"""m2p: who counts as a dancer, whose dance it is, what stands in a sample."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from media_cases import broken, pictures
from onscreen.cache import Item
from onscreen.config import M2p, Params, Split
from onscreen.errors import Rejected
from onscreen.media.audio import Audio
from onscreen.media.probe import probe
from onscreen.media.video import constant_rate_frames, write_video
from onscreen.records import Clip, Face, Reject, SplitRow
from onscreen.stages import m2p
from onscreen.stages.m2p_clip import DanceClip, measure_dance
from onscreen.stages.m2p_parts import join_parts, part_of, parts_of
from onscreen.stages.m2p_records import Sample
from onscreen.stages.m2p_sides import People
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


def seen(legs: float, limbs: float, frames: int = 8, share: float = 1.0, pulse: float | None = 0.1) -> Item:
    """A body of those confidences in that share of the frames, and nothing in the others."""
    there = (np.arange(frames) < share * frames)[:, None].astype(np.float32)
    arrays = {"legs": legs * there * np.ones((1, 6), np.float32), "limbs": limbs * there * np.ones((1, 12), np.float32)}
    return Item({"frames": frames, "pulse": pulse}, arrays)


@pytest.mark.parametrize(
    ("item", "code"),
    [
        (seen(0.9, 0.95), "kept"),
        (seen(0.9, 0.95, share=0.125), "kept"),
        (seen(0.9, 0.7), "no_whole_body"),
        (seen(0, 0), "no_whole_body"),
        (Rejected("no_frames", "none"), "no_frames"),
    ],
)
def test_a_look_keeps_clips_with_a_whole_body_in_any_frame(item: Item | Rejected, code: str) -> None:
    assert codes(m2p.look(M2p(), [(GOOD, item)])) == [code]


def speaking(share: float) -> Clip:
    return replace(GOOD, speech_start_s=(0.0,), speech_end_s=(share * GOOD.end_s,))


def no_legs(item: Item) -> Item:
    """The same with one knee out of the picture."""
    item.arrays["legs"][:, 1] = 0
    return item


@pytest.mark.parametrize(
    ("spoken", "pulse", "code"),
    [
        *((0.9, 0.1, "upper_body_and_speech"), (0.9, 0.6, "kept"), (0.3, 0.1, "kept")),
        *((0.9, None, "upper_body_and_speech"), (0.3, None, "kept")),
    ],
)
def test_who_is_seen_without_legs_dances_unless_the_sound_is_speech(spoken: float, pulse: float | None, code: str) -> None:
    found = list(m2p.look(M2p(), [(speaking(spoken), no_legs(seen(0.9, 0.95, pulse=pulse)))]))
    assert codes(found) == [code]
    if isinstance(found[0], Reject):
        assert found[0].numbers["speech_share"] == pytest.approx(spoken)
    assert codes(m2p.look(M2p(), [(speaking(spoken), seen(0.9, 0.95, pulse=pulse))])) == ["kept"]  # with legs, whatever is heard


def test_shoulders_alone_are_no_dancer() -> None:
    item = no_legs(seen(0.9, 0.95))
    item.arrays["limbs"][:, [1, 7]] = 0  # elbows
    assert codes(m2p.look(M2p(), [(GOOD, item)])) == ["no_whole_body"]


def dance(share: float = 1.0, frames: int = 48, views: int = 1, embedding: np.ndarray | None = None) -> Item:
    """A measured dance whose views, if any, all have that embedding."""
    item = seen(0.9, 0.95, frames, share)
    item.arrays["embeddings"] = np.repeat((unit(0) if embedding is None else embedding)[None], views, axis=0)
    view = {"score": 0.9, "interocular_px": 60.0}
    found = [{"frame": 10 + index, **view} for index in range(views)]
    item.arrays["song"] = np.empty((0, 2), np.int32)
    meta = {**item.meta, "body_frame": 7, "views": found, "shot": 0, "shots": 1, "start_s": 0.0, "silent_s": 0.0}
    meta |= {"people": 1, "several_share": 0.0, "outside_share": 0.0, "window": {"x": 0, "y": 0, "side": 512}}
    return join_parts([Item(meta, item.arrays)])


def unit(angle: float) -> np.ndarray:
    vector = np.zeros(128, np.float32)
    vector[0], vector[1] = np.cos(angle), np.sin(angle)
    return vector


NOBODY = People([], {})


def test_a_body_that_is_seen_in_too_few_frames_is_rejected_with_the_share() -> None:
    [found] = m2p.run(Params(), [(GOOD, dance(share=0.25))], NOBODY)
    assert isinstance(found, Reject)
    assert found.code == "body_seldom_seen"
    assert found.numbers["upper_share"] == 0.25


def test_a_dance_without_legs_says_so_and_somebody_who_talks_is_rejected() -> None:
    item = dance()
    no_legs(parts_of(item)[0])
    [found] = m2p.run(Params(), [(speaking(0.2), item)], NOBODY)
    assert isinstance(found, Sample)
    assert (found.dance.body_share, found.dance.upper_share) == (0.0, 1.0)
    [remark] = [remark for remark in found.dance.warnings if remark.code == "legs_not_seen"]
    assert remark.numbers == {"legs_share": 0.0, "upper_share": 1.0}
    assert codes(m2p.run(Params(), [(speaking(0.9), item)], NOBODY)) == ["upper_body_and_speech"]


def test_picture_and_sound_that_share_less_than_the_least_length_are_rejected() -> None:
    assert codes(m2p.run(Params(), [(GOOD, dance(frames=23))], NOBODY)) == ["clip_too_short"]


def test_a_dancer_without_a_face_is_known_by_the_source_and_has_no_embedding() -> None:
    [found] = m2p.run(Params(), [(GOOD, dance(views=0))], NOBODY)
    assert isinstance(found, Sample)
    assert found.dance.embedding is None
    assert (found.dancer.identity_id, found.dancer.known_by) == (f"source:{'a' * 64}", "source")


def test_the_reference_is_the_best_view_that_would_do_as_a_face() -> None:
    item = dance(views=3)
    item.meta["parts"][0]["views"][0]["interocular_px"] = 8.0  # too small to tell people apart
    [found] = m2p.run(Params(), [(GOOD, item)], NOBODY)
    assert isinstance(found, Sample)
    assert (found.dance.reference, found.dance.views) == (1, 2)


def test_without_a_view_that_would_do_the_reference_shows_the_body_and_there_is_no_embedding() -> None:
    item = dance()
    item.meta["parts"][0]["views"][0]["interocular_px"] = 8.0
    [found] = m2p.run(Params(), [(GOOD, item)], NOBODY)
    assert isinstance(found, Sample)
    assert (found.dance.embedding, found.dance.reference) == (None, None)


def people(*known: tuple[str, float, str]) -> People:
    """Known people: the clip in which each was seen, the angle of the face, the side."""
    faces, rows = [], {}
    for number, (clip, angle, side) in enumerate(known):
        about = {"face_id": f"f{number}", "clip_id": clip, "source_sha256": clip.split("-")[0]}
        faces.append(row(Face, **about, embedder="Dlib", n_frames=5, embedding=unit(angle)))
        rows[f"f{number}"] = row(SplitRow, face_id=f"f{number}", identity_id=f"id_{number}", split=side)
    return People(faces, rows)


def cut(name: str) -> Clip:
    """A clip named <source>-<cut>."""
    return replace(GOOD, clip_id=name, source_sha256=name.split("-")[0])


def dancers(measured: dict[str, Item], known: People, salt: str = "") -> dict[str, tuple[str, str, str]]:
    """clip_id -> identity, side, known by; or the reject's code, scope and stage."""
    params = Params().model_copy(update={"split": Split(salt=salt)})
    result = {}
    for found in m2p.run(params, [(cut(name), item) for name, item in measured.items()], known):
        if isinstance(found, Reject):
            result[found.item] = (found.code, found.scope, found.stage)
        else:
            dancer = found.dancer
            result[found.dance.clip.clip_id] = (dancer.identity_id, dancer.side, dancer.known_by)
    return result


SALTS = [str(number) for number in range(12)]  # side_of puts some names on one side, others on the other
HELD_BACK = ("quarantine", "dance", "m2p")


def test_the_dancer_is_the_person_whose_face_is_nearest() -> None:
    known = people(("a", np.pi / 2, "train"), ("a", 0.0, "test"))
    assert dancers({"a": dance(embedding=unit(0.1))}, known) == {"a": ("id_1", "validation", "face")}


def test_a_dancer_known_from_another_clip_is_on_that_persons_side() -> None:
    known = people(("b", 0.0, "test"), ("c", np.pi / 2, "train"))
    assert dancers({"a": dance(embedding=unit(0.1))}, known) == {"a": ("id_0", "validation", "face")}
    assert dancers({"a": dance(embedding=unit(1.5))}, known) == {"a": ("id_1", "train", "face")}


@pytest.mark.parametrize("angle", [np.pi / 4, np.arccos(1 - 0.0514)])  # 0.0514: measured between two real dancers
def test_a_face_that_is_nobodys_falls_back_to_the_source(angle: float) -> None:
    [(_, _, known_by)] = dancers({"a": dance(views=5, embedding=unit(angle))}, people(("b", 0.0, "train"))).values()
    assert known_by == "source"


@pytest.mark.parametrize("salt", SALTS)
def test_all_cuts_of_a_source_are_on_the_side_of_the_one_that_is_known(salt: str) -> None:
    cuts = {"a-0": dance(embedding=unit(0)), "a-1": dance(views=0), "a-2": dance(embedding=unit(1.5))}
    found = dancers(cuts, people(("a-0", 0.0, "test")), salt)
    assert found["a-0"] == ("id_0", "validation", "face")
    assert found["a-1"] == ("id_0", "validation", "source")
    assert found["a-2"] == ("source:a", "validation", "source")  # another face is not that person


@pytest.mark.parametrize("salt", SALTS)
def test_cuts_of_an_unknown_source_share_one_identity_and_side(salt: str) -> None:
    found = dancers({"a-0": dance(views=0), "a-1": dance(), "a-2": dance(embedding=unit(1.5))}, NOBODY, salt)
    assert {name for name, _, _ in found.values()} == {"source:a"}
    assert len({side for _, side, _ in found.values()}) == 1


@pytest.mark.parametrize("salt", SALTS)
def test_an_unknown_dancer_is_on_one_side_in_all_videos(salt: str) -> None:
    found = dancers({"a-0": dance(), "b-0": dance(embedding=unit(0.1)), "b-1": dance(views=0)}, NOBODY, salt)
    assert len(set(found.values())) == 1
    assert next(iter(found.values()))[0] == "source:a"


@pytest.mark.parametrize("salt", SALTS)
def test_a_dancer_without_a_face_is_on_the_side_of_who_is_seen_in_the_same_video(salt: str) -> None:
    found = dancers({"a-1": dance(views=0)}, people(("a-0", 0.0, "test"), ("b", 1.0, "train")), salt)
    assert found == {"a-1": ("source:a", "validation", "source")}


def test_unknown_sources_fall_on_both_sides() -> None:
    assert {dancers({"a": dance()}, NOBODY, salt)["a"][1] for salt in SALTS} == {"train", "validation"}


def test_a_source_with_people_of_two_sides_gives_no_sample_and_the_others_do() -> None:
    known = people(("a-0", 0.0, "train"), ("a-1", np.pi / 2, "val"))
    cuts = {"a-0": dance(), "a-1": dance(embedding=unit(np.pi / 2)), "a-2": dance(views=0), "b-0": dance()}
    found = dancers(cuts, known)
    assert [found[name] for name in ("a-0", "a-1", "a-2")] == [HELD_BACK] * 3
    assert found["b-0"] == ("id_0", "train", "face")


def test_people_on_the_val_and_on_the_test_side_may_share_a_source() -> None:
    known = people(("a-0", 0.0, "test"), ("a-1", np.pi / 2, "val"))
    found = dancers({"a-0": dance(), "a-1": dance(embedding=unit(np.pi / 2)), "a-2": dance(views=0)}, known)
    assert [found[name][:2] for name in sorted(found)] == [
        ("id_0", "validation"),
        ("id_1", "validation"),
        ("source:a", "validation"),
    ]


def test_a_person_in_quarantine_gives_no_sample() -> None:
    assert dancers({"a": dance()}, people(("b", 0.0, "quarantine"))) == {"a": HELD_BACK}


def test_sound_with_a_hole_gives_no_music_features(tmp_path: Path) -> None:
    whole = tmp_path / "a.mp4"
    noise = np.random.default_rng(0).normal(0, 0.1, 6 * 44100).astype(np.float32)
    write_video(whole, pictures(6 * 25), 25, Audio(noise, 44100))
    path = broken(whole, tmp_path / "b.mp4", "audio", 2.0, 2.5)
    with pytest.raises(Rejected, match="sound_has_gaps") as caught:
        measure_dance(DanceClip(path, 0.0, 6.0, 24, 512, {}))
    assert caught.value.numbers["missing_s"] == pytest.approx(0.5, abs=0.05)
    with pytest.raises(KeyError, match="face_landmark"):  # whole, the sound passes and the models are asked for
        measure_dance(DanceClip(whole, 0.0, 6.0, 24, 512, {}))


def workspace(root: Path, raw: Path, clips: list[Clip]) -> Workspace:
    params = Params()
    params = params.model_copy(update={"data": params.data.model_copy(update={"raw": str(raw)})})
    found = Workspace(root, root, params, root / "cache")
    write_table(found.prepared / "clips.parquet", Clip, clips)
    write_table(found.faces / "faces.parquet", Face, [])
    write_table(found.splits / "splits.parquet", SplitRow, [])
    return found


def test_music_features_are_kept_without_their_repetitions_and_come_back_as_they_were() -> None:
    rows = np.random.default_rng(0).normal(size=(9 + 22, 207)).astype(np.float32)
    around = np.stack([rows[index : index + 23].ravel() for index in range(9)])
    music = np.hstack([np.random.default_rng(1).normal(size=(9, 39)).astype(np.float32), around])
    item = join_parts([Item({"frames": 9}, {"music": music}), Item({"frames": 1}, {"music": music[:1]})])
    assert sum(array.nbytes for array in item.arrays.values()) < music.nbytes / 3
    np.testing.assert_array_equal(part_of(item, 0).arrays["music"], music)
    np.testing.assert_array_equal(part_of(item, 1).arrays["music"], music[:1])


def test_without_clips_there_are_empty_folders_and_metrics_that_say_why(tmp_path: Path) -> None:
    m2p.main(workspace(tmp_path, tmp_path, []))
    out = tmp_path / "data" / "m2p"
    assert {path.name for path in out.iterdir()} == {"train", "validation", "metadata.json", "rejects.parquet"}
    described = read_json(out / "metadata.json")
    assert (described["clips"], described["samples"]) == ([], {"train": 0, "validation": 0})
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
    assert (entry["reference_shows_face"], cv2.imread(str(sample / "reference_image.jpg")).shape) == (True, (512, 512, 3))
    assert (entry["complete"], entry["missing"], entry["padded_frames"]) == (False, ["face_embedding"], 0)
    assert (space.reports / "plots" / "m2p" / f"{DANCE.stem}.png").is_file()
