"""Who is who: clusters, the ledger's memory and a person's corrections brought together, and what of it a person should look at."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from onscreen.errors import ConfigError
from onscreen.faces.corrections import apart_id, cut, groups_of, still_known, undone, united
from onscreen.faces.identity import merges, name_clusters, strays, together
from onscreen.overrides import Corrections
from onscreen.records import Face, Reject

STAGE = "dedupe"
OVERRIDES = "data/identity_overrides.yaml"
NOBODY = Corrections()
_FAR = 2  # thresholds: a face that the ledger knows and that is farther than this from all others of its identity is told


@dataclass(frozen=True)
class Sorted:
    """Usable faces in the order that decides between equals. embeddings: (N, D) float32, L2 = 1."""

    rows: Sequence[Face]
    embeddings: np.ndarray

    @classmethod
    def of(cls, rows: Sequence[Face]) -> Sorted:
        return cls(rows, np.stack([face.embedding for face in rows]))

    @property
    def keys(self) -> list[str]:
        return [face.key for face in self.rows]

    @property
    def clips(self) -> list[str]:
        return [face.clip_id for face in self.rows]

    def indices(self, lists: Sequence[Collection[str]]) -> list[list[int]]:
        """Lists of face_ids as indices, without those that are not here."""
        place = {face.face_id: index for index, face in enumerate(self.rows)}
        return [sorted(place[name] for name in names if name in place) for names in lists]

    def smallest_keys(self, labels: np.ndarray) -> list[str]:
        """For every face the smallest key among those of its label."""
        keys = self.keys
        smallest = {label: min(keys[face] for face in members) for label, members in together(labels.tolist()).items()}
        return [smallest[label] for label in labels.tolist()]


@dataclass(frozen=True)
class People:
    """names: identity_id of every face, before renames. groups: (N,) int64, clusters after the cuts of a person.

    ledger_ids: what the ledger is to note. Before merges of people whom it knows or who were split: if one new face were noted as
    the merged person, those who came along with it would not be merged any more.
    known: face key -> the ledger's identity_id, of those who still have it. undone: faces with whom a split's faces are one again.
    """

    names: list[str]
    ledger_ids: list[str]
    groups: np.ndarray
    known: dict[str, str]
    undone: list[int]


def decide(faces: Sorted, clusters: np.ndarray, ledger: Mapping[str, str], corrections: Corrections) -> People:
    """Name everybody. clusters: (N,) int64 of the embeddings alone. ledger: face key -> identity_id.

    First the lists of split leave their clusters and lose the ledger's ids. Then clusters get their ids. Last the people of each list
    become one, those of merge with everyone they are with.
    """
    apart = faces.indices([one.face_ids for one in corrections.split])
    joined = faces.indices([one.face_ids for one in corrections.merge])
    keys, clips = faces.keys, faces.clips
    known = still_known(ledger, [one.keys for one in corrections.split], [one.keys for one in corrections.merge])
    given = {len(keys) + number: apart_id(one.keys) for number, one in enumerate(corrections.split)}
    old = np.array([key in ledger for key in keys])
    free = ~old
    free[[face for one in joined for face in one]] = False
    labels = cut(clusters, apart, old, free, faces.embeddings)
    names = name_clusters(labels, keys, clips, faces.embeddings, known, given)
    by_ledger, by_hand = set(known.values()), set(given.values())
    split = united(names, apart, by_ledger, by_hand)
    final = united(split, joined, by_ledger, by_hand)
    noted = [old if old in by_ledger | by_hand else new for old, new in zip(split, final, strict=True)]
    return People(final, noted, groups_of(clusters, final, apart), known, undone(clusters, split, final, apart))


def renamed(names: Sequence[str], taken: Collection[str], rename: Mapping[str, str]) -> list[str]:
    """Names after a person's renames. taken: ids that the ledger has. Raises ConfigError for ids that other people have."""
    there = set(names)
    others = there | set(taken)
    wrong = [
        f"{OVERRIDES}: rename: {old} would be called {new}, as somebody else is; to make them one person, merge faces of theirs"
        for old, new in rename.items()
        if old in there and new in others
    ]
    if wrong:
        raise ConfigError("\n".join(wrong))
    return [rename.get(name, name) for name in names]


def findings(faces: Sorted, names: Sequence[str], people: People, corrections: Corrections, threshold: float) -> Iterator[Reject]:
    """What a person should look at. names: after renames."""
    apart = faces.indices([one.face_ids for one in corrections.split])
    joined = faces.indices([one.face_ids for one in corrections.merge])
    yield from _merged(faces, people, threshold)
    yield from _mismatched(faces, people, {face for one in apart + joined for face in one}, threshold)
    for face in people.undone:
        detail = f"{OVERRIDES}: a split takes faces out of this one's cluster, and a merge brings them back; both are {names[face]} now"
        yield Reject(faces.rows[face].face_id, STAGE, "face", "correction_undone", detail)
    yield from _twice_in_a_clip(faces, names, apart + joined)


def _merged(faces: Sorted, people: People, threshold: float) -> Iterator[Reject]:
    ids = {face.key: face.face_id for face in faces.rows}
    for merge in merges(people.groups, people.names, faces.keys, people.known):
        detail = f"the ledger holds {', '.join(merge.identity_ids)} apart; these faces look like one person"
        for key in merge.keys:
            yield Reject(ids[key], STAGE, "face", "ledger_merge", detail, {"threshold": threshold})


def _mismatched(faces: Sorted, people: People, by_hand: Collection[int], threshold: float) -> Iterator[Reject]:
    """by_hand: faces of whom a person has said who they are."""
    for stray, distance in strays(people.names, faces.keys, faces.embeddings, people.known, _FAR * threshold):
        if stray not in by_hand:
            called = people.known[faces.rows[stray].key]
            detail = f"the ledger calls this face {called}; it looks like no other face that the ledger calls so"
            numbers = {"distance": distance, "threshold": threshold}
            yield Reject(faces.rows[stray].face_id, STAGE, "face", "ledger_mismatch", detail, numbers)


def _twice_in_a_clip(faces: Sorted, names: Sequence[str], lists: Sequence[Collection[int]]) -> Iterator[Reject]:
    """Faces of one clip that are one person now, although no list names both."""
    said = [set(one) for one in lists]
    for (clip, name), members in together(list(zip(faces.clips, names, strict=True))).items():
        if len(members) > 1 and not any(set(members) <= one for one in said):
            detail = f"{len(members)} faces of the clip {clip} are called {name}; they were seen beside each other, so one is not"
            for face in members:
                yield Reject(faces.rows[face].face_id, STAGE, "face", "two_in_one_clip", detail)
