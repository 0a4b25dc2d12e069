"""From pictures to the 134 points: MediaPipe's body and hands, dlib's 68 points on a detected face.

A hand or a face is looked for where the body says it is, in a crop of the full-size picture: a dancer's hand is some 30
pixels of a frame, far below what a detector over the whole frame finds.

Confidence. Body: MediaPipe's visibility of each point. Hands: one score for the whole hand, the handedness score, the only one
that the Tasks API gives. Face: the face detector's score for all 68. A point outside the picture, or less visible than
MIN_VISIBILITY, is unseen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from onscreen import tasks_models
from onscreen.motion import keypoints

BODY_WEIGHTS = ("mediapipe_pose",)
WEIGHTS = (*BODY_WEIGHTS, "mediapipe_hands", "mediapipe_face_short_range", "dlib_landmarks_68")
MIN_VISIBILITY = 0.1
_WRISTS = {"left": 15, "right": 16}  # MediaPipe's pose landmarks
_ELBOWS = {"left": 13, "right": 14}
_KNUCKLES = {"left": [17, 19], "right": [18, 20]}  # little and index finger
_EYES, _MOUTH, _EARS, _HEAD = [2, 5], [9, 10], [7, 8], list(range(11))


@dataclass(frozen=True)
class Seen:
    """What one picture shows of one dancer.

    points: (134, 3) float32, pixels of the picture. face_box: x, y, width, height px, or None; face_score: 0 without one.
    """

    points: np.ndarray
    face_box: tuple[float, float, float, float] | None
    face_score: float


class BodyEstimator:
    """MediaPipe's body of 33 points. Use it through open_body or open_poses."""

    def __init__(self, landmarker: Any, *, video: bool) -> None:
        self._landmarker, self._video = landmarker, video

    def __call__(self, image: np.ndarray, time_s: float = 0.0) -> np.ndarray | None:
        """(33, 3) x px, y px, visibility of the body in an RGB uint8 picture, or None. In video mode time_s must grow."""
        picture = _picture(image)
        if self._video:
            found = self._landmarker.detect_for_video(picture, round(time_s * 1000))
        else:
            found = self._landmarker.detect(picture)
        if not found.pose_landmarks:
            return None
        height, width = image.shape[:2]
        rows = [(mark.x * width, mark.y * height, mark.visibility) for mark in found.pose_landmarks[0]]
        return np.array(rows, np.float32)


class PoseEstimator:
    """Body, hands and face of one dancer. Use it through open_poses."""

    def __init__(self, body: BodyEstimator, hands: Any, faces: Any, shape: Any) -> None:
        self._body, self._hands, self._faces, self._shape = body, hands, faces, shape

    def __call__(self, image: np.ndarray, time_s: float = 0.0) -> Seen:
        """All 134 points of the dancer in an RGB uint8 picture. In video mode time_s must grow."""
        body = self._body(image, time_s)
        if body is None:
            return Seen(keypoints.assemble(None), None, 0.0)
        hands = self._find_hands(image, body)
        face, box, score = self._find_face(image, body)
        points = keypoints.assemble(body, face, hands.get("left"), hands.get("right"))
        return Seen(visible(points, image), box, score)

    def _find_hands(self, image: np.ndarray, body: np.ndarray) -> dict[str, np.ndarray]:
        found = [hand for side in _WRISTS for hand in self._hands_near(image, body, side)]
        return nearest_wrists(found, {side: body[wrist] for side, wrist in _WRISTS.items()})

    def _hands_near(self, image: np.ndarray, body: np.ndarray, side: str) -> list[np.ndarray]:
        wrist, knuckles = body[_WRISTS[side]], body[_KNUCKLES[side]].mean(axis=0)
        if wrist[2] < MIN_VISIBILITY:
            return []
        reach = max(np.hypot(*(wrist - body[_ELBOWS[side]])[:2]), 2 * np.hypot(*(knuckles - wrist)[:2]), 16)
        crop, corner = _crop(image, knuckles[:2], 2.2 * reach)
        if crop.size == 0:
            return []
        result = self._hands.detect(_picture(crop))
        height, width = crop.shape[:2]
        return [
            np.array(
                [(mark.x * width + corner[0], mark.y * height + corner[1], handedness[0].score) for mark in marks], np.float32
            )
            for marks, handedness in zip(result.hand_landmarks, result.handedness, strict=True)
        ]

    def _find_face(self, image: np.ndarray, body: np.ndarray) -> tuple[Any, Any, float]:
        """(68, 3) points, the box and the score of the face on this body's head; None, None, 0 when it shows no face."""
        import dlib

        height = np.hypot(*(body[_EYES].mean(axis=0) - body[_MOUTH].mean(axis=0))[:2])
        side = max(6 * height, 2.5 * np.hypot(*(body[7] - body[8])[:2]), 24)
        crop, corner = _crop(image, body[_HEAD].mean(axis=0)[:2], side)
        found = self._faces.detect(_picture(crop)).detections if crop.size else []
        if not found:
            return None, None, 0.0
        best = max(found, key=lambda detection: float(detection.categories[0].score))
        box, score = best.bounding_box, float(best.categories[0].score)
        area = dlib.rectangle(box.origin_x, box.origin_y, box.origin_x + box.width, box.origin_y + box.height)
        parts = self._shape(crop, area).parts()
        points = np.array([(part.x + corner[0], part.y + corner[1], score) for part in parts], np.float32)
        return points, (box.origin_x + corner[0], box.origin_y + corner[1], float(box.width), float(box.height)), score


