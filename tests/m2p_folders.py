"""Samples of a music-to-pose dataset written by hand, as any tool might: a second of numbered pictures, clicks, points, numbers."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from media_cases import SIZE, pictures
from onscreen.media.audio import Audio
from onscreen.media.video import write_video
from onscreen.motion.keypoints import INDEX, N_POINTS, to_annotations

FPS, FRAMES, RATE_HZ = 24, 24, 44100
BEATS_S = [0.1, 0.35, 0.6, 0.85]


def dancer(frames: int = FRAMES) -> np.ndarray:
    """(T, 134, 3): a whole body that bobs with BEATS_S; no hands, no face; the nose unsure, the left ear never seen."""
    points = np.zeros((frames, N_POINTS, 3))
    time = np.arange(frames) / FPS
    for name, index in INDEX.items():
        if index >= 24:
            continue
        side = -1 if name.startswith("right") else 1 if name.startswith("left") else 0
        height = next((y for part, y in HEIGHTS.items() if part in name), 8)
        points[:, index] = np.stack(
            [48 + 14 * side + 0 * time, height - 3 * np.cos(2 * np.pi * (time - 0.1) / 0.25), 0.9 + 0 * time], axis=1
        )
    points[:, INDEX["nose"], 2] = 0.2
    points[:, INDEX["left_ear"]] = 0
    return points


HEIGHTS = {"neck": 14, "shoulder": 16, "elbow": 24, "wrist": 32, "hip": 36, "knee": 46, "ankle": 56, "toe": 60, "heel": 60}


def clicks(seconds: float) -> Audio:
    """Stereo noise bursts on the beats."""
    samples = np.zeros(round(seconds * RATE_HZ), np.float32)
    noise = np.random.default_rng(0).normal(0, 0.2, 2000).astype(np.float32)  # the same clicks in every run
    for beat in BEATS_S:
        start = round(beat * RATE_HZ)
        samples[start : start + 2000] += noise[: len(samples) - start]
    return Audio(np.stack([samples, samples], axis=1), RATE_HZ)


def write_sample(
    folder: Path, frames: int = FRAMES, points: np.ndarray | None = None, features: np.ndarray | None = None, fps: Any = FPS
) -> Path:
    """video.mp4, pose_annotations.json, music_features.npy, reference_image.jpg."""
    folder.mkdir(parents=True)
    write_video(folder / "video.mp4", pictures(frames), fps, clicks(frames / FPS))
    points = dancer(frames) if points is None else points
    (folder / "pose_annotations.json").write_text(json.dumps(to_annotations(points, folder.name, FPS)))
    rows = np.random.default_rng(0).normal(size=(frames, 4800)) if features is None else features  # any numbers will do
    np.save(folder / "music_features.npy", rows.astype(np.float32))
    cv2.imwrite(str(folder / "reference_image.jpg"), np.full((*SIZE, 3), 90, np.uint8))
    return folder


def write_metadata(root: Path, *entries: dict[str, Any]) -> None:
    """metadata.json with these entries, and the layout of the music features that is ours."""
    (root / "metadata.json").write_text(json.dumps({"music": {"layout_version": 1}, "clips": entries}))
