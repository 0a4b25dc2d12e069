"""One screen about a clip, a face or a person: what was measured, what was asked, who is near, and what would turn the verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from onscreen.config import Faces
from onscreen.faces.limits import LIMITS, Limit, views_needed
from onscreen.inspection.evidence import LINKED, Border, Subject, Tables, borders, decided_by, neighbours, sampled_times
from onscreen.inspection.turns import Turn, face_turns, verdict
from onscreen.records import Face, Identity, Reject, View, Voice
from onscreen.stages.dedupe import threshold_of
from onscreen.voices.flags import meaning

_VIEWS, _FACES = 6, 12  # rows shown at most


def screen(tables: Tables, subject: Subject) -> Iterator[RenderableType]:
    """What `onscreen why` prints, part by part."""
    yield _title(subject)
    yield from (_reject(row) for row in subject.rejects(tables))
    if subject.kind == "person":
        yield from _faces(tables, subject)
    else:
        yield from _people(tables, subject)
    if subject.kind == "clip":
        clips = {clip.clip_id for clip in subject.clips}
        yield from (_voice(voice) for voice in tables.voices if voice.clip_id in clips)
    for face in subject.faces[:1] if subject.kind == "person" else subject.faces:
        yield from _who_is_near(tables, face)


def _title(subject: Subject) -> RenderableType:
    text = Text(f"{subject.kind} {subject.name}", style="bold")
    for clip in subject.clips[:3]:
        text.append(f"\n{clip.source}  {clip.start_s:.2f}-{clip.end_s:.2f} s  {clip.width}x{clip.height}", style="not bold")
    if len(subject.clips) > 3:
        text.append(f"\nand {len(subject.clips) - 3} more clips", style="not bold")
    return text


def _reject(row: Reject) -> RenderableType:
    numbers = "  ".join(f"{name} {value:.4g}" for name, value in row.numbers.items())
    return Text(f"{row.item}: {row.stage} ({row.scope}) {row.code}: {row.detail}  {numbers}".rstrip(), style="yellow")


def _faces(tables: Tables, subject: Subject) -> Iterator[RenderableType]:
    rows = {row.face_id: row for row in tables.identities}
    side = {row.face_id: row.split for row in tables.splits}
    shown = sorted(subject.faces, key=lambda face: (rows[face.face_id].distance, face.face_id))
    yield Text(f"\n{len(shown)} faces, by distance to the representative" + _cut(len(shown), _FACES), style="bold")
    table = _table("face", "distance", "quality", "eyes px", "frames", "side")
    for face in shown[:_FACES]:
        own = rows[face.face_id]
        distance = "stands for them" if own.is_representative else f"{own.distance:.4f}"
        numbers = (f"{face.quality:.2f}", f"{face.interocular_px:.0f}", str(face.n_frames))
        table.add_row(face.face_id, distance, *numbers, side.get(face.face_id, ""))
    yield table


def _people(tables: Tables, subject: Subject) -> Iterator[RenderableType]:
    clips = {clip.clip_id for clip in subject.clips}
    views = [view for view in tables.views if view.clip_id in clips]
    if subject.kind == "face":
        views = [view for view in views if view.person == (subject.person or 0)]
    times = {clip.clip_id: sampled_times(tables, clip) for clip in subject.clips}
    for (clip_id, _), of_person in groupby(sorted(views, key=_person_of), key=_person_of):
        yield from _measured(tables.workspace.params.faces, sorted(of_person, key=lambda view: view.frame), times[clip_id])


def _person_of(view: View) -> tuple[str, int]:
    return view.clip_id, view.person


def _voice(voice: Voice) -> RenderableType:
    """Whose it is, and what was measured of it; a measure that does not exist is left out."""
    measures = ("windows", "group_similarity", "speakers", "looked_s", "score", "sync", "people", "speaking")
    known = [(name, value) for name in measures if (value := getattr(voice, name)) is not None]
    numbers = "  ".join(f"{name} {_number(value)}" for name, value in known)
    text = Text(f"\n{voice.clip_id}, voice: {f'of {voice.face_id}' if voice.face_id else 'given to nobody'}", style="bold")
    flags = "".join(f"\n{flag}: {meaning(flag)}" for flag in voice.flags)
    return text.append(f"\n{voice.method}  {numbers}", "not bold").append(flags, "not bold yellow")


def _measured(params: Faces, views: list[View], times: Sequence[float]) -> Iterator[RenderableType]:
    """What was measured in each frame, what is asked of it, and what would turn the verdict. times: of all frames, where known."""
    frames = views[0].frames
    code = verdict(params, views, frames)
    turns = face_turns(params, views, frames)
    yield _heading(params, views, code, turns).append(_without(views, times), "not bold")
    then = {turn.param: _number(turn.then) for turn in turns}
    shown = views[:_VIEWS]
    columns = (f"{view.time_s:.2f}" for view in shown)
    table = _table("at s" + _cut(len(views), _VIEWS), *columns, "asked", "turns at")
    for limit in LIMITS:
        asked = float(getattr(params, limit.param))
        values = [_marked(limit, float(getattr(view, limit.measure)), asked) for view in shown]
        sign = ">=" if limit.least else "<="
        table.add_row(limit.param, *values, f"{sign} {_number(asked)}", then.get(limit.param, "-"))
    share = f">= {_number(params.min_presence)}"
    table.add_row("min_presence", _short(len(views) / frames), *[""] * (len(shown) - 1), share, then.get("min_presence", "-"))
    table.add_row("quality", *(f"{view.quality:.2f}" for view in shown), "", "")
    table.add_row("pooled", *("yes" if view.pooled else "no" for view in shown), "", "")
    yield table


def _heading(params: Faces, views: Sequence[View], code: str, turns: Sequence[Turn]) -> Text:
    first = views[0]
    left_out = first.person > 0 and params.keep == "largest"
    state = f"rejected, {code}" if code else "kept by the thresholds"
    text = Text(f"\n{first.clip_id}, person {first.person}: {'left out by faces.keep: largest' if left_out else state}", "bold")
    asked = views_needed(params, first.frames)
    text.append(f". In {len(views)} of {first.frames} frames, min_presence asks for {asked}.", "not bold")
    if left_out and not code:
        return text.append("\nfaces.keep: all would keep them.", "not bold italic")
    change = "No single threshold turns this."
    if turns:
        change = f"Smallest change that turns it: faces.{turns[0].param} {_number(turns[0].now)} -> {_number(turns[0].then)}"
        change += ", and faces.keep: all." if left_out else "."
    return text.append(f"\n{change}", "not bold italic")


def _without(views: Sequence[View], times: Sequence[float]) -> str:
    seen = {view.frame for view in views}
    missing = [f"{time_s:.2f}" for frame, time_s in enumerate(times) if frame not in seen]
    return f"\nNot found at {', '.join(missing)} s." if missing else ""


def _marked(limit: Limit, value: float, asked: float) -> Text:
    return Text(_short(value), style="" if limit.median or limit.met(value, asked) else "red")


def _who_is_near(tables: Tables, face: Face) -> Iterator[RenderableType]:
    rows = {row.face_id: row for row in tables.identities}
    near, own = neighbours(tables, face), rows.get(face.face_id)
    if own is None:
        return
    params = tables.workspace.params
    threshold = threshold_of(params.dedupe, params.faces, tables.faces)
    side = next((" ".join([row.split, row.reason]).strip() for row in tables.splits if row.face_id == face.face_id), "none yet")
    yield Text(f"\n{face.face_id} is {own.identity_id}, side: {side}. Nearest, threshold {threshold:.4f}:", style="bold")
    table = _table("face", "distance", "person", "decided by")
    for other in near:
        row = rows.get(other.face.face_id)
        style = "green" if row and row.identity_id == own.identity_id else ""
        same = "rejected" if row is None else "the same" if style else row.identity_id
        by = "" if row is None else decided_by(own, row, tables.ledger) or "threshold"
        table.add_row(other.face.face_id, f"{other.distance:.4f}", same, by, style=style)
    yield table
    told = _changes(borders(tables.faces, face, threshold, params.dedupe.method), threshold)
    if beyond := _beyond_the_threshold(tables, own):
        told = f"{beyond} By the embeddings alone:\n{told}"
    yield Text(told, style="italic")


def _beyond_the_threshold(tables: Tables, own: Identity) -> str:
    """Whom a person's corrections or the ledger put with a face, or part it from."""
    others: dict[str, list[str]] = {}
    for row in tables.identities:
        if by := decided_by(own, row, tables.ledger):
            others.setdefault(by, []).append(row.face_id)
    return " ".join(f"{by.capitalize()}: {_some(names)}." for by, names in sorted(others.items()))


def _changes(found: list[Border] | None, threshold: float) -> str:
    if found is None:
        return (
            f"More than {LINKED} faces are linked to it within twice this threshold: what would change its group is not looked for. "
            "`onscreen sweep dedupe.threshold` shows all groups at other thresholds."
        )
    told = [_change(border, threshold) for border in sorted(found, key=lambda border: abs(border.then - threshold))]
    return "\n".join(told) or "No threshold up to twice this one changes the group."


def _change(border: Border, threshold: float) -> str:
    joins = f"joins {_some(border.gained)}" if border.gained else ""
    leaves = f"parts from {_some(border.lost)}" if border.lost else ""
    return f"dedupe.threshold {threshold:.5g} -> {border.then:.5g}: {', '.join(part for part in (joins, leaves) if part)}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _cut(count: int, shown: int) -> str:
    return f" (the first {shown} of {count})" if count > shown else ""


def _short(value: float) -> str:
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.0f}"


def _number(value: float) -> str:
    return f"{value:.4g}"


def _table(*columns: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", no_wrap=True)
    return table
