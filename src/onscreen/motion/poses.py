"""From pictures to the 134 points: MediaPipe's body and hands, dlib's 68 points on a detected face.

A hand or a face is looked for where the body says it is, in a crop of the full-size picture: a dancer's hand is some 30
pixels of a frame, far below what a detector over the whole frame finds.

Confidence. Body: MediaPipe's visibility of each point. Hands: one score for the whole hand, the handedness score, the only one
that the Tasks API gives. Face: the face detector's score for all 68. A point outside the picture, or less visible than
MIN_VISIBILITY, is unseen.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from onscreen import tasks_models, weights
from onscreen.motion import keypoints

WEIGHTS = ("mediapipe_pose", "mediapipe_hands", "mediapipe_face_short_range", "dlib_landmarks_68")
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


class PoseEstimator:
    """The models of one clip, open. Use it through open_poses."""

    def __init__(self, body: Any, hands: Any, faces: Any, shape: Any, *, video: bool) -> None:
        self._body, self._hands, self._faces, self._shape, self._video = body, hands, faces, shape, video

    def body(self, image: np.ndarray, time_s: float = 0.0) -> np.ndarray | None:
        """(33, 3) x px, y px, visibility of the body in an RGB uint8 picture, or None. In video mode time_s must grow."""
        picture = _picture(image)
        found = self._body.detect_for_video(picture, round(time_s * 1000)) if self._video else self._body.detect(picture)
        if not found.pose_landmarks:
            return None
        height, width = image.shape[:2]
        rows = [(mark.x * width, mark.y * height, mark.visibility) for mark in found.pose_landmarks[0]]
        return np.array(rows, np.float32)

    def see(self, image: np.ndarray, time_s: float = 0.0) -> Seen:
        """All 134 points of the dancer in an RGB uint8 picture."""
        body = self.body(image, time_s)
        if body is None:
            return Seen(keypoints.assemble(None), None, 0.0)
        hands = self._find_hands(image, body)
        face, box, score = self._find_face(image, body)
        points = keypoints.assemble(body, face, hands.get("left"), hands.get("right"))
        points[points[:, 2] < MIN_VISIBILITY] = 0
        height, width = image.shape[:2]
        return Seen(keypoints.drop_outside(points, width, height), box, score)

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
            np.array([(mark.x * width + corner[0], mark.y * height + corner[1], handedness[0].score) for mark in marks], np.float32)
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
def open_poses(*, video: bool) -> Iterator[PoseEstimator]:
    """Load the models. video: follow one body through frames that come in order; else every picture for itself.

    Raises WeightsError when weights.ensure(WEIGHTS) has not been called.
    """
    import dlib
    from mediapipe.tasks.python import BaseOptions, vision

    mode = vision.RunningMode.VIDEO if video else vision.RunningMode.IMAGE
    body_options = vision.PoseLandmarkerOptions(BaseOptions(model_asset_buffer=_pose_bundle()), running_mode=mode)
    hand_options = vision.HandLandmarkerOptions(BaseOptions(model_asset_buffer=_hand_bundle()), num_hands=2)
    face_file = weights.path_of("mediapipe_face_short_range", "face_detection_short_range.tflite")
    face_options = vision.FaceDetectorOptions(BaseOptions(model_asset_buffer=face_file.read_bytes()))
    shape_file = weights.path_of("dlib_landmarks_68", "shape_predictor_68_face_landmarks.dat")
    with ExitStack() as stack:
        body = stack.enter_context(vision.PoseLandmarker.create_from_options(body_options))
        hands = stack.enter_context(vision.HandLandmarker.create_from_options(hand_options))
        faces = stack.enter_context(vision.FaceDetector.create_from_options(face_options))
        yield PoseEstimator(body, hands, faces, dlib.shape_predictor(str(shape_file)), video=video)


def _pose_bundle() -> bytes:
    detector = weights.path_of("mediapipe_pose", "pose_detection.tflite").read_bytes()
    landmarks = weights.path_of("mediapipe_pose", "pose_landmark_full.tflite").read_bytes()
    landmarks = tasks_models.with_normalization(landmarks, 0.0, 255.0)
    return tasks_models.bundle({"pose_detector.tflite": detector, "pose_landmarks_detector.tflite": landmarks})


def _hand_bundle() -> bytes:
    palm = weights.path_of("mediapipe_hands", "palm_detection_full.tflite").read_bytes()
    landmarks = weights.path_of("mediapipe_hands", "hand_landmark_full.tflite").read_bytes()
    return tasks_models.bundle({"hand_detector.tflite": palm, "hand_landmarks_detector.tflite": landmarks})


def _picture(image: np.ndarray) -> Any:
    import mediapipe

    return mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(image))


def _crop(image: np.ndarray, centre: np.ndarray, side: float) -> tuple[np.ndarray, np.ndarray]:
    """The square around a point as far as it lies in the picture, and its upper left corner (x, y)."""
    height, width = image.shape[:2]
    low = np.clip(np.floor(centre - side / 2), 0, [width, height]).astype(int)
    high = np.clip(np.ceil(centre + side / 2), 0, [width, height]).astype(int)
    return image[low[1] : high[1], low[0] : high[0]], low
