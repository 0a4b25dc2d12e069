"""Sound files: every kind comes out at one rate and one channel, and what is no sound is told by name."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from media_cases import video
from onscreen.errors import Rejected
from onscreen.media.sound import decode_sound
from sound_cases import SPEECH_HZ, sound_file, speech

HZ = 16_000


def tone(rate_hz: int, seconds: float = 1.0, frequency: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate_hz)) / rate_hz)).astype(np.float32)


def code_of(path: Path) -> str:
    with pytest.raises(Rejected) as caught:
        decode_sound(path, HZ)
    return caught.value.code


@pytest.mark.parametrize(
    ("ending", "rate_hz", "channels"),
    [("wav", 8000, 2), ("flac", 44100, 2), ("mp3", 44100, 1), ("ogg", 22050, 1), ("m4a", 44100, 2)],
)
def test_every_kind_holds_the_same_speech_at_16_khz(tmp_path: Path, ending: str, rate_hz: int, channels: int) -> None:
    found = decode_sound(sound_file(tmp_path / f"a.{ending}", rate_hz, channels), HZ)
    assert (found.source_hz, found.channels, found.gain) == (rate_hz, channels, 1.0)
    expected = decode_sound(sound_file(tmp_path / "whole.wav"), HZ).samples
    late = len(found.samples) - len(expected)  # AAC begins with 1024 samples of its encoder
    assert 0 <= late / HZ < 0.06
    energy = [np.sqrt(np.convolve(samples**2, np.ones(800), "valid")) for samples in (found.samples, expected)]
    shift = int(1024 / rate_hz * HZ) if ending == "m4a" else 0
    size = min(len(energy[0]) - shift, len(energy[1]))
    assert np.corrcoef(energy[0][shift : shift + size], energy[1][:size])[0, 1] > 0.98


def test_16_khz_mono_comes_out_sample_by_sample(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", tone(HZ), HZ)
    expected, _ = soundfile.read(tmp_path / "a.flac", dtype="float32")
    assert decode_sound(tmp_path / "a.flac", HZ).samples == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_every_sample_format_is_full_scale_1(tmp_path: Path, subtype: str) -> None:
    soundfile.write(tmp_path / "a.wav", tone(HZ), HZ, subtype=subtype)
    assert decode_sound(tmp_path / "a.wav", HZ).samples == pytest.approx(tone(HZ), abs=1 / 120)


def test_a_tone_keeps_its_pitch_and_its_length_from_any_rate(tmp_path: Path) -> None:
    for rate_hz in (8000, 11025, 44100, 48000, 96000):
        soundfile.write(tmp_path / "a.wav", tone(rate_hz), rate_hz)
        samples = decode_sound(tmp_path / "a.wav", HZ).samples
        assert abs(len(samples) - HZ) <= 1
        assert np.abs(np.fft.rfft(samples[:HZ])).argmax() == 440


def test_channels_are_averaged(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.stack([tone(HZ), np.zeros(HZ, np.float32)], axis=1), HZ, subtype="FLOAT")
    assert decode_sound(tmp_path / "a.wav", HZ).samples == pytest.approx(tone(HZ) / 2, abs=1e-7)


def test_what_goes_beyond_full_scale_is_turned_down_and_not_clipped(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", 5 * tone(HZ), HZ, subtype="FLOAT")
    found = decode_sound(tmp_path / "a.wav", HZ)
    assert found.gain == pytest.approx(0.4, rel=1e-3)
    assert found.samples == pytest.approx(2 * tone(HZ), abs=1e-5)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_no_numbers_are_refused(tmp_path: Path, value: float) -> None:
    samples = tone(44100)
    samples[20000] = value
    soundfile.write(tmp_path / "a.wav", samples, 44100, subtype="FLOAT")
    assert code_of(tmp_path / "a.wav") == "not_finite"


def test_what_is_no_sound_file_is_told_by_name(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.mp3").write_text("no sound " * 1000)
    (tmp_path / "list.m4a").write_text("#EXTM3U\n#EXTINF:1,\n/etc/hostname\n")
    video(tmp_path / "mute.mp4", 0.5, beep_s=None).rename(tmp_path / "mute.m4a")
    soundfile.write(tmp_path / "headonly.flac", tone(HZ), HZ)
    (tmp_path / "headonly.flac").write_bytes((tmp_path / "headonly.flac").read_bytes()[:60])
    codes = {name: code_of(tmp_path / name) for name in ("empty.wav", "text.mp3", "list.m4a", "mute.m4a", "missing.wav")}
    assert codes == {
        "empty.wav": "empty_file",
        "text.mp3": "not_a_sound",
        "list.m4a": "not_a_sound",
        "mute.m4a": "not_a_sound",
        "missing.wav": "unreadable",
    }
    assert code_of(tmp_path / "headonly.flac") in ("not_a_sound", "undecodable")


def test_a_file_that_breaks_off_gives_what_it_holds(tmp_path: Path) -> None:
    path = sound_file(tmp_path / "a.flac")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    samples = decode_sound(path, HZ).samples
    assert 0.3 < len(samples) / HZ / (len(speech()) / SPEECH_HZ) < 0.7
