"""Who of an HQ-VoxCeleb tree is on which side.

Both rules put the i-th person on test where i mod 10 is 8, on val where it is 9, else on train. They differ in what i counts:

    published   rows of the part's whole meta file: whoever's media is missing, nobody else changes sides
    available   the people whose media is there, sorted by name, as older scripts did: one missing person moves all that follow

A person who is in both parts (by name, accents and case aside) is on the side of vox1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from onscreen.errors import InputError
from onscreen.matching.hq_meta import META_FILES, PARTS, About, meta_file, plain, read_meta
from onscreen.matching.hq_tree import SIDES, Media, Split, media_of
from onscreen.storage import Stored

RULES = ("published", "available")


@dataclass(frozen=True)
class Sides:
    """split: as split.json holds it; of people who have media, and of nobody else. people: how many.

    moved: names of vox2 whose side is that of vox1 and not their own. unplaced: people with media whom no row of the meta file
    names, so that the published rule gives them no side. without_media: rows of the meta files whose person has none.
    """

    split: Split
    moved: tuple[str, ...]
    unplaced: tuple[str, ...]
    without_media: int

    @property
    def people(self) -> int:
        return sum(len(names) for part in self.split.values() for names in part.values())


@dataclass(frozen=True)
class _Placed:
    """A person's place: folder, number i, and the name by which they are known in the other part."""

    folder: str
    number: int
    name: str


def sides_of(root: Path, rule: str, most: int | None = None) -> Sides:
    """The split of a tree. most: of each part, only the first so many people who have media, in the rule's own order.

    Raises InputError when a folder is missing or, under the published rule, a meta file is; CorruptTable as read_meta does.
    """
    media = media_of(Stored(root))
    rows = {part: _rows(root, part, needed=part in media) for part in PARTS} if rule == "published" else {}
    placed = {part: _by_row(media[part], rows[part]) if rows else _by_name(media[part]) for part in media}
    known = _by_every_row(rows["vox1"]) if rows else [*placed.get("vox1", ())]
    of_vox1 = {plain(person.name): side_of(person.number) for person in known}
    split: dict[str, dict[str, list[str]]] = {part: {side: [] for side in SIDES} for part in PARTS}
    moved = []
    for part, people in placed.items():
        for person in people[:most]:
            own = side_of(person.number)
            side = of_vox1.get(plain(person.name), own) if part == "vox2" else own
            split[part][side].append(person.folder)
            moved += [person.folder] if side != own else []
    names = {part: {person.folder for person in people} for part, people in placed.items()}
    unplaced = tuple(name for part in media for name in media[part].usable if name not in names[part])
    return Sides(split, tuple(moved), unplaced, sum(len(rows[part]) - len(placed[part]) for part in placed) if rows else 0)


def side_of(number: int) -> str:
    """Of the person with this number, from 0."""
    return {8: "test", 9: "val"}.get(number % 10, "train")


def _rows(root: Path, part: str, needed: bool) -> Sequence[About]:
    path = meta_file(root, part)
    if path is None and needed:
        raise InputError(
            f"{root / part / META_FILES[part][0]} does not exist, and the published rule counts its rows. Put it there, or run "
            f"`onscreen hq split --vox_dir {quote(str(root))} --rule available`, by which people change sides when media is missing"
        )
    return read_meta(path, part) if path else ()


def _by_row(media: Media, rows: Sequence[About]) -> list[_Placed]:
    """Those with media, in the order of the meta file."""
    usable = set(media.usable)
    named = ((about, next((name for name in (about.name, *about.ids) if name in usable), None)) for about in rows)
    return [_Placed(folder, about.row, about.name) for about, folder in named if folder is not None]


def _by_every_row(rows: Sequence[About]) -> list[_Placed]:
    return [_Placed(about.name, about.row, about.name) for about in rows]


def _by_name(media: Media) -> list[_Placed]:
    return [_Placed(name, number, name) for number, name in enumerate(media.usable)]


def counts(split: Split) -> Mapping[str, Mapping[str, int]]:
    """People by part and side."""
    return {part: {side: len(names) for side, names in sides.items()} for part, sides in split.items()}
