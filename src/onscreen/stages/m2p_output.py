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
from onscreen.media.sampling import sample_frames
from onscreen.motion import music
from onscreen.motion.draw import draw_pose
from onscreen.motion.keypoints import FACE, JOINT_TYPES, LEFT_HAND, RIGHT_HAND, to_annotations
from onscreen.naming import file_stem
from onscreen.records import Reject
from onscreen.stages.m2p_records import Dance, Sample
from onscreen.store import atomic_path, read_json, write_json

SIDES = ("train", "validation")
_REFERENCE = (
    "frame reference_frame of video.mp4, whole, not cut to the face; where reference_shows_face, the best frame whose face passes"
    " faces.min_score and faces.min_interocular_px, else the frame with the surest body"
)
_OVERLAYS, _OVERLAY_FRAMES = 4, 4  # samples that get a drawn picture, frames in each


def write_sample(root: Path, sample: Sample, item: Item, params: M2p) -> dict[str, Any]:
    """Write a sample's folder below root; returns its entry in metadata.json. item: what measure_dance gave.

    face_embedding.npy is ArcFace's and nothing else's; without those weights dlib's vector is written under its own name.
    """
    arrays, meta, dance, clip = item.arrays, item.meta, sample.dance, sample.dance.clip
    name, reference_frame = file_stem(dance.dance_id), _reference_frame(dance, item)
    folder = root / sample.dancer.side / name
    folder.mkdir()
    (folder / "video.mp4").write_bytes(arrays["video"].tobytes())
    (folder / "reference_image.jpg").write_bytes(arrays["reference_body" if dance.reference is None else f"reference_{dance.reference}"].tobytes())
    np.save(folder / "music_features.npy", arrays["music"], allow_pickle=False)
    annotations = to_annotations(arrays["points"], dance.dance_id, params.fps)
    (folder / "pose_annotations.json").write_text(json.dumps(annotations, ensure_ascii=False, allow_nan=False), encoding="utf-8")
    missing = ["face_embedding"]
    if dance.embedding is None:
        missing.append("face_embedding_dlib")
    else:
        np.save(folder / "face_embedding_dlib.npy", dance.embedding, allow_pickle=False)
    return {
        **{"id": dance.dance_id, "split": sample.dancer.side, "folder": f"{sample.dancer.side}/{name}"},
        **{"source": clip.source, "source_sha256": clip.source_sha256},
        **{"start_s": dance.start_s, "source_fps": clip.fps},
        **{"fps": params.fps, "frames": meta["frames"], "duration": meta["frames"] / params.fps},
        **{"identity": sample.dancer.identity_id, "identity_known_by": sample.dancer.known_by},
        **{key: meta[key] for key in ("tempo_bpm", "beats_s", "padded_frames", "context_s", "window")},
        **{"reference_frame": reference_frame, "reference_shows_face": dance.embedding is not None},
        **{"complete": not missing, "missing": missing},
        "share_of_frames": _shares(item, dance.body_share),
    }


def _reference_frame(dance: Dance, item: Item) -> int:
    return int(item.meta["body_frame"] if dance.reference is None else item.meta["views"][dance.reference]["frame"])


def _shares(item: Item, body_share: float) -> dict[str, float]:
    """Share of frames in which each part is seen."""
    confidence = item.arrays["points"][..., 2]
    parts = {"face": FACE, "left_hand": LEFT_HAND, "right_hand": RIGHT_HAND}
    shares = {name: round(float((confidence[:, part].max(axis=1) > 0).mean()), 4) for name, part in parts.items()}
    return {"whole_body": round(body_share, 4), **shares}


def metadata(params: M2p, entries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """metadata.json: what all samples share, and one entry each. samples counts both sides: git and DVC keep no empty folder, so that
    the one of a side without samples may be missing."""
    sides = Counter(entry["split"] for entry in entries)
    return {
        "samples": {side: sides[side] for side in SIDES},
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
            "columns": music.layout(),
        },
        "backends": {
            "pose": f"mediapipe {version('mediapipe')}",
            "face_points": f"dlib 68 ({version('dlib-bin')})",
            "face_embedding_dlib": f"dlib ResNet ({version('dlib-bin')})",
            "music": f"librosa {version('librosa')}",
        },
        "clips": sorted(entries, key=lambda entry: entry["folder"]),
    }


def metrics(entries: Sequence[dict[str, Any]], rejects: Sequence[Reject]) -> dict[str, Any]:
    """What reports/metrics/m2p.json holds; means only where there is a sample."""
    found: dict[str, Any] = {
        "status": "ok" if entries else "no dancers",
        "samples": len(entries),
        "rejects": dict(sorted(Counter(reject.code for reject in rejects).items())),
    }
    if entries:
        found["by_side"] = dict(sorted(Counter(entry["split"] for entry in entries).items()))
        found["people"] = len({entry["identity"] for entry in entries})
        found["duration_s"] = sum(entry["duration"] for entry in entries)
        found["complete"] = sum(entry["complete"] for entry in entries)
        names = list(entries[0]["share_of_frames"])
        found["mean_share_of_frames"] = {
            name: float(np.mean([entry["share_of_frames"][name] for entry in entries])) for name in names
        }
    return found


def write_plots(folder: Path, root: Path, entries: Sequence[dict[str, Any]], rejects: Sequence[Reject]) -> None:
    """Reasons of rejects, and for some samples a strip of frames of video.mp4 with the points of pose_annotations.json on them."""
    counts = sorted(Counter(reject.code for reject in rejects).items())
    write_json(folder / "rejects.json", [{"code": code, "clips": count} for code, count in counts])
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
