"""voices: whose voice is it? Whether a clip's speech is one person's, and whether it is that of the person who is seen."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from onscreen import weights
from onscreen.cache import Item, code_digest, item_key
from onscreen.config import Voices
from onscreen.engine import Job
from onscreen.errors import Rejected
from onscreen.faces import detectors
from onscreen.records import Clip, Face, Reject, View, Voice
from onscreen.stages.voices_clip import DETECTOR, LIBRARIES, ClipVoice, looked_from, measure_speaker
from onscreen.stages.voices_people import Tracked, assign
from onscreen.storage import Stored
from onscreen.store import atomic_folder, read_table, write_table
from onscreen.voices.active_speaker import Speaking, speaking
from onscreen.voices.embedders import VoiceTask, measure_voice, voice_key
from onscreen.voices.flags import LOOSE, SEVERAL_PEOPLE, STILL
from onscreen.voices.lips import lips
from onscreen.voices.one_speaker import EMBEDDER, WINDOW_S, likeness
from onscreen.voices.waveform import speech_of
from onscreen.workspace import Workspace

STAGE = "voices"
LIGHT_ASD = "light_asd"


@dataclass(frozen=True)
class Measured:
    """What was measured of one clip. faces: kept ones. views: all of them. lips: None where nothing was looked at."""

    clip: Clip
    faces: Sequence[Face]
    views: Sequence[View]
    speech: Item | Rejected
    lips: Item | Rejected | None


@dataclass
class _Row:
    """A Voice in the making."""

    values: dict[str, Any]
    flags: list[str] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)

    def reject(self, code: str, detail: str, numbers: dict[str, float]) -> None:
        self.rejects.append(Reject(self.values["clip_id"], STAGE, "voice", code, detail, numbers))
        self.flags.append(code)


def run(params: Voices, measured: Iterable[Measured]) -> Iterator[Voice | Reject]:
    """Decide whose each clip's voice is: a row for every clip, and a reject of scope "voice" for a voice that is not the main person's.

    A voice is the main person's when it is one voice (min_speaker_similarity) and that person is alone in the picture, or light_asd
    says that they speak and nobody else does. mouth only flags. Without a kept face the voice is nobody's.
    """
    for one in measured:
        row = _Row({"clip_id": one.clip.clip_id})
        _hear(params, one, row)
        _look(params, one, row)
        main = next((face for face in one.faces if face.person == 0), None)
        alone = main is not None and (main.people == 1 or row.values["speaking"] == 1)
        given = main.face_id if main is not None and alone and not row.rejects else None
        yield Voice(**row.values, face_id=given, flags=tuple(row.flags))
        yield from row.rejects


def _hear(params: Voices, one: Measured, row: _Row) -> None:
    """One voice or two. Windows of less than two windows' speech overlap, and are alike whoever speaks: they are not compared."""
    enough = isinstance(one.speech, Item) and one.speech.meta["speech_s"] >= 2 * WINDOW_S
    windows = one.speech.arrays["windows"] if isinstance(one.speech, Item) and enough else np.zeros((0, 1), np.float32)
    found = likeness(windows)
    names = {"mean_similarity": found and found.mean, "least_similarity": found and found.least}
    row.values |= {**names, "group_similarity": found and found.groups, "windows": len(windows), "speakers": None}
    if isinstance(one.speech, Rejected):
        row.flags.append(f"voice_not_measured:{one.speech.code}")
    if found is None or params.min_speaker_similarity == 0:
        return
    row.values["speakers"] = 1 if found.groups >= params.min_speaker_similarity else 2
    if found.groups < params.min_speaker_similarity:
        numbers = {"group_similarity": found.groups, "min_speaker_similarity": params.min_speaker_similarity}
        detail = (
            f"two voices: similarity {found.groups:.2f}, voices.min_speaker_similarity asks for {params.min_speaker_similarity:g}"
        )
        row.reject("several_voices", detail, numbers)


