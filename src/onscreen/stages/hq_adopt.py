"""An HQ-VoxCeleb tree that exists (params: hq.root) becomes data/hq: its usable files, copied byte by byte, so that DVC knows them.

The tree itself is only read. What cannot be used is a reject, and so is everyone whom split.json names and who has no media. Without
a split.json, sides are those of the published rule. tree.json says that the tree is adopted, and from which corpus each part comes.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote
from typing import Any

from onscreen.cache import Item, code_digest, item_key
from onscreen.config import Hq
from onscreen.console import log
from onscreen.engine import Job
from onscreen.errors import ConfigError, InputError, Rejected
from onscreen.matching.hq_meta import META_FILES, PARTS
from onscreen.matching.hq_split import sides_of
from onscreen.matching.hq_tree import SIDES, Layout, Person, Tree, read_tree, tree_of
from onscreen.records import Reject
from onscreen.stages.hq_mels import layout_from, measured_mels, named_digests
from onscreen.stages.hq_pictures import measure_pictures
from onscreen.storage import Save, storing
from onscreen.store import atomic_folder, read_json, write_json, write_table
from onscreen.workspace import Workspace

STAGE = "hq"
CORPORA = {"vox1": "VoxCeleb1", "vox2": "VoxCeleb2"}
NO_TREE = Hq().root  # the folder that is committed empty


def source_root(workspace: Workspace) -> Path | None:
    """The tree to adopt; None where hq.root is an empty folder (hidden files aside).

    Raises InputError when hq.root names nothing, or a file; ConfigError when it names data/hq itself.
    """
    named = workspace.params.hq.root
    root = workspace.root / named
    if root.is_dir():
        if root.resolve() == workspace.hq.resolve() or workspace.hq.resolve() in root.resolve().parents:
            raise ConfigError(f"hq.root = {named} is what this stage writes. Move the tree to a folder of its own.")
        return root if any(not path.name.startswith(".") for path in root.iterdir()) else None
    if root.exists():
        raise InputError(f"hq.root = {named} is a file: {root}. It must be a folder: {NO_TREE} where there is no tree to adopt.")
    if named == NO_TREE:
        return None
    in_home = workspace.home / named
    if workspace.home != workspace.root and in_home.is_dir():
        raise InputError(
            f"hq.root = {named} is not in this experiment's own checkout ({workspace.root}), because neither git nor DVC knows its "
            f"files. Run `dvc add {quote(named)}`, commit {named}.dvc, or set hq.root to the absolute path {in_home}"
        )
    raise InputError(
        f"hq.root = {named}: there is no folder {root}. Name the folder that holds vox1 or vox2, or set hq.root to {NO_TREE} "
        "to write a tree of your own people"
    )


@dataclass(frozen=True)
class Source:
    """A tree to adopt. rule: where its sides come from. unplaced: people with media who have no side."""

    tree: Tree
    rule: str
    unplaced: tuple[str, ...] = ()


def open_source(root: Path) -> Source:
    """The tree with its split.json or, where it has none, with the published rule's. Raises as read_tree and sides_of do."""
    if (root / "split.json").is_file():
        return Source(read_tree(root), "its own split.json")
    made = sides_of(root, "published")
    return Source(replace(tree_of(root, made.split), moved=made.moved), "the published rule", made.unplaced)


def run(source: Source, verdicts: Mapping[str, Rejected | None]) -> Iterator[Person | Reject]:
    """Yield the people who have both, with their usable files, and a reject for everything else.

    verdicts: path -> why a file cannot be used, None where it can.
    """
    for name in source.tree.absent:
        yield Reject(name, STAGE, "hq", "no_media", "split.json names this person, who has no spectrogram or no face in the tree")
    for name in source.unplaced:
        yield Reject(name, STAGE, "hq", "no_row", "no row of the meta file names this person, so that there is no side for them")
    for person in source.tree.people:
        for path in (*person.mels, *person.faces):
            why = verdicts[path]
            if why is not None:
                yield Reject(path, STAGE, "hq", why.code, why.detail, why.numbers)
        mels, faces = (tuple(path for path in paths if verdicts[path] is None) for paths in (person.mels, person.faces))
        if mels and faces:
            yield replace(person, mels=mels, faces=faces)
        else:
            code, what = ("no_face", "face") if mels else ("no_voice", "spectrogram")
            yield Reject(person.name, STAGE, "hq", code, f"this person has no usable {what}")


