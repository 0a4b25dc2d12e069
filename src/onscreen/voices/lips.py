"""Whether lips follow a voice: the correlation of a mouth's opening with the loudness of speech. A weak sign, and no network.

Half of all people open their mouths in step with their loudness clearly, others hardly: so this can flag, and never reject.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from onscreen.voices.waveform import RATE_HZ

FPS = 6.25  # looks a second: each costs one face mesh, and of twice as many neighbours say the same
LOUD_HZ = 12.5  # values of loudness a second; syllables come at 4 to 5
REACH = 3  # values of loudness to either side, 240 ms: lips open before sound, and files are off by as much
_FLOOR = 1e-7  # mean square: -70 dBFS, below which rooms differ and voices do not
_LEAST_LOOKS = 12  # about two seconds


@dataclass(frozen=True)
class Lips:
    """movement: standard deviation of the mouth's opening over the distance of the eyes. follow: correlation -1 to 1 with loudness
    at the best lag; None where either never changes. lag_s: seconds by which the sound comes after the lips."""

    movement: float
    follow: float | None
    lag_s: float | None


def loudness(samples: np.ndarray) -> np.ndarray:
    """(n,) float32 at 16 kHz -> (floor(n / 1280),) log10 of the mean square in each 80 ms."""
    hop = round(RATE_HZ / LOUD_HZ)
    parts = samples[: len(samples) // hop * hop].reshape(-1, hop).astype(np.float64)
    return np.asarray(np.log10(np.maximum((parts**2).mean(1), _FLOOR)))


def lips(first: int, openings: np.ndarray, loud: np.ndarray) -> Lips | None:
    """How lips move and follow. first: look with which openings (T,) begin. loud: (n,) as loudness gives it. None under
    two seconds."""
    if len(openings) < _LEAST_LOOKS:
        return None
    found = {lag: _correlation(round(first * LOUD_HZ / FPS) + lag, openings, loud) for lag in range(-REACH, REACH + 1)}
    known = {lag: value for lag, value in found.items() if value is not None}
    best = max(known, key=known.__getitem__, default=None)
    movement = float(openings.std())
    return Lips(movement, None, None) if best is None else Lips(movement, known[best], best / LOUD_HZ)


def _correlation(start: int, openings: np.ndarray, loud: np.ndarray) -> float | None:
    """start: value of loudness at the first opening, may lie before or behind all of them."""
    heard = start + np.arange(len(openings)) * round(LOUD_HZ / FPS)
    both = (heard >= 0) & (heard < len(loud))
    mouth, voice = openings[both], loud[heard[both]]
    if len(mouth) < _LEAST_LOOKS or mouth.std() < 1e-6 or voice.std() < 1e-6:
        return None
    return float(np.corrcoef(mouth, voice)[0, 1])
