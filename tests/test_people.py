"""Tracks: who is who over the frames of a clip, with real faces."""

from functools import cache
from itertools import permutations
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import pytest

from face_cases import detector, embedder, files_of, five_of_six, six_people
from onscreen.cache import Item
from onscreen.config import Faces
from onscreen.faces import detectors, embedders
from onscreen.faces.measurement import ClipFaces, measure_frames
from onscreen.faces.people import group_people, places
from onscreen.faces.thresholds import same_clip_threshold
from onscreen.media.video import Frame

FILES = files_of((*detectors.WEIGHTS["mediapipe"], *embedders.WEIGHTS["Dlib"]))
# Of the five, the two at the right are as near to one another as 2 of 11,000 pairs of photos of two people: no test of tracks.
FOUR = range(4)


@cache
def portrait(person: int, frame: int) -> np.ndarray:
    """200x200: one of the five, a little moved and a little blurred from frame to frame."""
    x, y, width, height = five_of_six()[person].box
    side, edge = max(width, height), 200
    image = cv2.copyMakeBorder(six_people(), edge, edge, edge, edge, cv2.BORDER_REFLECT)
    left, top, reach = round(x + edge - 0.5 * side) + frame - 2, round(y + edge - 0.5 * side), round(2 * side)
    view = cv2.resize(image[top : top + reach, left : left + reach], (200, 200), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(view, (0, 0), 0.3 + 0.2 * frame))


def seen(rows: list[dict[int, int]]) -> Item:
    """What is measured of frames; each row says which person stands at which place (x of 640 px)."""
    frames = []
    for number, row in enumerate(rows):
        image = np.full((240, 640, 3), 120, np.uint8)
        for x, person in row.items():
            image[20:220, x : x + 200] = portrait(person, number)
        frames.append(Frame(float(number), image))
    settings = {"detector": "mediapipe", "embedder": "Dlib", "frames": "keyframes", "frames_per_clip": 5}
    clip = ClipFaces(Path("made in the test"), 0.0, 5.0, crop_px=64, crop_margin=0.1, files=FILES, **settings)
    return measure_frames(clip, frames)


def tracks(item: Item) -> list[list[tuple[int, int]]]:
    """Each person's views as (frame, x in hundreds of px)."""
    faces = item.meta["faces"]
    people = group_people(faces, item.arrays["embeddings"], "Dlib")
    return [[(faces[view]["frame"], round((faces[view]["box"][0] - 20) / 100)) for view in person] for person in people]


@pytest.mark.parametrize(("a", "b"), list(permutations(FOUR, 2)))
def test_a_cut_to_another_person_at_the_same_place_is_another_person(a: int, b: int) -> None:
    found = tracks(seen([{220: a}, {220: a}, {220: a}, {220: b}, {220: b}]))
    assert [[frame for frame, _ in track] for track in found] in ([[0, 1, 2], [3, 4]], [[3, 4], [0, 1, 2]])


def test_two_people_who_swap_places_stay_who_they_are() -> None:
    left, right = {20: 0, 420: 2}, {20: 2, 420: 0}
    found = tracks(seen([left, left, right, right, left]))
    assert sorted([[x > 2 for _, x in track] for track in found]) == [
        [False, False, True, True, False],
        [True, True, False, False, True],
    ]
    assert [[frame for frame, _ in track] for track in found] == [[0, 1, 2, 3, 4]] * 2


def test_two_people_who_cross_stay_who_they_are() -> None:
    steps = [0, 110, 220, 330, 440]
    rows = [{step: 0, 440 - step: 2} if step != 220 else {220: 0} for step in steps]  # in the middle one hides the other
    found = tracks(seen(rows))
    assert sorted(len(track) for track in found) == [4, 5]
    for track in found:
        places_taken = [x for _, x in track]
        assert places_taken in (sorted(places_taken), sorted(places_taken, reverse=True))
        assert places_taken[0] != places_taken[-1]


def test_two_people_in_one_frame_are_two_however_alike_they_look() -> None:
    found = tracks(seen([{20: 1, 420: 1}] * 3))
    assert [[x for _, x in track] for track in found] in ([[0, 0, 0], [4, 4, 4]], [[4, 4, 4], [0, 0, 0]])


def test_the_person_who_is_larger_and_longer_there_comes_first() -> None:
    [first, second] = tracks(seen([{20: 0, 420: 2}, {20: 0}, {20: 0, 420: 2}]))
    assert ([frame for frame, _ in first], [frame for frame, _ in second]) == ([0, 1, 2], [0, 2])


@pytest.mark.parametrize("name", get_args(Faces.model_fields["embedder"].annotation))
@pytest.mark.parametrize(("ratio", "x", "people"), [(0.95, 300, 1), (1.05, 0, 1), (1.05, 300, 2), (1.2, 0, 2)])
def test_the_place_tips_what_is_close_and_no_more_for_every_embedder(name: str, ratio: float, x: float, people: int) -> None:
    distance = ratio * same_clip_threshold(name)
    there, then = np.zeros(8, np.float32), np.zeros(8, np.float32)
    there[0], then[:2] = 1, (1 - distance, np.sqrt(1 - (1 - distance) ** 2))
    faces = [{"frame": frame, "box": [frame * x, 0.0, 50.0, 50.0], "score": 0.9} for frame in range(2)]
    assert len(group_people(faces, np.stack([there, then]), name)) == people


def test_places_are_counted_from_the_left() -> None:
    faces = [{"box": [x, 0.0, 50.0, 50.0]} for x in (300.0, 20.0, 310.0, 30.0, 160.0)]
    assert places(faces, [[0, 2], [1, 3], [4]]) == [3, 1, 2]


def test_nobody_is_nobody() -> None:
    assert group_people([], np.empty((0, 128), np.float32), "Dlib") == []


def test_the_same_face_is_found_again_in_moved_and_blurred_frames() -> None:
    for person in FOUR:
        vectors = []
        for frame in range(5):
            face = detector()(portrait(person, frame))[0]
            vectors.append(embedders.embed(embedder(), portrait(person, frame), face))
        assert (1 - np.array(vectors) @ np.array(vectors).T).max() < 0.05
