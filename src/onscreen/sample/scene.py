"""Films a portrait: crop, light and slow movements of the camera, other ones for every clip. Lips do not move."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

FPS = 25
SIDE_PX = 384  # a multiple of 128: x264 gives the same bytes twice only where its rows of 16 pixels come in eights


@dataclass(frozen=True)
class Shot:
    """How one clip is filmed.

    view_px: side of the crop on the canvas at the start. zoom: its size at the end, over that at the start.
    start, end: the crop's centre, pixels of the canvas. tilt_deg, sway_px: how far the camera turns and drifts to either side.
    gain, gamma: of the light. warmth: red over blue. slope: (2,) change of light across the picture, in x and in y.
    """

    view_px: float
    zoom: float
    start: np.ndarray
    end: np.ndarray
    tilt_deg: float
    sway_px: float
    gain: float
    gamma: float
    warmth: float
    slope: np.ndarray


def draw_shot(seed: tuple[int, int], canvas_px: int) -> Shot:
    """The shot of (person, clip): the same for the same seed."""
    random = np.random.default_rng(seed)
    middle = np.array([canvas_px * 0.5, canvas_px * 0.5])
    return Shot(
        view_px=random.uniform(430, 520),
        zoom=random.uniform(0.9, 1.1),
        start=middle + random.uniform(-28, 28, 2),
        end=middle + random.uniform(-28, 28, 2),
        tilt_deg=random.uniform(1, 4),
        sway_px=random.uniform(2, 6),
        gain=random.uniform(0.85, 1.12),
        gamma=random.uniform(0.85, 1.2),
        warmth=random.uniform(0.88, 1.12),
        slope=random.uniform(-0.15, 0.15, 2),
    )


def film(canvas: np.ndarray, shot: Shot, count: int) -> Iterator[np.ndarray]:
    """Yield count frames, (384, 384, 3) uint8 RGB, of the canvas, (H, W, 3) uint8 RGB."""
    import cv2

    light = _light(shot)
    for index in range(count):
        view = cv2.warpAffine(
            canvas,
            _camera(shot, index / max(1, count - 1), index / FPS),
            (SIDE_PX, SIDE_PX),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT_101,
        )
        lit = 255 * (view.astype(np.float32) / 255) ** shot.gamma * light
        yield np.clip(np.rint(lit), 0, 255).astype(np.uint8)


def _light(shot: Shot) -> np.ndarray:
    """(384, 384, 3) float32 factors of the light."""
    ramp = np.linspace(-1, 1, SIDE_PX, dtype=np.float32)
    slope = 1 + shot.slope[0] * ramp[None, :] + shot.slope[1] * ramp[:, None]
    colour = np.array([shot.warmth**0.5, 1.0, shot.warmth**-0.5])
    return np.asarray(shot.gain * slope[..., None] * colour, np.float32)


def _camera(shot: Shot, share: float, time_s: float) -> np.ndarray:
    """(2, 3) matrix from the canvas to the frame. share: of the clip that has passed, 0-1."""
    scale = SIDE_PX / (shot.view_px * shot.zoom**share)
    angle = np.deg2rad(shot.tilt_deg) * np.sin(2 * np.pi * 0.23 * time_s)
    sway = shot.sway_px * np.array([np.sin(2 * np.pi * 0.41 * time_s), np.cos(2 * np.pi * 0.33 * time_s)])
    centre = (1 - share) * shot.start + share * shot.end + sway
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.column_stack([turn, SIDE_PX / 2 - turn @ centre])