def adopt(workspace: Workspace, root: Path) -> dict[str, Any]:
    """Write data/hq. Returns its metrics."""
    source = open_source(root)
    verdicts, layout = _look(workspace, source.tree)
    made = list(run(source, verdicts))
    people = [one for one in made if isinstance(one, Person)]
    rejects = [one for one in made if isinstance(one, Reject)]
    with atomic_folder(workspace.hq) as folder, storing(folder, workspace.params.storage.layout) as save:
        _copy(source.tree, people, save)
        _write_beside(folder, root, source, people, layout)
        write_table(folder / "rejects.parquet", Reject, rejects)
    if layout.is_assumed:
        log.warning("%s: %s", root, layout.told)
    return _metrics(source, people, rejects, layout)


def _look(workspace: Workspace, tree: Tree) -> tuple[dict[str, Rejected | None], Layout]:
    """Whether each file can be used, and how the spectrograms lie."""
    mels = measured_mels(workspace, tree.files, [person.mels for person in tree.people])
    code = code_digest("onscreen.stages.hq_pictures", "opencv-python")
    groups = [tuple(tree.files.file(path) for path in person.faces) for person in tree.people]
    inputs = named_digests(workspace, groups)
    jobs = [Job(item_key(inputs=own, code=code, params={}), of) for own, of in zip(inputs, groups, strict=True)]
    verdicts = {path: found if isinstance(found, Rejected) else None for path, found in mels.items()}
    for person, result in zip(tree.people, workspace.engine.measure("pictures", measure_pictures, jobs), strict=True):
        verdicts |= {path: _verdict(result, at) for at, path in enumerate(person.faces)}
    return verdicts, layout_from(tree, mels)


def _verdict(result: Item | Rejected, at: int) -> Rejected | None:
    if isinstance(result, Rejected):
        return result
    lost = result.meta["lost"].get(str(at))
    return Rejected(**lost) if lost else None


def _copy(tree: Tree, people: Sequence[Person], save: Save) -> None:
    for person in people:
        for path in (*person.mels, *person.faces):
            save(path, tree.files.read(path))


def _write_beside(folder: Path, root: Path, source: Source, people: Sequence[Person], layout: Layout) -> None:
    """split.json (of the people who are here), the meta files as they are, tree.json."""
    split = {part: {side: [p.name for p in people if (p.part, p.side) == (part, side)] for side in SIDES} for part in PARTS}
    write_json(folder / "split.json", split)
    for part in PARTS:
        for name in META_FILES[part]:
            if (root / part / name).is_file():
                (folder / part).mkdir(parents=True, exist_ok=True)
                shutil.copyfile(root / part / name, folder / part / name)
    own = read_json(root / "tree.json") if (root / "tree.json").is_file() else {}
    kept = {path for person in people for path in (*person.mels, *person.faces)}
    seen = None if layout.is_assumed else layout.bands_first
    about: dict[str, Any] = {"adopted": {"sides": source.rule, "spectrograms": layout.told, "bands_first": seen}}
    if "mel" in own:  # onscreen wrote that tree, of people who are not VoxCeleb's
        about |= {"mel": own["mel"], "source": {path: of for path, of in own.get("source", {}).items() if path in kept}}
    else:
        about["corpus"] = {part: name for part, name in CORPORA.items() if any(person.part == part for person in people)}
    write_json(folder / "tree.json", about)


def _metrics(source: Source, people: Sequence[Person], rejects: Sequence[Reject], layout: Layout) -> dict[str, Any]:
    by_side, by_part = Counter(person.side for person in people), Counter(person.part for person in people)
    return {
        "status": "ok" if people else "no person of the adopted tree has both a spectrogram and a face",
        "adopted": True,
        "sides_from": source.rule,
        "people": {side: by_side[side] for side in SIDES},
        "people_by_part": {part: by_part[part] for part in PARTS},
        "people_of_both_parts_moved_to_their_side_in_vox1": len(source.tree.moved),
        "mel_spectrograms": sum(len(person.mels) for person in people),
        "masked_faces": sum(len(person.faces) for person in people),
        "spectrograms": layout.told,
        "files_of_other_kinds": source.tree.unread,
        "rejects": dict(sorted(Counter(row.code for row in rejects).items())),
    }
