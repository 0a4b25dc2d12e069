"""Whose each dance is, and its side: a dancer, a song and a source video never stand on two.

Every dance has a video, a song and, where a face tells, a dancer. Each of them gets one side, and a dance that has both sides among its
own is left out (quarantine). Firmest is what the memory of earlier passes says, then what data/splits says of people. From there sides
spread over dances: a song takes the side of most of its dances. Who is joined to nobody with a side gets one by hash, or as m2p_fill
says.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from onscreen.config import Split
from onscreen.errors import InputError
from onscreen.faces.thresholds import auto_threshold
from onscreen.ledger import LedgerRow, dance_key, read_dances
from onscreen.records import Face, Reject, SplitRow
from onscreen.stages.m2p_fill import TRAIN, VALIDATION, Fill, Group, by_hash
from onscreen.stages.m2p_labels import read_dance_labels
from onscreen.stages.m2p_records import EMBEDDER, STAGE, Dance, Dancer, Remark, Sample
from onscreen.stages.m2p_relations import Faces, Songs
from onscreen.stages.m2p_ties import classes, components
from onscreen.stages.split import QUARANTINE
from onscreen.store import read_table
from onscreen.workspace import Workspace

Part = tuple[str, str | int]
"""What a dance shares with others: ("video", sha256), ("dancer", class) or ("song", class)."""
_NAMED = 3  # other dances that a reject names
_ON = {TRAIN: "on train", VALIDATION: "on validation", QUARANTINE: "in quarantine"}


@dataclass(frozen=True)
class People:
    """Everyone whose face is known, in all clips, and what is remembered of dances.

    faces: of EMBEDDER, with a side. rows: identity and side by face_id. memory: rows of dances that were frozen, by dance_key.
    labels: name -> value by source. fill: sides of who is joined to nobody that has one; None: by hash.
    """

    faces: Sequence[Face]
    rows: Mapping[str, SplitRow]
    memory: Mapping[str, LedgerRow] = field(default_factory=dict)
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    fill: Fill | None = None

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

    @cached_property
    def frozen(self) -> dict[str, str]:
        """Side by the first 16 digits of a source's sha256. Raises InputError where the ledger has two for one."""
        found = dict[str, str]()
        for key, row in self.memory.items():
            source, side = key.split("@")[0], _side(row.split)
            if found.setdefault(source, side) != side:
                raise InputError(
                    f"data/ledger.csv puts dances of one video ({key}, {row.face_id}) on two sides; correct its rows"
                )
        return found


def divide(params: Split, dances: Sequence[Dance], people: People) -> Iterator[Sample | Reject]:
    """Say whose each dance is and on which side, in the order of dances.

    Validation holds the people on the val and test sides. Reject quarantine: a dance that would tie two sides together, whose detail
    names the others; frozen dances stay where they are as long as no two of them are tied.
    """
    plan = _Plan(dances, people)
    labels = plan.spread(plan.fixed())
    labels |= plan.filled(labels, people.fill or by_hash(params))
    kept = {index for index in plan.alive if len(plan.sides(index, labels)) == 1 and QUARANTINE not in plan.sides(index, labels)}
    groups, units = plan.named(kept, plan.parts), plan.named(kept, plan.own_parts)
    members = defaultdict[str, list[int]](list)
    for index in sorted(kept):
        members[units[index]].append(index)
    sharing = defaultdict[Part, list[int]](list)
    for index in sorted(kept):
        for part in plan.parts[index]:
            sharing[part].append(index)
    for index, dance in enumerate(dances):
        if index not in kept:
            yield plan.reject(index, labels, sharing)
            continue
        side = next(iter(plan.sides(index, labels)))
        dancer = _dancer(dance, plan.rows[index], [(dances[one], plan.rows[one]) for one in members[units[index]]], side, people)
        labels_of = people.labels.get(dance.clip.source, {})
        yield Sample(_remarked(dance, plan.rows[index], side), dancer, plan.songs[index], groups[index], labels_of)


