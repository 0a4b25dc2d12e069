"""The quality gate: which remarks an accepted dance gets, with what numbers, and that thresholds decide alone."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from onscreen.cache import Item
from onscreen.config import M2p
from onscreen.records import Clip
from onscreen.stages.m2p import finished
from onscreen.stages.m2p_gate import remarks
from onscreen.stages.m2p_sound import clearest_pulse
from real_data import DATA, needs_real_data
from records_of import row

CLIP = row(Clip, clip_id="vid_1", end_s=5.0, audio_rate_hz=48000)
META: dict[str, Any] = {
    **{"frames": 120, "start_s": 0.0, "shot": 0, "shots": 1, "silent_s": 0.2, "pulse": 0.4, "people": 1, "several_share": 0.0},
    **{"outside_share": 0.0, "window": {"x": 0, "y": 0, "side": 720}, "views": [{"score": 0.9, "interocular_px": 40.0}]},
}

BODY = {"limbs": np.ones((1, 12), np.float32), "legs": np.ones((1, 6), np.float32)}


def found(change: dict[str, Any], clip: Clip = CLIP, good: int = 1) -> list[str]:
    return [remark.code for remark in remarks(M2p(), clip, Item({**META, **change}, BODY), good)]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"frames": 48, "shots": 2}, "shorter_than_recommended"),
        ({"frames": 300}, "longer_than_recommended"),
        ({"frames": 96}, "sound_ends_early"),
        ({"frames": 117, "start_s": 0.125}, "starts_late"),
        ({"silent_s": 0.8}, "silence"),
        ({"people": 2, "several_share": 0.25}, "several_people"),
        ({"outside_share": 0.01}, "points_outside_window"),
        ({"window": {"x": 0, "y": 0, "side": 511}}, "enlarged"),
    ],
)
def test_what_is_below_a_recommendation_is_accepted_with_a_remark(change: dict[str, Any], code: str) -> None:
    assert found({}) == []
    assert found(change) == [code]


def test_a_face_that_is_never_seen_and_one_that_would_not_do_are_told_apart() -> None:
    assert found({"views": []}, good=0) == ["no_face"]
    assert found({}, good=0) == ["no_good_face"]


def test_a_body_that_is_out_of_the_picture_for_a_while_is_remarked_with_the_share() -> None:
    gone = {name: array.repeat(10, axis=0) * (np.arange(10) < 8)[:, None] for name, array in BODY.items()}
    [remark] = remarks(M2p(), CLIP, Item(META, gone), 1)
    assert (remark.code, remark.numbers) == ("body_leaves_picture", {"upper_share": 0.8, "recommended_share": 0.9})


def test_sound_below_the_recommended_rate_is_remarked_with_both_numbers() -> None:
    [remark] = remarks(M2p(), replace(CLIP, audio_rate_hz=22050), Item(META, BODY), 1)
    assert (remark.code, remark.numbers) == ("low_audio_rate", {"audio_hz": 22050.0, "recommended_audio_hz": 44100.0})


def test_speech_without_a_clear_beat_is_remarked_with_its_numbers_where_both_are_measured() -> None:
    spoken = replace(CLIP, speech_start_s=[1.0], speech_end_s=[4.5])
    [remark] = remarks(M2p(), spoken, Item({**META, "pulse": 0.12}, BODY), 1)
    assert (remark.code, remark.numbers["pulse"], remark.numbers["speech_share"]) == (
        "speech_not_music",
        0.12,
        pytest.approx(0.7),
    )
    assert found({}, spoken) == []  # somebody sings or talks over a clear beat
    assert found({"pulse": None}, spoken) == []  # too short a sound to tell
    assert found({"pulse": 0.12}) == []  # music without a clear beat
    second_shot = {"pulse": 0.12, "start_s": 3.0, "frames": 48, "shot": 1, "shots": 2}
    assert found(second_shot, replace(spoken, speech_end_s=[2.9])) == ["shorter_than_recommended"]  # the first is spoken over


@needs_real_data
def test_a_talk_under_a_dance_is_remarked_and_the_music_of_a_dance_is_not() -> None:
    speech = {"speech_start_s": [0.5], "speech_end_s": [4.5]}
    for name, codes in (("clips/hdtf_aoc.mp4", ["speech_not_music"]), ("dance/dance_with_music.mp4", [])):
        assert found({"pulse": clearest_pulse(DATA / name, 0.0, 5.0)}, replace(CLIP, **speech)) == codes


def test_unsure_points_and_smoothing_are_decided_when_a_part_is_written() -> None:
    rng = np.random.default_rng(0)
    points = np.concatenate([200 + rng.normal(0, 2, (40, 134, 2)), np.full((40, 134, 1), 0.9)], axis=2).astype(np.float32)
    points[:, 0, 2] = 0.3
    part = Item(META, {"points": points})
    written = finished(M2p(), part).arrays["points"]
    np.testing.assert_array_equal(written, points)
    unsure = finished(M2p(min_keypoint_confidence=0.5), part).arrays["points"]
    assert not unsure[:, 0].any()
    np.testing.assert_array_equal(unsure[:, 1:], points[:, 1:])
    smooth = finished(M2p(smooth="one_euro"), part).arrays["points"]
    assert np.diff(smooth[..., 0], axis=0).std() < 0.85 * np.diff(points[..., 0], axis=0).std()
    np.testing.assert_array_equal(smooth[..., 2], points[..., 2])
