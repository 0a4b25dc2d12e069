"""One sample of a music-to-pose dataset as a page shows it: what its files hold, measured, beside what metadata.json says of it."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from onscreen.checks.sample import Broken, SampleFolder
from onscreen.errors import Rejected
from onscreen.media.audio import decode_audio
from onscreen.media.probe import Probe, probe
from onscreen.motion import alignment, music
from onscreen.motion.keypoints import FACE, INDEX, LEFT_HAND, N_POINTS, RIGHT_HAND
from onscreen.report.m2p_pictures import heat_map, pack_points, waveform

_LIMBS = [
    INDEX[f"{side}_{joint}"] for side in ("left", "right") for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
]
_UPPER = [INDEX[f"{side}_{joint}"] for side in ("left", "right") for joint in ("shoulder", "elbow")]
_PARTS = (("face", FACE), ("left hand", LEFT_HAND), ("right hand", RIGHT_HAND))
_SHOWN_APART = ("id", "folder", "split", "labels", "warnings", "beats_s", "music")  # of an entry; the rest is listed as it is
_FIRST = (("Dancer", "identity", "identity_known_by"), ("Song", "song", ""), ("Cut from", "source", "start_s"))
_BEAT_FPS = 24  # sets the rate at which beats are listened for, whatever the video's
_LONGEST = 400  # characters of a value that is listed


@dataclass
class Card:
    """What is shown, of JSON's types. Paths are relative to the dataset; times are seconds on the video's clock.

    seconds: length of the time axis. width, height, fps, frames: of video.mp4. points: as m2p_pictures.pack_points, of `poses` frames of
    `keypoints` points. wave: an SVG polygon's points within 1000 x 100. heat: a data URI; heat_groups: (name, first row, rows).
    numbers: (name, value). missing: what is not there or cannot be read.
    """

    label: str
    video: str | None = None
    reference: str | None = None
    seconds: float = 0.0
    width: int = 0
    height: int = 0
    fps: float = 0.0
    frames: int = 0
    points: str = ""
    poses: int = 0
    keypoints: int = 0
    wave: str = ""
    beats_s: list[float] = field(default_factory=list)
    dance_beats_s: list[float] = field(default_factory=list)
    heat: str = ""
    heat_about: str = ""
    heat_groups: list[tuple[str, int, int]] = field(default_factory=list)
    heat_rows: int = 0
    heat_frames: int = 0
    numbers: list[tuple[str, str]] = field(default_factory=list)
    labels: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    rest: list[tuple[str, str]] = field(default_factory=list)


def read_card(sample: SampleFolder) -> Card:
    """Measure what a page shows of a sample. Never raises for what its files hold: missing says what could not be read."""
    card = Card(sample.label)
    entry = sample.entry or {}
    known = _video(card, sample)
    points = _points(card, sample)
    samples = _sound(card, sample, known)
    _beats(card, entry, samples, points)
    _features(card, sample)
    _reference(card, sample)
    if sample.entry is None and sample.shared:
        card.missing.append("metadata.json: says nothing of this sample")
    _claims(card, entry)
    return card


def _video(card: Card, sample: SampleFolder) -> Probe | None:
    try:
        known = probe(sample.folder / "video.mp4")
    except Rejected as rejected:
        card.missing.append(f"video.mp4: {rejected.detail}")
        return None
    card.video = f"{sample.label}/video.mp4"
    card.width, card.height, card.fps, card.frames = known.width, known.height, known.fps, known.n_frames
    card.seconds = known.n_frames / known.fps
    card.numbers.append(("Length", f"{card.seconds:.2f} s: {card.frames} pictures, {card.fps:g} a second"))
    card.numbers.append(("Picture", f"{card.width} x {card.height} pixels"))
    return known


def _points(card: Card, sample: SampleFolder) -> np.ndarray | None:
    """(T, 134, 3), or None where the points are others or none."""
    try:
        points = sample.points
        if points.ndim != 3 or points.shape[2] != 3 or not points.size:
            raise Broken("pose_annotations.json: holds no points")
    except Broken as broken:
        card.missing.append(str(broken))
        return None
    card.points, (card.poses, card.keypoints) = pack_points(points), points.shape[:2]
    if card.video is None:
        told = _number(sample.annotations.get("fps"))
        card.fps = told if told and 0 < told <= 1000 else 0.0
        card.seconds = card.poses / card.fps if card.fps else 0.0
        card.width, card.height = (math.ceil(min(8192.0, max(64.0, side))) for side in np.nanmax(points[..., :2], axis=(0, 1)))
    elif card.poses != card.frames:
        card.warnings.append(f"{card.frames} pictures and {card.poses} poses")
    if card.keypoints != N_POINTS:
        card.warnings.append(f"{card.keypoints} points a frame; the layout has {N_POINTS}, so no lines are drawn")
        return None
    card.numbers.append(("Frames that show", _shares(points)))
    return points


def _shares(points: np.ndarray) -> str:
    seen = points[..., 2] > 0
    shares = [("all limbs", seen[:, _LIMBS].all(axis=1)), ("shoulders and elbows", seen[:, _UPPER].all(axis=1))]
    shares += [(name, seen[:, part].any(axis=1)) for name, part in _PARTS]
    return ", ".join(f"{name} {share.mean():.0%}" for name, share in shares)


def _sound(card: Card, sample: SampleFolder, known: Probe | None) -> np.ndarray:
    """(N,) mono samples at the rate of _BEAT_FPS, on the picture's clock."""
    if known is None:
        return np.zeros(0, np.float32)
    try:
        start_s = known.video_start_s
        samples = decode_audio(sample.folder / "video.mp4", start_s, start_s + card.seconds, music.rate_hz(_BEAT_FPS)).samples
    except Rejected as rejected:
        card.missing.append(f"sound of video.mp4: {rejected.detail}")
        return np.zeros(0, np.float32)
    card.wave = waveform(samples)
    peak = float(np.abs(samples).max(initial=0.0))
    sound = f"{known.audio_rate_hz} Hz, {known.audio_channels} channel{'s' if known.audio_channels != 1 else ''}"
    card.numbers.append(("Sound", f"{sound}, " + (f"peak {20 * math.log10(peak):.1f} dB" if peak else "silent")))
    return np.asarray(samples)


