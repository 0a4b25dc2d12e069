"""prepare: find every video, say what it is, cut long ones into clips, decode their sound, measure speech and loudness."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from onscreen.cache import Item, code_digest, item_key
from onscreen.config import Params
from onscreen.engine import Job
from onscreen.errors import InputError, NothingUsable, Rejected
from onscreen.media.audio import Audio, from_int16, loudness_lufs, wav_bytes
from onscreen.media.files import Found, find_videos, regular_file
from onscreen.media.probe import Probe
from onscreen.naming import clip_ids, cut_id, file_stem
from onscreen.records import Clip, Reject
from onscreen.storage import Save, storing
from onscreen.store import atomic_folder, write_table
from onscreen.voices.speech import LIBRARIES, WEIGHTS, measure_video, speech_segments
from onscreen.voices.waveform import RATE_HZ
from onscreen.weights import digest_of, ensure
from onscreen.workspace import Workspace

STAGE = "prepare"
_NOTABLE_S = 0.1  # sound or picture that is missing for longer than this becomes a flag


@dataclass(frozen=True)
class Source:
    """A video file. path: relative to data.raw, POSIX. same_bytes_as: clip_id of an earlier file of the same sha256, or None."""

    path: str
    clip_id: str
    sha256: str
    same_bytes_as: str | None


@dataclass(frozen=True)
class _Cut:
    """A clip's place in its source, seconds on the file's clock. index: None for the whole."""

    index: int | None
    start_s: float
    end_s: float

    def id_of(self, clip_id: str) -> str:
        """The cut's id, from the id of its source."""
        return clip_id if self.index is None else cut_id(clip_id, self.index)

    def shares(self, start_s: float, end_s: float) -> float:
        """Seconds that the cut has in common with a span of the file."""
        return max(0.0, min(self.end_s, end_s) - max(self.start_s, start_s))


def run(params: Params, source: Source, measured: Item | Rejected) -> Iterator[Clip | Reject]:
    """Decide on one measured video (voices.speech.measure_video): yield its clips, and rejects for what is lost.

    A video that cannot be used at all is one reject of scope "clip"; a clip without usable voice stays a clip, flagged, beside
    rejects of scope "voice"; a video that breaks off gives what it holds, and a reject of scope "part" for its last clip.
    """
    if isinstance(measured, Rejected):
        yield Reject(source.clip_id, STAGE, "clip", measured.code, f"{source.path}: {measured.detail}", measured.numbers)
        return
    probe = Probe(**measured.meta["probe"])
    shown_s = probe.duration_s - probe.video_start_s
    if probe.truncated and shown_s < params.prepare.min_clip_s:
        numbers = {"duration_s": shown_s, "min_clip_s": params.prepare.min_clip_s, "missing_s": probe.missing_s}
        yield Reject(
            source.clip_id, STAGE, "clip", "truncated", f"{source.path}: breaks off after {shown_s:.2f} s of picture", numbers
        )
        return
    speech = speech_segments(measured.arrays["speech"], params.voices.vad_threshold, probe.duration_s)
    cuts = _cuts(probe.duration_s, params.prepare.max_clip_s)
    for cut in cuts:
        sound = _sound_of(measured, probe, cut)
        clip = _clip(source, probe, cut, sound, [_within(cut, segment) for segment in speech if cut.shares(*segment)])
        rejects = list(_voice_rejects(params, clip, sound, measured.meta["no_sound"]))
        if shown_s < params.prepare.min_clip_s:
            rejects.insert(0, _too_short(params, clip, shown_s))
        if probe.truncated and cut is cuts[-1]:
            rejects.append(_cut_off(source, clip, probe))
        flags = [*(reject.code for reject in rejects), *_flags(source, probe, measured, cut)]
        yield replace(clip, flags=tuple(dict.fromkeys(flags)))
        yield from rejects


