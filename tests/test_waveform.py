"""The level of speech, and speech shorter than what a network hears at once."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from onscreen.errors import Rejected
from onscreen.storage import StoredFile
from onscreen.voices.waveform import Speech, fill, level, read_speech
from stage_cases import RATE, spoken


def rms_dbfs(samples: np.ndarray) -> float:
    return float(20 * np.log10(np.sqrt(np.mean(samples.astype(np.float64) ** 2))))


def test_quiet_speech_is_raised_to_the_level_and_louder_speech_is_left() -> None:
    quiet = spoken(1, 0) / 100
    assert rms_dbfs(quiet) < -40
    assert rms_dbfs(level(quiet, -30.0)) == pytest.approx(-30, abs=1e-3)
    assert rms_dbfs(level(quiet, -20.0)) == pytest.approx(-20, abs=1e-3)
    loud = spoken(1, 0)
    assert np.array_equal(level(loud, -40.0), loud)
    assert level(quiet, -30.0).dtype == np.float32


def test_speech_as_recorded_is_not_touched() -> None:
    quiet = spoken(1, 0) / 100
    assert np.array_equal(level(quiet, "as_recorded"), quiet)


def test_a_click_in_quiet_speech_is_not_clipped() -> None:
    samples = spoken(1, 0) / 1000
    samples[100] = 0.9
    raised = level(samples, -20.0)
    gain = raised[200:].std() / samples[200:].std()
    assert raised[100] > 1
    assert raised[100] == pytest.approx(0.9 * gain, rel=1e-4)


@pytest.mark.parametrize("loudness", [-30.0, "as_recorded"])
def test_silence_cannot_be_raised(loudness: float | str) -> None:
    with pytest.raises(Rejected, match="silent"):
        level(np.zeros(100, np.float32), loudness)


@given(size=st.integers(1, 50), needed=st.integers(1, 50))
def test_speech_is_repeated_at_most_once_and_nothing_else_is_added(size: int, needed: int) -> None:
    samples = np.arange(1, size + 1)
    if 2 * size < needed:
        with pytest.raises(Rejected, match="too_short"):
            fill(samples, needed, "repeat")
        return
    filled, repeated = fill(samples, needed, "repeat")
    assert filled.size == max(size, needed)
    assert repeated == (size < needed)
    assert np.array_equal(filled, np.resize(samples, filled.size))


def test_short_speech_can_be_refused_with_what_it_had_and_what_was_asked() -> None:
    with pytest.raises(Rejected) as caught:
        fill(np.ones(RATE), 2 * RATE, "refuse")
    assert (caught.value.code, caught.value.numbers) == ("too_short", {"speech_s": 1.0, "needed_s": 2.0})
    assert fill(np.ones(RATE), RATE, "refuse")[1] is False
    with pytest.raises(Rejected) as caught:
        fill(np.ones(RATE), 3 * RATE, "repeat")
    assert caught.value.numbers == {"speech_s": 1.0, "needed_s": 1.5}


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_speech_that_holds_no_number_is_rejected(tmp_path: Path, value: float) -> None:
    samples = spoken(1, 0)
    samples[1000:1003] = value
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
    with pytest.raises(Rejected) as caught:
        read_speech(Speech(StoredFile(tmp_path / "a.wav"), (0.0,), (1.0,)))
    assert (caught.value.code, caught.value.numbers) == ("not_finite", {"samples": 3.0})
    assert read_speech(Speech(StoredFile(tmp_path / "a.wav"), (1.0,), (2.0,))).size == RATE
