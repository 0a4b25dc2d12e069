"""How much the figures of a large test set cost: core-seconds and memory beside the embeddings, on one thread.

    python benchmarks/evaluation_speed.py            10,000 x 10,000, against scikit-learn at 2,000
    python benchmarks/evaluation_speed.py 50000      50,000 x 50,000, too

Counted are Top-1/5/10, MRR, mAP, median rank and 1:2 to 1:10 both ways, AUC, EER, minDCF and the errors at a threshold. The 95%
intervals (1,000 resamples of people) are told apart. Each size runs in a process of its own.
"""

from __future__ import annotations

import os

os.environ |= dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")  # before numpy is loaded

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from onscreen.matching.figures import Pool, Scored, Scoring
from onscreen.matching.metrics import evaluate
from onscreen.matching.retrieval import chance_of, chance_of_top, one_of, ranks_of
from onscreen.matching.trials import Items, Trials
from onscreen.matching.verification import auc, eer, min_dcf, roc_of_counts

DIM = 512
CLIPS = 10
SIDES = ("faces", "voices")


def make(items: int, folder: Path) -> None:
    """Write embeddings of faces and voices of people, ten of each, around a common vector."""
    random = np.random.default_rng(0)
    centres = random.standard_normal((items // CLIPS, DIM), np.float32)
    for name in SIDES:
        vectors = random.standard_normal((items, DIM), np.float32) * 3
        vectors += centres[np.arange(items) // CLIPS]
        np.save(folder / f"{name}.npy", vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def load(folder: Path) -> Trials:
    """The trials of what make wrote. Only loading is done in the measured process, so that its peak is that of the figures."""
    sides = []
    for name in SIDES:
        vectors = np.load(folder / f"{name}.npy")
        sides.append(Items(vectors, np.arange(len(vectors)) // CLIPS, np.arange(len(vectors))))
    people = np.ones(len(sides[0].person) // CLIPS, bool)
    return Trials(sides[0], sides[1], people, people)


def figures(trials: Trials) -> dict[str, float]:
    """All figures without intervals."""
    scored = Scored(Pool(trials, Scoring((1, 5, 10), 1000, 0), 0.1), trials)
    found = {}
    for way, asking in (("face to voice", scored), ("voice to face", scored.turned())):
        ranks = ranks_of(asking.counts)
        found |= {f"{way} top{k}": float((ranks.best <= k).mean()) for k in (1, 5, 10)}
        found |= {f"{way} chance of top{k}": float(chance_of_top(k, ranks.gallery, ranks.right).mean()) for k in (1, 5, 10)}
        found |= {f"{way} mrr": float((1 / ranks.best).mean()), f"{way} map": float(ranks.precision.mean())}
        found |= {f"{way} median rank": float(np.median(ranks.best)), f"{way} chance of it": chance_of(ranks).median_rank}
        found |= {f"{way} one of {size}": float(one_of(asking.counts, size).mean()) for size in range(2, 11)}
    roc = roc_of_counts(scored.counts)
    found |= {"auc": auc(roc), "eer": float(eer(roc.false_positive, roc.true_positive))}
    found |= {f"min_dcf {prior}": float(min_dcf(roc.false_positive, roc.true_positive, prior)) for prior in (0.05, 0.5)}
    return found | {"accepted": float(scored.counts.reached[0] / scored.counts.negatives)}


def measure(folder: Path, intervals: bool) -> None:
    """Print what one size costs."""
    trials = load(folder)
    items = len(trials.faces.person)
    before, start = _peak_mb(), time.process_time()
    if intervals:
        evaluate(trials, Scoring((1, 5, 10), 1000, 0), 0.1)
    else:
        found = figures(trials)
    spent = time.process_time() - start
    print(f"{items:,} x {items:,}{' with intervals' if intervals else ''}: {spent:.1f} core-s, {_peak_mb() - before:.0f} MB more")
    if not intervals:
        print("  " + ", ".join(f"{name} {found[name]:.4f}" for name in ("face to voice top1", "auc", "eer")))


def _peak_mb() -> float:
    """Largest resident memory so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def against_sklearn(folder: Path) -> None:
    """AUC of both, from all scores."""
    from sklearn.metrics import roc_auc_score

    trials = load(folder)
    scores = trials.faces.vectors @ trials.voices.vectors.T
    same = trials.faces.person[:, None] == trials.voices.person
    kept = ~same | (trials.faces.source[:, None] != trials.voices.source)
    start = time.process_time()
    theirs = roc_auc_score(same[kept], scores[kept])
    spent = time.process_time() - start
    start = time.process_time()
    ours = figures(trials)["auc"]
    own = time.process_time() - start
    print(f"AUC at {len(trials.faces.person):,}: {ours:.9f}, scikit-learn {theirs:.9f}, difference {abs(ours - theirs):.1e}")
    print(f"  scikit-learn {spent:.2f} core-s for AUC alone, all our figures {own:.2f}")


def main() -> None:
    """All sizes, each in a process of its own."""
    for size in (2_000, 10_000, *map(int, sys.argv[1:])):
        with tempfile.TemporaryDirectory() as folder:
            make(size, Path(folder))
            for what in ("sklearn",) if size == 2_000 else ("figures", "intervals"):
                subprocess.run([sys.executable, __file__, folder, what], check=True)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        main()
    elif sys.argv[2] == "sklearn":
        against_sklearn(Path(sys.argv[1]))
    else:
        measure(Path(sys.argv[1]), sys.argv[2] == "intervals")
