"""What preparing a dance costs beside finding its poses, and how much memory a long one takes.

    python benchmarks/m2p_speed.py [--video FILE] [--seconds 12] [--rounds 3]
    python benchmarks/m2p_speed.py --long FILE          a long video, in one process: peak memory and parts

Core-seconds (of all threads) of the whole preparation of a clip, as the stage m2p does it (look, decoding, shots, poses, faces, film,
sound, music, song, embeddings), against those of the poses alone on the same decoded frames, whose decoding is not counted: once as
they are found within that preparation, which other programs slow down as much as the rest, and once by themselves, in turns with it.
The process is warm: importing libraries (librosa's first call takes 5 s) and loading dlib's 100 MB happen once a worker, for all of its
clips, and are not counted. MediaPipe's models, which are loaded anew for each clip, are.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from onscreen import weights
from onscreen.media.probe import probe
from onscreen.media.video import decoded_at_rate
from onscreen.motion.poses import open_poses
from onscreen.stages import m2p_film
from onscreen.stages.m2p_clip import LOOK_MODELS, SAMPLE_MODELS, DanceClip, look_for_body, measure_dance
from onscreen.tasks_models import silent_native_log

DANCE = (
    Path(os.environ.get("ONSCREEN_TEST_DATA", Path(__file__).parents[2] / "shared" / "data")) / "dance" / "dance_with_music.mp4"
)
FPS, RESOLUTION = 24, 512


def clip_of(path: Path, seconds: float) -> DanceClip:
    models = dict.fromkeys((*LOOK_MODELS, *SAMPLE_MODELS))
    weights.ensure(models)
    files = {file: weights.path_of(model, file) for model in models for file in weights.model(model).files}
    return DanceClip(path, 0.0, min(seconds, probe(path).duration_s), FPS, RESOLUTION, files, framing="crop")


def whole(clip: DanceClip) -> tuple[int, int]:
    """Prepare a clip; its frames, and how often each was decoded at most."""
    look = look_for_body(clip)
    item = measure_dance(replace(clip, window=look.meta["window"], people=look.meta["people"]))
    return sum(part["frames"] for part in item.meta["parts"]), max(part["decodes"] for part in item.meta["parts"])


def poses_alone(clip: DanceClip) -> tuple[float, int]:
    """Core-seconds of finding poses in frames that are decoded already; how many."""
    spent, frames = 0.0, 0
    with silent_native_log(), open_poses(clip.pose, clip.files, people=clip.people) as find:
        for time_s, decoded in decoded_at_rate(clip.path, clip.start_s, clip.end_s, clip.fps):
            image = decoded.image
            start = time.process_time()
            find(image, time_s)
            spent += time.process_time() - start
            frames += 1
    return spent, frames


@contextmanager
def timed_poses() -> Iterator[list[float]]:
    """Core-seconds of each call of a pose finder in the preparations within."""
    spent = list[float]()

    @contextmanager
    def opened(*args: Any, **named: Any) -> Iterator[Any]:
        with open_poses(*args, **named) as find:
            yield _Timed(find, spent)

    m2p_film.open_poses = opened
    try:
        yield spent
    finally:
        m2p_film.open_poses = open_poses


@dataclass
class _Timed:
    find: Any
    spent: list[float]

    def __call__(self, image: Any, time_s: float) -> Any:
        start = time.process_time()
        seen = self.find(image, time_s)
        self.spent.append(time.process_time() - start)
        return seen

    def restart(self) -> None:
        self.find.restart()


def timed(work: Callable[[], tuple[int, int]]) -> tuple[float, tuple[int, int]]:
    start = time.process_time()
    found = work()
    return time.process_time() - start, found


def compare(path: Path, seconds: float, rounds: int) -> None:
    clip = clip_of(path, seconds)
    whole(replace(clip, end_s=min(2.0, clip.end_s)))  # loads libraries and models
    within, apart = list[float](), list[float]()
    for _ in range(rounds):
        pose_s, frames = poses_alone(clip)
        with timed_poses() as spent:
            whole_s, (filmed, decodes) = timed(lambda: whole(clip))
        within.append(whole_s / sum(spent))
        apart.append((whole_s / filmed) / (pose_s / frames))
        print(
            f"{filmed} frames, decoded {decodes}x: whole {whole_s:.1f} core-s, poses within it {sum(spent):.1f}: {within[-1]:.3f};"
            f" poses of {frames} by themselves {pose_s:.1f}: {apart[-1]:.3f}"
        )
    print(
        f"whole / poses, median of {rounds} rounds: {statistics.median(within):.3f}; by themselves {statistics.median(apart):.3f}"
    )


def long(path: Path) -> None:
    clip = clip_of(path, float("inf"))
    start = time.process_time()
    frames, decodes = whole(clip)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{frames} frames ({frames / FPS:.0f} s), decoded {decodes}x: {time.process_time() - start:.0f} core-s, peak {peak_mb:.0f} MB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--video", type=Path, default=DANCE)
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--long", type=Path)
    given = parser.parse_args()
    if given.long:
        long(given.long)
    else:
        compare(given.video, given.seconds, given.rounds)


if __name__ == "__main__":
    main()
