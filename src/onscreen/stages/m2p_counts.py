"""What is counted of a music-to-pose dataset, and what a person must be told of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from onscreen.records import Reject

SIDES = ("train", "validation")
_MOST = 0.9  # of all dances: a group that holds so many leaves nothing to divide
_SHARED = {"song": "song", "identity": "dancer", "source": "source video"}


def metrics(entries: Sequence[Mapping[str, Any]], rejects: Sequence[Reject]) -> dict[str, Any]:
    """What reports/metrics/m2p.json holds; means only where there is a sample. entries: of metadata.json."""
    found: dict[str, Any] = {
        "status": "ok" if entries else "no dancers",
        "samples": len(entries),
        "rejects": dict(sorted(Counter(reject.code for reject in rejects).items())),
    }
    if not entries:
        return found
    warned = [entry for entry in entries if entry["warnings"]]
    groups = Counter(entry["group"] for entry in entries)
    found |= {
        **{"accepted": len(entries) - len(warned), "warned": len(warned), "rejected": len(rejects)},
        "warnings": dict(sorted(Counter(remark["code"] for entry in warned for remark in entry["warnings"]).items())),
        "by_side": dict(sorted(Counter(entry["split"] for entry in entries).items())),
        **{"people": len({entry["identity"] for entry in entries}), "songs": len({entry["song"] for entry in entries})},
        **{"groups": len(groups), "largest_group_share": max(groups.values()) / len(entries), "notes": notes(entries)},
        "duration_s": sum(entry["duration"] for entry in entries),
        "complete": sum(entry["complete"] for entry in entries),
        "mean_share_of_frames": _means([entry["share_of_frames"] for entry in entries]),
    }
    scores = [score for entry in entries if (score := entry["beat_alignment"]["score"]) is not None]
    return found | ({"mean_beat_alignment": float(np.mean(scores))} if scores else {})


def _means(shares: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([share[name] for share in shares])) for name in shares[0]}


def notes(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """What a person must know of the sides: that one group holds nearly all, that a side is empty."""
    groups = Counter(entry["group"] for entry in entries)
    told = list[str]()
    for group, size in groups.most_common(1):
        if size > 1 and size >= _MOST * len(entries):
            own = [entry for entry in entries if entry["group"] == group]
            share = f"{100 * size / len(entries):.0f} % of all dances ({size} of {len(entries)})"
            told.append(f"one group holds {share}, and no split may part it: {joined_by(own)}")
    return told + (list(lacking(entries).values()) if entries else [])


def joined_by(entries: Sequence[Mapping[str, Any]]) -> str:
    """What dances of one group share, in words."""
    whole = [
        f"the {word} {value}"
        for name, word in _SHARED.items()
        for value, count in Counter(entry[name] for entry in entries).most_common(1)
        if count == len(entries)
    ]
    if whole:
        return f"they share {' and '.join(whole)}"
    several = [f"{count} {word}s" for name, word in _SHARED.items() if (count := len({entry[name] for entry in entries}))]
    widest = [
        f"the {word} {value} is in {count}"
        for name, word in _SHARED.items()
        for value, count in Counter(entry[name] for entry in entries).most_common(1)
        if count > 1
    ]
    return f"{', '.join(several)} join one another, and {', '.join(widest)} of them"


def lacking(entries: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Side -> why it holds no sample."""
    sides = Counter(entry["split"] for entry in entries)
    return {side: f"{side} holds no sample: {_why(entries)}" for side in SIDES if not sides[side]}


def _why(entries: Sequence[Mapping[str, Any]]) -> str:
    groups = len({entry["group"] for entry in entries})
    if not entries:
        return "there is none at all; rejects.parquet says why"
    if groups == 1:
        alone = "there is one dance" if len(entries) == 1 else f"all {len(entries)} dances are one group: {joined_by(entries)}"
        return f"{alone}. Add dances of other people to other songs"
    return (
        f"all {groups} groups of dances came to the other side (by the sides of people in data/splits, by what is remembered, else as "
        "drawn). More dances of other people to other songs will fill it"
    )
