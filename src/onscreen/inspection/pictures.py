"""The pictures behind a verdict: crops of every view from the item cache, or the stored picture of a face; as a sheet and as thumbnails."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from rich.text import Text

from onscreen.errors import CorruptTable
from onscreen.inspection.evidence import Subject, Tables, measurement, neighbours
from onscreen.naming import file_stem
from onscreen.records import Clip
from onscreen.storage import Stored
from onscreen.store import atomic_path

_SIDE, _CAPTION, _ACROSS = 192, 22, 6  # pixels of a picture on the sheet, of its caption; pictures in a row
_PICTURES = 24  # on a sheet at most
_COLUMNS = 16  # characters of a thumbnail


@dataclass(frozen=True)
class Picture:
    """caption: ASCII. image: (H, W, 3) uint8 RGB. used: whether it takes part in the embedding."""

    caption: str
    image: np.ndarray
    used: bool = True


def pictures(tables: Tables, subject: Subject) -> list[Picture]:
    """Of a clip or a face: every view that the item cache holds, else the stored faces. Of a person: their faces. Then the nearest others."""
    found = [picture for clip in subject.clips for picture in _views(tables, subject, clip)] if subject.kind != "person" else []
    stored = Stored(tables.workspace.faces)
    faces = [] if found else subject.faces[: _PICTURES - 6]
    near = {other.face.face_id: other for other in (neighbours(tables, subject.faces[0]) if subject.faces else [])}
    shown = {face.face_id for face in faces}
    for face in [*faces, *(other.face for name, other in near.items() if name not in shown)]:
        image = _decoded(np.frombuffer(stored.read(face.image), np.uint8))
        caption = face.face_id if face.face_id in shown else f"{near[face.face_id].distance:.3f} {face.face_id}"
        found.append(Picture(caption, image))
    return found[:_PICTURES]


def _views(tables: Tables, subject: Subject, clip: Clip) -> Iterator[Picture]:
    item = measurement(tables, clip)
    if item is None:
        return
    people = {subject.person or 0} if subject.kind == "face" else None
    for view in sorted(
        (view for view in tables.views if view.clip_id == clip.clip_id), key=lambda view: (view.person, view.frame)
    ):
        if people is not None and view.person not in people:
            continue
        for number, measured in enumerate(item.meta["faces"]):
            if measured["frame"] == view.frame and tuple(measured["box"]) == view.box:
                caption = f"person {view.person}  {view.time_s:.2f} s"
                yield Picture(caption, _decoded(item.arrays[f"crop_{number}"]), view.pooled)


def _decoded(data: np.ndarray) -> np.ndarray:
    image = cv2.imdecode(data, cv2.IMREAD_COLOR)
    if image is None:
        raise CorruptTable("a stored picture of a face is no JPEG; run `onscreen extract_faces` again")
    return np.ascontiguousarray(image[..., ::-1])


def write_sheet(tables: Tables, subject: Subject, shown: Sequence[Picture]) -> Path:
    """A JPEG of all pictures with captions, those not used framed in red, below the item cache, where nothing is committed from."""
    rows = [
        np.hstack([_framed(picture) for picture in shown[start : start + _ACROSS]]) for start in range(0, len(shown), _ACROSS)
    ]
    width = max(row.shape[1] for row in rows)
    sheet = np.vstack([np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0)), constant_values=255) for row in rows])
    path = tables.workspace.cache_root / "why" / f"{file_stem(subject.name)}.jpg"
    with atomic_path(path) as temporary:
        temporary.write_bytes(cv2.imencode(".jpg", sheet[..., ::-1])[1].tobytes())
    return path


def _framed(picture: Picture) -> np.ndarray:
    image = cv2.resize(picture.image, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    if not picture.used:
        cv2.rectangle(image, (1, 1), (_SIDE - 2, _SIDE - 2), (200, 30, 30), 3)
    caption = np.full((_CAPTION, _SIDE, 3), 255, np.uint8)
    text = picture.caption.encode("ascii", "replace").decode()
    cv2.putText(caption, text[:28], (3, 15), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (0, 0, 0), 1, cv2.LINE_AA)
    return np.vstack([image, caption])


def thumbnails(shown: Sequence[Picture]) -> Text:
    """A row of small pictures for a terminal of true colours: two pixels a character."""
    small = [cv2.resize(picture.image, (_COLUMNS, _COLUMNS), interpolation=cv2.INTER_AREA) for picture in shown[:5]]
    text = Text()
    for line in range(0, _COLUMNS, 2):
        for image in small:
            for upper, lower in zip(image[line].tolist(), image[line + 1].tolist(), strict=True):
                text.append("\N{UPPER HALF BLOCK}", style="rgb({},{},{}) on rgb({},{},{})".format(*upper, *lower))
            text.append("  ")
        text.append("\n")
    return text