def _cuts(duration_s: float, max_clip_s: float) -> list[_Cut]:
    """Equal cuts, as few as max_clip_s allows."""
    count = math.ceil(duration_s / max_clip_s - 1e-6)
    if count <= 1:
        return [_Cut(None, 0.0, duration_s)]
    times = [duration_s * index / count for index in range(count + 1)]
    return [_Cut(index, times[index], times[index + 1]) for index in range(count)]


def _within(cut: _Cut, segment: tuple[float, float]) -> tuple[float, float]:
    """The part of a segment that lies in the cut, from the cut's start."""
    return max(segment[0], cut.start_s) - cut.start_s, min(segment[1], cut.end_s) - cut.start_s


def _sound_of(measured: Item, probe: Probe, cut: _Cut) -> Audio | None:
    """The cut's sound, 16 kHz mono; None where the file holds none for all of it."""
    if measured.meta["no_sound"] or not cut.shares(*_heard(measured, probe)):
        return None
    return Audio(from_int16(measured.arrays["sound"][round(cut.start_s * RATE_HZ) : round(cut.end_s * RATE_HZ)]), RATE_HZ)


def _heard(measured: Item, probe: Probe) -> tuple[float, float]:
    """From when to when the file holds sound, within its picture's time."""
    return measured.meta["missing_start_s"], probe.duration_s - measured.meta["missing_end_s"]


def _clip(source: Source, probe: Probe, cut: _Cut, sound: Audio | None, speech: list[tuple[float, float]]) -> Clip:
    clip_id = cut.id_of(source.clip_id)
    return Clip(
        clip_id=clip_id,
        source=source.path,
        source_sha256=source.sha256,
        start_s=cut.start_s,
        end_s=cut.end_s,
        fps=probe.fps,
        width=probe.width,
        height=probe.height,
        rotation_deg=probe.rotation_deg,
        has_audio=sound is not None,
        audio_rate_hz=probe.audio_rate_hz,
        audio_channels=probe.audio_channels,
        audio=f"audio/{file_stem(clip_id)}.wav" if sound else None,
        loudness_lufs=loudness_lufs(sound) if sound else None,
        speech_s=sum(end_s - start_s for start_s, end_s in speech),
        speech_start_s=tuple(start_s for start_s, _ in speech),
        speech_end_s=tuple(end_s for _, end_s in speech),
        flags=(),
    )


def _too_short(params: Params, clip: Clip, shown_s: float) -> Reject:
    """A moment is too short to hear or to dance; a face in it is as good as on a photo, so the clip stays."""
    numbers = {"duration_s": shown_s, "min_clip_s": params.prepare.min_clip_s}
    detail = f"{shown_s:.2f} s of picture, prepare.min_clip_s asks for {params.prepare.min_clip_s:g}"
    return Reject(clip.clip_id, STAGE, "voice", "too_short", detail, numbers)


def _cut_off(source: Source, clip: Clip, probe: Probe) -> Reject:
    numbers = {"missing_s": probe.missing_s, "duration_s": probe.duration_s}
    detail = f"{source.path}: breaks off, {probe.missing_s:.2f} s that its header declares are not in it"
    return Reject(clip.clip_id, STAGE, "part", "truncated", detail, numbers)


def _voice_rejects(params: Params, clip: Clip, sound: Audio | None, no_sound: dict[str, str] | None) -> Iterator[Reject]:
    if sound is None:
        why = no_sound or {"code": "no_audio", "detail": "the soundtrack holds no sound between the clip's start and end"}
        yield Reject(clip.clip_id, STAGE, "voice", why["code"], why["detail"], {})
        return
    if clip.loudness_lufs is None:
        numbers = {"peak": float(np.abs(sound.samples).max(initial=0.0))}
        yield Reject(clip.clip_id, STAGE, "voice", "silent", "no part of the soundtrack is louder than -70 LUFS", numbers)
    if clip.speech_s < params.voices.min_speech_s:
        numbers = {"speech_s": clip.speech_s, "min_speech_s": params.voices.min_speech_s}
        detail = f"{clip.speech_s:.2f} s of speech, voices.min_speech_s asks for {params.voices.min_speech_s:g}"
        yield Reject(clip.clip_id, STAGE, "voice", "no_speech", detail, numbers)


