"""hq: write an HQ-VoxCeleb tree, mel spectrograms and masked faces, from our own identities, or adopt one (hq_adopt).

All people go to vox1; there is no vox2 folder. The names in the tree are our identity ids. Gender and nationality stay empty in
vox1_meta.csv: nobody has measured them. Quarantined people are not written, people without a voice or a face are rejects.
"""

from __future__ import annotations

import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from onscreen.cache import Item, code_digest, item_key
from onscreen.config import Hq
from onscreen.engine import Job
from onscreen.errors import Rejected
from onscreen.faces.background import MODEL_FILE, WEIGHTS
from onscreen.matching.hq_tree import FACES, MELS, META_COLUMNS, SIDES
from onscreen.naming import file_stem
from onscreen.records import Clip, Face, Pair, Reject, SplitRow
from onscreen.stages.hq_adopt import adopt, source_root
from onscreen.stages.hq_items import Crop, measure_masked
from onscreen.storage import Save, Stored, storing
from onscreen.store import atomic_folder, read_table, write_csv, write_json, write_table
from onscreen.voices.mel import MelTask, measure_mel
from onscreen.voices.waveform import speech_of
from onscreen.weights import digest_of, ensure, path_of
from onscreen.workspace import Workspace

STAGE = "hq"
QUARANTINE = "quarantine"
LEAST_PERSON = (
    0.1  # share of a crop; the face alone fills a third of it at crop_margin 0.4, and below a third of that the mask has lost it
)


@dataclass(frozen=True)
class TreeFile:
    """A file of the tree. item: clip_id or face_id. source: sha256 of the video it was taken from."""

    identity_id: str
    kind: str
    item: str
    source: str
    content: np.ndarray

    @property
    def path(self) -> str:
        """Relative to the tree, POSIX."""
        ending = "npy" if self.kind == MELS else "jpg"
        return f"vox1/{self.kind}/{file_stem(self.identity_id)}/{file_stem(self.item)}.{ending}"


@dataclass(frozen=True)
class Measured:
    """What was measured of one voice or face of one person."""

    identity_id: str
    item: str
    source: str
    result: Item | Rejected


def run(people: Iterable[str], mels: Iterable[Measured], masked: Iterable[Measured]) -> Iterator[TreeFile | Reject]:
    """Yield the files of people who have both voices and faces, and a reject for everything else.

    people: identity ids that are not quarantined.
    """
    files: dict[str, dict[str, list[TreeFile]]] = defaultdict(lambda: defaultdict(list))
    for kind, measured in ((MELS, mels), (FACES, masked)):
        for one in measured:
            made = _file(kind, one)
            if isinstance(made, Reject):
                yield made
            else:
                files[one.identity_id][kind].append(made)
    for name in sorted(set(people)):
        missing = [kind for kind in (MELS, FACES) if not files[name][kind]]
        if missing:
            code, detail = ("no_voice", "no usable voice") if MELS in missing else ("no_face", "no usable masked face")
            yield Reject(name, STAGE, "hq", code, f"this person has {detail}", {})
        else:
            yield from files[name][MELS] + files[name][FACES]


def _file(kind: str, one: Measured) -> TreeFile | Reject:
    result = one.result
    if isinstance(result, Rejected):
        return Reject(one.item, STAGE, "hq", result.code, result.detail, result.numbers)
    if kind == MELS:
        return TreeFile(one.identity_id, kind, one.item, one.source, result.arrays["mel"])
    if lost := no_person(result):
        return Reject(one.item, STAGE, "hq", lost.code, lost.detail, lost.numbers)
    return TreeFile(one.identity_id, kind, one.item, one.source, result.arrays["jpeg"])


def no_person(masked: Item) -> Rejected | None:
    """Why a masked face is none, if so. masked: of hq_items.measure_masked."""
    share = float(masked.meta["person_share"])
    if share >= LEAST_PERSON:
        return None
    numbers = {"person_share": share, "least": LEAST_PERSON}
    return Rejected("no_person_in_crop", "taking the background out leaves next to nothing", numbers)


def main(workspace: Workspace) -> None:
    """Write data/hq, of the tree that hq.root names or of our own people, with metrics and a plot."""
    root = source_root(workspace)
    metrics = _write_own(workspace) if root is None else adopt(workspace, root)
    workspace.write_metrics(STAGE, metrics)
    with atomic_folder(workspace.plots(STAGE)) as folder:
        write_json(folder / "people.json", [{"side": name, "people": count} for name, count in metrics["people"].items()])