def _beats(card: Card, entry: Mapping[str, Any], samples: np.ndarray, points: np.ndarray | None) -> None:
    """The music's beats as metadata.json has them, else as they are heard; then the dance's, and how well they meet."""
    told = _mapping(entry.get("music"))
    beats = _times(told.get("beats_s", entry.get("beats_s")), card.seconds)
    tempo, source = _number(told.get("tempo_bpm", entry.get("tempo_bpm"))), "metadata.json"
    if beats is None and samples.size:
        try:
            heard = music.find_beats(samples, _BEAT_FPS)
        except Rejected as rejected:
            card.numbers.append(("Beats", f"none: {rejected.detail}"))
            return
        beats, source = _times(heard.times_s.tolist(), card.seconds), "measured for this page; metadata.json names none"
        tempo = heard.tempo_bpm if tempo is None else tempo
    if tempo is not None:
        card.numbers.append(("Tempo", f"{tempo:.1f} beats a minute"))
    key, strength = told.get("key"), _number(told.get("key_strength"))
    if "key" in told:
        card.numbers.append(
            ("Key", ("none is clear" if key is None else _text(key)) + (f" (correlation {strength:.2f})" if strength else ""))
        )
    if beats is None:
        return
    card.beats_s = beats
    card.numbers.append(("Beats", f"{len(beats)} ({source})"))
    if points is not None and card.fps:
        _alignment(card, points)


def _alignment(card: Card, points: np.ndarray) -> None:
    finite = np.where(np.isfinite(points).all(axis=2, keepdims=True), points, 0.0)
    found = alignment.beat_alignment(finite, np.array(card.beats_s), card.fps)
    if isinstance(found, alignment.NotMeasured):
        card.numbers.append(("Beat alignment", f"not measured: {found.reason}"))
        return
    card.dance_beats_s = _times(found.dance_beats_s.tolist(), card.seconds) or []
    told = f"{found.score:.2f} of {len(card.dance_beats_s)} dance beats (by chance {found.chance:.2f}; sigma {found.sigma_s:g} s)"
    card.numbers.append(("Beat alignment", told))


def _features(card: Card, sample: SampleFolder) -> None:
    try:
        features = sample.features
    except Broken as broken:
        card.missing.append(str(broken))
        return
    found = heat_map(features, sample.shared)
    if found is None:
        card.missing.append(f"music_features.npy: shape {features.shape}, not frames by columns")
        return
    card.heat = "data:image/png;base64," + base64.b64encode(found.png).decode()
    card.heat_about, card.heat_groups, card.heat_rows = found.about, list(found.groups), found.rows
    card.heat_frames = len(features)
    if card.video is not None and len(features) != card.frames:
        card.warnings.append(f"{card.frames} pictures and {len(features)} rows of music features")


def _reference(card: Card, sample: SampleFolder) -> None:
    if (sample.folder / "reference_image.jpg").is_file():
        card.reference = f"{sample.label}/reference_image.jpg"
    else:
        card.missing.append("reference_image.jpg: is missing")


def _claims(card: Card, entry: Mapping[str, Any]) -> None:
    """What metadata.json says: warnings, labels, and everything else as it stands there."""
    warnings = entry.get("warnings")
    for warning in warnings if isinstance(warnings, list) else []:
        told = _mapping(warning)
        words = [_text(told[name]) for name in ("code", "detail") if name in told]
        numbers = ", ".join(f"{name.replace('_', ' ')} {_text(value)}" for name, value in _mapping(told.get("numbers")).items())
        card.warnings.append((": ".join(words) or _text(warning)) + (f" ({numbers})" if numbers else ""))
    card.numbers += list(_whose(entry))
    card.labels = [
        (_text(name), _text(value)) for name, value in _mapping(entry.get("labels")).items() if value not in (None, "")
    ]
    card.rest = list(_listed({name: value for name, value in entry.items() if name not in _SHOWN_APART}))


def _whose(entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    told = {"identity_known_by": "known by {}", "start_s": "from {} s"}
    for title, name, beside in _FIRST:
        more = f", {told[beside].format(_text(entry[beside]))}" if beside in entry else ""
        yield title, f"{_text(entry[name])}{more}" if entry.get(name) is not None else "not stated"
    if entry.get("missing"):
        yield "Not there", _text(entry["missing"])


def _listed(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        title = f"{before}{name}".replace("_", " ")
        if isinstance(value, Mapping) and value:
            yield from _listed(value, f"{title}: ")
        elif value not in (None, [], {}):
            yield title, _text(value)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _number(value: Any) -> float | None:
    told = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if told else None


def _times(values: Any, until_s: float) -> list[float] | None:
    """Those of the values that are times on the axis; None where they are no list."""
    if not isinstance(values, list):
        return None
    times = [_number(value) for value in values]
    return [round(time_s, 4) for time_s in times if time_s is not None and 0 <= time_s <= until_s]


def _text(value: Any) -> str:
    """A value of metadata.json as a person reads it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    text = ", ".join(_text(one) for one in value) if isinstance(value, list) else str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