def _flags(source: Source, probe: Probe, measured: Item, cut: _Cut) -> Iterator[str]:
    spans: dict[str, Sequence[Sequence[float]]] = {
        "picture_starts_late": [(0.0, probe.video_start_s)],
        "picture_stands_still": probe.still_s,
    }
    if not measured.meta["no_sound"]:
        heard_from_s, heard_to_s = _heard(measured, probe)
        spans |= {"sound_starts_late": [(0.0, heard_from_s)], "sound_ends_early": [(heard_to_s, probe.duration_s)]}
        spans |= {"sound_has_gaps": measured.meta["sound_gaps_s"]}
    for name, parts in spans.items():
        seconds = sum(cut.shares(*span) for span in parts)
        if seconds > _NOTABLE_S:
            yield f"{name}:{seconds:.2f}s"
    if broken := sum(cut.start_s <= time_s < cut.end_s for time_s in probe.broken_s):
        yield f"broken_packets:{broken}"
    if probe.truncated:
        yield "truncated"
    if source.same_bytes_as is not None:
        yield f"same_bytes_as:{cut.id_of(source.same_bytes_as)}"


def main(workspace: Workspace) -> None:
    """Write data/prepared, metrics and plots. Raises InputError without a folder, NothingUsable without a usable video."""
    raw = workspace.require_raw()
    found = find_videos(raw, workspace.params.data.video_extensions)
    if not found.videos:
        raise NothingUsable(_no_videos(workspace, raw, found))
    sources, rejects = read_sources(workspace, raw, found)
    clips = list[Clip]()
    with atomic_folder(workspace.prepared) as folder, storing(folder, workspace.params.storage.layout) as save:
        (folder / "audio").mkdir()
        for source, measured in zip(sources, _measured(workspace, raw, sources), strict=True):
            for row in run(workspace.params, source, measured):
                if isinstance(row, Reject):
                    rejects.append(row)
                    continue
                clips.append(row)
                _save_sound(save, row, measured)
        write_table(folder / "clips.parquet", Clip, clips)
        write_table(folder / "rejects.parquet", Reject, rejects)
    workspace.write_metrics(STAGE, _metrics(len(found.videos), clips, rejects))
    _write_plots(workspace.plots(STAGE), clips, rejects)
    if not clips:
        raise NothingUsable(_nothing_usable(raw, rejects))


def _no_videos(workspace: Workspace, raw: Path, found: Found) -> str:
    extensions = ", ".join(workspace.params.data.video_extensions)
    return f"data.raw = {raw} holds no video: none of {extensions} (data.video_extensions); it holds {what_else(found)}."


def what_else(found: Found) -> str:
    """In words, what a folder holds beside what was searched for."""
    seen = Counter(PurePosixPath(path).suffix.lower() or "no extension" for path in found.others).most_common(5)
    there = ", ".join(f"{count} of {kind}" for kind, count in seen) or "no file"
    closed = f", and folders that may not be listed: {', '.join(found.closed)}" if found.closed else ""
    return there + closed


def read_sources(
    workspace: Workspace, raw: Path, found: Found, ids_of: Callable[[Iterable[str]], dict[str, str]] = clip_ids
) -> tuple[list[Source], list[Reject]]:
    """The readable files, with their ids, and rejects for the others. Ids come from all files, readable or not."""
    sources, rejects, first = list[Source](), list[Reject](), dict[str, str]()
    named = {path: _spelt(path) for path in found.videos}
    ids = ids_of(named.values())
    for path, name in named.items():
        try:
            sha256 = workspace.hashes.sha256(regular_file(raw / path)) if name == path else ""
        except InputError as error:
            rejects.append(Reject(ids[name], STAGE, "clip", "unreadable", f"{name}: {error}"))
            continue
        if not sha256:
            rejects.append(Reject(ids[name], STAGE, "clip", "bad_name", f"{name}: the file's name is not UTF-8; rename it"))
            continue
        sources.append(Source(path, ids[path], sha256, first.get(sha256)))
        first.setdefault(sha256, ids[path])
    closed = [Reject(_spelt(path), STAGE, "clip", "unreadable", "the folder may not be listed") for path in found.closed]
    return sources, rejects + closed


