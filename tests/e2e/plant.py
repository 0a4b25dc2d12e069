"""The first stages of a planted world: what prepare, extract_faces, dedupe and voices would leave, without a single real person.

Every file of data/raw names a made-up person, and each face and voice here is drawn from that person's hidden numbers: scores on
them say that the pipeline works and how it learns, nothing about people. Run in a checkout: PYTHONPATH=src python plant.py
"""

import io
import json
from hashlib import sha256
from pathlib import Path

import cv2
import numpy as np
import soundfile

from onscreen.config import TrainHq
from onscreen.matching.data import PairSet
from onscreen.matching.folder import describe, write_untrained
from onscreen.records import Clip, Face, Identity, Reject, Voice
from onscreen.storage import storing
from onscreen.store import atomic_folder, write_json, write_table

HIDDEN, FACE, BANDS = 6, 128, 16  # numbers of a person, of a face's embedding, tones of a voice
SECONDS, RATE = 1.0, 16_000
NOISE = 0.7  # of a sample, beside a deviation of 1 of the person's own part
WORLD = np.random.default_rng(6)
SEE = WORLD.normal(size=(HIDDEN, FACE)) / np.sqrt(HIDDEN)
HEAR = WORLD.normal(size=(HIDDEN, BANDS, 8)) / np.sqrt(HIDDEN)  # how loud each tone is in eighths of a second
MIDDLE = 4 * WORLD.normal(size=FACE)


def drawn(source):
    """A planted video's person, whether anything is said, the face (FACE,) and the voice (n,); the same for the same bytes."""
    planted = json.loads(source)
    hidden = np.random.default_rng([1, planted["person"]]).normal(size=HIDDEN)
    random = np.random.default_rng([2, planted["person"], planted["clip"]])
    face = MIDDLE + hidden @ SEE + NOISE * random.normal(size=FACE)
    loud = np.tensordot(hidden, HEAR, 1) + NOISE * random.normal(size=(BANDS, 8))
    time = np.arange(round(SECONDS * RATE)) / RATE
    levels = np.stack([np.interp(time * 8, np.arange(8) + 0.5, row) for row in loud])
    mels = np.linspace(0, 2840.0, BANDS + 2)[1:-1]  # HTK's middles of BANDS mel bands up to 8 kHz
    tones = np.sin(2 * np.pi * 700 * (10 ** (mels / 2595) - 1)[:, None] * time)
    wave = (10 ** (6 * levels / 20) * tones).sum(axis=0)
    shown = (face / np.linalg.norm(face)).astype(np.float32)
    return planted["person"], planted["heard"], shown, 0.5 * wave / np.abs(wave).max()


def wav(samples):
    """The bytes of a 16 kHz mono file of 16 bits."""
    file = io.BytesIO()
    soundfile.write(file, samples, RATE, subtype="PCM_16", format="WAV")
    return file.getvalue()


def jpg(face):
    """The bytes of a picture that shows an embedding's numbers as stripes: a file to keep, not a face."""
    stripes = np.repeat(np.repeat((face[None] * 400 + 128).clip(0, 255).astype(np.uint8), 32, 0), 1, 1)
    return cv2.imencode(".jpg", stripes)[1].tobytes()


def clip_row(name, digest, heard):
    return Clip(
        clip_id=name,
        source=f"{name}.mp4",
        source_sha256=digest,
        start_s=0.0,
        end_s=SECONDS,
        fps=25.0,
        width=32,
        height=32,
        rotation_deg=0,
        has_audio=heard,
        audio_rate_hz=RATE if heard else 0,
        audio_channels=int(heard),
        audio=f"audio/{name}.wav" if heard else None,
        loudness_lufs=-20.0 if heard else None,
        speech_s=SECONDS if heard else 0.0,
        speech_start_s=(0.0,) if heard else (),
        speech_end_s=(SECONDS,) if heard else (),
        flags=("planted",),
    )


def face_row(clip, embedding):
    return Face(
        face_id=clip.clip_id,
        clip_id=clip.clip_id,
        source=clip.source,
        source_sha256=clip.source_sha256,
        start_s=0.0,
        person=0,
        people=1,
        place=1,
        image=f"extracted_faces/{clip.clip_id}.jpg",
        time_s=0.5,
        box=(0.0, 0.0, 32.0, 32.0),
        landmarks=(10.0, 12.0, 22.0, 12.0, 16.0, 18.0, 11.0, 24.0, 21.0, 24.0),
        score=1.0,
        interocular_px=12.0,
        sharpness=100.0,
        exposure=0.5,
        dynamic_range=0.5,
        yaw=0.0,
        pitch=0.0,
        roll=0.0,
        completeness=1.0,
        quality=1.0,
        n_frames=5,
        detector="planted",
        embedder="Dlib",  # in whose place and width these vectors stand
        embedding=embedding,
    )


def voice_row(clip):
    return Voice(clip.clip_id, clip.clip_id, 1, None, None, None, None, "none", 0.0, None, None, 1, None, ("planted",))


def identity_row(face, first, distance):
    """first: the person's first face, after whose key they are named, as dedupe does it."""
    name = f"id_{sha256(first.key.encode()).hexdigest()[:12]}"
    image = f"{face.face_id}.jpg"
    return Identity(
        face.face_id,
        face.clip_id,
        face.source,
        name,
        face is first,
        distance,
        image,
        face.key,
        first.key,
        first.key,
        name,
    )


def main():
    root = Path()
    clips, faces, people = [], [], {}
    with atomic_folder(root / "data/prepared") as prepared, atomic_folder(root / "data/faces") as shown:
        with storing(prepared, "shards") as sounds, storing(shown, "shards") as pictures:
            for path in sorted((root / "data/raw").glob("*.mp4")):
                person, heard, embedding, samples = drawn(path.read_bytes())
                clip = clip_row(path.stem, sha256(path.read_bytes()).hexdigest(), heard)
                face = face_row(clip, embedding)
                if heard:
                    sounds(clip.audio, wav(samples))
                pictures(face.image, jpg(embedding))
                clips.append(clip)
                faces.append(face)
                people.setdefault(person, []).append(face)
        write_table(prepared / "clips.parquet", Clip, clips)
        write_table(shown / "faces.parquet", Face, faces)
    with atomic_folder(root / "data/identities") as folder:
        rows = [
            identity_row(face, own[0], float(1 - face.embedding @ own[0].embedding)) for own in people.values() for face in own
        ]
        write_table(folder / "identities.parquet", Identity, rows)
    with atomic_folder(root / "data/voices") as folder:
        write_table(folder / "voices.parquet", Voice, [voice_row(clip) for clip in clips if clip.has_audio])
    nobody = PairSet((), (), (), (), (), ())
    with atomic_folder(root / "models/hq") as folder:  # as train_hq leaves it where nobody is in the tree
        write_untrained(folder, describe(TrainHq(), {}, nobody, nobody))
        write_table(folder / "rejects.parquet", Reject, [])
    for name in ("hq", "m2p"):
        with atomic_folder(root / "data" / name) as folder:
            write_table(folder / "rejects.parquet", Reject, [])
    write_json(root / "data/hq/split.json", {"vox1": {"train": [], "val": [], "test": []}})
    counts = {"clips": len(clips), "faces": len(faces), "people": len(people)}
    write_json(root / "reports/metrics/plant.json", {"status": "planted, nobody is real", **counts})


if __name__ == "__main__":
    main()
