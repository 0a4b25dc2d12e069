"""Every model file: what it is called, its sha256, its licence, what it was trained on, and how it gets here.

The catalogue is weights.toml. A file lies inside an installed package, or under <home>/.weights/<name>/, where weights_fetch
puts it. Nobody gets a path before the file's sha256 was checked: against the published one, or, where its authors publish
none, against the one that was pinned when the file first came (pins.json).
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from importlib.resources import files as package_files
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from onscreen.errors import WeightsError

State = Literal["right", "wrong", "missing", "unpinned"]
"""unpinned: a file is there, and there is neither a published nor a pinned sha256 to check it against."""

_BROUGHT: ContextVar[Path | None] = ContextVar("brought", default=None)  # of this thread
_CHECKED: dict[tuple[str, str], tuple[int, int]] = {}  # (path, sha256) -> size, mtime_ns at which it was right


@dataclass(frozen=True)
class File:
    """One file of a model. member: its path in the package's folder, the wheel or the zip. sha256: None when unpublished.

    urls: addresses of the file itself, tried in this order; empty when it is a member of something.
    """

    member: str
    sha256: str | None
    urls: tuple[str, ...] = ()


@dataclass(frozen=True)
class Model:
    """One entry of the catalogue: its files lie in `package`, in `wheel`, in the zip at one of `zip`, or at their own urls.

    corpora: the data sets of trained_on by name; None where they are unpublished.
    """

    name: str
    about: str
    used_for: str
    licence: str
    trained_on: str
    files: Mapping[str, File]
    package: str | None
    wheel: str | None
    zip: tuple[str, ...]
    corpora: tuple[str, ...] | None = None

    @property
    def source(self) -> str:
        """In words, with the address that is tried first."""
        if self.package or self.wheel:
            return f"package {self.package}" if self.package else f"wheel {self.wheel}"
        return self.zip[0] if self.zip else ", ".join(file.urls[0] for file in self.files.values())

    @property
    def must_be_named(self) -> bool:
        """Whether only `onscreen weights pull NAME` fetches it: its host is not the package registry, and its licence may
        exclude what a person wants to do with it, so that fetching is a person's decision and never a stage's."""
        return not (self.package or self.wheel)


@dataclass(frozen=True)
class Digest:
    """The sha256 that a file must have. published: by its authors or others who fetch it; else pinned on first use, here."""

    sha256: str
    published: bool

    def __str__(self) -> str:
        return f"{self.sha256} ({'published' if self.published else 'pinned on first use'})"


@contextmanager
def brought_in(folder: Path) -> Iterator[None]:
    """Within it, the files of all models lie in folder/<name>/<file>, whatever is installed: a registered model brings its own."""
    token = _BROUGHT.set(folder)
    try:
        yield
    finally:
        _BROUGHT.reset(token)


@cache
def catalogue() -> Mapping[str, Model]:
    """All models by name, in the order of weights.toml."""
    return parse(package_files("onscreen").joinpath("weights.toml").read_text(encoding="utf-8"))


def parse(text: str) -> Mapping[str, Model]:
    """The models of a catalogue in the form of weights.toml, whose head says what that is."""
    return {name: _model(name, entry) for name, entry in tomllib.loads(text).items()}


def _model(name: str, entry: dict[str, Any]) -> Model:
    folder = f"{entry.pop('folder')}/" if "folder" in entry else ""
    files = {
        file: File(row.get("member", f"{folder}{file}"), row.get("sha256"), tuple(row.get("urls", ())))
        for file, row in entry.pop("files").items()
    }
    sources = {"package": entry.pop("package", None), "wheel": entry.pop("wheel", None), "zip": tuple(entry.pop("zip", ()))}
    corpora = tuple(entry.pop("corpora")) if "corpora" in entry else None
    return Model(name=name, files=files, corpora=corpora, **sources, **entry)


def model(name: str) -> Model:
    """The entry of that name. Raises WeightsError naming the known ones."""
    if name not in catalogue():
        raise WeightsError(f"{name} is not a model. Known: {', '.join(catalogue())}")
    return catalogue()[name]


def digest_of(name: str) -> str:
    """sha256 over the model's file names and digests: its part of a cache key. Touches no model file.

    Raises WeightsError when no sha256 is published for a file and none was pinned, because the file was never here.
    """
    lines = [f"{file} {_known(name, file).sha256}" for file in sorted(model(name).files)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def provenance(names: Iterable[str]) -> dict[str, str]:
    """file -> "<sha256> (published)" or "<sha256> (pinned on first use)" of these models, to be kept with what they made.

    Touches no model file. Raises WeightsError as digest_of does.
    """
    return {file: str(_known(name, file)) for name in names for file in model(name).files}


def digest(entry: Model, file: str) -> Digest | None:
    """What the file must be; None when its sha256 is neither published nor pinned yet."""
    if published := entry.files[file].sha256:
        return Digest(published, published=True)
    pinned = pins().get(entry.name, {}).get(file)
    return Digest(pinned["sha256"], published=False) if pinned else None


def pins() -> dict[str, dict[str, dict[str, str]]]:
    """model -> file -> {sha256, from, on}: files whose authors publish no sha256, as they were when they first came."""
    try:
        found: dict[str, dict[str, dict[str, str]]] = json.loads(pins_file().read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise WeightsError(f"{pins_file()} is not JSON: {error}") from error
    return found


def pins_file() -> Path:
    """Where pinned digests are kept. Taking an entry out of it lets another file in."""
    return home() / ".weights" / "pins.json"


def path_of(name: str, file: str) -> Path:
    """Where a model's file lies; its sha256 was checked in this process for its present size and mtime.

    Raises WeightsError when it is missing or another file; the message says how to get the right one. Never fetches.
    """
    entry = model(name)
    if file not in entry.files:
        raise WeightsError(f"{name} has no file {file}. It has: {', '.join(entry.files)}")
    found = state(entry, file)
    if found != "right":
        raise WeightsError(complaint(entry, file, found))
    return place(entry, file)


def state(entry: Model, file: str) -> State:
    """What is at the file's place. Reads the whole file, once a process for its present size and mtime."""
    try:
        path = place(entry, file)
    except WeightsError:
        return "missing"
    if not path.is_file():
        return "missing"
    wanted = digest(entry, file)
    if wanted is None:
        return "unpinned"
    return "right" if _is_right(path, wanted.sha256) else "wrong"


