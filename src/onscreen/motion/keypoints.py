"""The 134 points: COCO-WholeBody's 133 and the neck, in OpenPose's order. Left and right are the dancer's own.

A set of keypoints is (134, 3) float32: x, y in pixels, confidence 0-1. An unseen point is 0, 0, 0 and never a guess.
"""

from __future__ import annotations

import numpy as np

N_POINTS = 134
_FINGERS = ("thumb", "forefinger", "middle_finger", "ring_finger", "pinky_finger")
_LEGS = tuple(f"{side}_{joint}" for side in ("right", "left") for joint in ("hip", "knee", "ankle"))
_ARMS = tuple(f"{side}_{joint}" for side in ("right", "left") for joint in ("shoulder", "elbow", "wrist"))
_FEET = tuple(f"{side}_{joint}" for side in ("left", "right") for joint in ("big_toe", "small_toe", "heel"))


def _hand_names(side: str) -> tuple[str, ...]:
    return (f"{side}_hand_root", *(f"{side}_{finger}{joint}" for finger in _FINGERS for joint in range(1, 5)))


JOINT_TYPES: tuple[str, ...] = (
    *("nose", "neck", *_ARMS, *_LEGS, "right_eye", "left_eye", "right_ear", "left_ear"),
    *_FEET,
    *(f"face_{index}" for index in range(68)),
    *_hand_names("left"),
    *_hand_names("right"),
)
INDEX = {name: index for index, name in enumerate(JOINT_TYPES)}
BODY, FEET, FACE = slice(0, 18), slice(18, 24), slice(24, 92)
LEFT_HAND, RIGHT_HAND = slice(92, 113), slice(113, 134)

# MediaPipe's pose landmark of each point; the neck is made of both shoulders, small toes do not exist there.
MEDIAPIPE_POSE = {
    **{"nose": 0, "right_eye": 5, "left_eye": 2, "right_ear": 8, "left_ear": 7},
    **{"right_shoulder": 12, "right_elbow": 14, "right_wrist": 16, "left_shoulder": 11, "left_elbow": 13, "left_wrist": 15},
    **{"right_hip": 24, "right_knee": 26, "right_ankle": 28, "left_hip": 23, "left_knee": 25, "left_ankle": 27},
    **{"left_big_toe": 31, "left_heel": 29, "right_big_toe": 32, "right_heel": 30},
}
# COCO-WholeBody's first 23: 17 body points, 6 of the feet; face and hands follow in the same order as here.
_COCO_BODY = (
    *("nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow"),
    *("left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle"),
)
COCO_WHOLEBODY: tuple[str, ...] = (*_COCO_BODY, *JOINT_TYPES[18:])


def assemble(
    pose: np.ndarray | None,
    face: np.ndarray | None = None,
    left_hand: np.ndarray | None = None,
    right_hand: np.ndarray | None = None,
) -> np.ndarray:
    """Put the parts that were found into their places.

    pose: (33, 3) MediaPipe's order. face: (68, 3) iBUG's order. hands: (21, 3) wrist, then thumb to little finger.
    All are x, y px, confidence. Returns (134, 3) float32; what is None or has confidence 0 stays 0, 0, 0.
    """
    points = np.zeros((N_POINTS, 3), np.float32)
    if pose is not None:
        for name, landmark in MEDIAPIPE_POSE.items():
            points[INDEX[name]] = pose[landmark]
        points[INDEX["neck"]] = neck(points)
    for part, found in ((FACE, face), (LEFT_HAND, left_hand), (RIGHT_HAND, right_hand)):
        if found is not None:
            points[part] = found
    points[points[:, 2] <= 0] = 0
    return points


def neck(points: np.ndarray) -> np.ndarray:
    """(3,) the middle of the shoulders with the lower of their confidences; zeros unless both are seen."""
    shoulders = points[[INDEX["left_shoulder"], INDEX["right_shoulder"]]]
    if (shoulders[:, 2] <= 0).any():
        return np.zeros(3, np.float32)
    return np.array([*shoulders[:, :2].mean(axis=0), shoulders[:, 2].min()], np.float32)


def from_coco_wholebody(points: np.ndarray) -> np.ndarray:
    """(134, 3) from COCO-WholeBody's (133, 3); a third value of 0 means unseen there too."""
    placed = np.zeros((N_POINTS, 3), np.float32)
    for name, point in zip(COCO_WHOLEBODY, points, strict=True):
        placed[INDEX[name]] = point
    placed[INDEX["neck"]] = neck(placed)
    placed[placed[:, 2] <= 0] = 0
    return placed


def drop_outside(points: np.ndarray, width: float, height: float) -> np.ndarray:
    """Points outside a width x height picture become unseen: no pixel shows them, a model only extrapolates them."""
    x, y = points[..., 0], points[..., 1]
    inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
    return np.where(inside[..., None], points, 0).astype(np.float32)


def drop_unsure(points: np.ndarray, least: float) -> np.ndarray:
    """(..., 3) points of which those with a confidence below `least` (0-1) become unseen."""
    return np.where(points[..., 2:] >= least, points, 0).astype(np.float32)


def to_annotations(points: np.ndarray, video_id: str, fps: int) -> dict[str, object]:
    """pose_annotations.json of (T, 134, 3) points: {video_id, fps, duration, poses: [{frame_id, timestamp, keypoints}]}."""
    poses = [
        {
            "frame_id": frame,
            "timestamp": round(frame / fps, 6),
            "keypoints": [
                {"x": round(float(x), 2), "y": round(float(y), 2), "confidence": round(float(confidence), 4), "joint_type": joint}
                for joint, (x, y, confidence) in zip(JOINT_TYPES, frame_points, strict=True)
            ],
        }
        for frame, frame_points in enumerate(points)
    ]
    return {"video_id": video_id, "fps": fps, "duration": len(points) / fps, "poses": poses}
