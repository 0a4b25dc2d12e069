"""From pictures to the 134 points: MediaPipe's body and hands, 68 points on a detected face (face_points.py).

A hand or a face is looked for where the body says it is, in a crop of the full-size picture: a dancer's hand is some 30
pixels of a frame, far below what a detector over the whole frame finds.

Confidence. Body: MediaPipe's visibility of each point. Hands: one score for the whole hand, the handedness score, the only one
that the Tasks API gives. Face: the face detector's score for all 68. A point outside the picture is unseen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from onscreen import tasks_models
from onscreen.motion import keypoints
from onscreen.motion.face_points import FaceFinder, open_faces
from onscreen.motion.main_dancer import MainDancer, distinct
from onscreen.motion.pictures import as_picture, crop_around
from onscreen.motion.seen import Seen

MIN_VISIBILITY = 0.1  # of a wrist, from which its hand is looked for
_WRISTS = {"left": 15, "right": 16}  # MediaPipe's pose landmarks
_ELBOWS = {"left": 13, "right": 14}
_KNUCKLES = {"left": [17, 19], "right": [18, 20]}  # little and index finger


class BodyEstimator:
    """MediaPipe's bodies of 33 points. Use it through open_body or open_poses."""

    def __init__(self, create: Callable[[], Any], *, video: bool) -> None:
        self._create, self._video = create, video
        self._landmarker = create()
        self._stamp_ms = -1

    def __call__(self, image: np.ndarray, time_s: float = 0.0) -> np.ndarray | None:
        """(33, 3) x px, y px, visibility of one body in an RGB uint8 picture, or None. In video mode time_s must grow."""
        bodies = self.bodies(image, time_s)
        return bodies[0] if bodies else None

    def bodies(self, image: np.ndarray, time_s: float = 0.0) -> list[np.ndarray]:
        """All bodies found, the surest first, at most as many as were asked for: each as __call__ gives it."""
        picture = as_picture(image)
        if self._video:
            self._stamp_ms = max(round(time_s * 1000), self._stamp_ms + 1)  # MediaPipe refuses a time that does not grow
            found = self._landmarker.detect_for_video(picture, self._stamp_ms)
        else:
            found = self._landmarker.detect(picture)
        height, width = image.shape[:2]
        return distinct(
            [
                np.array([(mark.x * width, mark.y * height, mark.visibility) for mark in marks], np.float32)
                for marks in found.pose_landmarks
            ]
        )

    def restart(self) -> None:
        """Forget where bodies were."""
        self.close()
        self._landmarker, self._stamp_ms = self._create(), -1

    def close(self) -> None:
        """Let the model go."""
        self._landmarker.close()


class MediapipePoses:
    """Body, hands and face of one dancer. Use it through open_poses."""

    def __init__(self, body: BodyEstimator, hands: Any, faces: FaceFinder) -> None:
        self._body, self._hands, self._faces = body, hands, faces
        self._dancer = MainDancer()

    def __call__(self, image: np.ndarray, time_s: float) -> Seen:
        """All 134 points of the dancer in an RGB uint8 picture. time_s must grow."""
        bodies = self._body.bodies(image, time_s)
        chosen = self._dancer.choose([keypoints.assemble(body) for body in bodies], image, time_s)
        if chosen is None:
            return Seen(keypoints.assemble(None), None, 0.0, len(bodies))
        body = bodies[chosen]
        hands = self._find_hands(image, body)
        face, box, score = self._faces(image, body)
        points = keypoints.assemble(body, face, hands.get("left"), hands.get("right"))
        return Seen(visible(points, image), box, score, len(bodies), self._dancer.person)

    def restart(self) -> None:
        """A new shot begins."""
        self._body.restart()
        self._dancer = MainDancer()

    def _find_hands(self, image: np.ndarray, body: np.ndarray) -> dict[str, np.ndarray]:
        found = [hand for side in _WRISTS for hand in self._hands_near(image, body, side)]
        return nearest_wrists(found, {side: body[wrist] for side, wrist in _WRISTS.items()})

    def _hands_near(self, image: np.ndarray, body: np.ndarray, side: str) -> list[np.ndarray]:
        wrist, knuckles = body[_WRISTS[side]], body[_KNUCKLES[side]].mean(axis=0)
        palm = np.hypot(*(knuckles - wrist)[:2])
        if wrist[2] < MIN_VISIBILITY or not any(_near(point, image, palm) for point in (wrist, knuckles)):
            return []
        reach = max(np.hypot(*(wrist - body[_ELBOWS[side]])[:2]), 2 * palm, 16)
        crop, corner = crop_around(image, knuckles[:2], 2.2 * reach)
        if crop.size == 0:
            return []
        result = self._hands.detect(as_picture(crop))
        height, width = crop.shape[:2]
        return [
            np.array(
                [(mark.x * width + corner[0], mark.y * height + corner[1], handedness[0].score) for mark in marks], np.float32
            )
            for marks, handedness in zip(result.hand_landmarks, result.handedness, strict=True)
        ]


def _near(point: np.ndarray, image: np.ndarray, margin: float) -> bool:
    """Whether a point is in the picture, or no further from it than the margin, px."""
    return bool(-margin <= point[0] < image.shape[1] + margin and -margin <= point[1] < image.shape[0] + margin)


def visible(points: np.ndarray, image: np.ndarray) -> np.ndarray:
    """(134, 3) points without those that lie outside the picture."""
    height, width = image.shape[:2]
    return keypoints.drop_outside(points, width, height)


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
def open_body(files: Mapping[str, Path], *, video: bool, people: int = 1) -> Iterator[BodyEstimator]:
    """Load the body's model alone.

    files: file name -> path of the model files of mediapipe_pose. video: follow bodies through frames that come in order; else
    every picture for itself. people: how many bodies are looked for in a picture.
    """
    from mediapipe.tasks.python import BaseOptions, vision

    landmarks = tasks_models.with_normalization(files["pose_landmark_full.tflite"].read_bytes(), 0.0, 255.0)
    detector = files["pose_detection.tflite"].read_bytes()
    models = tasks_models.bundle({"pose_detector.tflite": detector, "pose_landmarks_detector.tflite": landmarks})
    mode = vision.RunningMode.VIDEO if video else vision.RunningMode.IMAGE
    options = vision.PoseLandmarkerOptions(BaseOptions(model_asset_buffer=models), running_mode=mode, num_poses=people)
    body = BodyEstimator(lambda: vision.PoseLandmarker.create_from_options(options), video=video)
    try:
        yield body
    finally:
        body.close()


@contextmanager
def open_mediapipe(files: Mapping[str, Path], *, people: int = 1) -> Iterator[MediapipePoses]:
    """Load all models of the backend, to follow one dancer through a video. people: how many may be in a picture."""
    from mediapipe.tasks.python import BaseOptions, vision

    palm, hand = files["palm_detection_full.tflite"].read_bytes(), files["hand_landmark_full.tflite"].read_bytes()
    hand_models = tasks_models.bundle({"hand_detector.tflite": palm, "hand_landmarks_detector.tflite": hand})
    hand_options = vision.HandLandmarkerOptions(BaseOptions(model_asset_buffer=hand_models), num_hands=2)
    with ExitStack() as opened:
        body = opened.enter_context(open_body(files, video=True, people=people))
        hands = opened.enter_context(vision.HandLandmarker.create_from_options(hand_options))
        yield MediapipePoses(body, hands, opened.enter_context(open_faces(files)))
