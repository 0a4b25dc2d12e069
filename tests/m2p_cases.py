"""A clean music-to-pose dataset of real dances: two cuts of one dancer, and two more dancers with other songs.

The dancers of the three silent clips and of dance_with_music.mp4 are four women (by eye, and by dlib's distances). The silent clips
hold 15 frames a second; here they run at 24, each frame once, with a music track of their own.
"""

from functools import cache
from hashlib import sha256
from itertools import islice
from pathlib import Path
from tempfile import mkdtemp

import pytest

from onscreen import weights
from onscreen.config import M2p, Params, Split
from onscreen.media.audio import decode_audio
from onscreen.media.probe import probe
from onscreen.media.video import constant_rate_frames, write_video
from onscreen.records import Clip
from onscreen.stages import m2p
from onscreen.stages.m2p_clip import SAMPLE_MODELS, DanceClip, measure_dance
from onscreen.stages.m2p_output import metadata, write_sample
from onscreen.stages.m2p_records import Sample
from onscreen.stages.m2p_sides import People
from onscreen.store import write_json
from real_data import DATA
from records_of import row

DANCE = DATA / "dance"
needs_dances = pytest.mark.skipif(not (DANCE / "silent_dance_0.mp4").is_file(), reason=f"no dances in {DATA}")
FPS, SECONDS = 24, 2.0
SALT = "4"


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
    """A folder of train/ and validation/ that nobody may change (see copy_of): made once in a run of the tests, by the stage's own code.

    train/dancer_a_1 and dancer_a_2 are one woman, dancer_c another; validation/dancer_b is a third. (dlib's embedder takes the woman of
    silent_dance_2 for dancer A: their distance is 0.056 to 0.09. So she is not in here.)
    """
    root = Path(mkdtemp(prefix="onscreen-m2p-"))
    raw, out = root / "raw", root / "dataset"
    raw.mkdir()
    (raw / "dancer_a.mp4").symlink_to(DANCE / "dance_with_music.mp4")
    dance_with_song(raw / "dancer_b.mp4", "silent_dance_0", "ragtime", first=30, start_s=8.0)
    dance_with_song(raw / "dancer_c.mp4", "silent_dance_1", "waltz", first=83, start_s=6.0)
    cuts = [
        ("dancer_a_1", "dancer_a", 3.0),
        ("dancer_a_2", "dancer_a", 8.0),
        ("dancer_b", "dancer_b", 0.0),
        ("dancer_c", "dancer_c", 0.0),
    ]
    write_dataset(raw, out, cuts)
    return out


def write_dataset(raw: Path, out: Path, cuts: list[tuple[str, str, float]]) -> None:
    """A dataset of SECONDS of each (name, file, start), as the stage writes it; dancers are kept whose legs are out of the picture."""
    params = Params(m2p=M2p(min_body_frames=0.0), split=Split(salt=SALT))
    weights.ensure(SAMPLE_MODELS)
    files = {file: weights.path_of(model, file) for model in SAMPLE_MODELS for file in weights.model(model).files}
    measured = []
    for name, file, start_s in cuts:
        clip = clip_of(raw / f"{file}.mp4", name, start_s)
        measured.append(
            (clip, measure_dance(DanceClip(raw / clip.source, start_s, clip.end_s, FPS, params.m2p.resolution, files)))
        )
    item_of = {clip.clip_id: item for clip, item in measured}
    for side in ("train", "validation"):
        (out / side).mkdir(parents=True)
    entries = []
    for sample in m2p.run(params, measured, People([], {})):
        assert isinstance(sample, Sample), sample
        entries.append(write_sample(out, sample, item_of[sample.dance.clip.clip_id], params.m2p))
    write_json(out / "metadata.json", metadata(params.m2p, entries))


def clip_of(path: Path, name: str, start_s: float) -> Clip:
    found = probe(path)
    return row(
        Clip,
        **{"clip_id": name, "source": path.name, "source_sha256": sha256(path.read_bytes()).hexdigest()},
        **{"start_s": start_s, "end_s": start_s + SECONDS, "fps": found.fps, "width": found.width, "height": found.height},
        **{"has_audio": True, "loudness_lufs": -20.0},
    )
