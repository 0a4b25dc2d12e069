"""The page of a music-to-pose dataset: each sample plays beside its skeleton, its sound with beats, and its music features.

It works from a file, without a server or the internet: points and pictures are inside, videos and reference images are links
relative to the page. All that it shows of a dataset may come from anybody, so everything is escaped, and no script runs but its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from base64 import b64encode
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

from onscreen.cache import Item, ItemCache
from onscreen.checks.sample import SampleFolder, read_samples
from onscreen.engine import Engine, Job
from onscreen.errors import InputError, OnscreenError, Rejected
from onscreen.motion.draw import bones, dots
from onscreen.records import Reject
from onscreen.report.m2p_card import Card, read_card
from onscreen.report.m2p_pictures import SCALE
from onscreen.store import atomic_path, read_table

MARK = '<meta name="generator" content="onscreen m2p report">'
_MARK_WITHIN = 1000  # bytes from the page's start
_A_PAGE, _A_PAGE_BYTES = 50, 12_000_000  # samples, and bytes of what is inside; a browser opens that in a second or two
_TIMEOUT_S = 600.0  # of one sample
_MUST_DIFFER = (("identity", "dancers"), ("song", "songs"), ("source_sha256", "source videos"))  # between the sides


@dataclass(frozen=True)
class Header:
    """Counts of the whole set. sides: (name, samples, seconds, people, songs); None where metadata.json does not say it of all.

    shared: (what, how many of it stand on both sides). rejects: (code, count, an example's detail). notes: what is missing.
    complete: how many samples have all their files, in words; "" where metadata.json does not say it of all.
    """

    sides: list[tuple[str, int, float, int | None, int | None]]
    shared: list[tuple[str, int]]
    rejects: list[tuple[str, int, str]]
    notes: list[str]
    complete: str


def write_page(dataset: Path, output: Path) -> list[Path]:
    """Write the page, and more beside it (report_2.html, ...) where there are many samples; returns their paths.

    Raises InputError for no dataset, or for a place that is taken by a file that is no such page.
    """
    if not dataset.is_dir():
        raise InputError(f"{dataset}: there is no such folder")
    samples = read_samples(dataset.resolve())
    if not samples:
        raise InputError(f"{dataset}: its train/ and validation/ hold no sample")
    _refuse_foreign(output)  # told before the work
    return write_cards(dataset, output, samples, _measure(samples))


def default_output(dataset: Path) -> Path:
    """report.html in the dataset; of a checkout's data/m2p, whose content DVC counts, reports/m2p.html."""
    root = dataset.resolve().parent.parent
    tracked = dataset.resolve() == root / "data" / "m2p" and (root / "dvc.yaml").is_file()
    return root / "reports" / "m2p.html" if tracked else dataset / "report.html"


def write_cards(dataset: Path, output: Path, samples: Sequence[SampleFolder], cards: Sequence[Card]) -> list[Path]:
    """Write the pages of these samples, a card each; what an earlier run left beyond the last of them vanishes."""
    parts, output = _parts(cards), output.resolve()
    paths = [output, *(output.with_stem(f"{output.stem}_{number}") for number in range(2, len(parts) + 1))]
    for path in paths:
        _refuse_foreign(path)
    header, root = _header(samples, cards), os.path.relpath(dataset.resolve(), output.parent)
    for number, (path, part) in enumerate(zip(paths, parts, strict=True)):
        text = render(header, part, root, [other.name for other in paths], number)
        with atomic_path(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    _remove_later(output, len(parts))
    return paths


def measure_card(sample: SampleFolder) -> Item:
    """A card; for a worker."""
    return Item(asdict(read_card(sample)), {})


def render(header: Header, cards: Sequence[Card], root: str, pages: Sequence[str], number: int) -> str:
    """One page as HTML. root: the dataset, relative to the page. pages: file names of all; number: which of them this is."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("onscreen", "report")
    page = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    page.globals["link"] = lambda path: quote(path if root == "." else f"{root}/{path}", safe="/")
    script = files("onscreen.report").joinpath("m2p.js").read_text(encoding="utf-8")
    figure = {"bones": bones(), "dots": dots(), "scale": SCALE}
    return page.get_template("m2p.html.jinja").render(
        mark=MARK,
        header=header,
        cards=cards,
        pages=pages,
        number=number,
        style=files("onscreen.report").joinpath("m2p.css").read_text(encoding="utf-8"),
        script=script,
        script_sha256=b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        figure=json.dumps(figure, separators=(",", ":")),
    )


def _measure(samples: Sequence[SampleFolder]) -> list[Card]:
    with tempfile.TemporaryDirectory(prefix="onscreen-report-") as folder:
        engine = Engine(ItemCache(Path(folder)), 0, _TIMEOUT_S)
        jobs = [Job(f"{index:064x}", sample) for index, sample in enumerate(samples)]
        found = engine.measure("samples", measure_card, jobs)
        return [
            Card(sample.label, missing=[str(item)]) if isinstance(item, Rejected) else Card(**item.meta)
            for sample, item in zip(samples, found, strict=True)
        ]


def _parts(cards: Sequence[Card]) -> list[list[Card]]:
    """The cards of each page."""
    parts: list[list[Card]] = [[]]
    size = 0
    for card in cards:
        inside = len(card.points) + len(card.heat) + len(card.wave)
        if parts[-1] and (len(parts[-1]) >= _A_PAGE or size + inside > _A_PAGE_BYTES):
            parts.append([])
            size = 0
        parts[-1].append(card)
        size += inside
    return parts


def _header(samples: Sequence[SampleFolder], cards: Sequence[Card]) -> Header:
    sides = list(dict.fromkeys(sample.split for sample in samples))
    rows = []
    for side in sides:
        own = [sample for sample in samples if sample.split == side]
        seconds = sum(card.seconds for card, sample in zip(cards, samples, strict=True) if sample.split == side)
        rows.append((side, len(own), seconds, _different(own, "identity"), _different(own, "song")))
    rejects, notes = _rejects(samples[0].root)
    told_notes = samples[0].shared.get("notes")
    notes += [str(note).removesuffix(".") for note in told_notes] if isinstance(told_notes, list) else []
    empty = [side for side in ("train", "validation") if side not in sides]
    notes += [f"{side}/ holds no sample" for side in empty if not any(note.startswith(side) for note in notes)]
    if all(sample.entry is None for sample in samples):
        notes.append("no metadata.json names these samples: whose they are, which song, and what they were cut from is unknown")
    return Header(
        sides=rows,
        shared=[(title, _on_both(samples, key)) for key, title in _MUST_DIFFER],
        rejects=rejects,
        notes=notes,
        complete=_complete(samples),
    )


def _complete(samples: Sequence[SampleFolder]) -> str:
    told = [(sample.entry or {}).get("complete") for sample in samples]
    if not all(isinstance(value, bool) for value in told):
        return ""
    lists = [(sample.entry or {}).get("missing") for sample in samples]
    missing = Counter(str(name) for names in lists if isinstance(names, list) for name in names)
    without = "; ".join(f"{count} without {name}" for name, count in missing.most_common())
    return f"{sum(map(bool, told))} of {len(told)} samples are complete" + (f": {without}" if without else "")


def _different(samples: Sequence[SampleFolder], key: str) -> int | None:
    values = [_told(sample, key) for sample in samples]
    return None if None in values else len(set(values))


def _on_both(samples: Sequence[SampleFolder], key: str) -> int:
    sides: dict[str, set[str]] = {}
    for sample in samples:
        value = _told(sample, key)
        if value is not None:
            sides.setdefault(value, set()).add(sample.split)
    return sum(len(found) > 1 for found in sides.values())


def _told(sample: SampleFolder, key: str) -> str | None:
    value: Any = (sample.entry or {}).get(key)
    return None if value is None or isinstance(value, Mapping | list) else str(value)


def _rejects(root: Path) -> tuple[list[tuple[str, int, str]], list[str]]:
    """The reasons of rejects.parquet, the commonest first, and a note where that cannot be read."""
    path = root / "rejects.parquet"
    if not path.is_file():
        return [], []
    try:
        rows = read_table(path, Reject)
    except (OnscreenError, OSError) as error:
        return [], [f"rejects.parquet cannot be read: {error}"]
    example = {row.code: row.detail for row in reversed(rows)}
    return [(code, count, example[code]) for code, count in Counter(row.code for row in rows).most_common()], []


def _refuse_foreign(path: Path) -> None:
    if path.is_symlink() or (path.exists() and not _is_ours(path)):
        raise InputError(f"--output {path}: is there, and is no page of this command. Move it, or choose another name")


def _is_ours(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return MARK.encode() in file.read(_MARK_WITHIN)


def _remove_later(output: Path, count: int) -> None:
    """Pages of an earlier run beyond the last of this one."""
    number = count + 1
    while (later := output.with_stem(f"{output.stem}_{max(2, number)}")).is_file() and _is_ours(later):
        later.unlink()
        number += 1
