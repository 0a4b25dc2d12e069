"""Faces followed through frames, and what is cut out of them."""

import numpy as np
import pytest

from face_cases import detector, six_people
from onscreen.faces.tracks import follow, mouth_opening, speaking_crop


def moving(frames, step=2):
    """Frames in which six people move to the left."""
    image = six_people()
    return [np.ascontiguousarray(image[:, step * index : step * index + 1000]) for index in range(frames)]


def test_every_person_is_one_track_whose_boxes_move_evenly():
    looked = []
    tracks = follow(moving(11), detector(), 5, lambda frame, box: looked.append(1) or float(box[0]))
    whole = [track for track in tracks if len(track.boxes) == 11]
    assert len(whole) >= 3
    assert len(looked) == sum(len(track.boxes) for track in tracks)
    for track in whole:
        lefts = np.array(track.seen)
        assert track.first == 0
        assert lefts[0] - lefts[-1] == pytest.approx(20, abs=8)
        assert np.abs(np.diff(lefts[:6], 2)).max() < 1e-6


def test_who_comes_later_is_a_new_track_and_who_leaves_ends():
    empty = np.full((886, 1000, 3), 90, np.uint8)
    tracks = follow([*[empty] * 5, *moving(6, 0), *[empty] * 15, *moving(6, 0)], detector(), 5, lambda frame, box: None)
    firsts = {track.first for track in tracks}
    assert firsts == {5, 30}
    assert max(track.end for track in tracks if track.first == 5) == 11


def test_nobody_gives_no_track():
    assert follow([np.full((200, 200, 3), 90, np.uint8)] * 6, detector(), 5, lambda frame, box: None) == []


def test_a_crop_is_the_lower_half_of_the_face_and_grey_outside_of_the_frame():
    frame = np.zeros((200, 200, 3), np.uint8)
    frame[100:, :] = 200
    crop = speaking_crop(frame, np.array([60.0, 60.0, 80.0, 80.0]), 112)
    assert (crop.shape, crop.dtype) == ((112, 112), np.uint8)
    edge = 88  # the crop begins at 60 + 28 = 88 px and holds 56 px, two rows of it a pixel
    assert crop[: 2 * (100 - edge) - 2].max() == 0
    assert crop[2 * (100 - edge) + 2 :].min() == 200
    assert speaking_crop(frame, np.array([-300.0, 0.0, 80.0, 80.0]), 112).min() == 110


def test_an_open_mouth_is_wider_than_a_closed_one():
    mesh = np.zeros((468, 2), np.float32)
    mesh[263] = (100, 0)
    mesh[14] = (50, 20)
    mesh[13] = (50, 5)
    assert mouth_opening(mesh) == pytest.approx(0.15)
