"""Shots: a cut is found at its frame; light that changes and people who move fast make none."""

from itertools import chain

import cv2
import numpy as np
import pytest

from onscreen.media.shots import ShotCuts, shot_starts
from onscreen.media.video import decoded_at_rate
from real_data import DATA

DANCE, TALK = DATA / "dance" / "silent_dance_0.mp4", DATA / "clips" / "hdtf_aoc.mp4"


def scene(seed: int, count: int, move_px: float = 4.0) -> list[np.ndarray]:
    """A room with edges everywhere, and somebody who swings through it."""
    rng = np.random.default_rng(seed)
    room = cv2.resize(rng.integers(0, 256, (12, 12, 3), np.uint8), (96, 96), interpolation=cv2.INTER_NEAREST)
    pictures = []
    for index in range(count):
        picture = room.copy()
        x = 48 + round(move_px * 6 * np.sin(index / 2))
        cv2.ellipse(picture, (x, 60), (8, 30), 0, 0, 360, (30, 60, 220), -1)
        pictures.append(picture)
    return pictures


def cuts(pictures: list[np.ndarray]) -> list[int]:
    shots = ShotCuts(24)
    told = [found for found in map(shots.add, pictures) if found is not None]
    return [index for index, new in enumerate([*told, *shots.end()]) if new]


@pytest.mark.parametrize(("before", "after"), [(30, 20), (1, 20), (20, 1), (3, 3)])
def test_a_cut_is_found_at_its_frame_also_next_to_the_ends(before: int, after: int) -> None:
    assert cuts(scene(1, before) + scene(2, after)) == [before]


def test_every_frame_is_told_once_however_few_there_are() -> None:
    for count in (0, 1, 2, 3, 10):
        shots = ShotCuts(24)
        told = [found for found in map(shots.add, scene(1, count)) if found is not None]
        assert [*told, *shots.end()] == [False] * count


@pytest.mark.parametrize("light", ["every_frame", "every_6_frames", "blackout", "white_flash", "colours"])
def test_strobes_flashes_and_coloured_light_are_no_cuts(light: str) -> None:
    lit = []
    for index, picture in enumerate(scene(3, 60)):
        gain = {"every_frame": 0.2 + 0.8 * (index % 2), "every_6_frames": 0.15 + 0.85 * (index // 6 % 2)}.get(light, 1.0)
        shown = picture.astype(float) * gain
        if light == "blackout":
            shown *= 20 <= index < 24 or index // 8 % 2
        if light == "white_flash" and index % 15 == 7:
            shown = shown * 0.2 + 205
        if light == "colours":
            shown *= np.roll([1.0, 0.3, 0.3], index // 5)
        lit.append(np.clip(shown, 0, 255).astype(np.uint8))
    assert cuts(lit) == []


def test_a_dancer_who_crosses_the_picture_within_frames_makes_no_cut() -> None:
    assert cuts(scene(4, 60, move_px=12.0)) == []


@pytest.mark.skipif(not (DANCE.is_file() and TALK.is_file()), reason=f"no clips in {DATA}")
def test_a_cut_between_two_real_clips_is_found_and_none_within_them() -> None:
    frames = list(shot_starts(chain(decoded_at_rate(DANCE, 0.0, 2.0, 24), decoded_at_rate(TALK, 1.0, 2.0, 24)), 24))
    assert [index for index, (_, _, starts) in enumerate(frames) if starts] == [48]
    assert [time_s for time_s, _, _ in frames] == [*(index / 24 for index in range(48)), *(index / 24 for index in range(24))]
