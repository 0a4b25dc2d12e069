"""Time and memory of grouping faces. Run: python benchmarks/dedupe_speed.py

The faces are synthetic: random centres with noise half as long, 8 faces a person on average (geometric), fixed seed.
Prints a markdown table; both sides of a row run in one process of its own, one BLAS thread. Core-seconds: process time, best of
three where short. Extra MB: peak of the process above what it held with the faces loaded.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.distance import cosine

from onscreen.faces import neighbours
from onscreen.faces.clustering import cluster

_THRESHOLD = 0.3  # pairs of one person here lie at 0.2 +- 0.03, pairs of two people above 0.5
_LOOSE = 0.4  # for the one person of the crowded rows


def main() -> None:
    print("| what | ours: core-s | other: core-s | ratio | extra MB | result |")
    print("|---|---|---|---|---|---|")
    for name in CASES:
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        subprocess.run([sys.executable, __file__, name], check=True, env=environment)


def greedy() -> str:
    """Against the guide's way: each face with each representative so far by scipy, joining the first that is near enough."""
    faces, _ = people(5_000, 512)
    ours, labels, extra = measured(lambda: grouped(faces, "greedy"), 3)
    other, wanted, _ = measured(lambda: scipy_loop(faces), 1)
    same = "identical groups" if np.array_equal(labels, wanted) else "OTHER GROUPS"
    return row("greedy, 5k x 512; other: loop with scipy's cosine", ours, other, other / ours, extra, same)


def components() -> str:
    faces, person = people(10_000, 512)
    other = measured(lambda: faces @ faces.T, 3)[0]
    ours, labels, extra = measured(lambda: grouped(faces, "connected"), 3)
    return row("connected, 10k x 512; other: bare sgemm", ours, other, other / ours, extra, right(labels, person))


def average_link() -> str:
    faces, person = people(100_000, 128)
    ours, labels, extra = measured(lambda: grouped(faces, "average_link"), 1)
    return row("average_link, 100k x 128", ours, None, None, extra, right(labels, person))


def inverted_file() -> str:
    """What FAISS finds of 100k faces, were they too many for exact search."""
    faces, person = people(100_000, 128)
    exact = measured(lambda: keys(faces), 1)
    neighbours.EXACT_FACES = 1
    ours, found, extra = measured(lambda: keys(faces), 1)
    common = len(np.intersect1d(exact[1], found))
    groups = right(grouped(faces, "average_link"), person)
    result = (
        f"recall {common / len(exact[1]):.5f} of {len(exact[1])} pairs, {len(found) - common} wrong; average_link on it: {groups}"
    )
    return row("pairs by FAISS, 100k x 128; other: exact pairs", ours, exact[0], exact[0] / ours, extra, result)


def crowd() -> str:
    faces, person = people(20_000, 512, of_one=True)
    ours, labels, extra = measured(lambda: grouped(faces, "average_link", _LOOSE), 1)
    return row("average_link, one person, 20k x 512: 200M pairs", ours, None, None, extra, right(labels, person))


def identical() -> str:
    faces = np.repeat(people(1, 512)[0], 10_000, axis=0)
    ours, labels, extra = measured(lambda: grouped(faces, "average_link"), 1)
    return row("average_link, 10k identical faces, 512", ours, None, None, extra, f"{len(set(labels.tolist()))} person")


CASES = {case.__name__: case for case in (greedy, components, average_link, crowd, identical, inverted_file)}


def people(count: int, size: int, of_one: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Synthetic faces (count, size) float32, L2 = 1, in mixed order, and whose each is."""
    draw = np.random.default_rng(0)
    person = (
        np.zeros(count, np.int64)
        if of_one
        else draw.permutation(np.repeat(np.arange(count), draw.geometric(1 / 8, count))[:count])
    )
    centres = draw.standard_normal((person.max() + 1, size), np.float32)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    faces = draw.standard_normal((count, size), np.float32)
    faces *= 0.5 / size**0.5
    faces += centres[person]
    faces /= np.linalg.norm(faces, axis=1, keepdims=True)
    return faces, person


def grouped(faces: np.ndarray, method: Any, threshold: float = _THRESHOLD) -> np.ndarray:
    return cluster(faces, [str(face) for face in range(len(faces))], threshold, method)


def keys(faces: np.ndarray) -> np.ndarray:
    i, j, _ = neighbours.close_pairs(faces, _THRESHOLD)
    return i * np.int64(len(faces)) + j


def scipy_loop(faces: np.ndarray) -> np.ndarray:
    leaders: list[int] = []
    owner = np.empty(len(faces), np.int64)
    for face, vector in enumerate(faces):
        owner[face] = next((leader for leader in leaders if cosine(vector, faces[leader]) <= _THRESHOLD), face)
        if owner[face] == face:
            leaders.append(face)
    return owner


def right(labels: np.ndarray, person: np.ndarray) -> str:
    both, found, wanted = (
        len({*zip(labels.tolist(), person.tolist(), strict=True)}),
        len({*labels.tolist()}),
        len({*person.tolist()}),
    )
    return f"all {wanted} people right" if both == found == wanted else f"{found} groups of {wanted} people, not all right"


def measured(work: Callable[[], Any], times: int) -> tuple[float, Any, float]:
    """Core-seconds, best of so many times; the result; MB that it took at most beyond what was held before."""
    best = np.inf
    before = _reset_peak_mb()
    for _ in range(times):
        start = time.process_time()
        result = work()
        best = min(best, time.process_time() - start)
    return best, result, _status_mb("VmHWM") - before


def _reset_peak_mb() -> float:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # Linux: the peak counts from now
    return _status_mb("VmRSS")


def _status_mb(field: str) -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) / 1024


def row(what: str, ours: float, other: float | None, ratio: float | None, extra: float, result: str) -> str:
    shown = ["" if number is None else f"{number:.{places}f}" for number, places in ((other, 2), (ratio, 1))]
    return f"| {what} | {ours:.2f} | {shown[0]} | {shown[1]} | {extra:.0f} | {result} |"


if __name__ == "__main__":
    if sys.argv[1:]:
        print(CASES[sys.argv[1]](), flush=True)
    else:
        main()