def _look(params: Voices, one: Measured, row: _Row) -> None:
    """Whose lips go with the voice."""
    row.values |= {"method": params.active_speaker, "looked_s": 0.0, "score": None, "sync": None, "people": 0, "speaking": None}
    if one.faces and one.faces[0].people > 1:
        row.flags.append(SEVERAL_PEOPLE)
    if not isinstance(one.lips, Item):
        if params.active_speaker != "none":
            row.flags.append(f"not_looked_at:{one.lips.code if one.lips else 'no_face'}")
        return
    people = assign(one.lips, one.views)
    row.values |= {"people": len(people), "looked_s": sum(track.frames for track in people.get(0, [])) / one.lips.meta["fps"]}
    if 0 not in people:
        row.flags.append("not_looked_at:main_person_not_followed")
    elif params.active_speaker == LIGHT_ASD:
        _ask_network(params, _found_of(one.clip, one.lips, people), row)
    else:
        _watch_mouth(one.lips, people[0], row)


def _watch_mouth(item: Item, tracks: Sequence[Tracked], row: _Row) -> None:
    longest = max(tracks, key=lambda track: track.frames)
    found = lips(longest.first, item.arrays[f"openings_{longest.number}"], item.arrays["loud"])
    if found is None:
        row.flags.append("not_looked_at:too_short")
        return
    row.values["score"] = found.follow
    if found.movement < STILL:
        row.flags.append("lips_do_not_move")
    elif found.follow is not None and found.follow < LOOSE:
        row.flags.append("lips_do_not_follow_the_voice")


def _ask_network(params: Voices, found: Mapping[int, Speaking | None], row: _Row) -> None:
    speakers = [person for person, known in found.items() if known is not None and known.is_speaker(params.min_sync)]
    main = found[0]
    if main is None:
        row.flags.append("not_looked_at:no_speech")
        return
    row.values |= {"score": main.score, "sync": main.sync, "speaking": len(speakers)}
    numbers = {"score": main.score, "people": float(len(found)), "speaking": float(len(speakers)), "min_sync": params.min_sync}
    numbers |= {} if main.sync is None else {"sync": main.sync}
    if 0 not in speakers:
        row.reject("not_the_speaker", "what is heard is not what the main person's lips say", numbers)
    elif len(speakers) > 1:
        row.reject("several_speakers", "several people's lips go with what is heard", numbers)


def _found_of(clip: Clip, item: Item, people: Mapping[int, Sequence[Tracked]]) -> dict[int, Speaking | None]:
    """By person, what the network says of them."""
    spoken, arrays = _spoken(clip, item), item.arrays
    parts = {
        person: [(track.first, arrays[f"odds_{track.number}"], arrays[f"fit_{track.number}"]) for track in tracks]
        for person, tracks in people.items()
    }
    return {person: speaking(own, spoken) for person, own in parts.items()}


def _spoken(clip: Clip, item: Item) -> np.ndarray:
    """(n,) bool: in which frames of the looked-at span somebody speaks."""
    fps, start_s = item.meta["fps"], item.meta["from_s"]
    times = start_s + np.arange(item.meta["frames"]) / fps
    spans = zip(clip.speech_start_s, clip.speech_end_s, strict=True)
    heard = np.zeros(len(times), bool)
    for begin, end in spans:
        heard |= (times >= begin) & (times < end)
    return heard


def with_usable_speech(clips: Iterable[Clip], min_speech_s: float) -> list[Clip]:
    """Clips that are long enough, and in which enough is spoken."""
    return [clip for clip in clips if clip.audio and "too_short" not in clip.flags and clip.speech_s >= min_speech_s]


def main(workspace: Workspace) -> None:
    """Listen to and look at all clips with usable speech; write data/voices, metrics and plots."""
    params = workspace.params.voices
    clips = with_usable_speech(read_table(workspace.prepared / "clips.parquet", Clip), params.min_speech_s)
    faces = _by_clip(read_table(workspace.faces / "faces.parquet", Face))
    views = _by_clip(read_table(workspace.faces / "views.parquet", View))
    speech = _heard(workspace, clips)
    seen = _seen(workspace, [clip for clip in clips if clip.clip_id in faces])
    found = [
        Measured(clip, faces.get(clip.clip_id, []), views.get(clip.clip_id, []), item, seen.get(clip.clip_id))
        for clip, item in zip(clips, speech, strict=True)
    ]
    rows = list(run(params, found))
    voices, rejects = [row for row in rows if isinstance(row, Voice)], [row for row in rows if isinstance(row, Reject)]
    with atomic_folder(workspace.voices) as folder:
        write_table(folder / "voices.parquet", Voice, voices)
        write_table(folder / "rejects.parquet", Reject, rejects)
    workspace.write_metrics(STAGE, _metrics(params, voices, rejects))
    _write_plots(workspace, voices)


