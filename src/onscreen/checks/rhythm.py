"""Tempo, beats, key and the dance's alignment with them: the columns, metadata.json, the poses and the sound say one thing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from onscreen.checks import limits
from onscreen.checks.finding import Finding
from onscreen.checks.sample import Broken, SampleFolder
from onscreen.checks.structure import fps_of
from onscreen.checks.tools import Tools
from onscreen.motion import music
from onscreen.motion.alignment import NotMeasured, beat_alignment
from onscreen.motion.keypoints import JOINT_TYPES

_MULTIPLES = (1 / 3, 1 / 2, 2 / 3, 1, 3 / 2, 2, 3)  # of a tempo, that are heard as the tempo too


def check_tempo(sample: SampleFolder, tools: Tools) -> Iterator[Finding]:
    """music_features.tempo, music_features.beats: columns that repeat what metadata.json says. Of our layout alone."""
    if not is_ours(sample) or sample.features.ndim != 2 or sample.features.shape[1] != music.WIDTH:
        return
    said = _said(sample)
    tempo, beats = (np.asarray(sample.features[:, column_of(name)], np.float64) for name in ("tempo_bpm", "beat"))
    told = _number(said.get("tempo_bpm"))
    if told is not None:
        wrong = float(np.abs(tempo - told).max(initial=0)) > limits.SAME_TEMPO * told
        detail = f"{tempo.min(initial=np.inf):.1f} to {tempo.max(initial=-np.inf):.1f} bpm, metadata.json tells of {told:.1f}"
        yield Finding(sample.label, "music_features.tempo", "fail" if wrong else "pass", detail, {"tempo_bpm": told})
    beats_s = _beats(said)
    if beats_s is not None:
        alone = _alone(beats_s * fps_of(sample), np.flatnonzero(beats), len(beats))
        detail = (
            f"{alone} beats stand in the columns or in metadata.json alone" if alone else "beats are where metadata.json says"
        )
        yield Finding(sample.label, "music_features.beats", "fail" if alone else "pass", detail, {"alone": float(alone)})


def _alone(told: np.ndarray, marked: np.ndarray, frames: int) -> int:
    """Beats of either that are more than half a frame from those of the other; those in the outermost frames, of neighbours, do not count."""
    found = 0
    for one, other in ((told, marked), (marked, told)):
        inside = one[(one > 0.5) & (one < frames - 1.5)]
        nearest = np.abs(inside[:, None] - other[None]).min(axis=1, initial=np.inf)
        found += int((nearest > limits.BEAT_FRAMES).sum())
    return found


def check_alignment(sample: SampleFolder, tools: Tools) -> Iterator[Finding]:
    """metadata.tempo: the tempo is that of the beats. metadata.alignment: the score is that of the poses and the beats."""
    said, fps = _said(sample), fps_of(sample)
    tempo, beats_s = _number(said.get("tempo_bpm")), _beats(said)
    if tempo is not None and beats_s is not None and len(beats_s) >= limits.BEATS:
        own = 60 / max(float(np.median(np.diff(beats_s))), 1e-3)
        wrong = abs(own / tempo - 1) > limits.TEMPO_OF_BEATS
        detail = f"{tempo:.1f} bpm told, {own:.1f} of the beats told"
        yield Finding(sample.label, "metadata.tempo", "fail" if wrong else "pass", detail, {"tempo_bpm": tempo, "of_beats": own})
    alignment = (sample.entry or {}).get("beat_alignment")
    if isinstance(alignment, Mapping) and "score" in alignment and beats_s is not None:
        yield _alignment(sample, alignment, beats_s, fps)


def _alignment(sample: SampleFolder, said: Mapping[str, Any], beats_s: np.ndarray, fps: int) -> Finding:
    check, points = "metadata.alignment", sample.points
    if points.ndim != 3 or points.shape[1] != len(JOINT_TYPES) or not np.isfinite(points).all():
        raise Broken(f"pose_annotations.json: frames are not {len(JOINT_TYPES)} finite points")
    found, score = beat_alignment(points, beats_s, fps), _number(said["score"])
    if isinstance(found, NotMeasured):
        wrong, detail = score is not None, f"cannot be measured ({found.reason}), metadata.json tells of {said['score']}"
        return Finding(sample.label, check, "fail" if wrong else "pass", detail)
    wrong = score is None or abs(score - found.score) > limits.SAME_ALIGNMENT
    detail = f"{found.score:.2f}, metadata.json tells of {'none' if score is None else f'{score:.2f}'}"
    return Finding(sample.label, check, "fail" if wrong else "pass", detail, {"score": found.score})


def heard_again(sample: SampleFolder, heard: music.Music, seconds: float) -> Iterator[Finding]:
    """metadata.music: tempo and key are not another music's, of a clip that is long enough to tell."""
    said = _said(sample)
    tempo, key, found = _number(said.get("tempo_bpm")), said.get("key"), _keys(heard.features)
    numbers, wrong = {"heard_bpm": heard.tempo_bpm}, list[str]()
    if tempo is not None and seconds >= limits.TEMPO_S and (heard.pulse or 0) >= limits.CLEAR_PULSE:
        apart = min(abs(tempo / (heard.tempo_bpm * multiple) - 1) for multiple in _MULTIPLES)
        wrong += [f"{tempo:.0f} bpm told, {heard.tempo_bpm:.0f} heard"] if apart > limits.HEARD_TEMPO else []
    if isinstance(key, str) and seconds >= limits.KEY_S and key in found:
        numbers["key"] = found[key]
        wrong += [f"{key} told, {max(found, key=lambda one: found[one])} heard"] if found[key] < limits.OTHER_KEY else []
    elif isinstance(key, str) and key not in found:
        wrong.append(f"{key} is no key")
    if tempo is not None or isinstance(key, str):
        detail = "; ".join(wrong) or "nothing that is heard speaks against tempo and key"
        yield Finding(sample.label, "metadata.music", "fail" if wrong else "pass", detail, numbers)


def column_of(name: str) -> int:
    """The first column of a group of frame t."""
    return int(next(row["start"] for row in music.layout() if row["name"] == name and row["offset"] == 0))


def _keys(features: np.ndarray) -> dict[str, float]:
    """Key -> correlation of its profile with the mean chroma. See music.find_key."""
    start = column_of("chroma_cqt")
    chroma = features[:, start : start + 36].reshape(-1, 12, 3).mean(axis=(0, 2), dtype=np.float64)
    return music.keys_of(chroma) if np.isfinite(chroma).all() and chroma.std() > 0 else {}


def is_ours(sample: SampleFolder) -> bool:
    """Whether metadata.json says that the columns have the layout of motion/music.py, in this version."""
    said = sample.shared.get("music")
    return isinstance(said, dict) and said.get("layout_version") == music.LAYOUT_VERSION


def _said(sample: SampleFolder) -> Mapping[str, Any]:
    said = (sample.entry or {}).get("music")
    return said if isinstance(said, Mapping) else {}


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and np.isfinite(value) and value > 0 else None


def _beats(said: Mapping[str, Any]) -> np.ndarray | None:
    """(B,) seconds, growing; None where metadata.json holds no such list."""
    found = said.get("beats_s")
    if not isinstance(found, list) or not all(isinstance(beat, (int, float)) and np.isfinite(beat) for beat in found):
        return None
    return np.sort(np.array(found, np.float64))
