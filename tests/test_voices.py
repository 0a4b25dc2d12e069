"""Whose voice it is, from what was measured; and the stage on small videos."""

import shutil

import numpy as np
import pytest

from face_cases import portrait_video
from onscreen import weights
from onscreen.cache import Item
from onscreen.config import Params, Voices
from onscreen.errors import InputError, Rejected
from onscreen.faces import detectors
from onscreen.ledger import write_ledger
from onscreen.media.audio import Audio, decode_audio, wav_bytes
from onscreen.records import Clip, Face, Reject, View, Voice
from onscreen.stages import dedupe, extract_faces, prepare, split, voices
from onscreen.stages.voices import Measured, run, with_usable_speech
from onscreen.stages.voices_clip import DETECTOR, ClipVoice, measure_speaker
from onscreen.storage import StoredFile
from onscreen.store import read_table
from onscreen.voices import light_asd
from onscreen.voices.active_speaker import SHIFTS
from onscreen.workspace import Workspace
from real_data import DATA, needs_real_data
from records_of import row
from stage_cases import RATE, spoken

LEFT, RIGHT = (0.0, 0.0, 50.0, 50.0), (100.0, 0.0, 50.0, 50.0)
ALIKE = np.eye(4, dtype=np.float32)[[0, 0, 0, 0]]
TWO = np.eye(4, dtype=np.float32)[[0, 0, 1, 1]]


def speech(windows=ALIKE, speech_s=6.0):
    return Item({"speech_s": speech_s, "repeated": speech_s < 1.6}, {"windows": windows})


def seen(*tracks, fps=25.0):
    """What measure_speaker finds: (box, odds, sync) of each face, over four seconds."""
    arrays = {}
    for number, (box, odds, peak) in enumerate(tracks):
        curve = np.tile([0.1, -0.1], SHIFTS + 1)[: 2 * SHIFTS + 1].astype(np.float32)
        curve[SHIFTS - 2 : SHIFTS + 3] = 0.1 * peak
        arrays |= {f"boxes_{number}": np.tile(np.float32(box), (100, 1)), f"fit_{number}": curve}
        arrays[f"odds_{number}"] = np.full(100, odds, np.float32)
    return Item({"fps": fps, "from_s": 0.0, "frames": 100, "tracks": [0] * len(tracks)}, arrays)


def clip(people=1, words=None, lips=None):
    """A clip of four seconds in which the main person is at the left and another one, if any, at the right."""
    faces = [row(Face, clip_id="a", face_id="a", people=people)] if people else []
    views = [row(View, clip_id="a", person=person, time_s=1.0, box=(LEFT, RIGHT)[person]) for person in range(people)]
    spoken_in = row(Clip, clip_id="a", audio="a.wav", end_s=4.0, speech_start_s=(0.5,), speech_end_s=(3.5,))
    return Measured(spoken_in, faces, views, words or speech(), lips)


def decide(one, **params):
    found = list(run(Voices(**params), [one]))
    (voice,) = [item for item in found if isinstance(item, Voice)]
    return voice, [item.code for item in found if isinstance(item, Reject)]


def test_the_voice_of_one_who_is_alone_is_theirs():
    voice, codes = decide(clip(), active_speaker="none")
    assert (voice.face_id, voice.speakers, voice.windows, codes) == ("a", 1, 4, [])
    assert voice.group_similarity == pytest.approx(1)


def test_two_voices_are_a_reject_with_the_numbers_and_0_keeps_them():
    voice, codes = decide(clip(words=speech(TWO)), active_speaker="none")
    assert (voice.face_id, voice.speakers, codes) == (None, 2, ["several_voices"])
    assert decide(clip(words=speech(TWO)), active_speaker="none", min_speaker_similarity=0.0)[0].face_id == "a"


def test_a_voice_too_short_to_compare_stays_theirs_and_nothing_is_claimed():
    for words in (speech(ALIKE[:1]), speech(ALIKE[:2], 2.0), Rejected("too_short", "0.5 s")):
        voice, codes = decide(clip(words=words), active_speaker="none")
        assert (voice.face_id, voice.speakers, voice.group_similarity, codes) == ("a", None, None, [])


def test_nobody_in_sight_has_no_voice():
    assert decide(clip(people=0))[0].face_id is None


def test_beside_another_person_the_voice_is_given_up_unless_the_network_hears_one_alone():
    assert decide(clip(people=2), active_speaker="none")[0].face_id is None
    talks, listens = (LEFT, 2.0, 4.0), (RIGHT, -4.0, 0.5)
    voice, codes = decide(clip(2, lips=seen(talks, listens)), active_speaker="light_asd")
    assert (voice.face_id, voice.people, voice.speaking, codes) == ("a", 2, 1, [])
    both = decide(clip(2, lips=seen(talks, (RIGHT, 2.0, 4.0))), active_speaker="light_asd")
    assert (both[0].face_id, both[1]) == (None, ["several_speakers"])
    other = decide(clip(2, lips=seen((LEFT, -4.0, 0.5), (RIGHT, 2.0, 4.0))), active_speaker="light_asd")
    assert (other[0].face_id, other[1]) == (None, ["not_the_speaker"])


def test_a_dubbed_face_is_told_by_its_sync_and_the_threshold_is_a_param():
    dubbed = clip(lips=seen((LEFT, 3.0, -0.5)))
    assert decide(dubbed, active_speaker="light_asd")[1] == ["not_the_speaker"]
    assert decide(dubbed, active_speaker="light_asd", min_sync=-2.0)[1] == []


