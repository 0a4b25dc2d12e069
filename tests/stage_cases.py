"""A small checkout as the stages before left it: real WAV files, real pictures of a face, tables of records."""

from pathlib import Path

import cv2
import numpy as np
import soundfile
from skimage import data as pictures

from onscreen.config import Params
from onscreen.records import Clip, Face, Pair, Reject, SplitRow
from onscreen.store import write_table
from onscreen.workspace import Workspace

RATE = 16_000


def spoken(person: int, clip: int, seconds: float = 3.0) -> np.ndarray:
    """A buzz with the pitch and the resonances of a made-up person, in syllables."""
    random = np.random.default_rng([person, clip])
    time = np.arange(round(seconds * RATE)) / RATE
    pitch = 90 + 12 * person % 150
    formants = np.random.default_rng(person).uniform([300, 900, 2200], [800, 1800, 3000])
    wave = np.zeros_like(time)
    for harmonic in range(1, int(4000 / pitch)):
        gain = sum(np.exp(-(((harmonic * pitch - formant) / 150) ** 2)) for formant in formants) + 0.02
        wave += gain * np.sin(2 * np.pi * harmonic * pitch * time + random.uniform(0, 6))
    syllables = 0.55 + 0.45 * np.sin(2 * np.pi * 4 * time + random.uniform(0, 6))
    return (0.1 * wave * syllables / np.abs(wave).max() + 0.001 * random.normal(size=len(time))).astype(np.float32)


def portrait(seed: int) -> np.ndarray:
    """(256, 256, 3) uint8 RGB: one packaged photo of a face, framed a little differently each time."""
    random = np.random.default_rng(seed)
    left, top, side = 150 + random.integers(-8, 8), 30 + random.integers(-8, 8), 150
    crop = pictures.astronaut()[max(0, top) : top + side, left : left + side]
    return cv2.resize(crop, (256, 256))


def checkout(root: Path, sides: dict[str, int], *, clips: int = 2, params: Params | None = None) -> Workspace:
    """People by side, each with `clips` clips from different videos, a face and a voice in each. Faces know their person."""
    workspace = Workspace(root, root, params or Params(), root / ".cache")
    names = [side for side, count in sides.items() for _ in range(count)]
    rows: dict[type, list] = {Clip: [], Face: [], SplitRow: [], Pair: []}
    for person, side in enumerate(names):
        own = [f"p{person}c{clip}" for clip in range(clips)]
        for clip, clip_id in enumerate(own):
            write_media(workspace, clip_id, person, clip)
            rows[Clip].append(made_clip(clip_id))
            rows[Face].append(made_face(clip_id, person, clip))
            rows[SplitRow].append(SplitRow(clip_id, clip_id, f"person {person}", side, "hash"))
        for face in own if side != "quarantine" else []:
            voices = [voice for voice in own if voice != face] or own
            rows[Pair] += [Pair(f"person {person}", side, face, voice, clips == 1) for voice in voices]
    write_table(workspace.prepared / "clips.parquet", Clip, rows[Clip])
    write_table(workspace.prepared / "rejects.parquet", Reject, [Reject("x.mp4", "prepare", "clip", "too_short", "0.5 s", {})])
    write_table(workspace.faces / "faces.parquet", Face, rows[Face])
    write_table(workspace.splits / "splits.parquet", SplitRow, rows[SplitRow])
    write_table(workspace.splits / "pairs.parquet", Pair, rows[Pair])
    return workspace


def write_media(workspace: Workspace, clip_id: str, person: int, clip: int) -> None:
    """A clip's WAV and the crop of its face."""
    for folder in (workspace.prepared / "audio", workspace.faces / "extracted_faces"):
        folder.mkdir(parents=True, exist_ok=True)
    soundfile.write(workspace.prepared / "audio" / f"{clip_id}.wav", spoken(person, clip), RATE, subtype="PCM_16")
    cv2.imwrite(str(workspace.faces / "extracted_faces" / f"{clip_id}.jpg"), portrait(100 * person + clip)[..., ::-1])


def made_clip(clip_id: str) -> Clip:
    return Clip(
        clip_id=clip_id,
        source=f"{clip_id}.mp4",
        source_sha256=f"sha-{clip_id}",
        start_s=0.0,
        end_s=3.0,
        fps=25.0,
        width=256,
        height=256,
        rotation_deg=0,
        has_audio=True,
        audio_rate_hz=RATE,
        audio_channels=1,
        audio=f"audio/{clip_id}.wav",
        loudness_lufs=-20.0,
        speech_s=2.6,
        speech_start_s=(0.2, 1.6),
        speech_end_s=(1.4, 3.0),
        flags=(),
    )


def made_face(clip_id: str, person: int, clip: int) -> Face:
    centre = np.random.default_rng(person).normal(size=128)
    vector = centre + 0.2 * np.random.default_rng([person, clip]).normal(size=128)
    return Face(
        face_id=clip_id,
        clip_id=clip_id,
        source=f"{clip_id}.mp4",
        source_sha256=f"sha-{clip_id}",
        start_s=0.0,
        person=0,
        people=1,
        place=1,
        image=f"extracted_faces/{clip_id}.jpg",
        time_s=0.5,
        box=(50.0, 50.0, 140.0, 140.0),
        landmarks=(90.0, 100.0, 160.0, 100.0, 125.0, 140.0, 100.0, 170.0, 150.0, 170.0),
        score=0.9,
        interocular_px=70.0,
        sharpness=100.0,
        exposure=0.5,
        dynamic_range=0.6,
        yaw=0.0,
        pitch=0.0,
        roll=0.0,
        completeness=1.0,
        quality=0.8,
        n_frames=5,
        detector="mediapipe",
        embedder="Dlib",
        embedding=(vector / np.linalg.norm(vector)).astype(np.float32),
    )
