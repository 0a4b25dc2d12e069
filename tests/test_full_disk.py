"""On a full disk a command ends with one line that says so, leaves nothing half-written, and works again when there is room."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from onscreen.cache import FileHashes, Item, ItemCache
from onscreen.engine import Engine, Job
from onscreen.errors import DiskFull, ToolError
from onscreen.storage import ShardRow, storing
from onscreen.store import atomic_folder, require_room, write_csv, write_json, write_table
from onscreen.tracking.store import connect

SOURCE = Path(__file__).parents[1] / "src"
BALLAST = "ballast"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of three megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "none", place], capture_output=True, text=True, timeout=30)
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True, timeout=30)


@contextmanager
def filled(disk: Path) -> Iterator[None]:
    """The disk with no room left, for the block."""
    with (disk / BALLAST).open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    yield
    (disk / BALLAST).unlink()


def files(disk: Path) -> set[str]:
    return {path.relative_to(disk).as_posix() for path in disk.rglob("*") if path.name != BALLAST}


def pictures(folder: Path, layout: str) -> None:
    with atomic_folder(folder) as fresh, storing(fresh, layout) as save:
        for number in range(20):
            save(f"extracted_faces/{number}.jpg", os.urandom(4000))


ROWS = [ShardRow(f"{number}", os.urandom(20).hex(), 0, 1, "") for number in range(2000)]
WRITES: dict[str, Callable[[Path], None]] = {
    "table": lambda disk: write_table(disk / "faces.parquet", ShardRow, ROWS),
    "json": lambda disk: write_json(disk / "metrics.json", {"a": "b" * 5000}),
    "csv": lambda disk: write_csv(disk / "plot.csv", ["a"], [["b" * 5000]]),
    "folders": lambda disk: pictures(disk / "faces", "folders"),
    "shards": lambda disk: pictures(disk / "faces", "shards"),
    "item": lambda disk: ItemCache(disk).put("key", Item({}, {"a": np.zeros(1000)})),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_what_was_there_stays_nothing_half_written_is_left_and_it_works_again(disk: Path, write: Callable[[Path], None]) -> None:
    write(disk)
    before = files(disk)
    with filled(disk):
        with pytest.raises(OSError) as raised:  # noqa: PT011  (which one it is, is what require_room tells)
            write(disk)
        with pytest.raises(DiskFull, match="run the same command again"):
            require_room(raised.value)
        assert files(disk) == before
    write(disk)
    assert files(disk) == before


def test_what_sqlite_says_of_a_full_disk_is_understood_and_its_file_stays_good(disk: Path, tmp_path: Path) -> None:
    video = tmp_path / "video"
    video.write_bytes(b"one")
    hashes = FileHashes(disk / "cache")
    digest = hashes.sha256(video)
    with filled(disk):
        assert hashes.sha256(video) == digest
        video.write_bytes(b"other")
        with pytest.raises(Exception, match="full") as raised:
            hashes.sha256(video)
        with pytest.raises(DiskFull):
            require_room(raised.value)
    assert hashes.sha256(video) != digest


def zeros(count: int) -> Item:
    return Item({}, {"zeros": np.zeros(count)})


def test_measuring_stops_instead_of_losing_one_item_after_the_other(disk: Path) -> None:
    engine = Engine(ItemCache(disk / "items"), workers=1, timeout_s=60.0)
    jobs = [Job(f"{number:02d}", 2000) for number in range(6)]
    with filled(disk), pytest.raises(DiskFull, match="the disk is full"):
        list(engine.measure("zeros", zeros, jobs))
    assert len([found for found in engine.measure("zeros", zeros, jobs) if isinstance(found, Item)]) == 6


def test_a_command_says_it_in_one_line_and_succeeds_when_there_is_room(disk: Path) -> None:
    (disk / "params.yaml").write_text("data: {raw: raw}\n")
    (disk / "raw").mkdir()
    (disk / "reports").mkdir()

    def check() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "onscreen", "check"]
        environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
        return subprocess.run(command, cwd=disk, env=environment, capture_output=True, text=True, timeout=120)

    with filled(disk):
        done = check()
        assert done.returncode == 1
        assert done.stderr.count("error:") == 1
        assert "the disk is full" in done.stderr
        assert "Traceback" not in done.stderr
        assert files(disk) == {"params.yaml", "raw", "reports"}
    assert check().returncode == 0


def test_a_tracking_store_on_it_says_so_and_can_be_made_when_there_is_room(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (disk / ".cache").mkdir()
    with filled(disk), pytest.raises(ToolError, match=r"mlflow\.db .*full"):
        connect(disk)
    assert connect(disk)[1]


@pytest.mark.parametrize("error", [OSError("gone"), ValueError("a film is full"), FileNotFoundError(2, "No such file")])
def test_other_errors_stay_what_they_are(error: Exception) -> None:
    require_room(error)
