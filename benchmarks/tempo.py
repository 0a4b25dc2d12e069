"""Tempo and pulse against counts by hand, and how music and speech differ. Run: python benchmarks/tempo.py DATA

DATA holds dance/music, dance/dance_with_music.mp4 and clips (people speaking). The counts below were made from plots of the level in
one band (named) over time, not by any beat tracker: the first and the last clear stroke, and the beats between them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr
import typer

from onscreen.errors import Rejected
from onscreen.media.audio import decode_audio
from onscreen.motion import music
from onscreen.voices.speech import speech_probability

FPS = 24
RATE_HZ = music.rate_hz(FPS)
_LENGTHS_S = (5, 8, 12, 20)


@dataclass(frozen=True)
class Counted:
    beats: int
    from_s: float
    to_s: float
    how: str

    @property
    def bpm(self) -> float:
        return 60 * self.beats / (self.to_s - self.from_s)


COUNTED = {
    "drum_bass": Counted(26, 0.90, 23.84, "14 snares (1.5-10 kHz), 1.76 s apart, on every second beat"),
    "ragtime": Counted(28, 10.08, 21.76, "strokes of the left hand (150-1500 Hz), 0.42 s apart, each one a beat"),
    "vibe_ace": Counted(
        62, 15.27, 43.88, "claps (1.5-10 kHz), 0.92 s apart, on every second beat; 6 of 32 are left out by the player"
    ),
    "waltz": Counted(108, 3.61, 46.81, "strokes (30-150 Hz) on a grid of 0.40 s, three to a bar"),
}


def main(data: Path) -> None:
    files = [*sorted((data / "dance" / "music").glob("*.ogg")), data / "dance" / "dance_with_music.mp4"]
    tracks = {file.stem: _sound(file) for file in files}
    print(
        f"{'track':12s}{'counted':>9s}{'tracked':>9s}{'ratio':>7s}{'other':>8s}   of excerpts of 12 s: within 4%, its octave, neither"
    )
    for name, counted in COUNTED.items():
        beats = music.find_beats(tracks[name], FPS)
        parts = [music.find_beats(part, FPS).tempo_bpm / counted.bpm for part in _parts(tracks[name], 12)]
        octave = [_near(ratio / 2) or _near(ratio * 2) for ratio in parts]
        right = [_near(ratio) for ratio in parts]
        neither = len(parts) - sum(right) - sum(octave)
        print(
            f"{name:12s}{counted.bpm:9.2f}{beats.tempo_bpm:9.2f}{beats.tempo_bpm / counted.bpm:7.3f}{music.other_tempo_bpm(beats):8.2f}"
            f"   {sum(right)} {sum(octave)} {neither}   {counted.how}"
        )
    clips = sorted(path for path in (data / "clips").iterdir() if path.suffix in (".mp4", ".mpg"))
    _pulses({"music": tracks, "speech": {file.stem: _sound(file) for file in clips}})


def _near(ratio: float) -> bool:
    return abs(ratio - 1) <= 0.04


def _sound(path: Path) -> np.ndarray:
    audio = decode_audio(path, 0.0, 80.0, RATE_HZ)
    return audio.samples[: round((audio.duration_s - audio.missing_end_s) * RATE_HZ)]


def _parts(sound: np.ndarray, length_s: int) -> list[np.ndarray]:
    size = length_s * RATE_HZ
    return [np.ascontiguousarray(sound[start : start + size]) for start in range(0, len(sound) - size + 1, size)]


def _pulses(kinds: dict[str, dict[str, np.ndarray]]) -> None:
    print("\npulse of excerpts: lowest, median, highest; share of speech; taken for speech without music")
    for length_s in _LENGTHS_S:
        for kind, sounds in kinds.items():
            found = [(name, *_measure(part)) for name, sound in sounds.items() for part in _parts(sound, length_s)]
            pulses, shares = (np.array([row[column] for row in found]) for column in (1, 2))
            taken = [music.is_speech(pulse, share) for _, pulse, share in found]
            odd = sorted({row[0] for row, is_speech in zip(found, taken, strict=True) if is_speech != (kind == "speech")})
            print(
                f"{length_s:3d} s {kind:7s}{len(found):4d}: {pulses.min():.2f} {np.median(pulses):.2f} {pulses.max():.2f}; "
                f"{shares.min():.2f} {np.median(shares):.2f} {shares.max():.2f}; {sum(taken)} of {len(taken)}, wrong: {odd}"
            )


def _measure(part: np.ndarray) -> tuple[float, float]:
    """Pulse and share of speech; a sound without beats has no pulse."""
    share = float((np.asarray(speech_probability(soxr.resample(part, RATE_HZ, 16000))) > 0.5).mean())
    try:
        return music.pulse_clarity(music.find_beats(part, FPS)) or 0.0, share
    except Rejected:
        return 0.0, share


if __name__ == "__main__":
    typer.run(main)
