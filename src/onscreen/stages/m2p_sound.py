"""What the m2p stage hears of a clip: which frames have sound, and the music of each of its parts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from onscreen.errors import Rejected
from onscreen.media.audio import Audio, decode_audio
from onscreen.motion import music
from onscreen.motion.music import Music

_PULSE_FPS = 24  # sets the rate at which a pulse is measured, whatever the rate of the video
_STRETCHES, _STRETCH_S = 3, 20.0  # of a clip whose pulse is wanted


@dataclass(frozen=True)
class Sound:
    """A clip's sound. samples: (N,) float32 mono, music.HOP of them a frame; the clip's frame 0 is `lead` frames after the first.

    frames: how many of the clip's frames have a picture's time and sound.
    """

    samples: np.ndarray
    fps: int
    lead: int
    frames: int

    def of(self, first: int, frames: int) -> np.ndarray:
        """The samples of some of the clip's frames alone."""
        start = (self.lead + first) * music.HOP
        return self.samples[start : start + frames * music.HOP]

    def music(self, first: int, frames: int) -> tuple[Music, list[float]]:
        """Features of some of the clip's frames, and the seconds of context before and after.

        Context comes from the source, beyond the clip's cut, too. Raises Rejected as music.measure does.
        """
        around = round(music.BEFORE_AND_AFTER_S * self.fps)
        total = len(self.samples) // music.HOP
        start = max(0, self.lead + first - around)
        stop = min(total, self.lead + first + frames + around + 1)
        before = self.lead + first - start
        heard = music.measure(self.samples[start * music.HOP : stop * music.HOP], self.fps, before, frames)
        return heard, [before / self.fps, (stop - start - before - frames) / self.fps]


def listen(path: Path, start_s: float, end_s: float, fps: int) -> Sound:
    """The sound of a clip and of what is around it in its source.

    Where the soundtrack starts or ends, nothing stands in for it: frames after its end are not part of the clip; a start that is more
    than a frame late is a reject, and so is more than one frame that is missing inside, context included: beats are found over all of
    it.
    Raises Rejected: audio_starts_late, sound_has_gaps, too_short, silent, what decode_audio raises.
    """
    before = min(int(start_s * fps), round(music.BEFORE_AND_AFTER_S * fps))
    wanted = int((end_s - start_s) * fps + 1e-6)
    audio = decode_audio(path, start_s - before / fps, end_s + music.BEFORE_AND_AFTER_S, music.rate_hz(fps), mono=True)
    late = int(np.ceil(audio.missing_start_s * fps - 1e-6))
    if late > before + 1:
        raise Rejected("audio_starts_late", "the sound starts after the clip", {"late_s": audio.missing_start_s - before / fps})
    if audio.missing_inside_s > 1 / fps:
        numbers = {"missing_s": audio.missing_inside_s, "allowed_s": 1 / fps}
        raise Rejected("sound_has_gaps", "parts of the soundtrack cannot be decoded", numbers)
    first = min(late, before)
    there = int((audio.duration_s - audio.missing_end_s) * fps + 1e-6)
    count = min(wanted, there - before)
    if count < 1:
        raise Rejected("too_short", "picture and sound share no frame", {"frames": max(count, 0)})
    if not np.abs(audio.samples).max(initial=0) > 0:
        raise Rejected("silent", "the sound is digital silence", {"peak": 0.0})
    samples = np.ascontiguousarray(audio.samples[first * music.HOP : there * music.HOP])
    return Sound(samples, fps, before - first, count)


def clearest_pulse(path: Path, start_s: float, end_s: float) -> float | None:
    """The highest music.pulse_clarity of up to three stretches of 20 s of a clip; None of less than 5 s, or without two beats.

    Raises Rejected as decode_audio does.
    """
    samples = decode_audio(path, start_s, end_s, music.rate_hz(_PULSE_FPS), mono=True).samples
    length = round(_STRETCH_S * music.rate_hz(_PULSE_FPS))
    starts = {int(start) for start in np.linspace(0, max(0, samples.size - length), _STRETCHES)}
    found = [_pulse(samples[start : start + length]) for start in sorted(starts)]
    return max((pulse for pulse in found if pulse is not None), default=None)


def _pulse(samples: np.ndarray) -> float | None:
    try:
        return music.pulse_clarity(music.find_beats(samples, _PULSE_FPS))
    except Rejected:
        return None


def soundtrack(path: Path, start_s: float, frames: int, fps: int) -> Audio:
    """The sound for video.mp4, (n, 1) or (n, 2) float32 at the source's rate: sample 0 is heard at start_s, the last with the last frame."""
    return decode_audio(path, start_s, start_s + frames / fps, None, mono=False, at_most_stereo=True)
