"""Which sounds are of one recording: landmark fingerprints (Wang 2003, "An Industrial-Strength Audio Search Algorithm").

Peaks of the spectrogram survive noise, levels and codecs. A pair of peaks near each other is a hash (both frequencies and the time
between them); two sounds of one recording share hashes at one time offset. Rates and the peak pairs' reach follow audfprint (Ellis).
Excerpts of one song that share no moment are joined only where the song repeats itself exactly, as loops do; so are two songs built
on one drum loop. A cover, or a copy played 1% faster, is another recording.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

RATE_HZ, N_FFT, HOP = 11025, 1024, 256  # 43 frames a second
_PEAK_BINS, _PEAK_FRAMES = 15, 5  # a peak is the highest of this many bins and frames on either side
_PEAKS_S = 30  # peaks a second at most, the highest above their surroundings
_FAN_OUT = 8  # pairs a peak, the nearest in time
_MAX_FRAMES, _MAX_BINS = 63, 127  # how far apart the peaks of a pair may lie
_NEIGHBOURS = (1, 6)  # entries of one hash compared with each, by round; bounds the work where many clips share a song or a hash
_PAIRS_AT_ONCE = 2_000_000
_FLOOR_DB = -80.0  # below the loudest: the floor of 16-bit silence holds no landmarks
_CHANCE = 1e-9  # of a pair of different recordings to be joined: one of 20 sets of 10,000 sounds has such a pair
# Votes by chance are Poisson's, were they independent. These two bring the 82,000 pairs of different recordings of benchmarks/songs.py,
# of which 1 in n must reach a chance of 1 / n, to where they should be: many that agree at other offsets too repeat themselves.
_CLUMPING, _LEAST_EXPECTED = 2.0, 0.03
_VOTE_FRAMES = 2  # anchors this close to each other are one vote: a peak may be found twice


def fingerprint(samples: np.ndarray, rate_hz: int) -> np.ndarray:
    """(H, 2) int32: hash and frame (of 23.2 ms) of each pair of peaks, in order of time. (0, 2) of silence.

    samples: (N,) float32 mono. Raises ValueError for samples that are not finite.
    """
    if not np.isfinite(samples).all():
        raise ValueError("the sound holds samples that are not finite")
    frames, bins = _peaks(samples, rate_hz)
    return _pairs(frames, bins)


def same_songs(fingerprints: Sequence[np.ndarray]) -> np.ndarray:
    """(N,) int64: sounds of one recording have one number, counting from 0 in order of first appearance.

    Whether two sounds are joined does not depend on how many others there are.
    """
    if not sum(map(len, fingerprints)):
        return np.arange(len(fingerprints))  # nothing is heard in any
    labels = _joined(fingerprints)
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[inverse], np.int64)


def _peaks(samples: np.ndarray, rate_hz: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames and bins of the spectrogram's peaks, in order of time."""
    import soxr
    from scipy.ndimage import maximum_filter, uniform_filter
    from scipy.signal import ShortTimeFFT
    from scipy.signal.windows import hann

    sound = soxr.resample(np.asarray(samples, np.float32), rate_hz, RATE_HZ) if rate_hz != RATE_HZ else samples
    if len(sound) < N_FFT or not np.abs(sound).max() > 0:
        return np.zeros(0, int), np.zeros(0, int)
    transform = ShortTimeFFT(hann(N_FFT, sym=False), HOP, RATE_HZ)
    level = 20 * np.log10(np.abs(transform.stft(sound)) + 1e-10)
    level = np.maximum(level, level.max() + _FLOOR_DB)
    above = level - uniform_filter(level, (2 * _PEAK_BINS + 1, 2 * _PEAK_FRAMES + 1))
    highest = maximum_filter(level, (2 * _PEAK_BINS + 1, 2 * _PEAK_FRAMES + 1))
    bins, frames = np.nonzero((level == highest) & (above > 0))
    rank = np.argsort(-above[bins, frames], kind="stable")
    seconds = frames[rank] * HOP // RATE_HZ
    order = np.argsort(seconds, kind="stable")
    place = np.arange(len(order)) - np.searchsorted(seconds[order], seconds[order])
    kept = rank[order[place < _PEAKS_S]]
    kept = kept[np.lexsort((bins[kept], frames[kept]))]
    return frames[kept], bins[kept]


