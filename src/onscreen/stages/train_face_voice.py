"""train_face_voice: the two-tower model on our own pairs of faces and voices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict

from onscreen.config import TrainFaceVoice
from onscreen.errors import MixedModelsError
from onscreen.records import Clip, Face, Pair
from onscreen.stages.items import (
    FaceFile,
    FaceInput,
    VoiceInput,
    face_input,
    face_items,
    face_spec,
    voice_frames,
    voice_input,
    voice_items,
    voice_spec,
)
from onscreen.stages.pairing import pair_set
from onscreen.stages.training import Loaded, Plan, fit
from onscreen.storage import Stored
from onscreen.store import read_table
from onscreen.voices.waveform import speech_of
from onscreen.workspace import Workspace

STAGE = "train_face_voice"


def load_sides(workspace: Workspace, sides: Iterable[str], face: FaceInput, voice: VoiceInput) -> dict[str, Loaded]:
    """Pairs of these sides by side. face, voice: how they become what the towers take."""
    pairs = read_table(workspace.splits / "pairs.parquet", Pair)
    faces = {row.face_id: row for row in read_table(workspace.faces / "faces.parquet", Face)}
    clips = {clip.clip_id: clip for clip in read_table(workspace.prepared / "clips.parquet", Clip)}
    chosen = {side: [pair for pair in pairs if pair.split == side] for side in sides}
    every = [pair for of in chosen.values() for pair in of]
    check_embedders(faces, every)
    stored, prepared = Stored(workspace.faces), Stored(workspace.prepared)
    face_files = {
        name: FaceFile(stored.file(faces[name].image), faces[name].embedding, is_crop=True)
        for name in sorted({pair.face_id for pair in every})
    }
    speech = {name: speech_of(prepared, clips[name]) for name in sorted({pair.voice_clip_id for pair in every})}
    seen, heard = face_items(workspace, face, face_files), voice_items(workspace, voice, speech)
    face_source = {name: faces[name].source_sha256 for name in face_files}
    voice_source = {name: clips[name].source_sha256 for name in speech}
    return {side: pair_set(STAGE, of, seen, heard, face_source, voice_source) for side, of in chosen.items()}


def check_embedders(faces: Mapping[str, Face], pairs: Iterable[Pair]) -> None:
    """Raises MixedModelsError when the faces of these pairs were embedded by two models."""
    models = {faces[pair.face_id].embedder for pair in pairs}
    if len(models) > 1:
        raise MixedModelsError(f"data/faces holds embeddings of {' and '.join(sorted(models))}; run `dvc repro extract_faces`")


def plan_of(params: TrainFaceVoice, face: FaceInput, voice: VoiceInput) -> Plan:
    """What to train on such items. Raises WeightsError when an hf tower's model is not on this machine."""
    towers = face_spec(face), voice_spec(voice, augment=params.augment)
    return Plan(STAGE, params, towers, voice_frames(voice), {"face": asdict(face), "voice": asdict(voice)})


def main(workspace: Workspace) -> None:
    """Train on the train side, choose the epoch on the val side; write models/face_voice."""
    every = workspace.params
    params = every.train_face_voice
    face = face_input(params.face_tower, params.face_frozen_epochs == "all", face_embedder(workspace), every.faces)
    voice = voice_input(params, every.voices, every.hq)
    plan = plan_of(params, face, voice)
    sides = load_sides(workspace, ("train", "val"), face, voice)
    fit(workspace, plan, sides["train"], sides["val"], workspace.models / "face_voice")


def face_embedder(workspace: Workspace) -> str | None:
    """The model that embedded the faces; None in an empty table."""
    return next((face.embedder for face in read_table(workspace.faces / "faces.parquet", Face)), None)
