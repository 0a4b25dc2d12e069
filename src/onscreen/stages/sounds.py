"""Voices of sound files: decoded and listened to through the item cache, their 16 kHz sound kept in a folder of the caller's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from onscreen.cache import Item
from onscreen.console import log
from onscreen.engine import Job
from onscreen.errors import Rejected
from onscreen.stages.digests import digests
from onscreen.voices.files import marks, measure_sound, sound_key, speech_of_sound
from onscreen.voices.speech import WEIGHTS
from onscreen.voices.waveform import Speech
from onscreen.weights import ensure
from onscreen.workspace import Workspace


@dataclass(frozen=True)
class Heard:
    """Voices by the names of their files. speech: what stages.items.voice_items takes. lost: why there is none.

    marks: of those that are used, what a person should know (voices.files.marks); names without any are left out.
    """

    speech: Mapping[str, Speech]
    lost: Mapping[str, Rejected]
    marks: Mapping[str, tuple[str, ...]]


def hear(workspace: Workspace, files: Mapping[str, Path], folder: Path | None = None, most_s: float = math.inf) -> Heard:
    """Speech of these files, by voices.vad_threshold and voices.min_speech_s. Nothing is written beside them.

    folder: where their sound at 16 kHz is kept, under names that tell its content, so that a second call finds it there and
    several may share one; None: beside the item cache. most_s: seconds; longer files are "too_long". Raises WeightsError without the network that tells speech.
    """
    ensure([WEIGHTS])
    known, lost = digests(workspace, {name: path for name, path in files.items() if _is_utf8(path)})
    bad_name = Rejected("bad_name", "the file's name is not UTF-8; rename it")
    lost |= {name: bad_name for name, path in files.items() if not _is_utf8(path)}
    keys = {name: sound_key(sha256) for name, sha256 in known.items()}
    jobs = [Job(key, str(files[name])) for name, key in keys.items()]
    speech, marked = dict[str, Speech](), dict[str, tuple[str, ...]]()
    measured = workspace.engine.measure("sound files", partial(measure_sound, most_s=most_s), jobs)
    for (name, key), found in zip(keys.items(), measured, strict=True):
        try:
            speech[name] = _speech(workspace, found, (folder or workspace.cache_root / "sounds") / key[:2] / f"{key}.wav")
        except Rejected as rejected:
            lost[name] = rejected
            continue
        if isinstance(found, Item) and marks(found):
            marked[name] = marks(found)
    _tell(marked, len(speech))
    return Heard(speech, lost, marked)


def _tell(marked: Mapping[str, tuple[str, ...]], count: int) -> None:
    narrow = sum(any(mark.startswith("narrow_band") for mark in of) for of in marked.values())
    if narrow:
        log.warning(
            "%d of %d sound files have a rate below 16 kHz: the upper part of what networks hear is missing", narrow, count
        )


def _is_utf8(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _speech(workspace: Workspace, found: Item | Rejected, wav: Path) -> Speech:
    if isinstance(found, Rejected):
        raise found
    voices = workspace.params.voices
    return speech_of_sound(found, wav, voices.vad_threshold, voices.min_speech_s)
