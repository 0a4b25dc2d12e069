"""What face embeddings tell beside each other: vectors that were drawn at random do not know who is who.

Of one sample alone a vector of 512 cannot be proven without ArcFace's weights. Of a set it can be disproven. dlib's embedder, which is
always here, says which reference pictures show one person. ArcFace vectors of one person have a cosine of 0.32 and more by the
threshold that DeepFace publishes; random vectors of 512 values have 0 with a standard deviation of 0.044, and reach 0.2 in 3 of
1,000,000 pairs. So two samples of one person are enough; a set in which nobody is seen twice proves nothing, whatever its size.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from onscreen.checks.facts import Facts
from onscreen.checks.finding import Finding
from onscreen.checks.leaks import embeddings_of
from onscreen.checks.sample import SampleFolder
from onscreen.faces.thresholds import auto_threshold

_ONE_PERSON, _TWO_PEOPLE = auto_threshold("Dlib", 5), auto_threshold("Dlib", 1)
_AGREE = 0.2  # cosine
_IDENTICAL = 1e-6  # distance


def check_embeddings(samples: Sequence[SampleFolder], facts: Mapping[str, Facts]) -> Iterator[Finding]:
    """face_embedding.agreement: those of one person agree, those of two people are not one vector."""
    vectors = embeddings_of(samples, "face_embedding.npy", 512)
    labels = [label for label in vectors if label in facts and facts[label].face is not None]
    if not vectors:
        return
    faces = np.array([facts[label].face for label in labels]).reshape(len(labels), -1)
    cosines = np.array([vectors[label] for label in labels]).reshape(len(labels), -1)
    cosines, distances = cosines @ cosines.T, 1 - faces @ faces.T
    np.fill_diagonal(distances, np.inf)
    wrong = list(_wrong(labels, cosines, distances))
    yield from wrong
    if not wrong:
        yield _agreement(cosines, distances)


def _wrong(labels: Sequence[str], cosines: np.ndarray, distances: np.ndarray) -> Iterator[Finding]:
    check = "face_embedding.agreement"
    for index, label in enumerate(labels):
        equal = (1 - cosines[index] <= _IDENTICAL) & (distances[index] > _TWO_PEOPLE) & np.isfinite(distances[index])
        same = distances[index] <= _ONE_PERSON
        if equal.any():
            other = labels[int(equal.argmax())]
            yield Finding(label, check, "fail", f"the same vector as {other}, whose reference shows somebody else")
        elif same.any() and cosines[index][same].max() < _AGREE:
            best = float(cosines[index][same].max())
            others = ", ".join(labels[int(other)] for other in np.flatnonzero(same)[:3])
            detail = f"agrees no better than random numbers with {others}, who by dlib is the same person: cosine {best:.3f}"
            numbers = {"cosine": best, "least": _AGREE, "samples_of_the_person": 1.0 + int(same.sum())}
            yield Finding(label, check, "fail", detail, numbers)


def _agreement(cosines: np.ndarray, distances: np.ndarray) -> Finding:
    same = distances <= _ONE_PERSON
    shown = int(same.any(axis=1).sum())
    numbers = {"samples": float(len(cosines)), "agreeing": float(shown)}
    if shown:
        detail = f"{shown} of {len(cosines)} agree with another of the same person, as random numbers do not"
        return Finding("", "face_embedding.agreement", "pass", detail, numbers)
    detail = "nobody is seen twice, so that nothing tells these vectors from random numbers but ArcFace's weights"
    return Finding("", "face_embedding.agreement", "unproven", detail, numbers)
