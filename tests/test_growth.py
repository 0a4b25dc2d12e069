"""Data grow, are corrected and are frozen in any order: who is frozen keeps identity and side, and nobody is on two sides."""

from collections import defaultdict
from dataclasses import dataclass, field, replace

import numpy as np
from hypothesis import event, given, settings
from hypothesis import strategies as st

from onscreen.config import Dedupe, Split
from onscreen.errors import ConfigError
from onscreen.ledger import LedgerRow, freeze
from onscreen.overrides import Overrides, resolve
from onscreen.records import Face, Identity, Reject, SplitRow
from onscreen.stages.dedupe import run
from onscreen.stages.split import QUARANTINE, assign
from records_of import row

THRESHOLD = 0.32  # a face half way between two people (0.29 from both) is close to both; people are 1 apart
PEOPLE = 6


def face(number: int, people: tuple[int, ...], second: bool = False) -> Face:
    """A face that looks like these people, in a clip of its own or beside another person."""
    vector = np.random.default_rng([number, second]).normal(scale=0.01, size=PEOPLE)
    vector[list(people)] += 1
    name, places = f"v{number}" + ("-p1" if second else ""), {"person": int(second), "place": 1 + second, "people": 2}
    columns = {"clip_id": f"v{number}", "source": f"v{number}.mp4", "source_sha256": f"{number:016x}" * 4, "image": f"{name}.jpg"}
    vector = (vector / np.linalg.norm(vector)).astype(np.float32)
    return row(Face, face_id=name, quality=0.5, embedder="Dlib", embedding=vector, **columns, **places)


@dataclass
class World:
    """What a user has, and how the last pass saw it."""

    method: str
    faces: list[Face] = field(default_factory=list)
    overrides: Overrides = field(default_factory=Overrides)
    ledger: dict[str, LedgerRow] = field(default_factory=dict)
    added: int = 0
    people: dict[str, Identity] = field(default_factory=dict)
    sides: dict[str, SplitRow] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)

    def look(self) -> None:
        corrections = resolve(self.overrides, self.faces, self.ledger, "overrides")
        found = list(run(Dedupe(method=self.method), THRESHOLD, self.faces, self.ledger, corrections))
        self.people = {one.face_id: one for one in found if isinstance(one, Identity)}
        sides = list(assign(Split(), self.people.values(), self.ledger))
        self.sides = {one.face_id: one for one in sides if isinstance(one, SplitRow)}
        self.rejects = [one for one in [*found, *sides] if isinstance(one, Reject)]

    def do(self, step: tuple[str, int, int]) -> None:
        verb, a, b = step
        self.added += 1
        if verb == "add":
            self.faces.append(face(self.added, (a % PEOPLE,)))
        elif verb == "bridge":
            self.faces.append(face(self.added, (a % PEOPLE, b % PEOPLE)))
        elif verb == "two":
            self.faces += [face(self.added, (a % PEOPLE,)), face(self.added, (b % PEOPLE,), second=True)]
        elif not self.faces:
            pass
        elif verb == "rename_files":
            self.faces = [replace(one, face_id=f"x{one.face_id}", clip_id=f"x{one.clip_id}") for one in self.faces]
        elif verb == "remove":
            del self.faces[a % len(self.faces)]
        elif verb == "freeze":
            self.ledger = freeze(self.ledger, self.people.values(), self.sides.values())
        else:
            self.correct(verb, a, b)

    def settled(self) -> tuple[Overrides, tuple[tuple[str, str], ...]] | None:
        """Corrections that growth cannot change: all whom they name are in the ledger. None where some are not."""
        named = resolve(self.overrides, self.faces, self.ledger, "overrides")
        frozen = all(one.keys <= self.ledger.keys() for one in (*named.merge, *named.split))
        return (self.overrides, named.vanished) if frozen else None

    def correct(self, verb: str, a: int, b: int) -> None:
        """Write one more line into the overrides, if it does not contradict the others."""
        first, second = self.faces[a % len(self.faces)], self.faces[b % len(self.faces)]
        lists: dict[str, tuple] = {
            "merge": (first.key, second.face_id),
            "split": (first.face_id,),
            "split_two": (first.key, second.key),
        }
        section = verb.removesuffix("_two")
        if section == "rename" and first.face_id not in self.people:
            return
        if section == "rename":
            more = {**self.overrides.rename, self.people[first.face_id].identity_id: f"p{a}"}
        elif section == "reject":
            more = (*self.overrides.reject, first.key)
        else:
            more = (*getattr(self.overrides, section), lists[verb])
        before, self.overrides = self.overrides, self.overrides.model_copy(update={section: more})
        try:
            self.look()
        except ConfigError:
            self.overrides = before
            event(f"contradiction: {verb}")


