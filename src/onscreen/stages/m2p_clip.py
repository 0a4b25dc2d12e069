"""What is measured of one clip for the m2p stage: a cheap look at its body, then, for dancers alone, the whole sample.

No threshold is applied here, so that changing one decodes nothing (stages/m2p.py decides).
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from onscreen.cache import Item
from onscreen.errors import Rejected
from onscreen.faces import embedders
from onscreen.faces.detectors import Detection
from onscreen.faces.embedders import Embedder, embed
from onscreen.faces.landmarks import FaceMesh
from onscreen.faces.quality import measure_quality
from onscreen.media.audio import decode_audio
from onscreen.media.sampling import sample_frames
from onscreen.media.video import constant_rate_frames, write_video
from onscreen.motion import music
from onscreen.motion.framing import Window, fit_window, show, to_window
from onscreen.motion.keypoints import FACE, INDEX, assemble
from onscreen.motion.music import Music
from onscreen.motion.poses import BODY_WEIGHTS, WEIGHTS_OF, Seen, open_body, open_poses, visible
from onscreen.stages.m2p_parts import join_parts, parts_of
from onscreen.stages.m2p_records import EMBEDDER
from onscreen.tasks_models import silent_native_log

__all__ = ["DanceClip", "look_for_body", "measure_dance", "parts_of"]

LOOKS = 8  # frames of the cheap look; where half of all frames show a whole body, all 8 miss it once in 256
LIMBS = [
    INDEX[f"{side}_{joint}"] for side in ("left", "right") for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
]
LEGS = [INDEX[f"{side}_{joint}"] for side in ("left", "right") for joint in ("hip", "knee", "ankle")]
LOOK_MODELS = BODY_WEIGHTS
SAMPLE_MODELS = tuple(dict.fromkeys((*WEIGHTS_OF["mediapipe"], "mediapipe_face_mesh", *embedders.WEIGHTS[EMBEDDER])))
_BEST_FACES = 5  # views of the dancer's face, the best one of a second each
_FACE_REGION = 3.0  # x the face's box: what is kept of a frame to measure and embed its face
_JPEG_QUALITY = 95


@dataclass(frozen=True)
class DanceClip:
    """What to measure: a clip of a file. files: model file name -> path."""

    path: Path
    start_s: float
    end_s: float
    fps: int
    resolution: int
    files: Mapping[str, Path]


@dataclass(frozen=True)
class _View:
    """A face in a region cut out of one frame."""

    frame: int
    region: np.ndarray
    face: Detection
    numbers: dict[str, float]


def look_for_body(clip: DanceClip) -> Item:
    """Body points of a few frames. arrays: limbs (N, 12), legs (N, 6) float32: confidence of LIMBS and LEGS, 0 = not in the picture."""
    frames = sample_frames(clip.path, clip.start_s, clip.end_s, LOOKS, "uniform")
    with silent_native_log(), open_body(clip.files, video=False) as body:
        points = np.array([visible(assemble(body(frame.image)), frame.image) for frame in frames])
    return Item({"frames": len(frames)}, {"limbs": points[:, LIMBS, 2], "legs": points[:, LEGS, 2]})


def measure_dance(clip: DanceClip) -> Item:
    """Everything of a clip's samples: parts_of tells them apart, and says what a part holds (m2p_parts).

    Raises Rejected: audio_starts_late, sound_has_gaps, silent, no_beat, too_short, what the media functions raise.
    """
    cv2.setNumThreads(1)
    heard, context_s = _listen(clip)
    count = len(heard.features)
    points, views, (height, width) = _watch(clip, count)
    window = fit_window(points, width, height, clip.resolution)
    body_frame = int(points[:, LIMBS, 2].mean(axis=1).argmax())
    video, pictures = _film(clip, count, window, {body_frame, *(view.frame for view in views)})
    embedder = _embedder(tuple(sorted(clip.files.items())))
    embeddings = [embed(embedder, view.region, view.face) for view in views]
    meta = {
        **{"shot": 0, "shots": 1, "start_s": clip.start_s, "decodes": 2, "people": 1, "pose": "mediapipe", "body_scale": 1.0},
        **{"outside_share": 0.0, "key": None, "key_strength": 0.0, "silent_s": [], "audio_hz": 0, "audio_channels": 0},
        **{"frames": count, "width": width, "height": height, "window": asdict(window)},
        **{"tempo_bpm": heard.tempo_bpm, "beats_s": heard.beats_s.tolist(), "padded_frames": heard.padded_frames},
        **{"context_s": context_s, "body_frame": body_frame},
        "views": [{"frame": view.frame, "reference_scale": 1.0, **view.numbers} for view in views],
    }
    arrays = {"points": to_window(points, window, clip.resolution), "music": heard.features, "video": video}
    arrays |= {"limbs": points[:, LIMBS, 2], "legs": points[:, LEGS, 2]}
    arrays |= {f"reference_{index}": pictures[view.frame] for index, view in enumerate(views)}
    arrays |= {"reference_body": pictures[body_frame], "song": np.empty((0, 2), np.int32)}
    arrays["embeddings"] = np.array(embeddings, np.float32).reshape(len(views), embedder.dim)
    return join_parts([Item(meta, arrays)])


def _listen(clip: DanceClip) -> tuple[Music, list[float]]:
    """Music features of as many frames as there are both picture and sound for, and the seconds of context before and after.

    Sound around a cut comes from the source. Where the soundtrack starts or ends, nothing stands in for it: frames after its end
    are not part of the sample; a start later than one frame is a reject (encoders' own delay is shorter), and so is more than one
    frame that is missing inside, context included: beats are found over all of it.
    """
    fps = clip.fps
    before = min(int(clip.start_s * fps), round(music.BEFORE_AND_AFTER_S * fps))
    wanted = int((clip.end_s - clip.start_s) * fps + 1e-6)
    start_s = clip.start_s - before / fps
    audio = decode_audio(clip.path, start_s, clip.end_s + music.BEFORE_AND_AFTER_S, music.rate_hz(fps), mono=True)
    late = int(np.ceil(audio.missing_start_s * fps - 1e-6))
    if late > before + 1:
        raise Rejected("audio_starts_late", "the sound starts after the clip", {"late_s": audio.missing_start_s - before / fps})
    if audio.missing_inside_s > 1 / fps:
        numbers = {"missing_s": audio.missing_inside_s, "allowed_s": 1 / fps}
        raise Rejected("sound_has_gaps", "parts of the soundtrack cannot be decoded", numbers)
    first = min(late, before)
    there = int((audio.duration_s - audio.missing_end_s) * fps + 1e-6)
    count = min(wanted, there - before)
    if count < 1:
        raise Rejected("too_short", "picture and sound share no frame", {"frames": max(count, 0)})
    samples = np.ascontiguousarray(audio.samples[first * music.HOP : there * music.HOP])
    heard = music.measure(samples, fps, before - first, count)
    return heard, [(before - first) / fps, (there - before - count) / fps]


def _watch(clip: DanceClip, count: int) -> tuple[np.ndarray, list[_View], tuple[int, int]]:
    """(T, 134, 3) points in source px, the best views of the face, and the picture's height and width."""
    points, best, size = [], dict[int, _View](), (0, 0)
    mesh = FaceMesh(clip.files["face_landmark.tflite"])
    with silent_native_log(), open_poses("mediapipe", clip.files) as find:
        for index, frame in enumerate(constant_rate_frames(clip.path, clip.start_s, _end(clip, count), clip.fps)):
            seen = find(frame.image, clip.start_s + index / clip.fps)
            points.append(seen.points)
            size = frame.image.shape[:2]
            view, second = _face_view(index, frame.image, seen, mesh), index // clip.fps
            if view is not None and (second not in best or view.numbers["quality"] > best[second].numbers["quality"]):
                best[second] = view
    ranked = sorted(best.values(), key=lambda view: (-view.numbers["quality"], view.frame))
    return np.array(points), ranked[:_BEST_FACES], size


def _face_view(index: int, image: np.ndarray, seen: Seen, mesh: FaceMesh) -> _View | None:
    if seen.face_box is None or (seen.points[FACE][:, 2] <= 0).any():
        return None  # none, or it reaches out of the picture
    x, y, width, height = seen.face_box
    side = _FACE_REGION * max(width, height)
    left, top = (max(0, int(middle - side / 2)) for middle in (x + width / 2, y + height / 2))
    region = image[top : top + int(side), left : left + int(side)].copy()
    box = (x - left, y - top, width, height)
    points, presence = mesh(region, box)
    face = Detection(box, points, seen.face_score * presence)  # a score means the same as in faces.parquet
    return _View(index, region, face, {"score": face.score, **asdict(measure_quality(region, face, 0.0))})


def _film(clip: DanceClip, count: int, window: Window, wanted: set[int]) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """The sample's mp4 with its sound, and its wanted frames as JPEG, all as bytes."""
    audio = decode_audio(clip.path, clip.start_s, _end(clip, count), None, mono=False)
    if audio.samples.ndim > 1 and audio.samples.shape[1] > 2:
        audio = decode_audio(clip.path, clip.start_s, _end(clip, count), None, mono=True)
    kept: dict[int, np.ndarray] = {}

    def pictures() -> Any:
        for index, frame in enumerate(constant_rate_frames(clip.path, clip.start_s, _end(clip, count), clip.fps)):
            shown = show(frame.image, window, clip.resolution)
            if index in wanted:
                kept[index] = shown
            yield shown

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "video.mp4"
        write_video(path, pictures(), clip.fps, audio)
        video = np.frombuffer(path.read_bytes(), np.uint8)
    return video, {index: _jpeg(image) for index, image in kept.items()}


def _jpeg(image: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1])


def _end(clip: DanceClip, count: int) -> float:
    return clip.start_s + count / clip.fps


@cache
def _embedder(files: tuple[tuple[str, Path], ...]) -> Embedder:
    return embedders.create(EMBEDDER, dict(files))
