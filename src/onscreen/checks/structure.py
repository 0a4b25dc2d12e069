"""Are the files there, do they belong together, and does metadata.json say what they are?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from onscreen.checks import limits
from onscreen.checks.facts import Facts
from onscreen.checks.finding import Finding, Status
from onscreen.checks.sample import Broken, SampleFolder, read_metadata
from onscreen.checks.tools import Tools
from onscreen.errors import Rejected

REQUIRED = ("video.mp4", "music_features.npy", "pose_annotations.json", "reference_image.jpg")
_EMBEDDING = "face_embedding.npy"
_CLOSE_S = 0.001


def check_files(sample: SampleFolder, tools: Tools) -> Iterator[Finding]:
    """files.present: what the guide asks for is there, or metadata.json says honestly that the face's embedding is missing."""
    lacking = [name for name in REQUIRED if not _is_file(sample, name)]
    if lacking:
        yield Finding(sample.label, "files.present", "fail", f"missing or empty: {', '.join(lacking)}")
    elif _is_file(sample, _EMBEDDING):
        yield Finding(sample.label, "files.present", "pass", "all five files")
    elif "face_embedding" in _told_missing(sample):
        yield Finding(sample.label, "files.present", "warn", f"without {_EMBEDDING}, as metadata.json says")
    else:
        yield Finding(sample.label, "files.present", "fail", f"missing: {_EMBEDDING}, and metadata.json does not say so")


def check_readable(sample: SampleFolder, tools: Tools) -> Iterator[Finding]:
    """files.readable: arrays are whole arrays of numbers, without pickled objects, and poses are whole JSON."""
    broken = list[str]()
    for name, read in (("music_features.npy", lambda: sample.features), ("pose_annotations.json", lambda: sample.annotations)):
        try:
            if _is_file(sample, name):
                read()
        except Broken as error:
            broken.append(str(error))
    yield Finding(
        sample.label, "files.readable", "fail" if broken else "pass", "; ".join(broken) or "arrays and poses can be read"
    )


def check_frames(sample: SampleFolder, tools: Tools) -> Iterator[Finding]:
    """files.frames: video.mp4, music_features.npy and pose_annotations.json have the same number of frames."""
    counts, unknown = dict[str, float](), list[str]()
    for name, count in (("video", _video_frames), ("music_features", _music_frames), ("poses", _pose_frames)):
        try:
            counts[name] = float(count(sample, tools))
        except (Rejected, Broken) as error:
            unknown.append(str(error))
    told = ", ".join(f"{name} {count:.0f}" for name, count in counts.items())
    if len(set(counts.values())) > 1:
        yield Finding(sample.label, "files.frames", "fail", f"frames differ: {told}", counts)
    elif unknown:
        yield Finding(sample.label, "files.frames", "unproven", f"cannot be counted: {'; '.join(unknown)}", counts)
    else:
        yield Finding(sample.label, "files.frames", "pass", f"frames: {told}", counts)


def check_entry(sample: SampleFolder, tools: Tools) -> Iterator[Finding]:
    """metadata.entry: what metadata.json says of this sample is what its files are."""
    entry = sample.entry
    if entry is None:
        yield Finding(
            sample.label, "metadata.entry", "unproven", "metadata.json says nothing of it: whose and which song is not told"
        )
        return
    film = tools.film(sample)
    fps, frames = entry.get("fps"), entry.get("frames")
    said = {"fps": fps, "frames": frames, "duration": entry.get("duration"), "split": entry.get("split")}
    is_so = {
        "fps": round(film.probe.fps, 3),
        "frames": len(film.times_s),
        "duration": film.probe.duration_s,
        "split": sample.split,
    }
    wrong = [
        f"{name} {said[name]}, in fact {is_so[name]}"
        for name in said
        if said[name] is not None and not _same(said[name], is_so[name])
    ]
    status: Status = "fail" if wrong else "pass"
    yield Finding(sample.label, "metadata.entry", status, "; ".join(wrong) or "frames, rate, length and side are as it says")


def check_metadata(samples: Sequence[SampleFolder], facts: Mapping[str, Facts]) -> Iterator[Finding]:
    """metadata.file: it can be read, and names every folder once and no other."""
    if not samples:
        yield Finding("", "set.samples", "fail", "there is no sample in train/ or validation/")
        return
    try:
        clips = read_metadata(samples[0].root).get("clips")
    except Broken as error:
        yield Finding("", "metadata.file", "fail", str(error))
        return
    if not isinstance(clips, list):
        yield Finding("", "metadata.file", "unproven", "it holds no list of clips, so it says nothing of any sample")
        return
    named = Counter(clip.get("folder") for clip in clips if isinstance(clip, dict) and isinstance(clip.get("folder"), str))
    there = {sample.label for sample in samples}
    wrong = [f"{folder} is named {count} times" for folder, count in named.items() if count > 1]
    wrong += [f"{folder} does not exist" for folder in named if folder not in there]
    wrong += [f"{label} is not named" for label in sorted(there) if label not in named]
    yield Finding("", "metadata.file", "fail" if wrong else "pass", "; ".join(wrong[:20]) or f"names all {len(there)} samples")


def check_genres(samples: Sequence[SampleFolder], facts: Mapping[str, Facts]) -> Iterator[Finding]:
    """set.genres: the guide recommends several genres of music."""
    labels = [sample.entry.get("labels") for sample in samples if sample.entry is not None]
    genres = Counter(str(label["genre"]) for label in labels if isinstance(label, dict) and label.get("genre"))
    if not genres:
        yield Finding("", "set.genres", "unproven", "no sample's genre is told (labels.csv of the videos can)")
    else:
        told = ", ".join(f"{genre} {count}" for genre, count in sorted(genres.items()))
        yield Finding("", "set.genres", "pass" if len(genres) > 1 else "warn", f"genres: {told}", {"genres": float(len(genres))})


def fps_of(sample: SampleFolder) -> int:
    """Frames a second that the sample should have: what metadata.json says, else the guide's."""
    said = (sample.entry or {}).get("fps", sample.shared.get("fps"))
    return said if isinstance(said, int) and 1 <= said <= 240 else limits.FPS


def resolution_of(sample: SampleFolder) -> int:
    """Width and height, px, that the video should have: what metadata.json says, else the guide's."""
    said = sample.shared.get("resolution")
    return said if isinstance(said, int) and said > 0 else limits.RESOLUTION_PX


def _is_file(sample: SampleFolder, name: str) -> bool:
    path = sample.folder / name
    return path.is_file() and path.stat().st_size > 0


def _told_missing(sample: SampleFolder) -> Sequence[object]:
    entry = sample.entry or {}
    missing = entry.get("missing")
    return missing if entry.get("complete") is False and isinstance(missing, list) else ()


def _video_frames(sample: SampleFolder, tools: Tools) -> int:
    return len(tools.film(sample).times_s)


def _music_frames(sample: SampleFolder, tools: Tools) -> int:
    if sample.features.ndim != 2:
        raise Broken(f"music_features.npy: has the shape {sample.features.shape}, not (T, {limits.WIDTH})")
    return len(sample.features)


def _pose_frames(sample: SampleFolder, tools: Tools) -> int:
    poses = sample.annotations.get("poses") if isinstance(sample.annotations, dict) else None
    if not isinstance(poses, list):
        raise Broken("pose_annotations.json: holds no list of poses")
    return len(poses)


def _same(said: object, is_so: object) -> bool:
    if isinstance(said, (int, float)) and isinstance(is_so, (int, float)):
        return abs(said - is_so) <= _CLOSE_S
    return said == is_so
