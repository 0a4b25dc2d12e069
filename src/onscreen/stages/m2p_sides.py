"""Whose each dance is, and its side: dances that share a dancer, a video or a song never stand on two."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from onscreen.config import Split
from onscreen.errors import Rejected
from onscreen.faces.clustering import cluster
from onscreen.faces.thresholds import auto_threshold
from onscreen.records import Face, Reject, SplitRow
from onscreen.stages.m2p_records import EMBEDDER, STAGE, Dance, Dancer, Sample
from onscreen.stages.split import QUARANTINE, side_of


@dataclass(frozen=True)
class People:
    """Everyone whose face is known, in all clips. faces: of EMBEDDER, with a side. rows: identity and side by face_id."""

    faces: Sequence[Face]
    rows: Mapping[str, SplitRow]

    @cached_property
    def _embeddings(self) -> np.ndarray:
        return np.stack([face.embedding for face in self.faces])

    def who(self, dance: Dance) -> SplitRow | None:
        """The person whose face is nearest to the dancer's, if near enough to be the same.

        Held to the threshold of the one that pools more frames, the stricter one (faces/thresholds.py).
        """
        if dance.embedding is None or not self.faces:
            return None
        distances = 1 - self._embeddings @ dance.embedding
        nearest = int(distances.argmin())
        frames = max(dance.views, self.faces[nearest].n_frames)
        return self.rows[self.faces[nearest].face_id] if distances[nearest] <= auto_threshold(EMBEDDER, frames) else None

    def sides_in(self, source_sha256: str) -> set[str]:
        """The sides of everyone seen in a source video, dancing or not."""
        return {_side(self.rows[face.face_id].split) for face in self.faces if face.source_sha256 == source_sha256}


def divide(params: Split, dances: Sequence[Dance], people: People) -> Iterator[Sample | Reject]:
    """Say whose each dance is, and put dances that share a video or a dancer on one side.

    Validation holds the people on the val and test sides. Dances without anyone known have a side by hash of the source's bytes.
    Reject quarantine: what belongs together is on two sides, or on one that is undecided.
    """
    rows = [people.who(dance) for dance in dances]
    for members in _inseparable(dances, rows):
        together = [(dances[member], rows[member]) for member in members]
        name = f"source:{min(dance.clip.source_sha256 for dance, _ in together)}"
        try:
            side = _one_side(together, people) or _side(side_of(name, params))
        except Rejected as rejected:
            yield from (reject(dance, rejected) for dance, _ in together)
        else:
            yield from (Sample(dance, _dancer(dance, row, together, name, side)) for dance, row in together)


def _inseparable(dances: Sequence[Dance], rows: Sequence[SplitRow | None]) -> list[list[int]]:
    """Indices of the dances of one source video, and of all videos of one dancer who is nobody known."""
    sources = {name: node for node, name in enumerate(sorted({dance.clip.source_sha256 for dance in dances}))}
    own = np.array([sources[dance.clip.source_sha256] for dance in dances], int)
    strangers = [index for index, row in enumerate(rows) if row is None and dances[index].embedding is not None]
    edges = np.array([own[strangers], len(sources) + _alike([dances[index] for index in strangers])], int)
    size = len(sources) + len(strangers)
    _, labels = connected_components(coo_array((np.ones(edges.shape[1], np.int8), edges), (size, size)), directed=False)
    groups = defaultdict[int, list[int]](list)
    for index, node in enumerate(own):
        groups[int(labels[node])].append(index)
    return list(groups.values())


def _alike(dances: Sequence[Dance]) -> np.ndarray:
    """(N,) int: equal numbers are one dancer, by the faces of the dances alone."""
    if not dances:
        return np.empty(0, int)
    threshold = auto_threshold(EMBEDDER, max(dance.views for dance in dances))
    embeddings = np.stack([dance.embedding for dance in dances if dance.embedding is not None])
    return cluster(embeddings, [dance.clip.clip_id for dance in dances], threshold, "average_link")


def _one_side(together: Sequence[tuple[Dance, SplitRow | None]], people: People) -> str | None:
    """The side of the dancers who are known; without any, of everyone seen in the same videos, who may be the dancers.

    None where nobody is. Raises Rejected quarantine when they are not all on one side.
    """
    sides = {_side(row.split) for _, row in together if row}
    if not sides:
        sides = set().union(*(people.sides_in(dance.clip.source_sha256) for dance, _ in together))
    if QUARANTINE in sides:
        raise Rejected("quarantine", "the dancer may be a person who stands on two sides; see data/splits/rejects.parquet")
    if len(sides) > 1:
        raise Rejected("quarantine", "dances that share a video or a dancer have people of train and of validation")
    return next(iter(sides), None)


def _dancer(
    dance: Dance, row: SplitRow | None, together: Sequence[tuple[Dance, SplitRow | None]], name: str, side: str
) -> Dancer:
    """A dancer whose face is never seen counts as the one person known in the same video; one whose face is unknown does not."""
    if row:
        return Dancer(row.identity_id, side, "face")
    source = dance.clip.source_sha256
    known = {other.identity_id for its, other in together if other and its.clip.source_sha256 == source}
    return Dancer(known.pop() if len(known) == 1 and dance.embedding is None else name, side, "source")


def _side(split: str) -> str:
    return split if split in ("train", QUARANTINE) else "validation"


def reject(dance: Dance, rejected: Rejected) -> Reject:
    """The row of a dance that cannot be used."""
    return Reject(dance.dance_id, STAGE, "dance", rejected.code, rejected.detail, rejected.numbers)
