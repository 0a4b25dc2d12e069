"""train_face_voice: the two-tower model on our own pairs of faces and voices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from onscreen.cache import Item, code_digest, item_key
from onscreen.engine import Job
from onscreen.errors import MixedModelsError, Rejected
from onscreen.matching.data import Link, PairSet
from onscreen.records import Clip, Face, Pair, Reject
from onscreen.stages.training import Loaded, Plan, fit
from onscreen.storage import Stored
from onscreen.store import read_table
from onscreen.voices.embedders import VoiceTask, measure_voice
from onscreen.voices.waveform import speech_of
from onscreen.weights import digest_of
from onscreen.workspace import Workspace

STAGE = "train_face_voice"


def run(
    pairs: Iterable[Pair], faces: Mapping[str, Face], clips: Mapping[str, Clip], voices: Mapping[str, Item | Rejected]
) -> Loaded:
    """Faces and voices of these pairs as arrays. voices: clip_id -> what measure_voice found; pairs without a voice are left out,
    and so are people without any.

    Raises MixedModelsError when the faces were embedded by two models.
    """
    pairs = list(pairs)
    known = [pair for pair in pairs if isinstance(voices[pair.voice_clip_id], Item)]
    people, face_ids, clip_ids = (
        {name: number for number, name in enumerate(sorted(names))}
        for names in ({p.identity_id for p in known}, {p.face_id for p in known}, {p.voice_clip_id for p in known})
    )
    models = {faces[name].embedder for name in face_ids}
    if len(models) > 1:
        raise MixedModelsError(f"data/faces holds embeddings of {' and '.join(sorted(models))}; run `dvc repro extract_faces`")
    links = [Link(people[p.identity_id], face_ids[p.face_id], clip_ids[p.voice_clip_id], p.same_source) for p in known]
    pair_set = PairSet(
        people=tuple(people),
        faces=[faces[name].embedding for name in face_ids],
        voices=[found.arrays["embedding"] for name in clip_ids if isinstance(found := voices[name], Item)],
        links=tuple(sorted(links, key=lambda link: (link.person, link.face, link.voice))),
        face_source=tuple(faces[name].source_sha256 for name in face_ids),
        voice_source=tuple(clips[name].source_sha256 for name in clip_ids),
    )
    silent = sorted({pair.identity_id for pair in pairs} - set(people))
    return Loaded(
        pair_set,
        tuple(
            Reject(name, STAGE, "voice", found.code, found.detail, found.numbers)
            for name, found in sorted(voices.items())
            if isinstance(found, Rejected)
        ),
        tuple(Reject(name, STAGE, "voice", "no_voice", "this person has no usable voice") for name in silent),
    )


def load_sides(workspace: Workspace, sides: Iterable[str], window_s: float, embedder: str) -> dict[str, Loaded]:
    """Pairs of these sides by side. window_s: seconds of speech a window of a voice holds. embedder: of the voices."""
    pairs = read_table(workspace.splits / "pairs.parquet", Pair)
    faces = {face.face_id: face for face in read_table(workspace.faces / "faces.parquet", Face)}
    clips = {clip.clip_id: clip for clip in read_table(workspace.prepared / "clips.parquet", Clip)}
    chosen = {side: [pair for pair in pairs if pair.split == side] for side in sides}
    names = sorted({pair.voice_clip_id for of in chosen.values() for pair in of})
    found = _voices(workspace, [clips[name] for name in names], window_s, embedder)
    return {
        side: run(of, faces, clips, {name: found[name] for name in sorted({pair.voice_clip_id for pair in of})})
        for side, of in chosen.items()
    }


def _voices(workspace: Workspace, clips: Iterable[Clip], window_s: float, embedder: str) -> dict[str, Item | Rejected]:
    """clip_id -> speaker embedding, from the item cache where it is there."""
    code = code_digest("onscreen.voices.embedders", "librosa", "numpy", "soundfile", "torch")
    prepared, jobs = Stored(workspace.prepared), {}
    for clip in clips:
        task = VoiceTask(speech_of(prepared, clip), embedder, window_s)
        inputs = task.speech.inputs(workspace.sha256_of(task.speech.wav))
        jobs[clip.clip_id] = Job(item_key(inputs=inputs, code=code, params=task.params, weights=[digest_of(embedder)]), task)
    return dict(zip(jobs, workspace.engine.measure("voices", measure_voice, list(jobs.values())), strict=True))


def main(workspace: Workspace) -> None:
    """Train on the train side, choose the epoch on the val side; write models/face_voice."""
    params = workspace.params.train_face_voice
    embedder = workspace.params.voices.embedder
    sides = load_sides(workspace, ("train", "val"), params.audio_duration_sec, embedder)
    inputs: dict[str, Any] = {"voice_embedder": embedder, "face_embedder": face_embedder(workspace)}
    plan = Plan(STAGE, params, (params.face_tower, params.voice_tower), 1, inputs)
    fit(workspace, plan, sides["train"], sides["val"], workspace.models / "face_voice")


def face_embedder(workspace: Workspace) -> str | None:
    """The model that embedded the faces; None in an empty table."""
    return next((face.embedder for face in read_table(workspace.faces / "faces.parquet", Face)), None)
