"""Do numbers of an unknown layout follow a sound, and how late? The only proof there is for features that other tools made.

Every column is compared with what is commonly measured of sound (levels of bands, MFCC, chroma, onsets). At the true lag some columns
of real features agree far better than at all others; numbers of chance agree alike at every lag, however smooth they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from onscreen.motion.first_use import one_process_at_first
from onscreen.motion.lag import between

RATE_HZ, _HOP, _BANDS = 22050, 256, 32  # librosa's usual rate; 86 values a second
_BEST = 5  # columns whose mean agreement counts
_MAX_ROWS = 1500  # a minute at 24 a second is enough
FOLLOWS = 0.7  # correlation of a column that counts as following
MIN_PEAK = (
    0.15  # how far the best lag must stand out above the median lag, in correlation: 0.33 for the guide's features of 3 s of
)
# music, 0.12 for another track's, 0.06 for white noise of 72 rows, 0.03 for random walks


@dataclass(frozen=True)
class Following:
    """lag_s: how much later than its features the sound comes. agreement: mean correlation of the best columns there, 0-1;
    elsewhere: the same at the median lag. columns: how many follow at that lag."""

    lag_s: float
    agreement: float
    elsewhere: float
    columns: int

    @property
    def is_real(self) -> bool:
        return self.agreement >= FOLLOWS and self.agreement - self.elsewhere >= MIN_PEAK


def follow(features: np.ndarray, samples: np.ndarray, rate_hz: int, rows_hz: float, max_lag_s: float) -> Following:
    """features: (T, D), finite, columns that vary; row i at i / rows_hz s of samples (N,) mono at rate_hz."""
    features = np.asarray(features[:_MAX_ROWS], np.float64)
    said = describe(samples, rate_hz, rows_hz, len(features))
    reach = max(1, min(round(max_lag_s * rows_hz), len(features) // 2))
    best = [_agreement(features, said, lag) for lag in range(-reach, reach + 1)]
    scores = np.array([np.sort(one)[-_BEST:].mean() for one in best])
    overlap = 1 - np.abs(np.arange(-reach, reach + 1)) / len(features)  # few rows agree sooner by chance
    top = int((scores * overlap).argmax())
    lag = -(top - reach + between(scores, top)) / rows_hz
    return Following(float(lag), float(scores[top]), float(np.median(scores)), int((best[top] >= FOLLOWS).sum()))


@one_process_at_first
def describe(samples: np.ndarray, rate_hz: int, rows_hz: float, count: int) -> np.ndarray:
    """(count, 58) of a sound at row / rows_hz seconds: 32 bands dB, 13 MFCC, 12 chroma, onset strength."""
    import librosa
    import soxr

    sound = soxr.resample(np.asarray(samples, np.float32), rate_hz, RATE_HZ)
    power = librosa.feature.melspectrogram(y=sound, sr=RATE_HZ, hop_length=_HOP, n_mels=128)
    level = librosa.power_to_db(power, ref=1.0, amin=1e-10, top_db=None)
    parts = [
        level.reshape(_BANDS, -1, level.shape[1]).mean(axis=1),
        librosa.feature.mfcc(S=level, n_mfcc=13),
        librosa.feature.chroma_stft(y=sound, sr=RATE_HZ, hop_length=_HOP, tuning=0.0),
        np.maximum(0, np.diff(level, axis=1, prepend=level[:, :1])).mean(axis=0, keepdims=True),
    ]
    table = np.vstack(parts).T
    at = np.round(np.arange(count) / rows_hz * RATE_HZ / _HOP).astype(int)
    return np.asarray(table[np.clip(at, 0, len(table) - 1)])


def _agreement(features: np.ndarray, said: np.ndarray, lag: int) -> np.ndarray:
    """(D,) largest correlation, either sign, of each column with any of the sound's, `lag` rows later."""
    one = features[max(0, lag) : len(features) + min(0, lag)]
    two = said[max(0, -lag) : len(said) + min(0, -lag)]
    return np.asarray(np.abs(_unit(one).T @ _unit(two)).max(axis=1))


def _unit(table: np.ndarray) -> np.ndarray:
    table = table - table.mean(axis=0)
    return np.asarray(table / (np.linalg.norm(table, axis=0) + 1e-12))
