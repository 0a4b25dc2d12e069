"""A clean music-to-pose dataset of real dances: two cuts of one dancer, and two more dancers with other songs.

The dancers of the three silent clips and of dance_with_music.mp4 are four women (by eye, and by dlib's distances). The silent clips
hold 15 frames a second; here they run at 24, each frame once, with a music track of their own.
"""

import atexit
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from itertools import islice
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

import pytest

from onscreen.cache import Item
from onscreen.config import Data, M2p, Params, Split
from onscreen.media.audio import decode_audio
from onscreen.media.probe import probe
from onscreen.media.video import constant_rate_frames, write_video
from onscreen.records import Clip
from onscreen.stages import m2p
from onscreen.stages.m2p_clip import look_for_body, measure_dance
from onscreen.stages.m2p_output import write_metadata, write_sample
from onscreen.stages.m2p_parts import part_of
from onscreen.stages.m2p_records import Sample
from onscreen.stages.m2p_sides import People
from onscreen.workspace import Workspace
from real_data import DATA
from records_of import row

DANCE = DATA / "dance"
needs_dances = pytest.mark.skipif(not (DANCE / "silent_dance_0.mp4").is_file(), reason=f"no dances in {DATA}")
FPS, SECONDS = 24, 1.5


def dance_with_song(path: Path, dance: str, song: str, first: int = 0, start_s: float = 4.0) -> Path:
    """Frames of a silent dance from number `first` on, 24 a second, with a track's sound from start_s on, a second more of both."""
    seconds = SECONDS + 1
    source = DANCE / f"{dance}.mp4"
    frames = (frame.image for frame in constant_rate_frames(source, 0.0, 10.0, 15))
    audio = decode_audio(DANCE / "music" / f"{song}.ogg", start_s, start_s + seconds, None, mono=False)
    write_video(path, islice(frames, first, first + round(seconds * FPS)), FPS, audio)
    return path


@cache
def clean_dataset() -> Path:
    """A folder of train/ and validation/ that nobody may change: made once in a run of the tests, by the stage's own code.

    train/dancer_a_1 and dancer_a_2 are one woman, dancer_c another; validation/dancer_b is a third. (dlib's embedder takes the woman of
    silent_dance_2 for dancer A: their distance is 0.056 to 0.09. So she is not in here.)
    """
    root = Path(mkdtemp(prefix="onscreen-m2p-"))
    atexit.register(rmtree, root, ignore_errors=True)
    raw = root / "raw"
    raw.mkdir()
    (raw / "dancer_a.mp4").symlink_to(DANCE / "dance_with_music.mp4")
    dance_with_song(raw / "dancer_b.mp4", "silent_dance_0", "ragtime", first=30, start_s=8.0)
    dance_with_song(raw / "dancer_c.mp4", "silent_dance_1", "waltz", first=100, start_s=6.0)
    cuts = [clip_of(raw / "dancer_a.mp4", "dancer_a_1", 3.0), clip_of(raw / "dancer_a.mp4", "dancer_a_2", 8.0)]
    cuts += [clip_of(raw / f"{name}.mp4", name, 0.0) for name in ("dancer_b", "dancer_c")]
    wanted = {"dancer_a_1": "train", "dancer_a_2": "train", "dancer_b": "validation", "dancer_c": "train"}
    write_dataset(root, cuts, wanted)
    return root / "dataset"


def write_dataset(root: Path, clips: list[Clip], wanted: dict[str, str]) -> None:
    """A dataset of clips in root/raw, as the stage writes it, but for who counts as a dancer: also those whose legs are not seen."""
    params = Params(m2p=M2p(min_body_frames=0.0)).model_copy(update={"data": Data(raw=str(root / "raw"))})
    space, out = Workspace(root, root, params, root / "cache"), root / "dataset"
    looked = [(clip, look_for_body(job.argument)) for clip, job in zip(clips, m2p.look_jobs(space, clips), strict=True)]
    items = {clip.clip_id: measure_dance(job.argument) for clip, job in zip(clips, m2p.dance_jobs(space, looked), strict=True)}
    measured = [(clip, items[clip.clip_id]) for clip in clips]
    samples = next(found for found in _splits(params, measured) if {s.dance.dance_id: s.dancer.side for s in found} == wanted)
    for side in ("train", "validation"):
        (out / side).mkdir(parents=True)
    entries = []
    for sample in samples:
        part = m2p.finished(params.m2p, part_of(items[sample.dance.clip.clip_id], sample.dance.part))
        entries.append(write_sample(out, sample, part, params.m2p))
    write_metadata(out, params.m2p, entries)


def _splits(params: Params, measured: list[tuple[Clip, Item]]) -> Iterator[list[Sample]]:
    """The samples on other sides each time: sides are drawn by a hash of the videos' bytes and a salt."""
    for salt in range(1000):
        salted = params.model_copy(update={"split": Split(salt=str(salt))})
        found = list(m2p.run(salted, measured, People([], {})))
        assert all(isinstance(sample, Sample) for sample in found), found
        yield found


def clip_of(path: Path, name: str, start_s: float) -> Clip:
    """A clip of SECONDS."""
    found = probe(path)
    return row(
        Clip,
        **{"clip_id": name, "source": path.name, "source_sha256": sha256(path.read_bytes()).hexdigest()},
        **{"start_s": start_s, "end_s": start_s + SECONDS, "fps": found.fps, "width": found.width, "height": found.height},
        **{"has_audio": True, "loudness_lufs": -20.0},
    )