def visible(points: np.ndarray, image: np.ndarray) -> np.ndarray:
    """(134, 3) points without those that no pixel of the picture shows."""
    height, width = image.shape[:2]
    seen = keypoints.drop_outside(points, width, height)
    seen[seen[:, 2] < MIN_VISIBILITY] = 0
    return seen


def nearest_wrists(hands: list[np.ndarray], wrists: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Give each hand to the nearer wrist, and each wrist its nearest hand.

    MediaPipe's own handedness assumes a mirrored picture and errs on crops; the body knows better. A hand whose root lies further
    from the wrist than the hand is large belongs to somebody else.
    """
    given: dict[str, np.ndarray] = {}
    distances: dict[str, float] = {}
    for hand in hands:
        away = {side: float(np.hypot(*(hand[0] - wrist)[:2])) for side, wrist in wrists.items()}
        side = min(away, key=lambda name: away[name])
        size = float(np.ptp(hand[:, :2], axis=0).max())
        if away[side] <= size and away[side] < distances.get(side, np.inf):
            given[side], distances[side] = hand, away[side]
    return given


@contextmanager
def open_body(files: Mapping[str, Path], *, video: bool) -> Iterator[BodyEstimator]:
    """Load the body's model alone. files: file name -> path of the model files of mediapipe_pose."""
    from mediapipe.tasks.python import BaseOptions, vision

    landmarks = tasks_models.with_normalization(files["pose_landmark_full.tflite"].read_bytes(), 0.0, 255.0)
    detector = files["pose_detection.tflite"].read_bytes()
    models = tasks_models.bundle({"pose_detector.tflite": detector, "pose_landmarks_detector.tflite": landmarks})
    mode = vision.RunningMode.VIDEO if video else vision.RunningMode.IMAGE
    options = vision.PoseLandmarkerOptions(BaseOptions(model_asset_buffer=models), running_mode=mode)
    with vision.PoseLandmarker.create_from_options(options) as landmarker:
        yield BodyEstimator(landmarker, video=video)


@contextmanager
def open_poses(files: Mapping[str, Path], *, video: bool) -> Iterator[PoseEstimator]:
    """Load all models. files: file name -> path of the model files of WEIGHTS.

    video: follow one body through frames that come in order; else every picture for itself.
    """
    import dlib
    from mediapipe.tasks.python import BaseOptions, vision

    palm, hand = files["palm_detection_full.tflite"].read_bytes(), files["hand_landmark_full.tflite"].read_bytes()
    hand_models = tasks_models.bundle({"hand_detector.tflite": palm, "hand_landmarks_detector.tflite": hand})
    hand_options = vision.HandLandmarkerOptions(BaseOptions(model_asset_buffer=hand_models), num_hands=2)
    face_model = files["face_detection_short_range.tflite"].read_bytes()
    face_options = vision.FaceDetectorOptions(BaseOptions(model_asset_buffer=face_model))
    shape = dlib.shape_predictor(str(files["shape_predictor_68_face_landmarks.dat"]))
    with (
        open_body(files, video=video) as body,
        vision.HandLandmarker.create_from_options(hand_options) as hands,
        vision.FaceDetector.create_from_options(face_options) as faces,
    ):
        yield PoseEstimator(body, hands, faces, shape)


def _picture(image: np.ndarray) -> Any:
    import mediapipe

    return mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(image))


def _crop(image: np.ndarray, centre: np.ndarray, side: float) -> tuple[np.ndarray, np.ndarray]:
    """The square around a point as far as it lies in the picture, and its upper left corner (x, y)."""
    height, width = image.shape[:2]
    low = np.clip(np.floor(centre - side / 2), 0, [width, height]).astype(int)
    high = np.clip(np.ceil(centre + side / 2), 0, [width, height]).astype(int)
    return image[low[1] : high[1], low[0] : high[0]], low
