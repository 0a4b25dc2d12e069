"""data/identity_overrides.yaml: a person's word on who is who. It wins over the embeddings and over the ledger's identities.

The file explains its own format. Here it is read, checked as a whole, and said in terms of the faces that there are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from onscreen.config import Section
from onscreen.errors import ConfigError
from onscreen.ledger import LedgerRow
from onscreen.records import Face

Named = Annotated[str, Field(min_length=1)]
NewId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]


class Overrides(Section):
    """The file as it is. Faces are named by face_id or by Face.key.

    merge: the people of the faces of one list are one person. split: the faces of one list, and only they, are one person.
    reject: faces that are no usable face. rename: identity_id -> the id to use instead.
    """

    merge: tuple[Annotated[tuple[Named, ...], Field(min_length=2)], ...] = ()
    split: tuple[Annotated[tuple[Named, ...], Field(min_length=1)], ...] = ()
    reject: tuple[Named, ...] = ()
    rename: dict[Named, NewId] = Field(default_factory=dict)


@dataclass(frozen=True)
class Listed:
    """A list of merge or split. keys: of all its faces, also of those that only the ledger still knows. face_ids: of who is there."""

    face_ids: frozenset[str]
    keys: frozenset[str]


@dataclass(frozen=True)
class Corrections:
    """Overrides in terms of the faces that there are. vanished: (section, name) of what names none of them."""

    merge: tuple[Listed, ...] = ()
    split: tuple[Listed, ...] = ()
    reject: frozenset[str] = frozenset()
    rename: Mapping[str, str] = field(default_factory=dict)
    vanished: tuple[tuple[str, str], ...] = ()


def read_overrides(path: Path) -> Overrides:
    """The file's overrides; none where there is no such file or only comments in it.

    Every value is read as the text that stands there, so that a face called 007 needs no quotes.
    Raises ConfigError naming every line that is wrong.
    """
    if not path.exists():
        return Overrides()
    try:
        data = YAML(typ="base", pure=True).load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise ConfigError(f"{path} is not readable as YAML: {' '.join(str(error).split())}") from error
    return parse_overrides(data, str(path))


def parse_overrides(data: Any, name: str) -> Overrides:
    """Check plain data, as YAML gives it. name: what to call it in errors."""
    if isinstance(data, dict):
        data = {key: value for key, value in data.items() if value != ""}  # a section with nothing below it
    try:
        return Overrides.model_validate_json(json.dumps(data if data is not None else {}))
    except ValidationError as error:
        errors: list[dict[str, Any]] = [dict(item) for item in error.errors()]
        inner = [item for item in errors if not any(_is_within(item["loc"], other["loc"]) for other in errors)]
        lines = [f"{name}: {_explain(item)}" for item in inner]
        raise ConfigError("\n".join(dict.fromkeys(lines))) from error
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{name}: holds a value that it cannot have: {error}") from error


def _is_within(outer: tuple[str | int, ...], inner: tuple[str | int, ...]) -> bool:
    """Whether the second place lies in the first: a list whose entry is wrong is told to be too short as well."""
    return len(inner) > len(outer) and inner[: len(outer)] == outer


def _explain(item: dict[str, Any]) -> str:
    if item["loc"][-1:] == ("[key]",):
        return "rename: an identity_id is empty"
    where = ".".join(str(part) for part in item["loc"]) or "the file"
    if item["type"] == "extra_forbidden":
        return f"{where} is not a section. Known here: {', '.join(Overrides.model_fields)}"
    if item["type"] == "string_pattern_mismatch":
        return f"{where} = {item['input']!r}: an id has up to 64 letters, digits, _ . - and begins with a letter or a digit"
    return f"{where} = {json.dumps(item['input'], ensure_ascii=False)}: must be {_allowed(item['loc'])}"


def _allowed(where: tuple[str | int, ...]) -> str:
    """What may stand at a place of the file, for a person. where: section, then the number of a list or a name below it."""
    if not where:
        return f"sections: {', '.join(Overrides.model_fields)}"
    section, depth = where[0], len(where)
    lists = {"merge": "a list of 2 faces or more", "split": "a list of 1 face or more"}
    if section in lists and depth < 3:
        return lists[section] if depth == 2 else f"a list of lists of faces, each {lists[section]}"
    if section == "reject" and depth == 1:
        return "a list of faces"
    if section == "rename":
        return "lines of the form identity_id: new id" if depth == 1 else "a new id, as text"
    return "the name of a face: a face_id or a key, not empty"


def resolve(overrides: Overrides, faces: Sequence[Face], ledger: Mapping[str, LedgerRow], name: str) -> Corrections:
    """The overrides in terms of these faces. name: what to call the file in errors.

    A name is a face_id, else a key, else the face_id under which the ledger knows a face, so that who is frozen is found although
    the file was renamed. A key names all faces of that content (copies of one file). Raises ConfigError naming every contradiction.
    """
    known = _Names(faces, ledger)
    wrong = [f"{name}: {line}" for line in (*_contradictions(overrides, known), *_wrong_renames(overrides.rename))]
    if wrong:
        raise ConfigError("\n".join(wrong))
    listed = {
        "merge": [one for names in overrides.merge for one in names],
        "split": [one for names in overrides.split for one in names],
        "reject": overrides.reject,
    }
    gone = {section: [one for one in names if one not in known.faces] for section, names in listed.items()}
    return Corrections(
        merge=tuple(Listed(known.face_ids(names), known.keys(names)) for names in overrides.merge),
        split=tuple(Listed(known.face_ids(names), known.keys(names)) for names in overrides.split),
        reject=known.face_ids(overrides.reject),
        rename=overrides.rename,
        vanished=tuple((section, one) for section, names in gone.items() for one in dict.fromkeys(names)),
    )


class _Names:
    """What the names of the file mean: a face_id, a key, or the face_id under which the ledger knows a key."""

    def __init__(self, faces: Sequence[Face], ledger: Mapping[str, LedgerRow]) -> None:
        self._key = {row.face_id: key for key, row in ledger.items()} | {face.key: face.key for face in faces}
        self._key |= {face.face_id: face.key for face in faces}
        of_key: dict[str, frozenset[str]] = {}
        for face in faces:
            of_key[face.key] = of_key.get(face.key, frozenset()) | {face.face_id}
        self.faces = {name: of_key[key] for name, key in self._key.items() if key in of_key}
        self.faces |= {face.face_id: frozenset([face.face_id]) for face in faces}

    def face_ids(self, names: Sequence[str]) -> frozenset[str]:
        return frozenset().union(*(self.faces.get(name, frozenset()) for name in names))

    def keys(self, names: Sequence[str]) -> frozenset[str]:
        return frozenset(self._key.get(name, name) for name in names)

    def same(self, names: Sequence[str]) -> frozenset[str]:
        """The faces that the names mean; the key, or the name itself, where there is none."""
        return frozenset().union(*(self.faces.get(name, {self._key.get(name, name)}) for name in names))


def _contradictions(overrides: Overrides, known: _Names) -> Iterator[str]:
    merges = [known.same(names) for names in overrides.merge]
    splits = [known.same(names) for names in overrides.split]
    rejected = known.same(overrides.reject)
    for section, lists in (("merge", merges), ("split", splits)):
        yield from (
            f"{section}.{n} and reject both name {_shown(one & rejected)}" for n, one in enumerate(lists) if one & rejected
        )
    yield from (f"merge.{n} names one face, {_shown(one)}; it takes two" for n, one in enumerate(merges) if len(one) < 2)
    for number, faces in enumerate(splits):
        for other, joined in enumerate(merges):
            if joined <= faces:
                yield f"merge.{other} and split.{number} both name {_shown(joined)}; a list of split is one person already"
        for other, both in enumerate(faces & before for before in splits[:number]):
            if both:
                yield f"split.{other} and split.{number} both name {_shown(both)}; a face stands apart once"


def _wrong_renames(rename: Mapping[str, str]) -> Iterator[str]:
    first: dict[str, str] = {}
    for old, new in rename.items():
        if new in first:
            yield f"rename: {first[new]} and {old} would both be called {new}; to make them one person, merge faces of theirs"
        elif new in rename:
            yield f"rename: {old} would be called {new}, which is {'its name already' if old == new else 'itself renamed'}"
        first.setdefault(new, old)


def _shown(faces: frozenset[str]) -> str:
    return ", ".join(sorted(faces))