class _Plan:
    """The dances, what they share, and who ties two fixed sides by a dancer or a song. alive: indices of all others."""

    def __init__(self, dances: Sequence[Dance], people: People) -> None:
        self.dances, self.people = dances, people
        self.rows = [people.who(dance) for dance in dances]
        videos = people.frozen
        sides = {index: videos.get(dance.clip.source_sha256[:16]) for index, dance in enumerate(dances)}
        self.frozen = {index: side for index, side in sides.items() if side}
        itself = {
            index: side
            for index, side in self.frozen.items()
            if dance_key(dances[index].clip.source_sha256, dances[index].start_s) in people.memory
        }  # before other dances of the same video, as other settings cut them
        known = {index: _side(row.split) for index, row in enumerate(self.rows) if row}
        heard = Songs(dances, {source: labels.get("song", "") for source, labels in people.labels.items()})
        self.by_face = classes(len(dances), Faces(dances, self.rows), (itself, self.frozen, known))
        self.by_song = classes(len(dances), heard, (itself, self.frozen))
        self.alive = [index for index in self.by_face.label if index in self.by_song.label]
        self.songs = heard.names(self.by_song.label)
        self.parts = {index: [*self._own(index), ("song", self.by_song.label[index])] for index in self.alive}
        self.own_parts = {index: self._own(index) for index in self.alive}

    def _own(self, index: int) -> list[Part]:
        dance, own = self.dances[index], list[Part]([("video", self.dances[index].clip.source_sha256)])
        return [*own, ("dancer", self.by_face.label[index])] if dance.embedding is not None else own

    def fixed(self) -> dict[Part, str]:
        """What has a side from the start: all of frozen dances, known people, and videos with people of one side.

        A video with people of two sides, or with somebody who may be on two, is in quarantine: a dancer seen without a face may be
        either.
        """
        labels = dict[Part, str]()
        for index in self.alive:
            if index in self.frozen:
                labels |= dict.fromkeys(self.parts[index], self.frozen[index])
        seen = defaultdict[Part, set[str]](set)
        for index, dance in enumerate(self.dances):
            video, row = ("video", dance.clip.source_sha256), self.rows[index]
            if index in self.by_face.torn:
                seen[video].add(QUARANTINE)
            elif row:
                side = labels.setdefault(("dancer", self.by_face.label[index]), _side(row.split))
                seen[video].add(side)
        for source in {dance.clip.source_sha256 for dance in self.dances}:
            sides = seen[("video", source)] or self.people.sides_in(source)
            if sides:
                labels.setdefault(("video", source), sides.pop() if len(sides) == 1 else QUARANTINE)
        return labels

    def spread(self, labels: Mapping[Part, str]) -> dict[Part, str]:
        """Sides of all that is joined to a side: round by round, each from those of its dances that have one."""
        found = dict(labels)
        while True:
            votes = defaultdict[Part, Counter[str]](Counter)
            for index in self.alive:
                sides = self.sides(index, found)
                if len(sides) == 1 and QUARANTINE not in sides:
                    for part in self.parts[index]:
                        if part not in found:
                            votes[part].update(sides)
            if not votes:
                return found
            found |= {part: TRAIN if count[TRAIN] >= count[VALIDATION] else VALIDATION for part, count in votes.items()}

    def filled(self, labels: Mapping[Part, str], fill: Fill) -> dict[Part, str]:
        """Sides of all that is joined to none."""
        free = {index for index in self.alive if not self.sides(index, labels)}
        taken = Counter(next(iter(sides)) for sides in (self.sides(one, labels) for one in self.alive) if len(sides) == 1)
        names = self.named(free, self.parts)
        sizes = Counter(names.values())
        sides = fill([Group(name, sizes[name]) for name in sorted(sizes)], taken) if sizes else {}
        return {part: sides[names[index]] for index in free for part in self.parts[index]}

    def sides(self, index: int, labels: Mapping[Part, str]) -> set[str]:
        """The sides of what a dance shares with others."""
        return {labels[part] for part in self.parts[index] if part in labels}

    def named(self, members: Iterable[int], parts: Mapping[int, Sequence[Part]]) -> dict[int, str]:
        """Index -> name of all that is joined by parts: of its video with the smallest digest."""
        indices = sorted(members)
        node = dict[Part, int]()
        edges = [
            (place, node.setdefault(part, len(indices) + len(node))) for place, one in enumerate(indices) for part in parts[one]
        ]
        first, second = zip(*edges, strict=True) if edges else ((), ())
        labels = components(first, second, len(indices) + len(node)).tolist()[: len(indices)]
        smallest = dict[int, str]()
        for index, label in zip(indices, labels, strict=True):
            source = self.dances[index].clip.source_sha256
            smallest[label] = min(smallest.get(label, source), source)
        return {index: f"source:{smallest[label]}" for index, label in zip(indices, labels, strict=True)}

    def reject(self, index: int, labels: Mapping[Part, str], kept: Mapping[Part, Sequence[int]]) -> Reject:
        """Why a dance is left out: what of it is on which side, and whose side that is. kept: the dances that stay, by their parts."""
        for kind, ties in (("dancer", self.by_face), ("song", self.by_song)):
            if index in ties.torn:
                return self._tied(index, [(kind, side, members) for side, members in ties.torn[index].items()])
        parts = [part for part in self.parts[index] if part in labels]
        return self._tied(index, [(str(part[0]), labels[part], kept.get(part, ())) for part in parts])

    def _tied(self, index: int, parts: Sequence[tuple[str, str, Sequence[int]]]) -> Reject:
        """parts: what is shared, its side, and the dances whose side that is."""
        dance, sizes = self.dances[index], Counter[str]()
        for _, side, members in parts:
            sizes[f"{side}_dances"] += len(members)
        if ("video", QUARANTINE) in {(kind, side) for kind, side, _ in parts}:
            detail = (
                f"in the video {dance.clip.source} people of train and of validation are seen, or somebody who stands on two sides; "
                "see data/splits/rejects.parquet"
            )
        else:
            told = [f"its {kind} is {_ON[side]}{self._as_in(index, members)}" for kind, side, members in sorted(parts)]
            detail = f"it would tie train and validation together: {'; '.join(told)}"
        numbers = {name: float(size) for name, size in sizes.items() if size}
        return Reject(dance.dance_id, STAGE, "dance", "quarantine", detail, numbers)

    def _as_in(self, index: int, members: Sequence[int]) -> str:
        others = [self.dances[one].dance_id for one in members if one != index]
        return f" (as in {', '.join(others[:_NAMED])}{', ...' if len(others) > _NAMED else ''})" if others else ""


