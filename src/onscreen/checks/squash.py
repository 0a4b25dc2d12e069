"""Was the picture squashed into its square? By what metadata.json says, by the bars of a letterbox, by faces, by bodies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from onscreen.checks import limits
from onscreen.checks.finding import Finding, Status
from onscreen.checks.portrait import breadth, clear_faces, interocular_px
from onscreen.checks.sample import SampleFolder
from onscreen.checks.tools import Tools
from onscreen.faces.detectors import Detection
from onscreen.motion.keypoints import INDEX

_CHEEKS, _FOREHEAD, _CHIN = (234, 454), 10, 152  # of the mesh
_NAMED = ("x", "y", "source_width", "source_height")


def check_window(sample: SampleFolder, tools: Tools) -> Iterator[Finding]:
    """video.window: the part of the source that metadata.json names is a square, and its bars are where it lies outside the source."""
    window = _window(sample.entry or {})
    if window is None:
        yield Finding(sample.label, "video.window", "unproven", "metadata.json does not say which part of the source it shows")
        return
    numbers = {name: float(value) for name, value in window.items()}
    if abs(window["width"] / window["height"] - 1) > limits.ASPECT:
        detail = f"{window['width']:g} x {window['height']:g} px of the source were made a square"
        yield Finding(sample.label, "video.window", "fail", detail, numbers)
        return
    bright = [_brightest(image, window) for image in tools.film(sample).frames.values()]
    if bright and max(bright) > limits.BAR_LEVEL:
        detail = f"what lies outside the {window['source_width']:g} x {window['source_height']:g} source is not black"
        yield Finding(sample.label, "video.window", "fail", detail, {**numbers, "bar_level": max(bright)})
        return
    yield Finding(sample.label, "video.window", "pass", f"a square of {window['width']:g} px of the source", numbers)


def check_proportions(sample: SampleFolder, tools: Tools) -> Iterator[Finding]:
    """video.proportions: faces, or else shoulders and torsos, are as broad for their height as those of people."""
    found = [
        too_broad(face)
        for image in tools.film(sample).frames.values()
        for face in clear_faces(image, tools.faces)[:1]
        if looks_level(face)
    ]
    if len(found) < limits.FACES:
        yield _by_body(sample, tools)
        return
    factor = float(np.median(found))
    numbers = {"broader": factor, "faces": float(len(found)), "most": limits.FACE_BROADER, "least": limits.FACE_NARROWER}
    if not limits.FACE_NARROWER <= factor <= limits.FACE_BROADER:
        way = "broad" if factor > 1 else "narrow"
        detail = f"squashed: {len(found)} frontal faces are too {way}, the picture is about {factor:.2f} times as broad as it should be"
        yield Finding(sample.label, "video.proportions", "fail", detail, numbers)
        return
    yield Finding(
        sample.label, "video.proportions", "pass", f"faces are as broad as people's ({factor:.2f}; {len(found)} frontal)", numbers
    )


def too_broad(face: Detection) -> float:
    """How many times too broad a frontal face is: 1 as people are, 0.77 to 1.08 of any of them. See limits.FACE_FIT."""
    across = np.linalg.norm(face.mesh[_CHEEKS[0]] - face.mesh[_CHEEKS[1]])
    down = max(float(np.linalg.norm(face.mesh[_FOREHEAD] - face.mesh[_CHIN])), 1e-6)
    first, eyes, width = limits.FACE_FIT
    return float(np.exp(first + eyes * np.log(max(breadth(face), 1e-6)) + width * np.log(max(float(across) / down, 1e-6))))


def looks_level(face: Detection) -> bool:
    """Whether it is large enough, and looks into the camera."""
    left, right, nose = face.landmarks[:3]
    apart, middle, mouth = interocular_px(face), (left + right) / 2, face.landmarks[3:].mean(axis=0)
    if apart < limits.FACE_PX:
        return False
    along = (right - left) / apart
    down = np.array([-along[1], along[0]])
    height = float(np.dot(nose - middle, down) / max(float(np.dot(mouth - middle, down)), 1e-6))
    frontal = abs(np.dot(nose - middle, along)) <= limits.FRONTAL * apart
    return bool(frontal and limits.LEVEL[0] <= height <= limits.LEVEL[1])


def _by_body(sample: SampleFolder, tools: Tools) -> Finding:
    few = f"fewer than {limits.FACES} frontal faces that are large enough"
    ratio = _shoulders(tools.bodies(sample))
    if ratio is None:
        return Finding(sample.label, "video.proportions", "unproven", f"{few}, and no torso")
    warn, fail = limits.SHOULDERS
    numbers = {"shoulders_over_torso": ratio, "most": fail}
    told = f"shoulders are {ratio:.2f} times as broad as torsos are long"
    if ratio > warn:
        status: Status = "fail" if ratio > fail else "warn"
        return Finding(sample.label, "video.proportions", status, f"squashed, it seems: {told}", numbers)
    return Finding(sample.label, "video.proportions", "unproven", f"{few}; {told}, which a body's may be", numbers)


def _shoulders(bodies: Mapping[int, np.ndarray]) -> float | None:
    """Shoulder width over the torso's length, of the bodies found again."""
    if not bodies:
        return None
    points = np.stack(list(bodies.values()))
    named = {name: points[:, INDEX[name]] for name in ("left_shoulder", "right_shoulder", "left_hip", "right_hip")}
    seen = np.all([point[:, 2] >= limits.SURE for point in named.values()], axis=0)
    if not seen.any():
        return None
    one, two, hip, other = (point[seen, :2] for point in named.values())
    torso = np.linalg.norm((one + two) / 2 - (hip + other) / 2, axis=1)
    return float(np.percentile(np.linalg.norm(one - two, axis=1), 90) / max(np.percentile(torso, 90), 1e-6))


def _window(entry: Mapping[str, Any]) -> dict[str, float] | None:
    """x, y, width, height, source_width, source_height, px; None where the entry does not say all of it."""
    window = entry.get("window")
    if not isinstance(window, Mapping):
        return None
    said = {**{name: entry.get(name) for name in _NAMED[2:]}, **{name: window.get(name) for name in _NAMED[:2]}}
    said |= {name: window.get(name, window.get("side")) for name in ("width", "height")}
    known = {name: float(value) for name, value in said.items() if isinstance(value, (int, float)) and np.isfinite(value)}
    return known if len(known) == len(said) and min(known["width"], known["height"]) > 0 else None


def _brightest(image: np.ndarray, window: Mapping[str, float]) -> float:
    """The mean grey level of the brightest bar that lies outside the source, a few pixels beside its edge; 0 without bars."""
    height, width = image.shape[:2]
    left, top = -window["x"] / window["width"] * width, -window["y"] / window["height"] * height
    right = width - (window["source_width"] - window["x"]) / window["width"] * width
    bottom = height - (window["source_height"] - window["y"]) / window["height"] * height
    bars = (
        image[:, : _inside(left)],
        image[:, width - _inside(right) :],
        image[: _inside(top)],
        image[height - _inside(bottom) :],
    )
    return max((float(bar.mean()) for bar in bars if bar.size), default=0.0)


def _inside(bar: float) -> int:
    """Pixels of a bar that no blur of the picture reaches."""
    return max(0, int(bar) - 3)