def test_what_could_not_be_looked_at_is_a_flag_and_no_verdict():
    for lips, flag in [
        (Rejected("no_frames", "none"), "not_looked_at:no_frames"),
        (seen((RIGHT, 2.0, 4.0)), "not_looked_at:main_person_not_followed"),
    ]:
        voice, codes = decide(clip(lips=lips), active_speaker="light_asd")
        assert (voice.face_id, voice.flags, voice.score, codes) == ("a", (flag,), None, [])


@pytest.mark.parametrize(
    ("openings", "flags"),
    [("still", ("lips_do_not_move",)), ("against", ("lips_do_not_follow_the_voice",)), ("with", ())],
)
def test_lips_flag_and_never_reject(openings, flags):
    loud = np.convolve(np.random.default_rng(0).normal(size=120), np.ones(8) / 8, "same")[:100]
    mouth = {"still": 0.001 * loud, "against": -0.2 * loud, "with": 0.2 * loud}[openings][::2]
    item = seen((LEFT, 0.0, 0.0), fps=6.25)
    found = Item(item.meta, {**item.arrays, "openings_0": mouth.astype(np.float32), "loud": loud})
    voice, codes = decide(clip(lips=found))
    assert (voice.face_id, voice.method, voice.flags, codes) == ("a", "mouth", flags, [])


def test_only_clips_with_enough_speech_are_listened_to():
    clips = [
        row(Clip, clip_id="ok", audio="x.wav", speech_s=3.0),
        row(Clip, clip_id="mute", speech_s=3.0),
        row(Clip, clip_id="short", audio="x.wav", speech_s=0.9),
        row(Clip, clip_id="moment", audio="x.wav", speech_s=3.0, flags=("too_short",)),
    ]
    assert [one.clip_id for one in with_usable_speech(clips, 1.0)] == ["ok"]


@pytest.fixture(scope="module")
def stills(tmp_path_factory):
    """Still pictures that speak, as sample clips are; before voices has run."""
    root = tmp_path_factory.mktemp("stills")
    portrait_video(root / "raw" / "one.mp4", 0, 48, Audio(spoken(0, 0, 4.0), RATE))
    given = Params()
    heard = given.voices.model_copy(update={"vad_threshold": 1e-4, "min_speech_s": 0.5})
    params = given.model_copy(update={"data": given.data.model_copy(update={"raw": str(root / "raw")}), "voices": heard})
    workspace = Workspace(root, root, params, root / ".cache")
    write_ledger(workspace.ledger, {})
    for stage in (prepare, extract_faces, dedupe):
        stage.main(workspace)
    return workspace


def test_an_old_checkout_is_told_what_to_run(stills):
    with pytest.raises(InputError, match=r"voices\.parquet does not exist\. Run `dvc repro`"):
        split.main(stills)


def test_a_still_picture_that_speaks_is_flagged_and_kept(stills):
    voices.main(stills)
    (voice,) = read_table(stills.voices / "voices.parquet", Voice)
    assert voice.face_id == "one"
    assert voice.flags == ("lips_do_not_move",)
    assert voice.looked_s > 3
    assert read_table(stills.voices / "rejects.parquet", Reject) == []
    assert (stills.reports / "metrics" / "voices.json").is_file()
    assert len(list(stills.plots("voices").iterdir())) == 2
    before = {path: path.stat().st_mtime_ns for path in stills.cache_root.rglob("*.npz")}
    voices.main(stills)
    assert {path: path.stat().st_mtime_ns for path in stills.cache_root.rglob("*.npz")} == before


PUBLISHED = DATA.parent / "models" / light_asd.MODEL / light_asd.FILE


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A checkout that has the weights of Light-ASD; yields the paths of the detector's files."""
    files = {file: weights.path_of(name, file) for name in detectors.WEIGHTS[DETECTOR] for file in weights.model(name).files}
    (tmp_path / ".weights" / light_asd.MODEL).mkdir(parents=True)
    shutil.copy(PUBLISHED, tmp_path / ".weights" / light_asd.MODEL)
    monkeypatch.setenv("ONSCREEN_HOME", str(tmp_path))
    light_asd.network.cache_clear()
    yield files
    light_asd.network.cache_clear()


@needs_real_data
@pytest.mark.skipif(not PUBLISHED.is_file(), reason=f"no weights of Light-ASD in {PUBLISHED.parent}")
def test_a_voice_that_is_not_the_faces_is_given_to_nobody(tmp_path, published):
    """Of real clips, without the stages before: the first seconds, all of them speech, and people known by the half they are in."""
    words = speech()

    def told(name, people, method, seconds):
        path, wav = DATA / "hard" / f"{name}.mp4", tmp_path / f"{name}.wav"
        wav.write_bytes(wav_bytes(decode_audio(path, 0.0, seconds, RATE)))
        item = measure_speaker(ClipVoice(path, StoredFile(wav), 0.0, seconds, 0.0, method, published))
        assert len(item.meta["tracks"]) == people
        boxes = sorted(tuple(item.arrays[f"boxes_{number}"][0].tolist()) for number in range(people))
        views = [row(View, clip_id=name, person=number, box=box) for number, box in enumerate(boxes)]
        faces = [row(Face, clip_id=name, face_id=name, people=people)]
        whole = row(Clip, clip_id=name, audio="a.wav", end_s=seconds, speech_start_s=(0.0,), speech_end_s=(seconds,))
        voice, codes = decide(Measured(whole, faces, views, words, item), active_speaker=method)
        return voice.face_id, voice.flags, codes

    dubbed, two = "voice_is_not_the_face", "two_speakers_side_by_side"
    assert told(dubbed, 1, "light_asd", 3.0) == (None, ("not_the_speaker",), ["not_the_speaker"])
    assert told(dubbed, 1, "mouth", 8.0) == (dubbed, ("lips_do_not_follow_the_voice",), [])
    assert told(two, 2, "light_asd", 4.0) == (None, ("several_people", "several_speakers"), ["several_speakers"])
