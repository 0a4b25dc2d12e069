"""Speaker embeddings: the packaged network as its authors run it, windows, and speech too short for it."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from sklearn.metrics import roc_auc_score

from onscreen.errors import Rejected
from onscreen.storage import StoredFile
from onscreen.voices.embedders import VoiceTask, _embed, _starts, measure_voice
from onscreen.voices.waveform import Speech
from real_data import DATA, needs_real_data
from stage_cases import RATE, spoken


def task(path: Path, samples: np.ndarray, window_s: float = 5.0) -> VoiceTask:
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    return VoiceTask(Speech(StoredFile(path), (0.0,), (len(samples) / RATE,)), "resemblyzer", window_s)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b)


def test_it_is_a_unit_vector_of_256_values_and_repeats_itself(tmp_path: Path) -> None:
    one, again = (measure_voice(task(tmp_path / "a.wav", spoken(1, 0))).arrays["embedding"] for _ in range(2))
    assert one.shape == (256,)
    assert one.dtype == np.float32
    assert np.linalg.norm(one) == pytest.approx(1, abs=1e-6)
    assert np.array_equal(one, again)


def test_it_equals_resemblyzers_own_where_that_pads_nothing() -> None:
    from resemblyzer import VoiceEncoder

    samples = spoken(3, 0)[: 160 * 160 - 1]  # one partial: 1.6 s
    expected = VoiceEncoder("cpu", verbose=False).embed_utterance(samples)
    own = _embed(np.append(samples, np.float32(0)))
    assert cosine(own, expected) == pytest.approx(1, abs=1e-6)


def test_voices_of_one_person_lie_nearer_than_those_of_two(tmp_path: Path) -> None:
    found = {
        (person, clip): measure_voice(task(tmp_path / "a.wav", spoken(person, clip))).arrays["embedding"]
        for person in range(3)
        for clip in range(2)
    }
    same = min(cosine(found[person, 0], found[person, 1]) for person in range(3))
    different = max(cosine(found[a, 0], found[b, 1]) for a in range(3) for b in range(3) if a != b)
    assert same > different


def test_long_speech_is_the_mean_over_windows_that_cover_it(tmp_path: Path) -> None:
    samples = 3 * np.concatenate([spoken(1, clip) for clip in range(4)])  # 12 s: windows at 0, 5 and 7 s
    item = measure_voice(task(tmp_path / "a.wav", samples))
    windows = item.arrays["windows"]
    assert windows.shape == (3, 256)
    mean = windows.mean(axis=0)
    assert item.arrays["embedding"] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-6)
    last = measure_voice(task(tmp_path / "a.wav", samples[-5 * RATE :])).arrays["embedding"]
    assert windows[2] == pytest.approx(last, abs=1e-3)


@pytest.mark.parametrize(("size", "expected"), [(10, [0]), (7, [0]), (20, [0, 10]), (25, [0, 10, 15]), (31, [0, 10, 20, 21])])
def test_windows_cover_everything_and_none_reaches_beyond(size: int, expected: list[int]) -> None:
    assert _starts(size, 10, 10) == expected


def test_speech_under_a_partial_is_repeated_once_and_said_so(tmp_path: Path) -> None:
    samples = spoken(1, 0)
    short = measure_voice(task(tmp_path / "a.wav", samples[: round(1.0 * RATE)]))
    assert short.meta == {"speech_s": 1.0, "repeated": True}
    assert not measure_voice(task(tmp_path / "a.wav", samples[: round(1.6 * RATE)])).meta["repeated"]
    whole = measure_voice(task(tmp_path / "a.wav", samples)).arrays["embedding"]
    assert cosine(short.arrays["embedding"], whole) > 0.8


def test_half_a_partial_is_too_short_and_silence_is_no_voice(tmp_path: Path) -> None:
    for samples, code in ((spoken(1, 0)[: round(0.79 * RATE)], "too_short"), (np.zeros(RATE, np.float32), "silent")):
        with pytest.raises(Rejected) as caught:
            measure_voice(task(tmp_path / "a.wav", samples))
        assert caught.value.code == code


def test_quiet_speech_is_raised_and_loud_speech_left_as_it_is(tmp_path: Path) -> None:
    samples = spoken(1, 0)
    normal = measure_voice(task(tmp_path / "a.wav", samples)).arrays["embedding"]
    quiet = measure_voice(task(tmp_path / "a.wav", samples / 50)).arrays["embedding"]
    assert cosine(normal, quiet) > 0.95


@needs_real_data
def test_ten_real_speakers_are_told_apart() -> None:
    files = [
        path for folder in sorted((DATA / "voices" / "librispeech10").iterdir()) for path in sorted(folder.glob("*.flac"))[:3]
    ]
    vectors, people = [], []
    for path in files:
        seconds = soundfile.info(path).duration
        vectors.append(
            measure_voice(VoiceTask(Speech(StoredFile(path), (0.0,), (seconds,)), "resemblyzer", 5.0)).arrays["embedding"]
        )
        people.append(path.parent.name)
    scores, same = np.array(vectors) @ np.array(vectors).T, np.equal.outer(people, people)
    upper = np.triu_indices(len(files), 1)
    assert roc_auc_score(same[upper], scores[upper]) > 0.99