def whole_clip(source: Source, found: Probe) -> Clip:
    """All of a video as one clip, its sound left out of account."""
    return _clip(source, found, _Cut(None, 0.0, found.duration_s), None, [])


def _spelt(path: str) -> str:
    """A path as text; bytes that are not UTF-8 become \\udcXX."""
    return path.encode(errors="backslashreplace").decode()


def _measured(workspace: Workspace, raw: Path, sources: list[Source]) -> Iterator[Item | Rejected]:
    ensure([WEIGHTS])
    code, weights = code_digest("onscreen.voices.speech", *LIBRARIES), [digest_of(WEIGHTS)]
    keys = [item_key(inputs=[source.sha256], code=code, params={}, weights=weights) for source in sources]
    jobs = [Job(key, str(raw / source.path)) for key, source in zip(keys, sources, strict=True)]
    return workspace.engine.measure("videos", measure_video, jobs)


def _save_sound(save: Save, clip: Clip, measured: Item | Rejected) -> None:
    if clip.audio is not None and isinstance(measured, Item):
        samples = measured.arrays["sound"][round(clip.start_s * RATE_HZ) : round(clip.end_s * RATE_HZ)]
        save(clip.audio, wav_bytes(Audio(from_int16(samples), RATE_HZ)))


def _metrics(videos: int, clips: list[Clip], rejects: list[Reject]) -> dict[str, Any]:
    counts = {scope: Counter(reject.code for reject in rejects if reject.scope == scope) for scope in ("clip", "voice", "part")}
    lost = {reject.item for reject in rejects if reject.scope == "voice"}
    return {
        "status": "ok" if clips else "no video is usable",
        "videos": videos,
        "clips": len(clips),
        "clips_with_voice": sum(clip.clip_id not in lost for clip in clips),
        "hours": round(sum(clip.end_s - clip.start_s for clip in clips) / 3600, 4),
        "speech_s": round(sum(clip.speech_s for clip in clips), 2),
        "flags": dict(Counter(flag.split(":")[0] for clip in clips for flag in clip.flags)),
        "rejects": {scope: dict(codes) for scope, codes in counts.items()},
    }


def _write_plots(folder: Path, clips: list[Clip], rejects: list[Reject]) -> None:
    """speech_s.csv: clips by seconds of speech, in whole seconds. rejects.csv: rejects by scope and code."""
    seconds = Counter(int(clip.speech_s) for clip in clips if clip.has_audio)
    rows = [f"{second},{seconds[second]}" for second in range(max(seconds, default=-1) + 1)]
    codes = Counter(f"{reject.scope}/{reject.code}" for reject in rejects)
    with atomic_folder(folder) as plots:
        (plots / "speech_s.csv").write_text("\n".join(["speech_s,clips", *rows]) + "\n")
        (plots / "rejects.csv").write_text(
            "\n".join(["code,rejects", *(f"{code},{codes[code]}" for code in sorted(codes))]) + "\n"
        )


def _nothing_usable(raw: Path, rejects: list[Reject]) -> str:
    codes = Counter(reject.code for reject in rejects)
    reasons = ", ".join(f"{count} {code}" for code, count in codes.most_common())
    first = "\n".join(f"  {reject.code}: {reject.detail}" for reject in rejects[:5])
    return f"none of the {len(rejects)} videos in {raw} can be used ({reasons}); rejects.parquet holds each reason:\n{first}"
