"""What a page shows of one sample: measured from its files, whatever metadata.json says or does not say."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from m2p_folders import BEATS_S, FRAMES, clicks, dancer, write_sample
from media_cases import pictures
from onscreen.checks.sample import SampleFolder
from onscreen.media.video import write_video
from onscreen.report.m2p_card import Card, read_card


def card(folder: Path, entry: dict[str, Any] | None = None, shared: dict[str, Any] | None = None) -> Card:
    return read_card(SampleFolder(folder.parent.parent, folder.parent.name, folder.name, entry, shared or {}))


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sample(tmp_path_factory.mktemp("set") / "train" / "a")


def test_files_alone_tell_length_points_sound_and_alignment(good: Path) -> None:
    found = card(good)
    assert (found.video, found.reference, found.missing) == ("train/a/video.mp4", "train/a/reference_image.jpg", [])
    assert (found.seconds, found.frames, found.fps, found.poses, found.keypoints) == (1.0, FRAMES, 24.0, FRAMES, 134)
    numbers = dict(found.numbers)
    assert numbers["Frames that show"] == "all limbs 100%, shoulders and elbows 100%, face 0%, left hand 0%, right hand 0%"
    assert numbers["Sound"].startswith("44100 Hz, 2 channels, peak -")
    assert "measured for this page" in numbers["Beats"] or numbers["Beats"].startswith("none: ")
    assert numbers["Dancer"] == "not stated"
    assert found.wave
    assert found.heat_about.endswith("nothing says what they mean")


def test_what_metadata_says_is_shown_as_its_word_and_the_alignment_is_measured_with_its_beats(good: Path) -> None:
    entry = {
        **{"music": {"beats_s": BEATS_S, "tempo_bpm": 240.0, "key": "A minor", "key_strength": 0.75}},
        **{"identity": "id_1", "identity_known_by": "face", "song": "song_2", "source": "x.mp4", "start_s": 3.5},
        **{
            "warnings": [{"code": "short", "detail": "below 3 s", "numbers": {"found": 1.0}}, "odd"],
            "labels": {"genre": "waltz", "artist": ""},
        },
        **{"missing": ["face_embedding"], "backends": {"pose": "mediapipe 1"}, "smoothed": False},
    }
    found = card(good, entry, {"music": {"layout_version": 1}})
    numbers = dict(found.numbers)
    assert found.beats_s == BEATS_S
    assert (numbers["Tempo"], numbers["Key"]) == ("240.0 beats a minute", "A minor (correlation 0.75)")
    assert numbers["Beats"] == "4 (metadata.json)"
    assert numbers["Beat alignment"].startswith("not measured: ") or "sigma 0.05 s" in numbers["Beat alignment"]
    assert (numbers["Dancer"], numbers["Song"]) == ("id_1, known by face", "song_2")
    assert (numbers["Cut from"], numbers["Not there"]) == ("x.mp4, from 3.5 s", "face_embedding")
    assert found.warnings == ["short: below 3 s (found 1)", "odd"]
    assert found.labels == [("genre", "waltz")]
    assert ("backends: pose", "mediapipe 1") in found.rest
    assert ("smoothed", "no") in found.rest
    assert found.heat_groups[0] == ("MFCC", 0, 13)


def test_dance_beats_are_the_slowest_moments(tmp_path: Path) -> None:
    folder = tmp_path / "train" / "a"
    folder.mkdir(parents=True)
    frames = 4 * FRAMES
    write_video(folder / "video.mp4", pictures(frames), 24, clicks(4.0))
    points = dancer(frames)
    time = np.arange(frames) / 24
    points[..., 0] += np.where(points[..., 2] > 0, 20 * np.sin(np.pi * time)[:, None], 0)  # turns every second, from 0.5 s on
    points[..., 1] = np.where(points[..., 2] > 0, 30, 0)
    poses = [{"keypoints": [{"x": x, "y": y, "confidence": c} for x, y, c in frame]} for frame in points.tolist()]
    (folder / "pose_annotations.json").write_text(json.dumps({"fps": 24, "poses": poses}))
    found = card(folder, {"music": {"beats_s": [0.5, 1.5, 2.5, 3.5]}})
    assert found.dance_beats_s == pytest.approx([0.5, 1.5, 2.5, 3.5], abs=0.03)
    assert "of 4 dance beats (by chance 0.1" in dict(found.numbers)["Beat alignment"]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("video.mp4", b"no video", "video.mp4: its bytes are of no video format"),
        ("pose_annotations.json", b"[1, 2", "pose_annotations.json: cannot be read"),
        ("pose_annotations.json", b'{"poses": []}', "pose_annotations.json: holds no points"),
        ("music_features.npy", b"\x80\x04pickle", "music_features.npy: cannot be read"),
    ],
)
def test_a_file_that_is_broken_is_named_and_the_rest_is_shown(
    good: Path, tmp_path: Path, name: str, content: bytes, told: str
) -> None:
    folder = tmp_path / "train" / "a"
    folder.mkdir(parents=True)
    for path in good.iterdir():
        (folder / path.name).write_bytes(content if path.name == name else path.read_bytes())
    found = card(folder)
    assert len(found.missing) == 1
    assert found.missing[0].startswith(told)
    shown = {"video.mp4": found.video, "pose_annotations.json": found.points, "music_features.npy": found.heat}
    assert [bool(value) for key, value in shown.items() if key != name] == [True, True]
    assert not shown[name]


def test_an_empty_folder_is_a_card_that_lists_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "train" / "a").mkdir(parents=True)
    found = card(tmp_path / "train" / "a", None, {"fps": 24})
    assert [text.split(":")[0] for text in found.missing] == [
        *("video.mp4", "pose_annotations.json", "music_features.npy", "reference_image.jpg", "metadata.json")
    ]


def test_lengths_that_differ_are_said(tmp_path: Path) -> None:
    folder = write_sample(tmp_path / "train" / "a", points=dancer(20), features=np.zeros((22, 4800)), fps=Fraction(24))
    assert card(folder).warnings == ["24 pictures and 20 poses", "24 pictures and 22 rows of music features"]


@pytest.mark.parametrize(
    "wrong", [[], "x", 3, {"beats_s": "x", "tempo_bpm": float("nan"), "key": ["<b>"]}, {"beats_s": [None, -1, 9e9, "a"]}]
)
def test_metadata_of_any_shape_does_no_harm(good: Path, wrong: Any) -> None:
    card(good, {"music": wrong, "warnings": wrong, "labels": wrong, "missing": wrong, "identity": wrong, "start_s": wrong})
