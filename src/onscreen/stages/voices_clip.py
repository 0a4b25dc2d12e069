"""Part of the stage voices: follows the faces of one clip and measures how each goes with the sound. No threshold is applied here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from onscreen.cache import Item
from onscreen.errors import Rejected
from onscreen.faces import detectors
from onscreen.faces.detectors import Detector
from onscreen.faces.landmarks import FaceMesh
from onscreen.faces.tracks import Track, follow, mouth_opening, speaking_crop
from onscreen.media.video import Frame, constant_rate_frames
from onscreen.storage import StoredFile
from onscreen.voices import active_speaker, lips
from onscreen.voices.waveform import Speech, read_speech

Method = Literal["mouth", "light_asd"]

DETECTOR = "mediapipe"  # it is packaged and quick, and people who speak to a camera are near enough for it
LIBRARIES = ("av", "mediapipe", "numpy", "opencv-python", "scipy", "soundfile")
SECONDS: Mapping[Method, float] = {"mouth": 8.0, "light_asd": 20.0}
"""How much of a clip is looked at, from half a second before its first speech: a sign needs no more, the network a little more."""
_EARLIER_S = 0.5
_SEARCH_EVERY: Mapping[Method, int] = {"mouth": 3, "light_asd": 5}  # frames from one search for faces to the next: 0.5 or 0.2 s
_SHORTEST_S = 1.0  # a face that is there for less has no place in a verdict


@dataclass(frozen=True)
class ClipVoice:
    """What to look at: SECONDS from start_s, no farther than end_s (of the clip), seconds of the file.

    sound_s: second of the clip's sound that start_s is. files: of DETECTOR.
    """

    path: Path
    wav: StoredFile
    start_s: float
    end_s: float
    sound_s: float
    method: Method
    files: Mapping[str, Path]


def looked_from(first_speech_s: float, length_s: float, method: Method) -> float:
    """From when on a clip is looked at, seconds from its start."""
    return max(0.0, min(first_speech_s - _EARLIER_S, length_s - SECONDS[method]))


def measure_speaker(clip: ClipVoice) -> Item:
    """Every face of a clip that is seen for a second or more, and how it goes with the sound.

    meta: fps; from_s: seconds from the clip's start to frame 0; frames: of the span; tracks: first frame of each. arrays, of track i, with T
    frames: boxes_<i> (T, 4) float32, x, y, width, height px; and with "mouth" openings_<i> (T,) float32 of the mouth over the
    distance of the eyes, and once loud (n,) float64 (lips.loudness); with "light_asd" odds_<i> (F,) float32, log odds of speaking, and
    fit_<i> (51,) float32 (light_asd.look_and_listen).
    Raises Rejected as constant_rate_frames and read_speech do.
    """
    fps = lips.FPS if clip.method == "mouth" else float(active_speaker.FPS)
    detect, mesh = _models(tuple(sorted(clip.files.items())))
    frames, late_s, seconds = _frames(clip, fps)
    from_s = clip.sound_s + late_s
    samples = read_speech(Speech(clip.wav, (from_s,), (from_s + seconds,)))
    look: Any = partial(_opening, mesh) if clip.method == "mouth" else partial(speaking_crop, side=active_speaker.CROP_PX)
    tracks = follow(frames, detect, _SEARCH_EVERY[clip.method], look)
    tracks = [track for track in tracks if len(track.boxes) >= _SHORTEST_S * fps]
    arrays = {f"boxes_{number}": np.array(track.boxes, np.float32) for number, track in enumerate(tracks)}
    meta = {"fps": fps, "from_s": from_s, "frames": int(seconds * fps), "tracks": [track.first for track in tracks]}
    return Item(meta, arrays | (_mouths if clip.method == "mouth" else _network)(tracks, samples))


def _frames(clip: ClipVoice, fps: float) -> tuple[Iterator[np.ndarray], float, float]:
    """The clip's pictures, how late they start (sound that comes first has none), and the seconds that are looked at."""
    try:
        return _from(clip, 0.0, fps)
    except Rejected as reason:
        if reason.code != "picture_starts_late":
            raise
        late_s = reason.numbers["late_s"]
    return _from(clip, late_s, fps)


def _from(clip: ClipVoice, late_s: float, fps: float) -> tuple[Iterator[np.ndarray], float, float]:
    start_s = clip.start_s + late_s
    end_s = min(clip.end_s, start_s + SECONDS[clip.method])
    frames = constant_rate_frames(clip.path, start_s, end_s, fps)
    first = next(frames, None)  # what is wrong with the picture's beginning comes to light with its first frame
    if first is None:
        raise Rejected("no_frames", "no frame is between the two times", {"start_s": start_s, "end_s": end_s})
    return _until_it_ends(chain([first], frames)), late_s, end_s - start_s


def _until_it_ends(frames: Iterator[Frame]) -> Iterator[np.ndarray]:
    """Pictures of a clip whose sound may go on after them: what there is can be judged."""
    try:
        for frame in frames:
            yield frame.image
    except Rejected as reason:
        if reason.code != "picture_ends_early":
            raise


@cache
def _models(files: tuple[tuple[str, Path], ...]) -> tuple[Detector, FaceMesh]:
    """Loaded once a worker process, on one thread."""
    cv2.setNumThreads(1)
    return detectors.create(DETECTOR, dict(files)), FaceMesh(dict(files)["face_landmark.tflite"])


def _opening(mesh: Callable[[np.ndarray, Any], tuple[np.ndarray, float]], frame: np.ndarray, box: np.ndarray) -> float:
    return mouth_opening(mesh(frame, tuple(box))[0])


def _mouths(tracks: list[Track[float]], samples: np.ndarray) -> dict[str, np.ndarray]:
    found = {f"openings_{number}": np.array(track.seen, np.float32) for number, track in enumerate(tracks)}
    return {**found, "loud": lips.loudness(samples)}


def _network(tracks: list[Track[np.ndarray]], samples: np.ndarray) -> dict[str, np.ndarray]:
    from onscreen.voices.light_asd import look_and_listen  # it loads torch, which the method "mouth" does without

    heard, found = active_speaker.cepstra(samples), dict[str, np.ndarray]()
    for number, track in enumerate(tracks):
        own = heard[track.first * active_speaker.CEPSTRA_HZ // active_speaker.FPS :]
        odds, fit = look_and_listen(np.stack(track.seen), own) if len(own) >= active_speaker.CEPSTRA_HZ // 4 else _NOTHING
        found |= {f"odds_{number}": odds, f"fit_{number}": fit}
    return found


_NOTHING = (np.zeros(0, np.float32), np.zeros(2 * active_speaker.SHIFTS + 1, np.float32))