def _pairs(frames: np.ndarray, bins: np.ndarray) -> np.ndarray:
    """(H, 2) hash and frame of each peak with the first peaks after it that are near enough."""
    made, taken = list[np.ndarray](), np.zeros(len(frames), int)
    for step in range(1, len(frames)):
        apart, up = frames[step:] - frames[:-step], bins[step:] - bins[:-step]
        if apart.min() > _MAX_FRAMES:
            break
        near = (apart >= 1) & (apart <= _MAX_FRAMES) & (np.abs(up) <= _MAX_BINS) & (taken[:-step] < _FAN_OUT)
        taken[:-step] += near
        hashes = (bins[:-step] << 14 | (up + 128) << 6 | apart)[near]
        made.append(np.column_stack([hashes, frames[:-step][near]]))
    if not made:
        return np.zeros((0, 2), np.int32)
    both = np.concatenate(made).astype(np.int32)
    return both[np.lexsort((both[:, 0], both[:, 1]))]


def _joined(fingerprints: Sequence[np.ndarray]) -> np.ndarray:
    """(N,) a number for each sound, the same for those that are joined.

    In rounds: most sounds of one recording are neighbours in the index, and sounds that are joined already are not compared again.
    """
    sizes = [len(one) for one in fingerprints]
    both = np.concatenate([np.asarray(one, np.int32).reshape(-1, 2) for one in fingerprints])
    sound = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    following = np.append(both[1:, 0], 0)  # sorted by it too, sounds of one recording are neighbours also where a hash is common
    order = np.lexsort((sound, following, both[:, 0]))
    hashes, frame, sound = both[order, 0], both[order, 1], sound[order]
    lengths = np.array([one[:, 1].max() + 1 if len(one) else 0 for one in fingerprints], np.int64)
    group, pairs = np.arange(len(sizes), dtype=np.int32), np.zeros((0, 2), np.int64)
    for reach in _NEIGHBOURS:
        found = [_agreeing(*match, lengths) for match in _matches(hashes, frame, sound, group, reach)]
        pairs = np.concatenate([pairs, *found])
        group = _connected(pairs, len(sizes))
    return group


def _connected(pairs: np.ndarray, total: int) -> np.ndarray:
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    graph = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), (total, total))
    return np.asarray(connected_components(graph, directed=False)[1], np.int32)


def _matches(
    hashes: np.ndarray, frame: np.ndarray, sound: np.ndarray, group: np.ndarray, reach: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Equal hashes of two sounds a < b of two groups: (a, b, offset, frame in a), all those of some a at a time."""
    of, shifts = group[sound], range(1, reach + 1)

    def equal(shift: int) -> np.ndarray:
        return np.flatnonzero((hashes[shift:] == hashes[:-shift]) & (of[shift:] != of[:-shift]))

    parts = 1 + sum(len(equal(shift)) for shift in shifts) // _PAIRS_AT_ONCE
    for part in range(parts):
        matches = list[tuple[np.ndarray, ...]]()
        for shift in shifts:
            here = equal(shift)
            there = here + shift
            here, there = np.where(sound[here] < sound[there], (here, there), (there, here))
            mine = sound[here] % parts == part
            here, there = here[mine], there[mine]
            matches.append((sound[here], sound[there], frame[there] - frame[here], frame[here]))
        a, b, offset, anchor = (np.concatenate(columns) for columns in zip(*matches, strict=True))
        yield a, b, offset, anchor


def _agreeing(a: np.ndarray, b: np.ndarray, offset: np.ndarray, anchor: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """(J, 2) the pairs of sounds with more votes for one offset than chance gives.

    A vote is 46 ms of a, however many of its hashes agree: hashes that share peaks are not independent.
    """
    from scipy.stats import poisson

    if not len(a):
        return np.zeros((0, 2), np.int64)
    pairs, pair = np.unique(a.astype(np.int64) * len(lengths) + b, return_inverse=True)
    # One number a vote sorts faster than rows: 26 bits of pair, 20 of offset, 18 of time hold sounds of over an hour.
    votes = np.unique((pair << 38) | ((offset.astype(np.int64) + (1 << 19)) << 18) | (anchor // _VOTE_FRAMES))
    places, count = np.unique(votes >> 18, return_counts=True)
    first = np.searchsorted(places >> 20, np.arange(len(pairs)))
    best = np.maximum.reduceat(count, first)
    others = np.add.reduceat(count, first) - best
    both = np.column_stack([pairs // len(lengths), pairs % len(lengths)])
    expected = others / lengths[both].max(axis=1)  # votes an offset, where the overlap is longest
    chance = lengths[both].sum(axis=1) * poisson.sf(best - 1, _CLUMPING * expected + _LEAST_EXPECTED)
    return np.asarray(both[chance < _CHANCE])
