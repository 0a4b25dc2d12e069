"""One voice has windows that are alike; two have two groups that are not."""

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from onscreen.storage import StoredFile
from onscreen.voices.embedders import VoiceTask, measure_voice
from onscreen.voices.one_speaker import EMBEDDER, WINDOW_S, likeness
from onscreen.voices.waveform import RATE_HZ, Speech
from real_data import DATA, needs_real_data


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def windows_of(centres, seed=0):
    """A window for each of the rows of centres, a little beside it."""
    return unit(centres + np.random.default_rng(seed).normal(scale=0.05, size=centres.shape))


def test_two_voices_are_told_by_their_groups_and_not_by_their_mean():
    one, other = unit(np.abs(np.random.default_rng(1).normal(size=(2, 32))))
    alone = likeness(windows_of(np.stack([one] * 8)))
    mixed = likeness(windows_of(np.stack([one] * 7 + [other])))
    assert mixed.groups == pytest.approx(float(one @ other), abs=0.15)
    assert mixed.least <= mixed.groups < mixed.mean < alone.groups <= alone.mean


def test_a_single_window_cannot_be_compared():
    assert likeness(np.ones((1, 4), np.float32)) is None
    assert likeness(np.zeros((0, 1), np.float32)) is None


@given(st.integers(2, 12), st.randoms(use_true_random=False))
def test_the_order_of_windows_does_not_matter_much_and_numbers_stay_in_bounds(count, random):
    rows = windows_of(np.abs(np.random.default_rng(random.randrange(1000)).normal(size=(count, 8))))
    found = likeness(rows)
    assert -1.0001 <= found.least <= found.groups + 1e-6
    assert found.groups <= found.mean + 0.5
    assert likeness(rows[::-1]).least == pytest.approx(found.least, abs=1e-6)


@needs_real_data
def test_real_speech_of_two_people_is_less_alike_than_that_of_one(tmp_path):
    people = sorted((DATA / "voices" / "librispeech10").iterdir())[:2]
    first, second = ([soundfile.read(file)[0] for file in sorted(person.rglob("*.flac"))[:2]] for person in people)

    def groups(name, *parts):
        sound = np.concatenate([part[: 4 * RATE_HZ] for part in parts])
        soundfile.write(tmp_path / name, sound, RATE_HZ)
        speech = Speech(StoredFile(tmp_path / name), (0.0,), (len(sound) / RATE_HZ,))
        return likeness(measure_voice(VoiceTask(speech, EMBEDDER, WINDOW_S)).arrays["windows"]).groups

    assert groups("two.wav", first[0], second[0]) < 0.6 < groups("one.wav", *first)