def _by_clip(rows: Iterable[Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        found[row.clip_id].append(row)
    return dict(found)


def _heard(workspace: Workspace, clips: Sequence[Clip]) -> list[Item | Rejected]:
    prepared = Stored(workspace.prepared)
    tasks = [VoiceTask(speech_of(prepared, clip), EMBEDDER, WINDOW_S) for clip in clips]
    weights.ensure([EMBEDDER])
    jobs = [Job(voice_key(task, workspace.sha256_of(task.speech.wav)), task) for task in tasks]
    return list(workspace.engine.measure("speakers", measure_voice, jobs))


def _seen(workspace: Workspace, clips: Sequence[Clip]) -> dict[str, Item | Rejected]:
    method = workspace.params.voices.active_speaker
    if method == "none" or not clips:
        return {}
    models = (*detectors.WEIGHTS[DETECTOR], *([LIGHT_ASD] if method == LIGHT_ASD else []))
    weights.ensure(models)
    code = code_digest("onscreen.stages.voices_clip", *LIBRARIES, *(["torch"] if method == LIGHT_ASD else []))
    digests = [weights.digest_of(model) for model in models]
    files = {file: weights.path_of(model, file) for model in detectors.WEIGHTS[DETECTOR] for file in weights.model(model).files}
    prepared, jobs = Stored(workspace.prepared), list[Job]()
    for clip in clips:
        from_s = looked_from(min(clip.speech_start_s), clip.end_s - clip.start_s, method)
        wav = prepared.file(str(clip.audio))
        span = f"{clip.start_s:.6f}+{from_s:.6f}-{clip.end_s:.6f}"
        inputs = [clip.source_sha256, workspace.sha256_of(wav), span]
        task = ClipVoice(workspace.raw / clip.source, wav, clip.start_s + from_s, clip.end_s, from_s, method, files)
        jobs.append(Job(item_key(inputs=inputs, code=code, params={"method": method}, weights=digests), task))
    measured = workspace.engine.measure("lips", measure_speaker, jobs)
    return {clip.clip_id: item for clip, item in zip(clips, measured, strict=True)}


def _metrics(params: Voices, voices: Sequence[Voice], rejects: Sequence[Reject]) -> dict[str, Any]:
    scores = [voice.score for voice in voices if voice.score is not None]
    known = [voice.group_similarity for voice in voices if voice.group_similarity is not None]
    return {
        "status": "ok" if voices else "no clip has usable speech",
        "voices": len(voices),
        "voices_of_main_person": sum(voice.face_id is not None for voice in voices),
        "compared": len(known),
        "looked_at": len(scores),
        "active_speaker": params.active_speaker,
        **({"median_group_similarity": float(np.median(known))} if known else {}),
        **({"median_score": float(np.median(scores))} if scores else {}),
        "flags": dict(sorted(Counter(flag for voice in voices for flag in voice.flags).items())),
        "rejects": dict(sorted(Counter(reject.code for reject in rejects).items())),
    }


def _write_plots(workspace: Workspace, voices: Sequence[Voice]) -> None:
    """Histograms: how many clips have which similarity and which score. Always the same files, also for no clip."""
    span = (-1.0, 1.0) if workspace.params.voices.active_speaker != LIGHT_ASD else (-5.0, 5.0)
    ranges = {"group_similarity": (0.0, 1.0), "score": span}
    with atomic_folder(workspace.plots(STAGE)) as folder:
        for name, (low, high) in ranges.items():
            values = [value for value in (getattr(voice, name) for voice in voices) if value is not None]
            counts, edges = np.histogram(np.clip(values, low, high), bins=20, range=(low, high))
            rows = [f"{edge:.4g},{count}" for edge, count in zip(edges, counts, strict=False)]
            (folder / f"{name}.csv").write_text("\n".join([f"{name},clips", *rows]) + "\n", encoding="utf-8")
