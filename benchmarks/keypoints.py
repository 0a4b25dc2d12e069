"""The 134 points against people's annotations: COCO-WholeBody, 4 images, 12 people with at least 12 annotated body points.

    python benchmarks/keypoints.py [--truth FOLDER] [--landmarker face_landmarker.task]

PCK@0.2: share of points nearer to the annotated place than 0.2 of the torso (shoulder to the other hip), per part: over all that are
annotated (an unseen one counts as wrong) and over those that are seen. Each person is shown in its annotated box, widened by
15 %. Faces also in distances between the eyes. Swaps: pairs of joints that fit better with left and right exchanged.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from onscreen import weights
from onscreen.motion.face_points import LANDMARKER_FILE
from onscreen.motion.keypoints import BODY, FACE, FEET, INDEX, LEFT_HAND, RIGHT_HAND, drop_unsure, from_coco_wholebody
from onscreen.motion.poses import WEIGHTS_OF, open_poses
from onscreen.tasks_models import silent_native_log

PARTS = {"body": BODY, "feet": FEET, "face": FACE, "left hand": LEFT_HAND, "right hand": RIGHT_HAND}
JOINTS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
LEAST = 0.1  # m2p.min_keypoint_confidence
FOLDER = Path(__file__).parents[2] / "shared" / "data" / "dance" / "wholebody_gt"


def people_of(folder: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """(picture of one person, (134, 3) annotated points in it) of everybody with at least 12 annotated body points."""
    truth = json.loads((folder / "test_coco_wholebody.json").read_text(encoding="utf-8"))
    images = {one["id"]: cv2.imread(str(folder / one["file_name"]))[..., ::-1] for one in truth["images"]}
    found = []
    for person in truth["annotations"]:
        parts = ("keypoints", "foot_kpts", "face_kpts", "lefthand_kpts", "righthand_kpts")
        points = from_coco_wholebody(np.concatenate([person[part] for part in parts]).reshape(133, 3))
        if (points[BODY, 2] > 0).sum() < 12:
            continue
        x, y, width, height = person["bbox"]
        margin = 0.15 * max(width, height)
        left, top = int(max(0, x - margin)), int(max(0, y - margin))
        points[points[:, 2] > 0, :2] -= [left, top]
        image = images[person["image_id"]][top : int(y + height + margin), left : int(x + width + margin)]
        found.append((np.ascontiguousarray(image), points))
    return found


def torso(points: np.ndarray) -> float:
    """Left shoulder to right hip, px; where one of them is not annotated, the other diagonal."""
    for first, second in (("left_shoulder", "right_hip"), ("right_shoulder", "left_hip")):
        ends = points[[INDEX[first], INDEX[second]]]
        if (ends[:, 2] > 0).all():
            return float(np.hypot(*(ends[0] - ends[1])[:2]))
    raise ValueError("no diagonal of the torso is annotated")


def swaps(found: np.ndarray, wanted: np.ndarray) -> tuple[list[str], int]:
    """Joints whose two sides fit better exchanged, by a fifth of the torso at least; and how many were compared."""
    exchanged, compared = [], 0
    for joint in JOINTS:
        sides = [INDEX[f"left_{joint}"], INDEX[f"right_{joint}"]]
        if (found[sides, 2] > 0).all() and (wanted[sides, 2] > 0).all():
            compared += 1
            straight = np.hypot(*(found[sides] - wanted[sides])[:, :2].T).sum()
            crossed = np.hypot(*(found[sides] - wanted[sides[::-1]])[:, :2].T).sum()
            if straight > crossed + 0.2 * torso(wanted):
                exchanged.append(joint)
    return exchanged, compared


def measure(files: Mapping[str, Path], people: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, str]:
    """One line a part of one set of models."""
    errors: dict[str, list[float]] = {part: [] for part in PARTS}
    unseen = dict.fromkeys(PARTS, 0)
    eyes, exchanged, compared = list[float](), list[str](), 0
    with silent_native_log(), open_poses("mediapipe", files) as find:
        for image, wanted in people:
            find.restart()
            found = drop_unsure(find(image, 0.0).points, LEAST)
            for part, place in PARTS.items():
                there = wanted[place, 2] > 0
                both = there & (found[place, 2] > 0)
                errors[part] += list(np.hypot(*(found[place] - wanted[place])[both, :2].T) / torso(wanted))
                unseen[part] += int((there & ~both).sum())
            if (wanted[FACE, 2] > 0).all() and (found[FACE, 2] > 0).all():
                between = np.hypot(*(wanted[FACE][36:42].mean(axis=0) - wanted[FACE][42:48].mean(axis=0))[:2])
                eyes.append(float(np.hypot(*(found[FACE] - wanted[FACE])[:, :2].T).mean() / between))
            wrong, pairs = swaps(found, wanted)
            exchanged, compared = exchanged + wrong, compared + pairs
    lines = {}
    for part, found_errors in errors.items():
        right, count = int((np.array(found_errors) < 0.2).sum()), len(found_errors) + unseen[part]
        seen = f"{right / len(found_errors):.3f}" if found_errors else "none"
        lines[part] = f"{right / max(count, 1):.3f} of {count} annotated, {seen} of {len(found_errors)} seen"
    lines["face, mean error"] = f"{np.mean(eyes):.3f} of the distance between the eyes ({len(eyes)} faces)" if eyes else "no face"
    lines["left for right"] = f"{len(exchanged)} of {compared} pairs of joints {' '.join(exchanged)}"
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--truth", type=Path, default=FOLDER)
    parser.add_argument("--landmarker", type=Path, help="MediaPipe's face_landmarker.task")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    names = WEIGHTS_OF["mediapipe"]
    weights.ensure(names)
    files = {file: weights.path_of(name, file) for name in names for file in weights.model(name).files}
    kinds = {"mediapipe, dlib's face": files}
    if options.landmarker:
        kinds["mediapipe, face landmarker"] = {**files, LANDMARKER_FILE: options.landmarker}
    people = people_of(options.truth)
    for kind, models in kinds.items():
        started = time.process_time()
        lines = measure(models, people)
        print(f"{kind}: {len(people)} people, {time.process_time() - started:.1f} core-s")
        for name, line in lines.items():
            print(f"  {name:18} {line}")


if __name__ == "__main__":
    main()