def read_people(workspace: Workspace, fill: Fill | None = None) -> People:
    """What data/splits and data/faces know of people, data/ledger.csv of dances, and what labels.csv says."""
    rows = {row.face_id: row for row in read_table(workspace.splits / "splits.parquet", SplitRow)}
    faces = read_table(workspace.faces / "faces.parquet", Face)
    known = [face for face in faces if face.embedder == EMBEDDER and face.face_id in rows]
    labels = read_dance_labels(workspace.raw / "labels.csv")
    memory = read_dances(workspace.ledger) if workspace.ledger.is_file() else {}
    return People(known, rows, memory, labels, fill)


def _dancer(
    dance: Dance, row: SplitRow | None, together: Sequence[tuple[Dance, SplitRow | None]], side: str, people: People
) -> Dancer:
    """A dancer whose face is never seen counts as the one person known in the same video; one whose face is unknown does not.

    Strangers keep the name that is remembered, whoever joins them.
    """
    if row:
        return Dancer(row.identity_id, side, "face")
    source = dance.clip.source_sha256
    known = {other.identity_id for its, other in together if other and its.clip.source_sha256 == source}
    if len(known) == 1 and dance.embedding is None:
        return Dancer(known.pop(), side, "source")
    remembered = [people.memory.get(dance_key(its.clip.source_sha256, its.start_s)) for its, _ in together]
    names = sorted(old.identity_id for old in remembered if old and old.identity_id.startswith("source:"))
    return Dancer(names[0] if names else f"source:{min(its.clip.source_sha256 for its, _ in together)}", side, "source")


def _remarked(dance: Dance, row: SplitRow | None, side: str) -> Dance:
    """A frozen dance stays, even where its dancer is known by now as somebody of the other side; it says so."""
    if row is None or _side(row.split) == side:
        return dance
    remark = Remark("frozen_against_split", f"data/splits puts {row.identity_id} on {row.split}; the dance was frozen before")
    return replace(dance, warnings=(*dance.warnings, remark))


def _side(split: str) -> str:
    return split if split in (TRAIN, QUARANTINE) else VALIDATION
