"""Fetch one file over HTTP: resumed where it stopped, tried again when the line drops, never waiting for ever."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from onscreen.console import console, log
from onscreen.errors import WeightsError

_CHUNK = 1 << 18
_LONGEST_WAIT_S = 30.0
_MAY_PASS = {408, 425, 429, 500, 502, 503, 504}


@dataclass(frozen=True)
class Patience:
    """attempts: at one address; one that cannot be reached at all costs two. first_wait_s: before the second attempt, doubled
    after each. read_s: without a single byte, after which an attempt has failed."""

    attempts: int = 6
    first_wait_s: float = 1.0
    read_s: float = 30.0


PATIENCE = Patience()


class _Passing(Exception):
    """A fault that may be gone at the next attempt."""

    def __init__(self, reason: str, cost: int = 1) -> None:
        super().__init__(reason)
        self.cost = cost


class _Final(Exception):
    """A fault that another attempt at the same address does not cure."""


@dataclass(frozen=True)
class _Part:
    """What has come of one address so far. `validator`: the server's word for the version that it is a part of."""

    path: Path

    @property
    def validator(self) -> Path:
        return self.path.with_suffix(".version")

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.is_file() else 0

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self.validator.unlink(missing_ok=True)


def download(
    urls: Sequence[str], folder: Path, take: Callable[[Path, str], None], *, known: bool, patience: Patience = PATIENCE
) -> None:
    """Fetch a file from the first of these addresses whose content `take` accepts.

    folder: keeps what has come so far between runs. take(file, url): uses the file; raises WeightsError when it is not the
    right one, and then the next address is tried. known: whether `take` knows the file's sha256; without it a part is only
    gone on with when the server says that the file is still the same. Raises WeightsError with what every address said.
    """
    folder.mkdir(parents=True, exist_ok=True)
    said = []
    for url in urls:
        part = _Part(folder / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}.part")
        try:
            _download_one(url, part, take, known, patience)
        except (_Final, _Passing, WeightsError) as error:
            said.append(f"{url}: {error}")
        except OSError as error:
            raise WeightsError(f"{part.path} cannot be written: {error}") from error
        else:
            return
    raise WeightsError("\n".join(said))


def _download_one(url: str, part: _Part, take: Callable[[Path, str], None], known: bool, patience: Patience) -> None:
    if not url.startswith(("https://", "http://")):
        raise _Final("only http and https addresses are fetched")
    resumed = part.size > 0
    while True:
        _fetch(url, part, known, patience)
        try:
            take(part.path, url)
        except WeightsError:
            part.discard()
            if not resumed:
                raise
            resumed = False
            log.info("what had come earlier does not fit: fetching it anew")
        else:
            part.discard()
            return


def _fetch(url: str, part: _Part, known: bool, patience: Patience) -> None:
    """Attempts until the whole file lies in the part."""
    left, wait_s = patience.attempts, patience.first_wait_s
    while True:
        try:
            _attempt(url, part, known, patience.read_s)
        except _Passing as error:
            left -= error.cost
            if left <= 0:
                kept = f"; {part.size} bytes are kept, the same command goes on from there" if part.size else ""
                raise _Passing(f"{error}{kept}") from error
            log.info("%s: %s; trying again in %g s", urlsplit(url).hostname, error, wait_s)
            time.sleep(wait_s)
            wait_s = min(wait_s * 2, _LONGEST_WAIT_S)
        else:
            return


def _attempt(url: str, part: _Part, known: bool, read_s: float) -> None:
    answer = _ask(url, part, known, read_s)
    if answer:
        with answer:
            _receive(answer, part, url.rpartition("/")[2])


def _ask(url: str, part: _Part, known: bool, read_s: float) -> HTTPResponse | None:
    """The server's answer, or None when there is nothing left to send."""
    headers = {"User-Agent": "onscreen", "Accept-Encoding": "identity", **_resuming(part, known)}
    try:
        answer: HTTPResponse = urlopen(Request(url, headers=headers), timeout=read_s)  # noqa: S310  # _download_one lets http and https through, nothing else
    except HTTPError as error:
        _refused(error, part)
        return None
    except URLError as error:
        raise _Passing(f"cannot be reached ({error.reason})", cost=2) from error
    except (OSError, HTTPException) as error:
        raise _Passing(f"no answer ({error or type(error).__name__})") from error
    return answer


def _resuming(part: _Part, known: bool) -> dict[str, str]:
    """Headers that ask for the rest only. Without any hold on the version of what is here, it is dropped."""
    version = part.validator.read_text(encoding="ascii") if part.validator.is_file() else ""
    if not part.size:
        return {}
    if not version and not known:
        part.discard()
        return {}
    return {"Range": f"bytes={part.size}-", **({"If-Range": version} if version else {})}


def _receive(answer: HTTPResponse, part: _Part, name: str) -> None:
    start = part.size if answer.status == 206 else 0
    if answer.status == 206 and not answer.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
        part.discard()
        raise _Passing("the server sent another range than the one asked for")
    if not start:
        part.discard()
        part.validator.write_text(_version(answer), encoding="ascii")
    length = answer.headers.get("Content-Length")
    total = start + int(length) if length else None
    with part.path.open("ab") as file, _bar(name, start, total) as came:
        for chunk in _chunks(answer):
            file.write(chunk)
            came(len(chunk))
    if total is not None and part.size < total:
        raise _Passing(f"the connection was dropped at {part.size} of {total} bytes")


def _chunks(answer: HTTPResponse) -> Iterator[bytes]:
    while True:
        try:
            chunk = answer.read1(_CHUNK)
        except (OSError, HTTPException) as error:
            raise _Passing(f"the connection broke ({error or type(error).__name__})") from error
        if not chunk:
            return
        yield chunk


def _version(answer: HTTPResponse) -> str:
    """A strong ETag, or the time of the last change; both can be asked for with If-Range."""
    tag = answer.headers.get("ETag", "")
    return tag if tag.startswith('"') and tag.isascii() else answer.headers.get("Last-Modified", "")


def _refused(error: HTTPError, part: _Part) -> None:
    """Say whether another attempt is worth it. Returns when the refusal means that the part is already whole."""
    with error:
        if error.code == 416 and part.size:
            if error.headers.get("Content-Range") == f"bytes */{part.size}":
                return
            part.discard()
            raise _Passing("what had come earlier is no part of the file") from error
        if error.code in _MAY_PASS:
            raise _Passing(f"the server answered {error.code} {error.reason}") from error
        raise _Final(f"the server answered {error.code} {error.reason}") from error


@contextmanager
def _bar(name: str, start: int, total: int | None) -> Iterator[Callable[[int], None]]:
    """A progress bar on a terminal, a line every tenth in a log."""
    if not console.is_terminal:
        yield _lines(name, start, total)
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(name, total=total, completed=start)
        yield lambda count: progress.advance(task, count)


def _lines(name: str, start: int, total: int | None) -> Callable[[int], None]:
    done = start

    def came(count: int) -> None:
        nonlocal done
        before, done = done, done + count
        if total and before * 10 // total < done * 10 // total:
            log.info("%s: %.1f of %.1f MB", name, done / 1e6, total / 1e6)

    return came
