"""What must not be on both sides: a dancer, a song, a source video. Measured, whatever metadata.json says; and what it says.

A finding names the sample of validation/, and in words the one of train/ that shares it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations, product
from typing import Any, TypeAlias

import numpy as np

from onscreen.checks.facts import Facts
from onscreen.checks.finding import Finding, Status
from onscreen.checks.sample import Broken, SampleFolder
from onscreen.faces.thresholds import PUBLISHED, auto_threshold
from onscreen.motion.songs import same_songs

_Pair: TypeAlias = tuple[SampleFolder, SampleFolder]
_Judge: TypeAlias = Callable[[SampleFolder, SampleFolder], tuple[Status, str, dict[str, float]] | None]

_SAME_DANCER, _MAYBE = auto_threshold("Dlib", 5), auto_threshold("Dlib", 1)
"""Below the first, 74 in 100 pairs of photos of one person of LFW10 and johns lie, and none of 6,720 of two people; dlib tells some
people apart less well, so that between the two a person has to look."""
_SAME_ARCFACE = PUBLISHED["buffalo_l"].value
_ONE_SCENE = 0.95  # correlation of mean pictures: one stage, whoever dances on it
_ONE_FRAME = 0.97  # of what moves in two pictures; other moments of one dance reach 0.7, copies at a low bit rate 0.99
_FEWEST_FRAMES, _FEWEST_SHARE = 4, 0.15  # of the shorter video that are in the other
_FEW_VALIDATION, _MANY_VALIDATION = 0.05, 0.5  # share of samples; the guide's own ratio leaves 0.2


def check_dancers(samples: Sequence[SampleFolder], facts: Mapping[str, Facts]) -> Iterator[Finding]:
    """leaks.dancer: nobody dances on both sides, by metadata.json, by dlib on the reference pictures and by the embeddings' files."""
    faces = {label: fact.face for label, fact in facts.items() if fact.face is not None}
    arcface, pooled = embeddings_of(samples, "face_embedding.npy", 512), embeddings_of(samples, "face_embedding_dlib.npy", 128)
    dlib = {label: vector for label, vector in pooled.items() if label in faces and 1 - vector @ faces[label] <= _MAYBE}

    def judge(one: SampleFolder, other: SampleFolder) -> tuple[Status, str, dict[str, float]] | None:
        if _said(one, "identity") is not None and _said(one, "identity") == _said(other, "identity"):
            return "fail", f"metadata.json names the dancer of {other.label}", {}
        found = [_between(faces, one, other), _between(dlib, one, other)]
        nearest = min((distance for distance in found if distance is not None), default=None)
        by_arcface = _between(arcface, one, other)
        if by_arcface is not None and 1e-6 < by_arcface <= _SAME_ARCFACE:
            return "fail", f"by face_embedding.npy it is the dancer of {other.label}", {"distance_arcface": by_arcface}
        if nearest is not None and nearest <= _MAYBE:
            numbers = {"distance": nearest, "same": _SAME_DANCER, "maybe": _MAYBE}
            if nearest <= _SAME_DANCER:
                return "fail", f"its face is that of {other.label}: distance {nearest:.3f}", numbers
            return "warn", f"its face is much like that of {other.label}, distance {nearest:.3f}: look at both", numbers
        return None

    yield from _across(samples, "leaks.dancer", judge)
    unknown = [sample.label for sample in samples if sample.label not in facts or facts[sample.label].face is None]
    if unknown:
        detail = (
            f"samples without a face: {len(unknown)} ({', '.join(unknown[:5])}), of which only metadata.json tells who dances"
        )
        yield Finding("", "leaks.dancer", "unproven", detail, {"samples": float(len(unknown))})