def _write_own(workspace: Workspace) -> dict[str, Any]:
    """Read faces, clips, sides and pairs; write data/hq. Returns its metrics."""
    rows = read_table(workspace.splits / "splits.parquet", SplitRow)
    side = {row.identity_id: row.split for row in rows if row.split != QUARANTINE}
    mels, masked = list(_mels(workspace)), list(_masked(workspace, [row for row in rows if row.identity_id in side]))
    made = list(run(side, mels, masked))
    files = [row for row in made if isinstance(row, TreeFile)]
    rejects = [row for row in made if isinstance(row, Reject)]
    with atomic_folder(workspace.hq) as folder, storing(folder, workspace.params.storage.layout) as save:
        write_tree(folder, save, workspace.params.hq, files, side)
        write_table(folder / "rejects.parquet", Reject, rejects)
    quarantined = {row.identity_id for row in rows if row.split == QUARANTINE}
    return _metrics(files, side, rejects, len(quarantined))


def _mels(workspace: Workspace) -> Iterator[Measured]:
    """Mel spectrograms of every voice that a pair uses."""
    params = workspace.params.hq
    clips = {clip.clip_id: clip for clip in read_table(workspace.prepared / "clips.parquet", Clip)}
    pairs = read_table(workspace.splits / "pairs.parquet", Pair)
    voices = sorted({(pair.identity_id, pair.voice_clip_id) for pair in pairs})
    code = code_digest("onscreen.voices.mel", "librosa", "numpy", "soundfile")
    prepared, jobs = Stored(workspace.prepared), []
    for _, clip_id in voices:
        speech = speech_of(prepared, clips[clip_id])
        task = MelTask(speech, params.n_mels, params.win_ms, params.hop_ms)
        inputs = speech.inputs(workspace.sha256_of(speech.wav))
        jobs.append(Job(item_key(inputs=inputs, code=code, params=task.params), task))
    results = workspace.engine.measure("mel spectrograms", measure_mel, jobs)
    for (identity_id, clip_id), result in zip(voices, results, strict=True):
        yield Measured(identity_id, clip_id, clips[clip_id].source_sha256, result)


def _masked(workspace: Workspace, rows: Sequence[SplitRow]) -> Iterator[Measured]:
    """Crops without background of the faces of these rows."""
    faces = {face.face_id: face for face in read_table(workspace.faces / "faces.parquet", Face)}
    if not rows:
        return
    ensure(WEIGHTS)
    model_file = path_of(WEIGHTS[0], MODEL_FILE)
    code = code_digest("onscreen.stages.hq_items", "mediapipe", "opencv-python")
    stored, jobs = Stored(workspace.faces), []
    for row in rows:
        image = stored.file(faces[row.face_id].image)
        key = item_key(inputs=[workspace.sha256_of(image)], code=code, params={}, weights=[digest_of(WEIGHTS[0])])
        jobs.append(Job(key, Crop(image, model_file)))
    for row, result in zip(rows, workspace.engine.measure("masked faces", measure_masked, jobs), strict=True):
        yield Measured(row.identity_id, row.face_id, faces[row.face_id].source_sha256, result)


def write_tree(folder: Path, save: Save, params: Hq, files: Sequence[TreeFile], side: Mapping[str, str]) -> None:
    """Save files; write vox1_meta.csv, split.json and tree.json. side: identity id -> train, val or test."""
    for kind in (MELS, FACES):
        (folder / "vox1" / kind).mkdir(parents=True)
    for file in files:
        save(file.path, _npy(file.content) if file.kind == MELS else file.content.tobytes())
    names = {name: file_stem(name) for name in sorted({file.identity_id for file in files})}
    split = {of: [names[name] for name in names if side[name] == of] for of in SIDES}
    write_json(folder / "split.json", {"vox1": split, "vox2": {of: [] for of in SIDES}})
    sets = {names[name]: "test" if side[name] == "test" else "dev" for name in names}
    rows = [(name, name, "", "", of) for name, of in sets.items()]  # both ids are our identity; gender, nationality unknown
    write_csv(folder / "vox1" / "vox1_meta.csv", META_COLUMNS, rows, delimiter="\t")  # as published
    source = {file.path: file.source for file in files}
    write_json(folder / "tree.json", {"mel": params.model_dump(), "source": source})


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def _metrics(files: Sequence[TreeFile], side: Mapping[str, str], rejects: Sequence[Reject], quarantined: int) -> dict[str, Any]:
    people = Counter(side[name] for name in {file.identity_id for file in files})
    status = "ok" if files else "no person has both a voice and a face"
    return {
        "status": status,
        "people": {name: people[name] for name in SIDES},
        "mel_spectrograms": sum(file.kind == MELS for file in files),
        "masked_faces": sum(file.kind == FACES for file in files),
        "quarantined_people": quarantined,
        "vox2": "not written: all our people are in vox1",
        "rejects": dict(sorted(Counter(row.code for row in rejects).items())),
    }
