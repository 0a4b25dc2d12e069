"""Who is who among the faces of one clip's frames, the main person first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from onscreen.faces.clustering import average_link
from onscreen.faces.detectors import overlap
from onscreen.faces.thresholds import same_clip_threshold

# Two frames' faces at the same place count as that much nearer. It tips what is close and no more: after a cut another person may
# stand at the same place. Of 11,000 pairs of photos of two people (LFW10, johns; Dlib) 2 are within 1.1 thresholds, 5,300 within 2.3.
_HOLDS_STILL = 0.1


def group_people(faces: Sequence[Mapping[str, Any]], embeddings: np.ndarray, embedder: str) -> list[list[int]]:
    """The faces of each person, as indices in order of frame; people in order of prominence.

    faces: as measurement.measure_faces gives them. embeddings: (N, D) float32, L2 = 1.
    Average link over cosine distances, cut at the embedder's threshold for photos; faces of one frame are different people,
    and boxes that overlap count as nearer (distance x (1 - IoU / 10)). Prominence: sum of score x box side over the frames, so the
    person who is largest and most present comes first. No threshold of params takes part, so none changes a person's number; another
    detector or other frames may. What names a person for good is the place (places).
    """
    if not faces:
        return []
    boxes = [tuple(face["box"]) for face in faces]
    still = np.array([[overlap(a, b) for b in boxes] for a in boxes])
    distances = (1 - embeddings @ embeddings.T) * (1 - _HOLDS_STILL * still)
    frames = np.array([face["frame"] for face in faces])
    owner = average_link(distances, frames, same_clip_threshold(embedder))
    people = [[int(face) for face in np.flatnonzero(owner == label)] for label in np.unique(owner)]
    return sorted(people, key=lambda person: (-_prominence(faces, person), person[0]))


def places(faces: Sequence[Mapping[str, Any]], people: Sequence[Sequence[int]]) -> list[int]:
    """The place of each person from left to right, 1 to len(people).

    people: the views of each, as indices of faces, none empty. By the median x of the boxes' middles; of two at one x the upper is first.
    """
    middles = [tuple(np.median([_middle(faces[view]["box"]) for view in views], axis=0)) for views in people]
    order = sorted(range(len(people)), key=lambda person: middles[person])
    return [order.index(person) + 1 for person in range(len(people))]


def _middle(box: Sequence[float]) -> tuple[float, float]:
    x, y, width, height = box
    return x + width / 2, y + height / 2


def _prominence(faces: Sequence[Mapping[str, Any]], person: list[int]) -> float:
    return float(sum(faces[face]["score"] * max(faces[face]["box"][2:]) for face in person))
