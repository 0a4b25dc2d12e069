"""Speech of sound files: whatever their rate, channels and level; and files that hold none."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from onscreen.cache import Item
from onscreen.errors import Rejected
from onscreen.storage import StoredFile
from onscreen.voices.embedders import VoiceTask, measure_voice
from onscreen.voices.files import marks, measure_sound, speech_of_sound
from onscreen.voices.mel import MelTask, measure_mel
from onscreen.voices.waveform import Speech, read_speech
from sound_cases import SPEECH_HZ, sound_file, speech

HZ = 16_000


def embedding(found: Speech) -> np.ndarray:
    return measure_voice(VoiceTask(found, "resemblyzer", 5.0)).arrays["embedding"]


def speech_in(path: Path, work: Path) -> Speech:
    return speech_of_sound(measure_sound(str(path)), work / f"{path.name}.wav", 0.5, 1.0)


def code_of(path: Path) -> str:
    with pytest.raises(Rejected) as caught:
        speech_in(path, path.parent)
    return caught.value.code


def test_its_meta_says_what_the_file_is(tmp_path: Path) -> None:
    item = measure_sound(str(sound_file(tmp_path / "a.flac", 48000, 2)))
    assert {name: item.meta[name] for name in ("rate_hz", "channels", "codec", "gain")} == {
        "rate_hz": 48000,
        "channels": 2,
        "codec": "flac",
        "gain": 1.0,
    }
    assert item.meta["duration_s"] == pytest.approx(len(speech()) / SPEECH_HZ, abs=1e-3)
    assert item.arrays["sound"].dtype == np.int16
    assert len(item.arrays["speech"]) == -(-len(item.arrays["sound"]) // 512)


def test_one_voice_in_every_kind_of_file_is_one_voice(tmp_path: Path) -> None:
    whole = embedding(speech_in(sound_file(tmp_path / "a.wav"), tmp_path / "work"))
    for ending, rate_hz, channels, nearest in (
        ("flac", 44100, 2, 0.999),
        ("mp3", 44100, 2, 0.98),
        ("ogg", 22050, 1, 0.9),
        ("m4a", 44100, 2, 0.95),
    ):
        other = embedding(speech_in(sound_file(tmp_path / f"b.{ending}", rate_hz, channels), tmp_path / "work"))
        assert whole @ other > nearest, ending


def test_half_of_the_band_is_used_and_said_so(tmp_path: Path) -> None:
    path = sound_file(tmp_path / "a.wav", 8000, 2)
    assert marks(measure_sound(str(path))) == ("narrow_band:8000Hz",)
    assert embedding(speech_in(path, tmp_path)).shape == (256,)
    assert marks(measure_sound(str(sound_file(tmp_path / "b.wav", 16000)))) == ()


def test_only_what_is_spoken_is_speech(tmp_path: Path) -> None:
    pause = np.zeros(2 * SPEECH_HZ, np.float32)
    found = speech_in(sound_file(tmp_path / "a.wav", samples=np.concatenate([pause, speech(), pause])), tmp_path / "work")
    seconds = len(speech()) / SPEECH_HZ
    assert found.start_s[0] == pytest.approx(2, abs=0.15)
    assert found.end_s[-1] == pytest.approx(2 + seconds, abs=0.3)
    assert read_speech(found).size / HZ == pytest.approx(seconds, abs=0.5)


def test_its_sound_is_written_once_and_nothing_beside_the_file(tmp_path: Path) -> None:
    path = sound_file(tmp_path / "theirs" / "a.wav")
    item, wav = measure_sound(str(path)), tmp_path / "work" / "0f" / "a.wav"
    first = speech_of_sound(item, wav, 0.5, 1.0)
    written = wav.stat().st_mtime_ns
    assert speech_of_sound(item, wav, 0.5, 1.0) == first
    assert wav.stat().st_mtime_ns == written
    assert first.wav == StoredFile(wav)
    assert [file.name for file in path.parent.iterdir()] == ["a.wav"]
    assert [file.name for file in wav.parent.iterdir()] == ["a.wav"]


def test_what_holds_no_speech_is_told_by_name(tmp_path: Path) -> None:
    broken = speech().copy()
    broken[5000:] = np.nan
    hiss = 0.05 * np.random.default_rng(0).normal(size=2 * SPEECH_HZ)  # noise as a sound without a voice
    cases = {
        "silent": np.zeros(SPEECH_HZ),
        "too_short": speech()[: SPEECH_HZ // 10],
        "no_speech": hiss,
        "not_finite": broken,
    }
    for code, samples in cases.items():
        assert code_of(sound_file(tmp_path / f"{code}.wav", samples=samples, subtype="FLOAT")) == code
    (tmp_path / "none.wav").touch()
    (tmp_path / "text.wav").write_text("RIFF, but not really")
    assert (code_of(tmp_path / "none.wav"), code_of(tmp_path / "text.wav")) == ("empty_file", "not_a_sound")


def test_little_speech_is_told_with_what_it_had_and_what_was_asked(tmp_path: Path) -> None:
    item = measure_sound(str(sound_file(tmp_path / "a.wav", samples=speech()[:SPEECH_HZ])))
    with pytest.raises(Rejected) as caught:
        speech_of_sound(item, tmp_path / "b.wav", 0.5, 1.5)
    assert caught.value.code == "no_speech"
    assert 0.5 < caught.value.numbers["speech_s"] <= 1.0 < caught.value.numbers["min_speech_s"]
    assert not (tmp_path / "b.wav").exists()


def test_a_file_that_has_gone_is_a_passing_trouble(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="cannot be read"):
        measure_sound(str(tmp_path / "gone.wav"))


@pytest.mark.parametrize("rate_hz", [8000, 44100])
def test_mel_spectrograms_of_any_file_have_numbers(tmp_path: Path, rate_hz: int) -> None:
    found = speech_in(sound_file(tmp_path / "a.flac", rate_hz, 2), tmp_path)
    item: Item = measure_mel(MelTask(found, 64, 25.0, 10.0))
    assert item.arrays["mel"].shape[0] == 64
    assert np.isfinite(item.arrays["mel"]).all()


def test_quiet_speech_loses_nothing_that_counts_to_16_bits(tmp_path: Path) -> None:
    kept = speech_in(sound_file(tmp_path / "a.wav", samples=speech() / 50, subtype="FLOAT"), tmp_path)
    whole = sound_file(tmp_path / "b.wav", HZ, samples=speech() / 50, subtype="FLOAT")
    assert embedding(kept) @ embedding(replace(kept, wav=StoredFile(whole))) > 0.999


def test_speech_beyond_full_scale_is_turned_down_and_said_so(tmp_path: Path) -> None:
    item = measure_sound(str(sound_file(tmp_path / "a.wav", samples=20 * speech(), subtype="FLOAT")))
    assert marks(item)[0].startswith("turned_down:0.")
    loudest = np.sort(np.abs(item.arrays["sound"].astype(int)))[::-1]
    assert loudest[0] >= 32767 > loudest[3]