def check_songs(samples: Sequence[SampleFolder], facts: Mapping[str, Facts]) -> Iterator[Finding]:
    """leaks.song: no recording is heard on both sides, by metadata.json and by fingerprints of the soundtracks."""
    prints = {label: fact.song for label, fact in facts.items() if fact.song is not None and len(fact.song)}
    songs = dict(zip(prints, same_songs(list(prints.values())).tolist(), strict=True))

    def judge(one: SampleFolder, other: SampleFolder) -> tuple[Status, str, dict[str, float]] | None:
        if _said(one, "song") is not None and _said(one, "song") == _said(other, "song"):
            return "fail", f"metadata.json names the song of {other.label}", {}
        if one.label in songs and songs[one.label] == songs.get(other.label):
            return "fail", f"the recording of {other.label} is heard", {}
        return None

    yield from _across(samples, "leaks.song", judge)
    unknown = [sample.label for sample in samples if sample.label not in songs]
    if unknown:
        detail = f"soundtracks without a fingerprint: {len(unknown)} ({', '.join(unknown[:5])})"
        yield Finding("", "leaks.song", "unproven", detail, {"samples": float(len(unknown))})


def check_sources(samples: Sequence[SampleFolder], facts: Mapping[str, Facts]) -> Iterator[Finding]:
    """leaks.source: no video is on both sides, by metadata.json, by its bytes and by its pictures.

    Pictures tell cuts that overlap. Cuts of one video at other times are told by metadata.json alone; leaks.song and leaks.dancer
    find most of them, and one scene on both sides is a warning.
    """

    def judge(one: SampleFolder, other: SampleFolder) -> tuple[Status, str, dict[str, float]] | None:
        if _said(one, "source_sha256") is not None and _said(one, "source_sha256") == _said(other, "source_sha256"):
            return "fail", f"metadata.json names the source video of {other.label}", {}
        return _one_video(facts, scenes, one, other)

    scenes = _scenes(facts)
    yield from _across(samples, "leaks.source", judge)


def check_doubles(samples: Sequence[SampleFolder], facts: Mapping[str, Facts]) -> Iterator[Finding]:
    """set.doubles: no video twice on one side, and no file of one sample in another."""
    found, scenes = 0, _scenes(facts)
    for one, other in combinations(samples, 2):
        same = sorted(name for name in _shared_files(facts, one, other) if not name.endswith(".mp4"))
        seen = _one_video(facts, scenes, one, other) if one.split == other.split else None
        if seen is not None and seen[0] == "fail":
            found += 1
            yield Finding("", "set.doubles", "warn", f"{one.label}: {seen[1]}", seen[2])
        elif same:
            found += 1
            detail = f"{', '.join(same)} of {other.label} is byte for byte that of {one.label}"
            yield Finding("", "set.doubles", "fail", detail)
    if not found:
        yield Finding("", "set.doubles", "pass", "no two samples hold the same video or the same file")


def check_split(samples: Sequence[SampleFolder], facts: Mapping[str, Facts]) -> Iterator[Finding]:
    """set.split: both sides hold samples, in a sensible proportion; or metadata.json says why one holds none."""
    held = sum(sample.split == "validation" for sample in samples)
    share = held / max(len(samples), 1)
    numbers = {"train": float(len(samples) - held), "validation": float(held), "validation_share": share}
    told = f"{len(samples) - held} train, {held} validation ({share:.0%})"
    if held in (0, len(samples)):
        why = _lacking(samples, "train" if held else "validation")
        detail = f"one side is empty: {told}" + (f"; metadata.json says why: {why}" if why else "")
        yield Finding("", "set.split", "warn" if why else "fail", detail, numbers)
    else:
        usual = _FEW_VALIDATION <= share <= _MANY_VALIDATION
        yield Finding("", "set.split", "pass" if usual else "warn", told, numbers)


def _lacking(samples: Sequence[SampleFolder], side: str) -> str:
    """What metadata.json gives as the reason that a side is empty, in words; nothing where it counts samples there."""
    shared = samples[0].shared if samples else {}
    lacking, counted = shared.get("lacking"), shared.get("samples")
    why = lacking.get(side) if isinstance(lacking, dict) else None
    says_other = isinstance(counted, dict) and counted.get(side) != 0
    return why if isinstance(why, str) and not says_other else ""


