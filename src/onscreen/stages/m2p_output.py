"""What stands in data/m2p: a folder a sample, metadata.json for all; and what is shown of it in metrics and plots."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from onscreen.cache import Item
from onscreen.config import M2p
from onscreen.faces.embedders import pool
from onscreen.media.sampling import sample_frames
from onscreen.motion import music
from onscreen.motion.alignment import NotMeasured, beat_alignment
from onscreen.motion.draw import draw_pose
from onscreen.motion.keypoints import FACE, JOINT_TYPES, LEFT_HAND, RIGHT_HAND, to_annotations
from onscreen.motion.poses import weights_of
from onscreen.naming import file_stem
from onscreen.records import Reject
from onscreen.stages.m2p_counts import SIDES, lacking, notes
from onscreen.stages.m2p_records import Dance, Sample
from onscreen.store import as_json, atomic_path, read_json, write_json

_REFERENCE = (
    "of frame reference_frame, cut from the source's own pixels, reference_scale pixels for one of these. Where reference_shows_face:"
    " head and shoulders, upright, in the best view that passes faces.min_score and faces.min_interocular_px; else the whole picture of"
    " the frame with the surest body, letterboxed"
)
SCHEMA_VERSION = 1  # of metadata.json
_BEATS = (
    "AIST++ (Li et al. 2021): mean over dance beats of exp(-d^2 / 2 sigma^2) to the nearest music beat; chance: of moved beats"
)
_CONTEXT = (
    "a row of music_features.npy also describes the frames around it, up to context_s of the source's sound before and after the"
    " sample. padded_frames: rows near the source's own start or end, whose context repeats the source's first or last frame; of the"
    " sample itself no frame is padded"
)
_HEARD = ("tempo_bpm", "other_tempo_bpm", "pulse", "key", "key_strength", "beats_s", "silent_s")
_OVERLAYS, _OVERLAY_FRAMES = 4, 4  # samples that get a drawn picture, frames in each


def write_sample(root: Path, sample: Sample, item: Item, params: M2p) -> dict[str, Any]:
    """Write a sample's folder below root; returns its entry in metadata.json. item: its part of what measure_dance gave.

    face_embedding.npy is ArcFace's and nothing else's; dlib's vector stands beside it, or alone, under its own name.
    """
    arrays, dance = item.arrays, sample.dance
    folder = root / sample.dancer.side / file_stem(dance.dance_id)
    folder.mkdir()
    (folder / "video.mp4").write_bytes(arrays["video"].tobytes())
    picture = "reference_body" if dance.reference is None else f"reference_{dance.reference}"
    (folder / "reference_image.jpg").write_bytes(arrays[picture].tobytes())
    np.save(folder / "music_features.npy", arrays["music"], allow_pickle=False)
    annotations = to_annotations(arrays["points"], dance.dance_id, params.fps)
    (folder / "pose_annotations.json").write_text(json.dumps(annotations, ensure_ascii=False, allow_nan=False), encoding="utf-8")
    vectors = {"face_embedding": _arcface(dance, item), "face_embedding_dlib": dance.embedding}
    for name, vector in vectors.items():
        if vector is not None:
            np.save(folder / f"{name}.npy", vector, allow_pickle=False)
    return entry_of(sample, item, params, [name for name, vector in vectors.items() if vector is None])


def _arcface(dance: Dance, item: Item) -> np.ndarray | None:
    """(512,) float32, L2 = 1: of the views that the other embedding pools; None without its weights or without a face."""
    if "arcface" not in item.arrays or not dance.good_views:
        return None
    return pool(item.arrays["arcface"][list(dance.good_views)])


def entry_of(sample: Sample, item: Item, params: M2p, missing: Sequence[str]) -> dict[str, Any]:
    """What metadata.json says of a sample. missing: names of files that it lacks, without their endings."""
    meta, dance, dancer, clip = item.meta, sample.dance, sample.dancer, sample.dance.clip
    window, shows_face = meta["window"], dance.reference is not None
    return {
        **{"id": dance.dance_id, "split": dancer.side, "folder": f"{dancer.side}/{file_stem(dance.dance_id)}"},
        **{"fps": params.fps, "frames": meta["frames"], "duration": meta["frames"] / params.fps},
        **{"source": clip.source, "source_sha256": clip.source_sha256, "start_s": dance.start_s, "source_fps": clip.fps},
        **{"source_width": meta["width"], "source_height": meta["height"]},
        **{"source_audio_hz": clip.audio_rate_hz, "source_audio_channels": clip.audio_channels},
        **{"identity": dancer.identity_id, "identity_known_by": dancer.known_by, "song": sample.song, "group": sample.group},
        "labels": dict(sample.labels),
        "music": {name: meta[name] for name in _HEARD},
        **{"padded_frames": meta["padded_frames"], "context_s": meta["context_s"]},
        "beat_alignment": _alignment(item, params.fps),
        **{"window": window, "scale": round(params.resolution / window["side"], 4)},
        **{name: meta[name] for name in ("outside_share", "decodes", "people") if name in meta},
        "smoothed": params.smooth != "none",
        **{"reference_frame": _reference_frame(dance, item), "reference_shows_face": shows_face},
        "reference_scale": meta["views"][dance.reference].get("reference_scale") if shows_face else meta.get("body_scale"),
        "share_of_frames": _shares(item, dance),
        "warnings": [as_json(remark) for remark in dance.warnings],
        **{"complete": not missing, "missing": list(missing)},
        "backends": backends(meta.get("pose", params.pose), arcface="arcface" in item.arrays),
    }


def _alignment(item: Item, fps: int) -> dict[str, Any]:
    found = beat_alignment(item.arrays["points"], np.asarray(item.meta["beats_s"], float), fps)
    if isinstance(found, NotMeasured):
        return {"score": None, "reason": found.reason}
    return {"score": found.score, "chance": found.chance, "sigma_s": found.sigma_s, "dance_beats_s": found.dance_beats_s.tolist()}


def backends(pose: str, arcface: bool) -> dict[str, str]:
    """What found the poses (a name of m2p.pose), and what else measured a sample, with versions."""
    found = {
        "music": f"librosa {version('librosa')}",
        "face_embedding_dlib": f"dlib ResNet ({version('dlib-bin')})",
        "pose": f"{pose} (onnxruntime {version('onnxruntime')})" if pose == "rtmw" else pose,
    }
    if pose == "mediapipe":
        found["pose"] = f"mediapipe {version('mediapipe')}"
        landmarker = "mediapipe_face_landmarker" in weights_of(pose)
        found["face_points"] = (
            f"mediapipe face landmarker ({version('mediapipe')})" if landmarker else f"dlib 68 ({version('dlib-bin')})"
        )
    return found | ({"face_embedding": f"ArcFace (onnxruntime {version('onnxruntime')})"} if arcface else {})


def _reference_frame(dance: Dance, item: Item) -> int:
    return int(item.meta["body_frame"] if dance.reference is None else item.meta["views"][dance.reference]["frame"])


def _shares(item: Item, dance: Dance) -> dict[str, float]:
    """Share of frames in which each part is seen."""
    confidence = item.arrays["points"][..., 2]
    parts = {"face": FACE, "left_hand": LEFT_HAND, "right_hand": RIGHT_HAND}
    shares = {name: round(float((confidence[:, part].max(axis=1) > 0).mean()), 4) for name, part in parts.items()}
    return {"whole_body": round(dance.body_share, 4), "upper_body": round(dance.upper_share, 4), **shares}


def write_metadata(folder: Path, params: M2p, entries: Sequence[dict[str, Any]]) -> None:
    """Write metadata.json. git and DVC keep no empty folder: that of a side without samples holds a .gitkeep that says why."""
    found = metadata(params, entries)
    write_json(folder / "metadata.json", found)
    for side, why in found["lacking"].items():
        (folder / side / ".gitkeep").write_text(f"{why}\n", encoding="utf-8")


def metadata(params: M2p, entries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """metadata.json: what all samples share, and one entry each. samples counts both sides; lacking says why one is empty."""
    sides = Counter(entry["split"] for entry in entries)
    return {
        "schema_version": SCHEMA_VERSION,
        "samples": {side: sides[side] for side in SIDES},
        "lacking": lacking(entries),
        "notes": notes(entries),
        "fps": params.fps,
        "resolution": params.resolution,
        "joint_types": list(JOINT_TYPES),
        "reference_image": _REFERENCE,
        "music": {
            **{
                "layout_version": music.LAYOUT_VERSION,
                "width": music.WIDTH,
                "rate_hz": music.rate_hz(params.fps),
                "hop": music.HOP,
            },
            **{"normalisation": "none over clips; chroma by frame and tempogram by its window, as librosa defines them"},
            "context": _CONTEXT,
            "columns": music.layout(),
        },
        "beat_alignment": _BEATS,
        "params": params.model_dump(mode="json"),
        "backends": backends(params.pose, arcface=any("face_embedding" not in entry["missing"] for entry in entries)),
        "clips": sorted(entries, key=lambda entry: entry["folder"]),
    }


def write_plots(folder: Path, root: Path, entries: Sequence[dict[str, Any]], rejects: Sequence[Reject]) -> None:
    """Reasons of rejects, dances of each side, and for some samples a strip of frames of video.mp4 with the points of pose_annotations.json on them."""
    counts = sorted(Counter(reject.code for reject in rejects).items())
    write_json(folder / "rejects.json", [{"code": code, "clips": count} for code, count in counts])
    sides = Counter(entry["split"] for entry in entries)
    write_json(folder / "sides.json", [{"side": side, "dances": sides[side]} for side in SIDES])
    for entry in entries[:_OVERLAYS]:
        draw_sample(root / entry["folder"], folder / f"{Path(entry['folder']).name}.png")


def draw_sample(sample: Path, picture: Path) -> None:
    """Draw a sample from its own files, so that the picture shows what a reader of the data gets."""
    import cv2

    annotations = read_json(sample / "pose_annotations.json")
    frames = sample_frames(sample / "video.mp4", 0.0, annotations["duration"], _OVERLAY_FRAMES, "uniform")
    drawn = []
    for frame in frames:
        points = annotations["poses"][round(frame.time_s * annotations["fps"])]["keypoints"]
        drawn.append(draw_pose(frame.image, np.array([(p["x"], p["y"], p["confidence"]) for p in points], np.float32)))
    with atomic_path(picture) as temporary:
        cv2.imwrite(str(temporary), np.hstack(drawn)[..., ::-1])
