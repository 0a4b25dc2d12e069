"""What voices.active_speaker: light_asd tells of dubbed voices. Run: python benchmarks/active_speaker.py FOLDER [--others 3]

FOLDER holds clips of one person each who speaks. The face of each meets its own voice and those of `--others` other clips. The table
says how many of the real and of the dubbed each voices.min_sync gives up. The default, 0, is not fitted to them: there a voice fits
its face no better in its place than displaced. Clips of a few seconds are a table of their own.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from onscreen import weights
from onscreen.errors import Rejected
from onscreen.faces import detectors
from onscreen.faces.tracks import follow, speaking_crop
from onscreen.media.audio import decode_audio
from onscreen.media.probe import probe
from onscreen.media.video import constant_rate_frames
from onscreen.voices.active_speaker import CROP_PX, FPS, SHIFTS, Speaking, cepstra, fit, sync
from onscreen.voices.light_asd import MODEL, _windowed, network
from onscreen.voices.speech import speech_probability, speech_segments
from onscreen.voices.waveform import RATE_HZ

_SECONDS = 8.0
_SHORT_S = 4.0
_VALUES = (-1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0)


@dataclass(frozen=True)
class Encoded:
    """One clip. seen, heard: (T, 128). spoken: (T,) bool."""

    name: str
    seen: torch.Tensor
    heard: torch.Tensor
    spoken: np.ndarray


def main(folder: Path, others: int) -> None:
    torch.set_num_threads(1)  # two threads of a small network wait for each other more than they work
    models = (*detectors.WEIGHTS["mediapipe"], MODEL)
    weights.ensure(models)
    files = {file: weights.path_of(model, file) for model in models for file in weights.model(model).files}
    detect = detectors.create("mediapipe", files)
    clips = [clip for path in sorted(folder.iterdir()) if path.suffix in (".mp4", ".mpg") for clip in _encoded(path, detect)]
    random = np.random.default_rng(0)  # whose voices each face meets, the same ones in every run
    for told, kept in (("4 s and more", lambda n: n >= _SHORT_S * FPS), ("shorter", lambda n: n < _SHORT_S * FPS)):
        some = [clip for clip in clips if kept(len(clip.spoken))]
        real = [found for clip in some if (found := _meet(clip, clip))]
        dubbed = [
            found
            for index, clip in enumerate(some)
            for other in random.permutation([number for number in range(len(some)) if number != index])[:others]
            if (found := _meet(clip, some[other]))
        ]
        print(f"\n{told}: {len(real)} real voices, {len(dubbed)} dubbed; min_sync: real given up, dubbed given up")
        print("  ".join(f"{value:g}: {_given_up(real, value):.0%} {_given_up(dubbed, value):.0%}" for value in _VALUES))
        print(f"the network's own boundary alone: {_silent(real):.0%} {_silent(dubbed):.0%}")


def _encoded(path: Path, detect: detectors.Detector) -> list[Encoded]:
    found = probe(path)
    start_s, end_s = found.video_start_s, min(found.duration_s, found.video_start_s + _SECONDS)
    try:
        frames = [frame.image for frame in constant_rate_frames(path, start_s, end_s - 0.1, FPS)]
    except Rejected as reason:
        print(f"{path.name}: {reason}")
        return []
    tracks = follow(frames, detect, 5, partial(speaking_crop, side=CROP_PX))
    if len(tracks) != 1:
        print(f"{path.name}: {len(tracks)} tracks of faces, left out")
        return []
    (track,), sound = tracks, decode_audio(path, start_s, end_s, RATE_HZ).samples
    spoken = np.zeros(len(track.seen), bool)
    for begin, end in speech_segments(speech_probability(sound), 0.5, end_s - start_s):
        spoken[max(0, round(begin * FPS) - track.first) : max(0, round(end * FPS) - track.first)] = True
    with torch.inference_mode():
        seen = network().faces(np.stack(track.seen))[0]
        heard = network().sound(cepstra(sound)[4 * track.first :][: 4 * len(seen)])[0]
    count = min(len(seen), len(heard))
    return [Encoded(path.stem, seen[:count], heard[:count], spoken[:count])]


def _meet(face: Encoded, voice: Encoded) -> Speaking | None:
    count = min(len(face.seen), len(voice.heard))
    seen, heard, spoken = face.seen[:count], voice.heard[:count], voice.spoken[:count]
    if not spoken.any() or count < 2 * FPS:
        return None
    with torch.inference_mode():
        odds = torch.stack([_windowed(network(), (seen + heard)[None], seconds * FPS) for seconds in range(1, 7)]).mean(0).numpy()
    return Speaking(float(odds[spoken].mean()), int(spoken.sum()), sync(fit(seen.numpy(), heard.numpy(), SHIFTS)))


def _given_up(found: list[Speaking], min_sync: float) -> float:
    return float(np.mean([not one.is_speaker(min_sync) for one in found])) if found else float("nan")


def _silent(found: list[Speaking]) -> float:
    return float(np.mean([one.score <= 0 for one in found])) if found else float("nan")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--others", type=int, default=3)
    options = parser.parse_args()
    main(options.folder, options.others)
