"""Whether a voice is a face's: what Light-ASD is given of a sound, and what its numbers say. No network is loaded here.

Its own answer (log odds of speaking, boundary 0) tells a listener from a speaker. It does not tell a dubbed face, whose lips move
too: there it is asked how well the sound fits the face in its place, against the same sound displaced by up to a second.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from onscreen.voices.waveform import RATE_HZ

FPS = 25  # frames a second that the network looks at
CEPSTRA_HZ = 100
SHIFTS = 25  # frames to either side by which the sound is displaced
CROP_PX = 112
_IN_PLACE, _DISPLACED = 2, 5  # frames: lips and sound of a good file are within 80 ms; from 200 ms on nothing is in step
_LEAST_FRAMES = 2 * FPS  # a fit over less than two seconds says nothing
_SURE = 1.0  # deviations by which the fit in its place stands out when the face surely says what is heard
# The recipe of python_speech_features, whose cepstra the network was trained on.
_PRE_EMPHASIS, _WINDOW, _HOP, _FFT, _BANDS, _COUNT, _LIFTER = 0.97, 400, 160, 512, 26, 13, 22
_INT16 = 32_768.0


def cepstra(samples: np.ndarray) -> np.ndarray:
    """(n,) float32 in [-1, 1], 16 kHz -> (ceil(n / 160) or so, 13) float32 MFCC, 100 a second, the first the log energy.

    The last frames may reach beyond the end, into zeros, as in the network's training.
    """
    from scipy.fft import dct

    emphasised = np.append(samples[:1], samples[1:] - _PRE_EMPHASIS * samples[:-1]) * _INT16
    count = 1 + max(0, -(-(len(emphasised) - _WINDOW) // _HOP))
    filled = np.zeros((count - 1) * _HOP + _WINDOW)
    filled[: len(emphasised)] = emphasised
    frames = np.lib.stride_tricks.sliding_window_view(filled, _WINDOW)[::_HOP]
    power = np.abs(np.fft.rfft(frames, _FFT)) ** 2 / _FFT
    tiny = np.finfo(np.float64).eps
    bands = np.log(np.maximum(power @ _filters().T, tiny))
    found = dct(bands, type=2, axis=1, norm="ortho")[:, :_COUNT]
    found *= 1 + _LIFTER / 2 * np.sin(np.pi * np.arange(_COUNT) / _LIFTER)
    found[:, 0] = np.log(np.maximum(power.sum(1), tiny))
    return np.asarray(found, np.float32)


def _filters() -> np.ndarray:
    """(26, 257) triangles on the mel scale over 0-8 kHz, their corners at whole bins."""
    mel = np.linspace(0, 2595 * np.log10(1 + RATE_HZ / 2 / 700), _BANDS + 2)
    corners = np.floor((_FFT + 1) * 700 * (10 ** (mel / 2595) - 1) / RATE_HZ)
    bins = np.arange(_FFT // 2 + 1)
    low, middle, high = (corners[start : start + _BANDS, None] for start in range(3))
    rising, falling = (bins - low) / (middle - low), (high - bins) / (high - middle)
    return np.asarray(np.clip(np.where(bins < middle, rising, falling), 0, None))


def fit(seen: np.ndarray, heard: np.ndarray, shifts: int) -> np.ndarray:
    """How well what is heard fits what is seen when displaced by -shifts to shifts frames; later sound has larger indices.

    seen, heard: (T, D) float32, of the two encoders. The network was trained on their sum, and of one who speaks the two move
    against each other around their means: fit is the correlation with its sign turned. Displaced sound that leaves the end comes
    back at the beginning, so that all displacements are judged on the same frames. Returns (2 shifts + 1,) float32.
    """
    face, sound = seen - seen.mean(0), heard - heard.mean(0)
    size = max(float(np.linalg.norm(face) * np.linalg.norm(sound)), 1e-9)
    return np.array([-(face * np.roll(sound, shift, 0)).sum() / size for shift in range(-shifts, shifts + 1)], np.float32)


def sync(curve: np.ndarray) -> float:
    """By how many deviations the best fit in its place exceeds the mean of displaced ones (200 ms to 1 s). curve: as fit gives it."""
    shift = np.abs(np.arange(len(curve)) - len(curve) // 2)
    elsewhere = curve[shift >= _DISPLACED]
    return float((curve[shift <= _IN_PLACE].max() - elsewhere.mean()) / max(float(elsewhere.std()), 1e-9))


@dataclass(frozen=True)
class Speaking:
    """What was measured of one person. score: mean log odds of speaking over the frames with speech. frames: of those.

    sync: see above, over their longest track; None where that is shorter than two seconds.
    """

    score: float
    frames: int
    sync: float | None

    def is_speaker(self, min_sync: float) -> bool:
        """Whether the voice is theirs.

        Not below min_sync: somebody else's voice fits as well. A fit that clearly stands out proves it, because at a distance, or
        turned away, the network is not sure of lips; in between its own boundary counts.
        """
        if self.sync is None:
            return self.score > 0
        return self.sync >= min_sync and (self.score > 0 or self.sync >= _SURE)


def speaking(tracks: list[tuple[int, np.ndarray, np.ndarray]], spoken: np.ndarray) -> Speaking | None:
    """One person's numbers; None when they are in no frame with speech.

    tracks: first frame, log odds (F,) and curve of each. spoken: (T,) bool, whether somebody is heard in a frame.
    """
    heard = [odds[spoken[first : first + len(odds)]] for first, odds, _ in tracks]
    if not sum(map(len, heard)):
        return None
    longest = max(tracks, key=lambda track: len(track[1]))
    in_step = sync(longest[2]) if len(longest[1]) >= _LEAST_FRAMES else None
    return Speaking(float(np.concatenate(heard).mean()), sum(map(len, heard)), in_step)
