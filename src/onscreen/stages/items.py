"""What a tower takes in, made of faces and voices on disk: one way for our own pairs, for folders, lists and single files.

How it is done stands in a model's config.json under `inputs` (FaceInput, VoiceInput), so that whoever meets the model later gives
it the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, overload

import numpy as np

from onscreen import hf
from onscreen.cache import Item, code_digest, item_key
from onscreen.config import Faces, Hq, TrainFaceVoice, Voices
from onscreen.engine import Job
from onscreen.errors import MixedModelsError, Rejected
from onscreen.matching.towers import TowerSpec, hf_face, hf_voice
from onscreen.stages import tower_faces, tower_voices
from onscreen.stages.hq_items import EMBEDDER, PICTURE_MODELS, Picture, measure_picture
from onscreen.stages.reading import CachedCrop, CachedMel, ReadCrop, ReadSpeech
from onscreen.stages.tower_faces import CropTask, FaceTask, Framing
from onscreen.stages.tower_voices import SpeechTask, VoiceWindows
from onscreen.storage import StoredFile
from onscreen.voices.embedders import VoiceTask, measure_voice, voice_key
from onscreen.voices.mel import MelTask, measure_mel
from onscreen.voices.waveform import LOUDNESS_DBFS, RATE_HZ, Loudness, ShortSpeech, Speech
from onscreen.weights import digest_of, ensure, model, path_of
from onscreen.workspace import Workspace

Known = np.ndarray | Callable[[], np.ndarray]


@dataclass(frozen=True)
class FaceInput:
    """How a face becomes an item. tower: embedding | hf:<id or path>. embedder: of the embedding tower.

    frozen: an hf network runs once per item, and its vectors are the items; else pictures are, side_px wide and high. files: of
    the network, name -> sha256. crop_px, crop_margin: how a face is cut out of a picture, as data/faces does it.
    """

    tower: str
    embedder: str | None
    frozen: bool = False
    side_px: int = 0
    files: dict[str, str] | None = None
    crop_px: int = 256
    crop_margin: float = 0.4


@dataclass(frozen=True)
class VoiceInput:
    """How speech becomes an item. tower: embedding | mel | flatten | hf:<id or path>. embedder: of the embedding tower.

    window_s: seconds of speech that the tower hears at once. loudness_dbfs, short_speech: see waveform.level, waveform.fill.
    frozen, files: as in FaceInput (files of an hf embedder too); the items of a network that is trained are waveforms. n_mels, win_ms,
    hop_ms: of mel and flatten.
    """

    tower: str
    embedder: str | None
    window_s: float
    loudness_dbfs: Loudness = LOUDNESS_DBFS
    short_speech: ShortSpeech = "repeat"
    frozen: bool = False
    files: dict[str, str] | None = None
    n_mels: int = 64
    win_ms: float = 25.0
    hop_ms: float = 10.0


def face_input(tower: str, frozen: bool, embedder: str | None, framing: Faces) -> FaceInput:
    """embedder: what embedded the faces, where that is known. Raises WeightsError when an hf model is not on this machine."""
    if not tower.startswith(hf.PREFIX):
        return FaceInput(tower, embedder)
    found = hf.find(tower, hf.FACE_TYPES)
    side = int(hf.face_settings(found)["size_px"])
    return FaceInput(tower, None, frozen, side, dict(found.files), framing.crop_px, framing.crop_margin)


def picture_input(tower: str, frozen: bool = True, framing: Faces | None = None) -> FaceInput:
    """How pictures whose faces nobody has measured become items. Raises as face_input does."""
    return face_input(tower, frozen, EMBEDDER, framing or Faces())


def voice_input(params: TrainFaceVoice, voices: Voices, mels: Hq) -> VoiceInput:
    """How the params of a training have it. Raises WeightsError when an hf model is not on this machine."""
    tower, given = params.voice_tower, (params.audio_duration_sec, voices.loudness_dbfs, voices.short_speech)
    if tower == "embedding":
        known = hf.find(voices.embedder, hf.VOICE_TYPES).files if voices.embedder.startswith(hf.PREFIX) else None
        return VoiceInput(tower, voices.embedder, *given, files=None if known is None else dict(known))
    if tower.startswith(hf.PREFIX):
        files = dict(hf.find(tower, hf.VOICE_TYPES).files)
        return VoiceInput(tower, None, *given, frozen=params.voice_frozen_epochs == "all", files=files)
    return VoiceInput(tower, None, *given, n_mels=mels.n_mels, win_ms=mels.win_ms, hop_ms=mels.hop_ms)


def face_spec(how: FaceInput) -> TowerSpec:
    """The tower for such items; of an embedding it does not know the width. Raises WeightsError as face_input does."""
    return TowerSpec("embedding") if how.tower == "embedding" or how.frozen else hf_face(how.tower)


def voice_spec(how: VoiceInput, *, augment: bool) -> TowerSpec:
    """The tower for such items. augment: see hf_voice. Raises WeightsError as voice_input does."""
    if how.tower == "embedding" or how.frozen:
        return TowerSpec("embedding")
    if how.tower in ("mel", "flatten"):
        return TowerSpec(how.tower, how.n_mels, voice_frames(how) if how.tower == "flatten" else 0)
    return hf_voice(how.tower, augment=augment)


def voice_frames(how: VoiceInput) -> int:
    """How far a window of such an item goes along its last axis: vectors, frames or samples."""
    if how.tower == "embedding" or how.frozen:
        return 1
    per_s = 1000 / how.hop_ms if how.tower in ("mel", "flatten") else RATE_HZ
    return max(1, round(how.window_s * per_s))


@dataclass(frozen=True)
class FaceFile:
    """A picture of one face, large in it. embedding: (D,) float32, L2 = 1, of FaceInput.embedder, where it is measured already.

    is_crop: it is cut and turned already, as data/faces does it; no face is looked for in it.
    """

    image: StoredFile
    embedding: np.ndarray | None = None
    is_crop: bool = False


@dataclass(frozen=True)
class Items:
    """known: name -> the item, or what reads it when it is asked for. lost: name -> why there is none.

    digest: name -> what tells the bytes of an item that is read when it is asked for, so that not all are read to name a training.
    faces: name -> how many faces a picture shows, of which the largest was taken; of pictures in which one was looked for.
    """

    known: Mapping[str, Known]
    lost: Mapping[str, Rejected]
    digest: Mapping[str, str] = field(default_factory=dict)
    faces: Mapping[str, int] = field(default_factory=dict)

    def of(self, names: Sequence[str]) -> Sequence[np.ndarray]:
        """The items of these names, all known, in this order; read when they are asked for."""
        return _Read([self.known[name] for name in names])


class _Read(Sequence[np.ndarray]):
    def __init__(self, known: Sequence[Known]) -> None:
        self._known = known

    def __len__(self) -> int:
        return len(self._known)

    @overload
    def __getitem__(self, index: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, index: slice) -> _Read: ...
    def __getitem__(self, index: int | slice) -> np.ndarray | _Read:
        if isinstance(index, slice):
            return _Read(self._known[index])
        known = self._known[index]
        return known if isinstance(known, np.ndarray) else known()


def face_items(workspace: Workspace, how: FaceInput, faces: Mapping[str, FaceFile]) -> Items:
    """Items of these faces by name, from the item cache where they are there.

    Raises MixedModelsError for pictures when the model takes another embedding than theirs, WeightsError when a model that is
    needed for one of them is not on this machine.
    """
    if how.tower != "embedding":
        return _frozen_faces(workspace, how, faces) if how.frozen else _pictures(workspace, how, faces)
    stored = {name: face.embedding for name, face in faces.items() if face.embedding is not None}
    found = _embeddings(workspace, how, {name: face.image for name, face in faces.items() if name not in stored})
    measured = {name: item.arrays["embedding"] for name, item in found.items() if isinstance(item, Item)}
    return Items(stored | measured, _lost(found), faces=_counted(found))


def _embeddings(workspace: Workspace, how: FaceInput, pictures: Mapping[str, StoredFile]) -> dict[str, Item | Rejected]:
    if not pictures:
        return {}
    if how.embedder != EMBEDDER:
        raise MixedModelsError(
            f"the model takes faces as {how.embedder} embeds them; pictures whose faces nobody has measured are embedded with "
            f"{EMBEDDER}. Train it with faces.embedder: {EMBEDDER}, or with face_tower: hf:<id or path>."
        )
    task = _picture_task()
    code = code_digest("onscreen.stages.hq_items", *_PICTURE_LIBRARIES)
    sha256 = workspace.sha256_of_all(list(pictures.values()))
    jobs = [
        Job(item_key(inputs=[digest], code=code, params={}, weights=_picture_weights()), task(image))
        for image, digest in zip(pictures.values(), sha256, strict=True)
    ]
    return dict(zip(pictures, workspace.engine.measure("faces", measure_picture, jobs), strict=True))


_PICTURE_LIBRARIES = ("dlib-bin", "mediapipe", "onnxruntime", "opencv-python")


def _picture_task() -> Callable[[StoredFile], Picture]:
    ensure(PICTURE_MODELS)
    files: dict[str, Path] = {file: path_of(name, file) for name in PICTURE_MODELS for file in model(name).files}
    return partial(Picture, files=files)


def _picture_weights() -> list[str]:
    return [digest_of(name) for name in PICTURE_MODELS]


def _frozen_faces(workspace: Workspace, how: FaceInput, faces: Mapping[str, FaceFile]) -> Items:
    network = hf.Frozen(how.tower, how.files or {})
    framing = Framing(how.crop_px, how.crop_margin)
    look = _picture_task() if any(not face.is_crop for face in faces.values()) else None
    code = code_digest("onscreen.stages.tower_faces", "torch", "transformers", *_PICTURE_LIBRARIES)
    jobs = []
    sha256 = workspace.sha256_of_all([face.image for face in faces.values()])
    for face, digest in zip(faces.values(), sha256, strict=True):
        crop = face.image if face.is_crop or look is None else CropTask(look(face.image), framing)
        params: dict[str, Any] = {} if face.is_crop else {"crop_px": how.crop_px, "crop_margin": how.crop_margin}
        weights = [*_digests(network), *([] if face.is_crop else _picture_weights())]
        key = item_key(inputs=[digest], code=code, params=params, weights=weights)
        jobs.append(Job(key, FaceTask(crop, network)))
    _need(workspace, jobs, network, hf.FACE_TYPES)
    found = dict(zip(faces, workspace.engine.measure("faces", tower_faces.measure_face, jobs), strict=True))
    return Items(
        {name: item.arrays["embedding"] for name, item in found.items() if isinstance(item, Item)},
        _lost(found),
        faces=_counted(found),
    )


def _pictures(workspace: Workspace, how: FaceInput, faces: Mapping[str, FaceFile]) -> Items:
    """Pictures for a tower that is trained: crops as they are stored, faces in others cut out once."""
    code = code_digest("onscreen.stages.tower_faces", *_PICTURE_LIBRARIES)
    crops = {name: face.image for name, face in faces.items() if face.is_crop}
    others = {name: face.image for name, face in faces.items() if not face.is_crop}
    sha256 = dict(zip(faces, workspace.sha256_of_all([face.image for face in faces.values()]), strict=True))
    keys = {name: item_key(inputs=[sha256[name], "crop"], code=code, params={}) for name in crops}
    read_jobs = [Job(keys[name], image) for name, image in crops.items()]
    found = dict(zip(crops, workspace.engine.measure("faces", tower_faces.measure_readable, read_jobs), strict=True))
    known: dict[str, Known] = {name: ReadCrop(crops[name], how.side_px) for name in crops if isinstance(found[name], Item)}
    if others:
        look, framing = _picture_task(), Framing(how.crop_px, how.crop_margin)
        params = {"crop_px": how.crop_px, "crop_margin": how.crop_margin}
        weights = _picture_weights()
        keys |= {name: item_key(inputs=[sha256[name]], code=code, params=params, weights=weights) for name in others}
        jobs = [Job(keys[name], CropTask(look(image), framing)) for name, image in others.items()]
        cut = dict(zip(others, workspace.engine.measure("faces", tower_faces.measure_crop, jobs), strict=True))
        known |= {name: CachedCrop(workspace.cache, keys[name], how.side_px) for name in others if isinstance(cut[name], Item)}
        found |= cut
    return Items(known, _lost(found), {name: f"{key} {how.side_px}" for name, key in keys.items()}, _counted(found))


def voice_items(workspace: Workspace, how: VoiceInput, voices: Mapping[str, Speech]) -> Items:
    """Items of these voices by name, from the item cache where they are there.

    Raises WeightsError when a model that is needed for one of them is not on this machine.
    """
    if how.tower in ("mel", "flatten"):
        return _mels(workspace, how, voices)
    if how.tower != "embedding":
        return _frozen_voices(workspace, how, voices) if how.frozen else _waveforms(workspace, how, voices)
    jobs = []
    for speech, sha256 in _hashed(workspace, voices):
        task = VoiceTask(speech, str(how.embedder), how.window_s, how.loudness_dbfs, how.short_speech, how.files)
        jobs.append(Job(voice_key(task, sha256), task))
    if how.files is not None:
        _need(workspace, jobs, hf.Frozen(str(how.embedder), how.files), hf.VOICE_TYPES)
    found = dict(zip(voices, workspace.engine.measure("voices", measure_voice, jobs), strict=True))
    return Items({name: item.arrays["embedding"] for name, item in found.items() if isinstance(item, Item)}, _lost(found))


def _mels(workspace: Workspace, how: VoiceInput, voices: Mapping[str, Speech]) -> Items:
    code, jobs = code_digest("onscreen.voices.mel", "librosa", "numpy", "soundfile"), []
    for speech, sha256 in _hashed(workspace, voices):
        task = MelTask(speech, how.n_mels, how.win_ms, how.hop_ms)
        jobs.append(Job(item_key(inputs=speech.inputs(sha256), code=code, params=task.params), task))
    found: dict[str, Item | Rejected] = dict(
        zip(voices, map(partial(_long_enough, how), workspace.engine.measure("voices", measure_mel, jobs)), strict=True)
    )
    keys = {name: job.key for name, job in zip(voices, jobs, strict=True)}
    known = {name: CachedMel(workspace.cache, keys[name]) for name in voices if isinstance(found[name], Item)}
    return Items(known, _lost(found), keys)


def _long_enough(how: VoiceInput, found: Item | Rejected) -> Item | Rejected:
    """A spectrogram, or that its speech is too short: by the same rule as for other towers, but a spectrogram of any length is
    heard as it is, so that nothing has to be repeated."""
    least = tower_voices.LEAST_S / (1 if how.short_speech == "refuse" else 2)
    if isinstance(found, Rejected) or found.meta["speech_s"] >= least:
        return found
    return Rejected("too_short", "less speech than is needed", {"speech_s": found.meta["speech_s"], "needed_s": least})


def _frozen_voices(workspace: Workspace, how: VoiceInput, voices: Mapping[str, Speech]) -> Items:
    network = hf.Frozen(how.tower, how.files or {})
    code, jobs = code_digest("onscreen.stages.tower_voices", "numpy", "soundfile", "torch", "transformers"), []
    for speech, sha256 in _hashed(workspace, voices):
        task = SpeechTask(speech, how.loudness_dbfs, how.short_speech)
        inputs, params = speech.inputs(sha256), {**task.params, "window_s": how.window_s}
        key = item_key(inputs=inputs, code=code, params=params, weights=_digests(network))
        jobs.append(Job(key, VoiceWindows(task, how.window_s, network)))
    _need(workspace, jobs, network, hf.VOICE_TYPES)
    found = dict(zip(voices, workspace.engine.measure("voices", tower_voices.measure_windows, jobs), strict=True))
    return Items({name: item.arrays["windows"] for name, item in found.items() if isinstance(item, Item)}, _lost(found))


def _waveforms(workspace: Workspace, how: VoiceInput, voices: Mapping[str, Speech]) -> Items:
    """Waveforms for a tower that is trained, read anew each time; only whether they can be heard is kept."""
    code = code_digest("onscreen.stages.tower_voices", "numpy", "soundfile")
    tasks, jobs = dict[str, SpeechTask](), list[Job]()
    for name, (speech, sha256) in zip(voices, _hashed(workspace, voices), strict=True):
        tasks[name] = SpeechTask(speech, how.loudness_dbfs, how.short_speech)
        key = item_key(inputs=speech.inputs(sha256), code=code, params=tasks[name].params)
        jobs.append(Job(key, tasks[name]))
    found = dict(zip(voices, workspace.engine.measure("voices", tower_voices.measure_waveform, jobs), strict=True))
    known = {name: ReadSpeech(tasks[name]) for name in voices if isinstance(found[name], Item)}
    return Items(known, _lost(found), {name: job.key for name, job in zip(voices, jobs, strict=True)})


def _hashed(workspace: Workspace, voices: Mapping[str, Speech]) -> Iterable[tuple[Speech, str]]:
    """Each with the sha256 of its file."""
    return zip(voices.values(), workspace.sha256_of_all([speech.wav for speech in voices.values()]), strict=True)


def _digests(network: hf.Frozen) -> list[str]:
    return [f"{name} {sha256}" for name, sha256 in sorted(network.files.items())]


def _need(workspace: Workspace, jobs: Sequence[Job], network: hf.Frozen, types: tuple[str, ...]) -> None:
    """Raises WeightsError, once and before any worker, when something is to be measured and the network is not here."""
    if not all(workspace.cache.has(job.key) for job in jobs):
        hf.find(network.name, types, network.files)


def _counted(found: Mapping[str, Item | Rejected]) -> dict[str, int]:
    return {name: item.meta["faces"] for name, item in found.items() if isinstance(item, Item) and "faces" in item.meta}


def _lost(found: Mapping[str, Item | Rejected]) -> dict[str, Rejected]:
    return {name: item for name, item in found.items() if isinstance(item, Rejected)}