def is_here(name: str) -> bool:
    """Whether every file of the model is here and right."""
    entry = model(name)
    return all(state(entry, file) == "right" for file in entry.files)


def ensure(names: Iterable[str]) -> None:
    """Have all files of these models here and checked. Members of wheels are fetched, each wheel once; nothing else is.

    Call it before workers start. Safe for several processes: the first fetches, the others wait and find it done.
    A file that a person put in its place, and that has no published sha256, is pinned.
    Raises WeightsError when a file is missing or wrong, or a wheel cannot be fetched or does not hold the file.
    """
    entries = [model(name) for name in dict.fromkeys(names)]
    require_named(entry.name for entry in entries)  # before anything is fetched for the others
    if not all(is_here(entry.name) for entry in entries):
        from onscreen import weights_fetch

        weights_fetch.settle(entries)
    for entry in entries:
        for file in entry.files:
            path_of(entry.name, file)


def require_named(names: Iterable[str]) -> None:
    """Raise WeightsError for a file that is missing or wrong and that only a person fetches. Fetches nothing."""
    for entry in (model(name) for name in names):
        for file in entry.files if entry.must_be_named else ():
            if state(entry, file) in ("missing", "wrong"):
                path_of(entry.name, file)  # raises


def require_whole(name: str) -> None:
    """Raise WeightsError for a file of the model that is missing or wrong. Fetches nothing."""
    for file in model(name).files:
        path_of(name, file)


def complaint(entry: Model, file: str, found: State) -> str:
    """What to tell a person about a file that is not the right one."""
    path = place(entry, file)
    if found == "missing":
        return f"{path} does not exist. {_remedy(entry, file)}"
    if found == "unpinned":
        return f"{path} was put there by hand and was not looked at yet. Run `onscreen weights pull {entry.name}` to pin it."
    wanted = digest(entry, file)
    if wanted is None or wanted.published:
        return f"{path} is another file than the one on record. {_remedy(entry, file)}"
    return (
        f"{path} is another file than the one that was pinned when it first came. {_remedy(entry, file)} "
        f"If its publisher has replaced it and you mean the new one, take {file} out of {pins_file()}."
    )


def place(entry: Model, file: str) -> Path:
    """Where the file belongs. Raises WeightsError when that is inside a package that is not installed."""
    if brought := _BROUGHT.get():
        return brought / entry.name / file
    if not entry.package:
        return home() / ".weights" / entry.name / file
    spec = find_spec(entry.package)
    if spec is None or not spec.submodule_search_locations:
        raise WeightsError(f"{entry.name} needs the package {entry.package}, which is not installed. Run `make setup`.")
    return Path(spec.submodule_search_locations[0]) / entry.files[file].member


def home() -> Path:
    """The folder that holds .weights: $ONSCREEN_HOME, $DVC_ROOT (which DVC sets for its stages), the checkout that the
    current folder lies in, else the user's cache folder."""
    for variable in ("ONSCREEN_HOME", "DVC_ROOT"):
        if os.environ.get(variable):
            return Path(os.environ[variable])
    for folder in [Path.cwd(), *Path.cwd().parents]:
        if (folder / "params.yaml").is_file() and (folder / "dvc.yaml").is_file():
            return folder
    return _user_cache() / "onscreen"


def _user_cache() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _known(name: str, file: str) -> Digest:
    entry = model(name)
    if found := digest(entry, file):
        return found
    raise WeightsError(f"{file} of {name} was never here, so nothing is known of its content. {_remedy(entry, file)}")


def _is_right(path: Path, sha256: str) -> bool:
    try:
        seen = path.stat()
    except OSError:
        return False
    key, size_and_time = (str(path), sha256), (seen.st_size, seen.st_mtime_ns)
    if _CHECKED.get(key) == size_and_time:
        return True
    with path.open("rb") as opened:
        right = hashlib.file_digest(opened, "sha256").hexdigest() == sha256
    if right:
        _CHECKED[key] = size_and_time
    return right


def _remedy(entry: Model, file: str) -> str:
    sha256 = (
        f"with sha256 {known}"
        if (known := digest(entry, file))
        else "(its authors publish no sha256: the first to come is pinned)"
    )
    wanted = f"Wanted: {file} of {entry.name} {sha256}, licence: {entry.licence}."
    if entry.package:
        return f"{wanted} It comes with the package {entry.package}: reinstall it in the version of constraints.txt."
    return (
        f"{wanted} Run `onscreen weights pull {entry.name}`, or `onscreen weights import FOLDER` where FOLDER holds it; "
        f"or put it there by hand, from {origin(entry, file)}."
    )


def origin(entry: Model, file: str) -> str:
    """Where a person finds the file, in words with addresses."""
    row = entry.files[file]
    if row.urls:
        return " or ".join(row.urls)
    return f"{row.member} in " + (" or ".join(entry.zip) if entry.zip else f"the wheel {entry.wheel}")
