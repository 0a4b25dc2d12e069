import numpy as np
import pytest

from media_cases import beep_at, broken, onset_s, shifted, video
from onscreen.errors import InputError, Rejected
from onscreen.media.audio import Audio, decode_audio, loudness_lufs, read_wav, to_int16, wav_bytes
from real_data import DATA, needs_real_data


def sine(frequency_hz, rate_hz, duration_s=5.0, level_db=0.0, channels=1):
    samples = 10 ** (level_db / 20) * np.sin(2 * np.pi * frequency_hz * np.arange(round(duration_s * rate_hz)) / rate_hz)
    return Audio(np.stack([samples] * channels, axis=1).astype(np.float32), rate_hz)


@pytest.mark.parametrize("rate_hz", [None, 16000, 24576])
def test_sound_keeps_its_time_at_every_rate(tmp_path, rate_hz):
    found = decode_audio(video(tmp_path / "a.mp4", duration_s=3, beep_s=1.5), 0, 3, rate_hz)
    assert (found.rate_hz, found.samples.shape) == (rate_hz or 44100, (3 * (rate_hz or 44100),))
    assert onset_s(found) == pytest.approx(1.5, abs=0.002)
    assert (found.missing_start_s, found.missing_end_s) == (0, 0)


@pytest.mark.parametrize("start_s", [0.0, 0.3, 1.0, 1.45])
def test_sample_zero_is_what_is_heard_at_the_start_of_the_cut(tmp_path, start_s):
    found = decode_audio(video(tmp_path / "a.mp4", duration_s=3, beep_s=1.5), start_s, 2.9, 16000)
    assert start_s + onset_s(found) == pytest.approx(1.5, abs=0.002)
    assert len(found.samples) == round((2.9 - start_s) * 16000)


def test_two_cuts_join_without_a_seam(tmp_path):
    path = video(tmp_path / "a.mp4", duration_s=3, beep_s=1.45)
    whole = decode_audio(path, 0, 3).samples
    parts = [decode_audio(path, 0, 1.5).samples, decode_audio(path, 1.5, 3).samples]
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-4)


def test_a_soundtrack_that_starts_late_leaves_silence_and_says_how_much(tmp_path):
    path = shifted(video(tmp_path / "a.mp4", duration_s=3, beep_s=1.0), tmp_path / "late.mp4", "audio", 0.7)
    found = decode_audio(path, 0, 3, 16000)
    assert found.missing_start_s == pytest.approx(0.7, abs=0.03)
    assert not found.samples[: int(0.65 * 16000)].any()
    assert onset_s(found) == pytest.approx(1.7, abs=0.03)


def test_a_soundtrack_that_ends_early_says_how_much_is_missing(tmp_path):
    found = decode_audio(video(tmp_path / "a.mp4", duration_s=2), 0, 5, 16000)
    assert found.missing_end_s == pytest.approx(3.0, abs=0.03)
    assert len(found.samples) == 5 * 16000


def test_broken_packets_leave_silence_and_it_is_counted(tmp_path):
    path = video(tmp_path / "a.mp4", duration_s=4, beep_s=3.0)
    found = decode_audio(broken(path, tmp_path / "b.mp4", "audio", 1.0, 2.0), 0, 4, 16000)
    assert found.missing_inside_s == pytest.approx(1.0, abs=0.05)
    assert found.gaps_s == (pytest.approx((1.0, 2.0), abs=0.05),)
    assert (found.missing_start_s, found.missing_end_s) == (0, 0)
    assert onset_s(found) == pytest.approx(3.0, abs=0.002)
    assert decode_audio(path, 0, 4, 16000).missing_inside_s == 0


def test_sound_before_a_late_picture_is_kept_on_the_same_clock(tmp_path):
    path = shifted(video(tmp_path / "a.mp4", duration_s=3, beep_s=0.5), tmp_path / "late.mp4", "video", 1.0)
    assert onset_s(decode_audio(path, 0, 3, 16000)) == pytest.approx(0.5, abs=0.03)


def test_channels_are_kept_on_request_and_averaged_otherwise(tmp_path):
    path = video(tmp_path / "a.mp4")
    assert decode_audio(path, 0, 2, mono=False).samples.shape == (88200, 1)
    assert decode_audio(path, 0, 2).samples.shape == (88200,)


def test_a_video_without_audio_is_a_named_reject(tmp_path):
    with pytest.raises(Rejected, match="no_audio"):
        decode_audio(video(tmp_path / "a.mp4", beep_s=None), 0, 2)


def test_a_time_beyond_the_soundtrack_is_a_named_reject(tmp_path):
    with pytest.raises(Rejected, match="no_audio"):
        decode_audio(video(tmp_path / "a.mp4"), 5, 6)


def test_wav_gives_back_what_was_written_to_16_bits(tmp_path):
    audio = beep_at(0.2, 1.0, 16000)
    (tmp_path / "a.wav").write_bytes(wav_bytes(audio))
    found = read_wav(tmp_path / "a.wav")
    assert found.rate_hz == 16000
    np.testing.assert_allclose(found.samples, audio.samples, atol=0.5 / 32768 + 1e-7)


def test_what_is_louder_than_full_scale_is_clipped_and_does_not_wrap():
    assert to_int16(np.array([1.5, -1.5, 0.0], np.float32)).tolist() == [32767, -32768, 0]


def test_reading_what_is_no_sound_names_the_file(tmp_path):
    (tmp_path / "a.wav").write_text("no")
    for name in ("a.wav", "gone.wav"):
        with pytest.raises(InputError, match=name):
            read_wav(tmp_path / name)


@pytest.mark.parametrize(
    ("audio", "lufs"),
    [
        (sine(997, 48000), -3.01),  # BS.1770-4: a full-scale 997 Hz sine in one front channel
        (sine(997, 48000, channels=2), 0.0),
        (sine(997, 44100), -3.01),
        (sine(1000, 48000, level_db=-23.0, channels=2), -23.0),  # EBU Tech 3341, case 1
        (sine(1000, 48000, level_db=-33.0, channels=2), -33.0),  # case 2
    ],
)
def test_loudness_of_tones_is_the_standards(audio, lufs):
    assert loudness_lufs(audio) == pytest.approx(lufs, abs=0.1)


def test_quiet_passages_do_not_lower_the_loudness():
    """EBU Tech 3341, case 3: 10 s at -36, 60 s at -23, 10 s at -36 dBFS are -23 LUFS."""
    parts = [sine(1000, 48000, seconds, level, 2).samples for seconds, level in ((10, -36.0), (60, -23.0), (10, -36.0))]
    assert loudness_lufs(Audio(np.concatenate(parts), 48000)) == pytest.approx(-23.0, abs=0.1)


def test_silence_has_no_loudness():
    assert loudness_lufs(Audio(np.zeros(16000, np.float32), 16000)) is None
    assert loudness_lufs(sine(997, 48000, level_db=-80)) is None
    assert loudness_lufs(Audio(np.zeros(0, np.float32), 16000)) is None


@needs_real_data
def test_real_soundtracks_are_as_long_as_their_pictures():
    found = decode_audio(DATA / "clips" / "grid_bbaf2n.mpg", 0, 3.0, 16000)
    assert len(found.samples) == 48000
    assert found.missing_end_s == pytest.approx(0.022, abs=0.002)