VERBS = ("add", "add", "add", "bridge", "two", "rename_files", "remove", "freeze", "freeze", "merge", "split", "split_two")
STEPS = st.lists(
    st.tuples(st.sampled_from([*VERBS, "rename", "reject"]), st.integers(0, 40), st.integers(0, 40)), min_size=3, max_size=25
)


@settings(deadline=None, max_examples=150)
@given(STEPS, st.sampled_from(["average_link", "connected"]))
def test_whoever_is_frozen_keeps_identity_and_side(steps: list[tuple[str, int, int]], method: str) -> None:
    world = World(method)
    for step in steps:
        known, before, sides, settled = dict(world.ledger), dict(world.people), dict(world.sides), world.settled()
        world.do(step)
        try:
            world.look()
        except ConfigError:  # growth gave an id to which somebody was renamed, or brought back a file that two lists name
            event("contradiction by growth")
            return
        assert all(world.ledger[key] == old for key, old in known.items())
        check(world)
        if step[0] == "freeze":
            frozen = [name for name, one in world.people.items() if one.face_key in world.ledger]
            assert [(world.people[name].identity_id, world.sides[name].split) for name in frozen] == [
                (before[name].identity_id, sides[name].split) for name in frozen
            ]
            assert all(sides[name].split != QUARANTINE for name in frozen if world.people[name].face_key not in known)
        if settled and settled == world.settled():
            event("settled")
            was = {one.face_key: one.identity_id for one in before.values() if one.face_key in known}
            assert all(was.get(one.face_key, one.identity_id) == one.identity_id for one in world.people.values())


def check(world: World) -> None:
    named = resolve(world.overrides, world.faces, world.ledger, "overrides")
    split = {face for one in named.split for face in one.face_ids}
    merged = {world.people[face].identity_id for one in named.merge for face in one.face_ids if face in world.people}
    frozen = {name: world.ledger[one.face_key] for name, one in world.people.items() if one.face_key in world.ledger}
    rename = world.overrides.rename
    by_ledger, sides = defaultdict(set), defaultdict(set)
    told = {reject.item for reject in world.rejects if reject.code == "two_sides"}
    for name, old in frozen.items():
        own = world.people[name].identity_id
        if name not in split:
            by_ledger[old.identity_id].add(own)
            assert own == rename.get(old.identity_id, old.identity_id) or own in merged  # only a person's word changes it
        side = world.sides[name].split
        assert side == old.split or (side == QUARANTINE and own in told)
    assert all(len(ids) == 1 for ids in by_ledger.values())  # no person of the ledger is torn without a person's word
    for name, one in world.sides.items():
        sides[one.identity_id].add(one.split)
        if name in frozen and name not in split:
            sides["ledger", frozen[name].identity_id].add(one.split)
    assert all(len(found) == 1 for found in sides.values())


@settings(deadline=None, max_examples=50)
@given(STEPS, st.integers(0, PEOPLE - 1))
def test_a_new_face_of_a_frozen_person_takes_its_id_and_side(steps: list[tuple[str, int, int]], person: int) -> None:
    world = World("average_link")
    for step in [step for step in steps if step[0] in ("add", "freeze", "rename_files", "remove")] + [("add", person, 0)]:
        world.do(step)
        world.look()
    world.do(("freeze", 0, 0))
    *_, last = world.faces
    world.do(("add", person, 0))
    world.look()
    old, new = world.people[last.face_id], world.people[world.faces[-1].face_id]
    assert new.identity_id == old.identity_id == world.ledger[last.key].identity_id
    assert world.sides[new.face_id].split == world.ledger[last.key].split
