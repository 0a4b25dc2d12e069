"""What is measured of one clip for the m2p stage: a cheap look at its bodies, then, for dancers alone, the whole of its parts.

No threshold is applied here, so that changing one decodes nothing (stages/m2p.py decides).
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from onscreen.cache import Item
from onscreen.errors import Rejected
from onscreen.faces import embedders
from onscreen.media.memory import keep_memory
from onscreen.media.sampling import glance
from onscreen.media.video import CLOCK_ERROR_S
from onscreen.motion import music, songs
from onscreen.motion.framing import FORESIGHT, show, to_window, whole_window
from onscreen.motion.keypoints import assemble
from onscreen.motion.poses import BODY_WEIGHTS, WEIGHTS_OF, open_body, visible
from onscreen.stages.m2p_faces import embedded, jpeg, reference
from onscreen.stages.m2p_film import LEGS, LIMBS, SEEN, UPPER, Shooting, Take, expected_window, reframe, takes
from onscreen.stages.m2p_parts import join_parts, packed, part_of, parts_of
from onscreen.stages.m2p_records import EMBEDDER
from onscreen.stages.m2p_sound import Sound, clearest_pulse, listen, soundtrack
from onscreen.tasks_models import silent_native_log

__all__ = ["DanceClip", "look_for_body", "measure_dance", "part_of", "parts_of"]

LOOKS = 8  # frames of the cheap look; where half of all frames show a whole body, all 8 miss it once in 256
ARMS = 0.6  # mean confidence of UPPER that no head and shoulders reach: two of four points
MOST_PEOPLE = 5  # bodies that are told apart in a picture
LOOK_MODELS = BODY_WEIGHTS
FACE_MODELS = ("mediapipe_face_mesh", *embedders.WEIGHTS[EMBEDDER])
"""What every whole measurement needs beside the models of its pose backend."""
_LATE = ("picture_starts_late", "audio_starts_late")
SAMPLE_MODELS = (*WEIGHTS_OF["mediapipe"], *FACE_MODELS)


@dataclass(frozen=True)
class DanceClip:
    """What to measure: a clip of a file. files: model file name -> path. window, people: what the look said; see Shooting."""

    path: Path
    start_s: float
    end_s: float
    fps: int
    resolution: int
    files: Mapping[str, Path]
    framing: Literal["crop", "letterbox"] = "letterbox"
    window: tuple[int, int, int] | None = None
    people: int = 1
    pose: str = "mediapipe"
    max_clip_s: float = 60.0
    keypoints: Path | None = None

    @property
    def shooting(self) -> Shooting:
        """How to film it."""
        window = self.window if self.framing == "crop" else None
        how = (self.framing, window, self.pose, self.people, self.max_clip_s, self.keypoints, self.files)
        return Shooting(self.path, self.start_s, self.fps, self.resolution, *how)


def look_for_body(clip: DanceClip) -> Item:
    """The bodies of a few frames.

    meta: frames (N), width, height (of the picture), people (most bodies in one frame), window: for clip.resolution, where the
    largest body is expected, or None where no body is seen; pulse (clearest_pulse of the sound), measured where legs are never seen
    and arms are, else None.
    arrays: limbs (N, 12), legs (N, 6) float32: confidence of LIMBS and LEGS of the largest body, 0 = not in the picture.
    """
    cv2.setNumThreads(1)
    keep_memory()
    frames = glance(clip.path, clip.start_s, clip.end_s, LOOKS)
    with silent_native_log(), open_body(clip.files, video=False, people=MOST_PEOPLE) as body:
        bodies = [[visible(assemble(found), frame.image) for found in body.bodies(frame.image)] for frame in frames]
    height, width = frames[0].image.shape[:2]
    points = np.array([max(found, key=_extent, default=assemble(None)) for found in bodies])
    window = expected_window(points, width, height, clip.resolution, FORESIGHT)
    meta = {
        "frames": len(frames),
        "width": width,
        "height": height,
        "people": max(len(found) for found in bodies),
        "window": window,
    }
    limbs, legs = points[:, LIMBS, 2], points[:, LEGS, 2]
    upper_alone = (limbs[:, UPPER].mean(axis=1) >= ARMS).any() and not (legs >= SEEN).all(axis=1).any()
    meta["pulse"] = clearest_pulse(clip.path, clip.start_s, clip.end_s) if upper_alone else None
    return Item(meta, {"limbs": limbs, "legs": legs})


def _extent(points: np.ndarray) -> float:
    seen = points[points[:, 2] > 0, :2]
    return float(np.ptp(seen, axis=0).max()) if len(seen) else 0.0


def measure_dance(clip: DanceClip) -> Item:
    """Everything of a clip's samples: parts_of tells them apart, and says what a part holds (m2p_parts).

    Pictures are decoded once, and once more for a part whose dancer leaves the expected window. Where picture or sound start late,
    the first part begins with the first frame that has both, whole frames after the clip.
    Raises Rejected: what m2p_sound.listen and the media functions raise; and, for a clip of one part, what that part raises.
    """
    try:
        return _measured(clip)
    except Rejected as rejected:
        if rejected.code not in _LATE:
            raise
        late = math.ceil((rejected.numbers["late_s"] - CLOCK_ERROR_S) * clip.fps)
        later = replace(clip, start_s=clip.start_s + late / clip.fps)
        if later.start_s + 1 / clip.fps > clip.end_s:
            raise
    return measure_dance(later)


def _measured(clip: DanceClip) -> Item:
    cv2.setNumThreads(1)
    keep_memory()
    sound, parts, lost = listen(clip.path, clip.start_s, clip.end_s, clip.fps), list[Item](), list[dict[str, Any]]()
    with tempfile.TemporaryDirectory() as folder:
        for shot, take in enumerate(takes(clip.shooting, sound.frames, Path(folder))):
            try:
                parts.append(packed(_part(clip, sound, take, shot, Path(folder))))
            except Rejected as rejected:
                reason = {"code": rejected.code, "detail": rejected.detail, "numbers": rejected.numbers}
                lost.append({"shot": shot, "start_s": _start(clip, take), "frames": take.frames, **reason})
    if not parts and len(lost) == 1:
        raise Rejected(lost[0]["code"], lost[0]["detail"], lost[0]["numbers"])
    for part in parts:
        part.meta["shots"] = len(parts) + len(lost)
    return join_parts(parts, lost)


def _start(clip: DanceClip, take: Take) -> float:
    return clip.start_s + take.first / clip.fps


def _part(clip: DanceClip, sound: Sound, take: Take, shot: int, folder: Path) -> Item:
    heard, context_s = sound.music(take.first, take.frames)
    reframe(clip.shooting, take, folder)
    take.film.finish(soundtrack(clip.path, _start(clip, take), take.frames, clip.fps))
    video = take.film.path.read_bytes()
    take.film.path.unlink()
    height, width = take.size
    points = to_window(take.points, take.window, clip.resolution)
    views, arrays = embedded(take.views, clip.files)
    meta = {
        **{"shot": shot, "shots": 1, "frames": take.frames, "start_s": _start(clip, take), "width": width, "height": height},
        **{"window": asdict(take.window), "decodes": take.decodes, "outside_share": _outside(take.points, points)},
        **{"people": take.people, "several_share": take.several / take.frames},
        **{"pose": clip.pose, "body_frame": take.body_frame},
        **{name: getattr(heard, name) for name in ("tempo_bpm", "other_tempo_bpm", "pulse", "key", "key_strength")},
        **{name: getattr(heard, name) for name in ("silent_s", "padded_frames")},
        **{"beats_s": heard.beats_s.tolist(), "context_s": context_s, "views": []},
    }
    arrays |= {"points": points, "music": heard.features, "video": np.frombuffer(video, np.uint8)}
    arrays |= {"limbs": take.points[:, LIMBS, 2], "legs": take.points[:, LEGS, 2]}
    arrays["song"] = songs.fingerprint(sound.of(take.first, take.frames), music.rate_hz(clip.fps))
    for index, view in enumerate(views):
        arrays[f"reference_{index}"], scale = reference(view, clip.resolution)
        meta["views"].append({"frame": view.frame, "reference_scale": scale, **view.numbers})
    whole = whole_window(width, height)
    arrays["reference_body"], meta["body_scale"] = (
        jpeg(show(take.body_image, whole, clip.resolution)),
        clip.resolution / whole.side,
    )
    return Item(meta, arrays)


def _outside(points: np.ndarray, shown: np.ndarray) -> float:
    """Share of the points that are seen in the source and cut off by the window."""
    seen = int((points[..., 2] > 0).sum())
    return 1 - int((shown[..., 2] > 0).sum()) / seen if seen else 0.0
