"""Calibrates voices.min_speaker_similarity. Run: python benchmarks/one_speaker.py FOLDER

FOLDER holds a folder of utterances (flac or wav, 16 kHz mono) for each speaker; librispeech10 was used, which no result is reported on.
Utterances of one speaker are joined to clips of several lengths, as are those of two, half and half or 7 to 3. The table says how
many clips of one speaker a threshold would take for two, and how many of two for one.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import numpy as np
import soundfile

from onscreen.voices.embedders import HOP, PARTIAL, _embed, _starts
from onscreen.voices.one_speaker import likeness
from onscreen.voices.speech import speech_probability, speech_segments
from onscreen.voices.waveform import LOUDNESS_DBFS, RATE_HZ, level

_LENGTHS_S = (3.2, 5.0, 8.0)
_UTTERANCES = 4  # read of each speaker: enough for the longest clip
_SHARES = (0.5, 0.3)  # of the second speaker
_DRAWS = 3  # clips of each speaker and length
_THRESHOLDS = (0.50, 0.55, 0.60, 0.65, 0.70)


def main(folder: Path) -> None:
    random = np.random.default_rng(0)  # which utterances are joined, the same ones in every run
    people = {one.name: [_speech(file) for file in _files(one)[:_UTTERANCES]] for one in sorted(folder.iterdir()) if one.is_dir()}
    print(f"{len(people)} speakers, {sum(map(len, people.values()))} utterances; threshold: one taken for two, two for one\n")
    for seconds in _LENGTHS_S:
        alone = [_groups(_joined(random, own, seconds)) for own in people.values() for _ in range(_DRAWS)]
        for share in _SHARES:
            mixed = [
                _groups(np.concatenate([_joined(random, a, seconds * (1 - share)), _joined(random, b, seconds * share)]))
                for a, b in itertools.combinations(people.values(), 2)
            ]
            print(f"{seconds:4.1f} s, second speaker {share:.0%}: {_rates(alone, mixed)}", flush=True)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in (".flac", ".wav"))


def _speech(file: Path) -> np.ndarray:
    samples = soundfile.read(file, dtype="float32")[0]
    segments = speech_segments(speech_probability(samples), 0.5, len(samples) / RATE_HZ)
    return np.concatenate([samples[round(start * RATE_HZ) : round(end * RATE_HZ)] for start, end in segments])


def _joined(random: np.random.Generator, utterances: list[np.ndarray], seconds: float) -> np.ndarray:
    order = random.permutation(len(utterances))
    return np.concatenate([utterances[index] for index in order])[: round(seconds * RATE_HZ)]


def _groups(samples: np.ndarray) -> float:
    heard, length = level(samples, LOUDNESS_DBFS), PARTIAL * HOP
    found = likeness(np.stack([_embed(heard[start : start + length]) for start in _starts(heard.size, length, length)]))
    assert found is not None
    return found.groups


def _rates(alone: list[float], mixed: list[float]) -> str:
    rates = [f"{t:.2f}: {np.mean(np.array(alone) < t):4.0%} {np.mean(np.array(mixed) >= t):4.0%}" for t in _THRESHOLDS]
    return "  ".join(rates) + f"  least of one {min(alone):.2f}, most of two {max(mixed):.2f}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    main(parser.parse_args().folder)