def _across(samples: Sequence[SampleFolder], check: str, judge: _Judge) -> Iterator[Finding]:
    """The worst of each sample of validation against all of train; one finding of the set where nothing is shared."""
    sides = {side: [sample for sample in samples if sample.split == side] for side in ("train", "validation")}
    worst: dict[str, Finding] = {}
    for one, other in product(sides["validation"], sides["train"]):
        found = judge(one, other)
        if found is not None and (one.label not in worst or (worst[one.label].status, found[0]) == ("warn", "fail")):
            worst[one.label] = Finding(one.label, check, *found)
    yield from worst.values()
    if not worst:
        pairs = len(sides["train"]) * len(sides["validation"])
        status: Status = "pass" if pairs else "unproven"
        detail = f"none is on both sides, by {pairs} pairs of samples" if pairs else "only one side has samples"
        yield Finding("", check, status, detail, {"pairs": float(pairs)})


def _one_video(
    facts: Mapping[str, Facts], scenes: Mapping[str, np.ndarray], one: SampleFolder, other: SampleFolder
) -> tuple[Status, str, dict[str, float]] | None:
    if "video.mp4" in _shared_files(facts, one, other):
        return "fail", f"video.mp4 is byte for byte that of {other.label}", {}
    if one.label not in scenes or other.label not in scenes:
        return None
    scene = float(scenes[one.label] @ scenes[other.label])
    if scene < _ONE_SCENE:
        return None
    a, b = sorted((_pictures(facts, one), _pictures(facts, other)), key=len)
    still = a.mean(axis=0)
    best = (_directions(a - still) @ _directions(b - still).T).max(axis=1)
    same = int((best >= _ONE_FRAME).sum())
    numbers = {"scene": scene, "same_frames": float(same), "frames": float(len(a))}
    if same >= max(_FEWEST_FRAMES, _FEWEST_SHARE * len(a)):
        return "fail", f"{same} of {len(a)} pictures looked at are in the video of {other.label}", numbers
    return "warn", f"the scene is that of {other.label}: perhaps one source video", numbers


def _scenes(facts: Mapping[str, Facts]) -> dict[str, np.ndarray]:
    """label -> mean picture, of length 1."""
    found = {label: fact.pictures for label, fact in facts.items() if fact.pictures is not None}
    return {label: _directions(pictures.mean(axis=0, dtype=np.float32)[None])[0] for label, pictures in found.items()}


def _pictures(facts: Mapping[str, Facts], sample: SampleFolder) -> np.ndarray:
    return np.asarray(facts[sample.label].pictures, np.float32)


def _directions(rows: np.ndarray) -> np.ndarray:
    """Each row with length 1; rows without anything in them stay 0."""
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1.0))


def _shared_files(facts: Mapping[str, Facts], one: SampleFolder, other: SampleFolder) -> set[str]:
    a, b = (facts[sample.label].hashes if sample.label in facts else {} for sample in (one, other))
    return {name for name, digest in a.items() if b.get(name) == digest}


def _said(sample: SampleFolder, key: str) -> Any:
    return (sample.entry or {}).get(key)


def embeddings_of(samples: Sequence[SampleFolder], name: str, width: int) -> dict[str, np.ndarray]:
    """label -> vector of length 1, of the files that hold one."""
    found = {}
    for sample in samples:
        try:
            vector = np.asarray(sample.embedding(name), np.float64)
        except Broken:
            continue
        if vector.shape == (width,) and np.isfinite(vector).all() and np.linalg.norm(vector) > 0:
            found[sample.label] = vector / np.linalg.norm(vector)
    return found


def _between(vectors: Mapping[str, np.ndarray], one: SampleFolder, other: SampleFolder) -> float | None:
    if one.label not in vectors or other.label not in vectors:
        return None
    return 1 - float(vectors[one.label] @ vectors[other.label])
