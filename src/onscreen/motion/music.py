"""Music features on the video's clock: (T, 4800) float32, row i belongs to the picture at i / fps seconds.

Sound is read at fps x 1024 Hz, so that a hop of 1024 samples is one video frame. Columns 0-38 describe frame t; columns 39-4799
hold 207 values for each of the frames t-11 .. t+11. `layout()` is the table of columns. Nothing is scaled to the clip: a level of
-20 dB is -20 dB in every clip, except where a library's own definition scales each frame (chroma) or the clip (tempogram).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from onscreen.errors import Rejected
from onscreen.media.audio import SILENT_POWER, frame_power
from onscreen.motion.first_use import one_process_at_first

LAYOUT_VERSION = 1
HOP = 1024
CONTEXT = 11  # frames on either side
WIDTH = 4800
N_FFT = 2048
BEAT_RATE_HZ = 96  # frames a second, at least, for beats: at 24 a tempo can only be 110.8, 120, 130.9, 144, ...
BEFORE_AND_AFTER_S = 5.0  # of the source around a cut, so that beats and filters do not start at the cut
MEL_TOP_HZ = 10000.0  # sound that once was 22,050 Hz or a low-rate MP3 has nothing above, and would give constant columns
_AMIN = 1e-10
# Listeners' ratings of how well each tone fits a key, tonic first (Krumhansl and Kessler 1982).
_KEYS = {
    "major": np.array([6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88]),
    "minor": np.array([6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17]),
}
_TONES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_KEY_MARGIN = 0.01  # of two correlations; plain cadences, which settle their key, have 0.015 to 0.15
PULSE_MIN_S = 5.0
SPEECH_PULSE, SPEECH_SHARE = 0.25, 0.5  # between music and speech, benchmarks/tempo.py
_TEMPI_BPM = np.geomspace(40.0, 240.0, 12)
_TEMPOGRAM_S = 8.0
_COLUMNS_AT_ONCE = 256
_NOW = (("mfcc", 13), ("chroma", 12), ("spectral_contrast", 7), ("tonnetz", 6), ("tempo_bpm", 1))
_AROUND = (
    *(("log_mel_db", 128), ("chroma_cqt", 36), ("mfcc_delta", 20), ("tempogram", 12), ("onset_strength", 1), ("onset_peak", 1)),
    *(("beat", 1), ("beat_phase_sin", 1), ("beat_phase_cos", 1), ("rms", 1), ("zero_crossing_rate", 1)),
    *(("spectral_centroid_hz", 1), ("spectral_bandwidth_hz", 1), ("spectral_rolloff_hz", 1), ("spectral_flatness", 1)),
)


_NOW_WIDTH = sum(width for _, width in _NOW)


@dataclass(frozen=True)
class Music:
    """features: (T, 4800) float32. tempo_bpm: over the sound that was read (Theil-Sen slope of its beats). beats_s: seconds from the clip's start.

    padded_frames: rows whose context reaches beyond the source and repeats its first or last frame there.
    key: as "A minor", over the sound that was read; None where two keys fit as well. key_strength: Pearson's correlation of the best
    key's profile, -1 to 1; None where no tone is heard.
    silent_s: seconds of the clip's own frames that lie in silence (silent_frames).
    pulse: how clear the beat is, 0-1 (pulse_clarity); None of less than 5 s of sound. other_tempo_bpm: half or twice tempo_bpm,
    whichever the onsets repeat with more; what a listener taps may be either.
    """

    features: np.ndarray
    tempo_bpm: float
    beats_s: np.ndarray
    padded_frames: int
    key: str | None
    key_strength: float | None
    silent_s: float
    pulse: float | None
    other_tempo_bpm: float


@dataclass(frozen=True)
class Beats:
    """times_s: (B,) seconds, growing, at least 2. strength: onset strength at rate_hz; peaks_s: onsets, seconds."""

    times_s: np.ndarray
    tempo_bpm: float
    strength: np.ndarray
    rate_hz: float
    peaks_s: np.ndarray


def rate_hz(fps: int) -> int:
    """The sample rate at which one hop is one video frame (24 fps: 24576 Hz)."""
    return fps * HOP


def layout() -> list[dict[str, Any]]:
    """The columns: [{name, width, frame offset from t, first column, one past the last}], 5 + 23 x 15 entries."""
    rows, column = [], 0
    offsets = [(0, _NOW), *((offset, _AROUND) for offset in range(-CONTEXT, CONTEXT + 1))]
    for offset, parts in offsets:
        for name, width in parts:
            rows.append({"name": name, "width": width, "offset": offset, "start": column, "stop": column + width})
            column += width
    return rows


@one_process_at_first
def measure(samples: np.ndarray, fps: int, first: int, count: int) -> Music:
    """Features of `count` video frames of a sound.

    samples: (N,) float32 mono at rate_hz(fps). Its sample 0 lies at a video frame; the clip starts `first` frames later.
    Raises Rejected: silent, sound_not_finite, no_beat (fewer than two beats can be heard), short_audio (it ends before the last frame).
    """
    frames = samples.size // HOP
    if first + count > frames:
        raise Rejected("short_audio", "the sound ends before the video", {"frames": frames - first, "wanted": count})
    if not np.isfinite(samples).all():
        raise Rejected(
            "sound_not_finite", "the sound holds values that are no numbers", {"samples": int((~np.isfinite(samples)).sum())}
        )
    if not np.abs(samples).max(initial=0) > 0:
        raise Rejected("silent", "the sound is digital silence", {"peak": 0.0})
    beats = find_beats(samples, fps)
    now, around = _describe(samples, fps, beats)
    key, strength = find_key(around[:, _chroma_columns()].reshape(-1, 12, 3).mean(axis=(0, 2)))
    silent = silent_frames(samples, fps)[first : first + count]
    wanted = np.arange(first, first + count)[:, None] + np.arange(-CONTEXT, CONTEXT + 1)
    inside = np.clip(wanted, 0, frames - 1)
    # As float32 before it is repeated: half of the memory.
    features = np.hstack([now[first : first + count].astype(np.float32), around.astype(np.float32)[inside].reshape(count, -1)])
    times = beats.times_s - first / fps
    padded = int((wanted != inside).any(axis=1).sum())
    own = times[(times >= 0) & (times < count / fps)]
    silent_s, pulse = float(silent.sum() / fps), pulse_clarity(beats)
    return Music(features, beats.tempo_bpm, own, padded, key, strength, silent_s, pulse, other_tempo_bpm(beats))


def find_key(chroma: np.ndarray) -> tuple[str | None, float | None]:
    """The key of a mean chroma (12,), C first, and its profile's correlation, by Krumhansl and Schmuckler (Krumhansl 1990, chapter 4).

    The key is None where the second best correlates as well to within _KEY_MARGIN; both are None of a chroma without any tone.
    """
    if not (np.isfinite(chroma).all() and chroma.std() > 0):
        return None, None
    (best, key), (second, _) = sorted(((fits, key) for key, fits in keys_of(chroma).items()), reverse=True)[:2]
    return (key if best - second >= _KEY_MARGIN else None), best


def keys_of(chroma: np.ndarray) -> dict[str, float]:
    """Key -> correlation of its profile, -1 to 1, with a mean chroma (12,), C first, that is not the same for all tones."""
    return {
        f"{_TONES[tonic]} {mode}": float(np.corrcoef(chroma, np.roll(profile, tonic))[0, 1])
        for mode, profile in _KEYS.items()
        for tonic in range(12)
    }


def silent_frames(samples: np.ndarray, fps: int) -> np.ndarray:
    """(F,) bool: video frames within 400 ms that are quieter than -70 LUFS, BS.1770's block and its absolute gate.

    samples: (N,) float32 mono at rate_hz(fps). Rests between notes are shorter or ring on.
    """
    power = frame_power(samples, rate_hz(fps), HOP)
    block = min(len(power), max(1, round(0.4 * fps)))
    total = np.concatenate([[0.0], np.cumsum(power)])
    quiet = (total[block:] - total[:-block]) / block <= SILENT_POWER
    return np.convolve(quiet, np.ones(block)) > 0


@one_process_at_first
def find_beats(samples: np.ndarray, fps: int) -> Beats:
    """Beats of a sound at rate_hz(fps), tracked at 96 frames a second or more. Raises Rejected no_beat."""
    import librosa
    from scipy.stats import theilslopes

    rate = rate_hz(fps)
    hop = HOP
    while rate / hop < BEAT_RATE_HZ and hop > 1:
        hop //= 2
    power = librosa.feature.melspectrogram(y=samples, sr=rate, n_fft=N_FFT, hop_length=hop)
    strength = librosa.onset.onset_strength(S=_decibel(power), sr=rate, hop_length=hop)
    _, found = librosa.beat.beat_track(onset_envelope=strength, sr=rate, hop_length=hop, trim=False, units="frames")
    if len(found) < 2:
        raise Rejected("no_beat", "fewer than two beats can be heard", {"beats": len(found)})
    peaks = librosa.onset.onset_detect(onset_envelope=strength, sr=rate, hop_length=hop, units="frames")
    times = np.asarray(found) * hop / rate
    interval = theilslopes(times, np.arange(len(times))).slope  # the tracker's first and last beat are often off
    return Beats(times, float(60 / interval), strength, rate / hop, np.asarray(peaks) * hop / rate)


def pulse_clarity(beats: Beats) -> float | None:
    """Largest autocorrelation of the onset strength at 0.25-2 s, 0-1 (Lartillot et al. 2008, "Multi-feature modeling of pulse
    clarity"); None of less than 5 s.

    Measured by benchmarks/tempo.py on excerpts of 5-20 s: music 0.28-0.89, people speaking 0.09-0.24 but where music plays too.
    """
    if len(beats.strength) < PULSE_MIN_S * beats.rate_hz:
        return None
    return float(_repetition(beats)[int(0.25 * beats.rate_hz) : int(2 * beats.rate_hz)].max())


def is_speech(pulse: float | None, speech_share: float) -> bool:
    """Whether a sound is speech without music: a weak pulse, and speech in more than half of it (0-1, by voices.speech).

    Where the pulse is not known, the share of speech alone decides.
    """
    return speech_share > SPEECH_SHARE and (pulse is None or pulse < SPEECH_PULSE)


def other_tempo_bpm(beats: Beats) -> float:
    """Half or twice the tempo, whichever the onset strength repeats with more."""
    repeats, lag = _repetition(beats), 60 * beats.rate_hz / beats.tempo_bpm
    half, twice = (repeats[min(round(lag * factor), len(repeats) - 1)] for factor in (2, 0.5))
    return beats.tempo_bpm * (0.5 if half >= twice else 2)


def _repetition(beats: Beats) -> np.ndarray:
    """Autocorrelation of the onset strength by lag; 1 at lag 0."""
    import librosa

    change = beats.strength - beats.strength.mean()
    return np.asarray(librosa.autocorrelate(change) / max(float((change**2).sum()), _AMIN))


def beat_phase(beats_s: np.ndarray, times_s: np.ndarray) -> np.ndarray:
    """(T,) how far between two beats each time lies, 0-1; before the first and after the last their interval goes on."""
    before = np.clip(np.searchsorted(beats_s, times_s, side="right") - 1, 0, len(beats_s) - 2)
    return np.asarray((times_s - beats_s[before]) / (beats_s[before + 1] - beats_s[before]) % 1.0)


def _describe(samples: np.ndarray, fps: int, beats: Beats) -> tuple[np.ndarray, np.ndarray]:
    """(F, 39) and (F, 207) for every whole frame of the sound; librosa's last frame, centred on the end, is dropped."""
    import librosa

    rate, frames = rate_hz(fps), samples.size // HOP
    magnitude = np.abs(librosa.stft(samples, n_fft=N_FFT, hop_length=HOP))
    power = magnitude**2
    mel = _log_mel_db(power, rate)
    cqt = np.abs(librosa.cqt(samples, sr=rate, hop_length=HOP, n_bins=252, bins_per_octave=36, tuning=0.0))
    chroma_12 = librosa.feature.chroma_cqt(C=cqt, sr=rate, n_chroma=12, bins_per_octave=36, tuning=0.0)
    rms = librosa.feature.rms(S=magnitude, frame_length=N_FFT)
    now = {
        "mfcc": librosa.feature.mfcc(S=mel, n_mfcc=13),
        "chroma": librosa.feature.chroma_stft(S=power, sr=rate, tuning=0.0),
        "spectral_contrast": librosa.feature.spectral_contrast(S=magnitude, sr=rate),
        "tonnetz": librosa.feature.tonnetz(chroma=chroma_12),
        "tempo_bpm": np.full((1, frames), beats.tempo_bpm),
    }
    around = {
        "log_mel_db": mel,
        "chroma_cqt": librosa.feature.chroma_cqt(C=cqt, sr=rate, n_chroma=36, bins_per_octave=36, tuning=0.0),
        "mfcc_delta": librosa.feature.delta(librosa.feature.mfcc(S=mel, n_mfcc=20)),
        **_rhythm(beats, fps, frames),
        "rms": rms,
        "zero_crossing_rate": librosa.feature.zero_crossing_rate(samples, frame_length=N_FFT, hop_length=HOP),
        "spectral_centroid_hz": librosa.feature.spectral_centroid(S=magnitude, sr=rate),
        "spectral_bandwidth_hz": librosa.feature.spectral_bandwidth(S=magnitude, sr=rate),
        "spectral_rolloff_hz": librosa.feature.spectral_rolloff(S=magnitude, sr=rate),
        "spectral_flatness": librosa.feature.spectral_flatness(S=magnitude),
    }
    return _stack(now, _NOW, frames), _stack(around, _AROUND, frames)


def _chroma_columns() -> slice:
    row = next(row for row in layout() if row["name"] == "chroma_cqt")
    return slice(row["start"] - _NOW_WIDTH, row["stop"] - _NOW_WIDTH)


def _rhythm(beats: Beats, fps: int, frames: int) -> dict[str, np.ndarray]:
    times = np.arange(frames) / fps
    phase = 2 * np.pi * beat_phase(beats.times_s, times)
    fine = np.round(times * beats.rate_hz).astype(int)
    return {
        "tempogram": _tempogram(beats, fine),
        "onset_strength": beats.strength[fine][None],
        "onset_peak": _mark(beats.peaks_s, fps, frames),
        "beat": _mark(beats.times_s, fps, frames),
        "beat_phase_sin": np.sin(phase)[None],
        "beat_phase_cos": np.cos(phase)[None],
    }


def _tempogram(beats: Beats, wanted: np.ndarray) -> np.ndarray:
    """(12, W) autocorrelation of the onset strength over 8 s around each wanted frame of it, at 12 tempi from 40 to 240 BPM.

    The wanted columns of librosa.feature.tempogram, some at a time: all at once take 0.3 GB for a minute.
    """
    import librosa

    window = int(_TEMPOGRAM_S * beats.rate_hz)
    padded = np.pad(beats.strength, window // 2, mode="linear_ramp", end_values=0)
    around = np.lib.stride_tricks.sliding_window_view(padded, window)
    shape = librosa.filters.get_window("hann", window, fftbins=True)
    tempi = 60 * beats.rate_hz / _TEMPI_BPM
    low = np.floor(tempi).astype(int)
    share = (tempi - low)[:, None]
    parts = list[np.ndarray]()
    for first in range(0, len(wanted), _COLUMNS_AT_ONCE):
        frames = around[wanted[first : first + _COLUMNS_AT_ONCE]].T * shape[:, None]
        lags = librosa.util.normalize(librosa.autocorrelate(frames, axis=-2), norm=np.inf, axis=-2)
        parts.append((1 - share) * lags[low] + share * lags[low + 1])
    return np.hstack(parts)


def _mark(times_s: np.ndarray, fps: int, frames: int) -> np.ndarray:
    marks = np.zeros((1, frames))
    nearest = np.round(times_s * fps).astype(int)
    marks[0, nearest[nearest < frames]] = 1
    return marks


@one_process_at_first
def log_mel_db(samples: np.ndarray, fps: int, fine: int) -> np.ndarray:
    """(fine * F, 128) the log-mel columns of a sound, `fine` times a video frame: row fine * t is that of frame t."""
    import librosa

    magnitude = np.abs(librosa.stft(samples, n_fft=N_FFT, hop_length=HOP // fine))
    return _log_mel_db(magnitude**2, rate_hz(fps)).T[: fine * (samples.size // HOP)]


def _log_mel_db(power: np.ndarray, rate: int) -> np.ndarray:
    import librosa

    return _decibel(librosa.feature.melspectrogram(S=power, sr=rate, n_mels=128, fmax=MEL_TOP_HZ))


def _decibel(power: np.ndarray) -> np.ndarray:
    import librosa

    return np.asarray(librosa.power_to_db(power, ref=1.0, amin=_AMIN, top_db=None))


def _stack(values: dict[str, np.ndarray], parts: tuple[tuple[str, int], ...], frames: int) -> np.ndarray:
    for name, width in parts:
        if values[name].shape[0] != width:
            raise ValueError(f"{name} has {values[name].shape[0]} rows, the layout says {width}")
    return np.vstack([values[name][:, :frames] for name, _ in parts]).T
