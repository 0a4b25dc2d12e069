"""`onscreen sample`: clips of people who do not exist, in a folder, beside `sample.json` (what they are) and `labels.csv`.

Safe to repeat. What sample.json lists is the sample's; any other video is the user's, and then nothing is added or deleted.
A finished clip is recorded with its sha256, so that a killed run goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from onscreen.config import Data
from onscreen.console import log, progress
from onscreen.errors import CorruptTable, InputError, ToolError
from onscreen.sample.clips import TAG, PersonJob, clip_names, make_person
from onscreen.sample.people import PEOPLE, Person
from onscreen.sample.sources import FACES
from onscreen.store import atomic_path, read_json, write_json

MANIFEST, LABELS = "sample.json", "labels.csv"
_MAKING = ".sample-making"  # a folder for clips that are being written
_LIBRARIES = ("av", "dlib-bin", "espeakng-loader", "numpy", "opencv-python", "scipy", "soxr")


@dataclass(frozen=True)
class Outcome:
    """made: clips were written. reused: all were there. kept: the folder holds the user's own videos and was left as it is.

    clips: how many videos the folder holds now. written: how many of them were made by this call.
    """

    state: Literal["made", "reused", "kept"]
    clips: int
    written: int


def make_sample(folder: Path, people: Sequence[Person] = PEOPLE, workers: int = 0) -> Outcome:
    """Fill the folder with the sample clips of these people, unless it holds videos of the user's.

    workers: processes, 0 = one per core. Raises InputError when the folder cannot be written or a package lacks its picture,
    ToolError when the synthesiser fails.
    """
    manifest = _read_manifest(folder)
    videos = _videos(folder)
    if any(name not in manifest["files"] for name in videos):
        return Outcome("kept", len(videos), 0)
    digest = maker_digest()
    done = {name: sha for name, sha in manifest["files"].items() if sha and _sha256(folder / name) == sha}
    done = done if manifest["maker"] == digest else {}
    missing = [person for person in people if any(name not in done for name in clip_names(person))]
    names = [name for person in people for name in clip_names(person)]
    if not missing and set(videos) == set(names) and (folder / LABELS).is_file():
        return Outcome("reused", len(names), 0)
    for name in set(videos) - set(names):  # a clip of an older sample
        (folder / name).unlink()
    files = {name: done.get(name) for name in names}
    _prepare_folder(folder, _labels(people), manifest["labels"])
    written = _fill(folder, people, missing, files, workers, digest)
    return Outcome("made", len(names), written)


def maker_digest() -> str:
    """sha256 of what a clip's bytes follow from: this package's sources but the present one, and the libraries' versions.

    The encoder's module stays out: a new way to encode is no reason to make other bytes of the same people.
    """
    sources = sorted(path for path in Path(__file__).parent.glob("*.py") if path != Path(__file__))
    parts = [path.read_bytes() for path in sources] + [f"{library}=={version(library)}".encode() for library in _LIBRARIES]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _prepare_folder(folder: Path, labels: bytes, ours: str | None) -> None:
    """Make the folder, an empty one in it for clips that are being written, and labels.csv, unless the user's stands there.

    ours: sha256 of the labels that an earlier sample wrote.
    """
    path, making = folder / LABELS, folder / _MAKING
    try:
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True)
        if path.is_file() and path.stat().st_size and _sha256(path) not in (ours, hashlib.sha256(labels).hexdigest()):
            log.warning("%s is not the sample's and stays as it is", path)
            return
        with atomic_path(path) as temporary:
            temporary.write_bytes(labels)
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror}. Name another folder with --output.") from error


def _fill(
    folder: Path, people: Sequence[Person], missing: Sequence[Person], files: dict[str, str | None], workers: int, digest: str
) -> int:
    """Make the clips of the missing people. The manifest is on disk before the first of them is, and anew after each person."""
    making = folder / _MAKING
    _write_manifest(folder, people, files, digest)
    jobs = [PersonJob(people.index(person) + 1, person, making) for person in missing]
    try:
        for job in progress("making sample people", _run(jobs, workers), len(jobs), of=len(people)):
            for name in clip_names(job.person):
                (making / name).replace(folder / name)
                files[name] = _sha256(folder / name)
            _write_manifest(folder, people, files, digest)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return sum(len(job.person.sentences) for job in jobs)


def _run(jobs: Sequence[PersonJob], workers: int) -> Iterator[PersonJob]:
    """Yield each job when it is done. One process a person: the synthesiser's library keeps state."""
    if not jobs:
        return
    context = multiprocessing.get_context("spawn")
    count = min(workers or os.cpu_count() or 1, len(jobs))
    with ProcessPoolExecutor(count, mp_context=context, max_tasks_per_child=1) as pool:
        calls = {pool.submit(make_person, job): job for job in jobs}
        try:
            for call in as_completed(calls):
                call.result()
                yield calls[call]
        except BrokenProcessPool as error:
            raise ToolError(
                "a process that makes sample clips died (memory, or the synthesiser). Run the command again."
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _videos(folder: Path) -> list[str]:
    """Videos in the folder and its subfolders, POSIX paths relative to it; not those that are being made."""
    extensions = Data().video_extensions
    found = (path for path in folder.rglob("*") if path.suffix.lower() in extensions and _MAKING not in path.parts)
    return sorted(path.relative_to(folder).as_posix() for path in found)


def _read_manifest(folder: Path) -> dict[str, Any]:
    """What an earlier call recorded; empty where there is none, or where sample.json is another program's."""
    empty: dict[str, Any] = {"maker": None, "files": {}, "labels": None}
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is not a folder. Name another one with --output.")
    try:
        found = read_json(folder / MANIFEST)
        files = {file["file"]: file["sha256"] for file in found["files"]}
        return {"maker": found["maker"], "files": files, "labels": found["labels"]}
    except (InputError, CorruptTable, KeyError, TypeError):
        return empty


def _write_manifest(folder: Path, people: Sequence[Person], files: dict[str, str | None], digest: str) -> None:
    rows = [
        {"file": name, "sha256": files[name], "person": person.name, "sentence": sentence, "voice": asdict(person.voice)}
        for person in people
        for name, sentence in zip(clip_names(person), person.sentences, strict=True)
    ]
    sources = {face.source for person in people for face in (FACES[person.host], FACES[person.donor])}
    write_json(
        folder / MANIFEST,
        {
            "about": f"{TAG}. Only that the pipeline runs can be seen on it.",
            "maker": digest,
            "libraries": {library: version(library) for library in _LIBRARIES},
            "labels": hashlib.sha256(_labels(people)).hexdigest(),
            "files": rows,
            "people": [_made_from(person) for person in people],
            "sources": sorted((asdict(source) for source in sources), key=lambda source: str(source["member"])),
        },
    )


def _made_from(person: Person) -> dict[str, Any]:
    faces = {
        role: {"member": FACES[name].source.member, "box": FACES[name].box}
        for role, name in (("host", person.host), ("donor", person.donor))
    }
    return {"person": person.name, "shape": person.shape, "texture": person.texture, **faces}


def _labels(people: Sequence[Person]) -> bytes:
    rows = [f"{name},{person.name}" for person in people for name in clip_names(person)]
    return "\n".join(["file,identity", *rows, ""]).encode()


def _sha256(path: Path) -> str | None:
    """Hex digest of a file, None where there is none."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
