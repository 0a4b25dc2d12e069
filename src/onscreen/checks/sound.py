"""Are music_features.npy numbers of music, whole and unpadded, of this video's sound, and at its time?"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from onscreen.checks import limits, rhythm
from onscreen.checks.finding import Finding, Status
from onscreen.checks.follows import follow
from onscreen.checks.rhythm import is_ours
from onscreen.checks.sample import Broken, SampleFolder
from onscreen.checks.structure import fps_of
from onscreen.checks.tools import Tools
from onscreen.media.audio import decode_audio
from onscreen.motion import music
from onscreen.motion.lag import music_lag_s

_MAY_BE_CONSTANT = ("tempo_bpm", "tempogram", "onset_peak", "beat", "beat_phase_sin", "beat_phase_cos")  # beats of a short clip
_AT_MOST_ONE = ("chroma", "chroma_cqt")  # the strongest tone is 1: a tone that is held is always 1
# Groups that sound alone decides; beats and what is scaled by the whole sound that was read also depend on what lay around a cut.
_OF_THE_SOUND = (
    *("mfcc", "chroma", "spectral_contrast", "tonnetz", "log_mel_db", "chroma_cqt", "mfcc_delta", "onset_strength", "rms"),
    *("zero_crossing_rate", "spectral_centroid_hz", "spectral_bandwidth_hz", "spectral_rolloff_hz", "spectral_flatness"),
)
# Of these, what the faintest parts of a sound decide, which AAC changes
_FAINT = (
    *("onset_strength", "rms", "zero_crossing_rate", "spectral_flatness", "spectral_contrast"),
    *("spectral_centroid_hz", "spectral_bandwidth_hz", "spectral_rolloff_hz"),
)
_EDGE = 2  # rows at either end whose filters reach beyond the clip
_BLOCK = 400  # columns that are in memory at once, as copies


def check_shape(sample: SampleFolder, tools: Tools) -> Iterator[Finding]:
    """music_features.shape: (T, 4800). music_features.dtype: float32. music_features.finite."""
    features = sample.features
    right = features.ndim == 2 and features.shape[1] == limits.WIDTH and len(features) > 0
    shape = "x".join(map(str, features.shape))
    yield Finding(sample.label, "music_features.shape", "pass" if right else "fail", f"{shape}, wanted Tx{limits.WIDTH}")
    status: Status = (
        "pass" if features.dtype == np.float32 else "fail" if is_ours(sample) or features.dtype.kind != "f" else "warn"
    )
    yield Finding(sample.label, "music_features.dtype", status, f"{features.dtype}, wanted float32")
    broken = sum(int((~np.isfinite(block)).sum()) for block in _blocks(np.atleast_2d(features)))
    detail = f"{broken} values are not finite" if broken else "all values are finite"
    yield Finding(sample.label, "music_features.finite", "fail" if broken else "pass", detail, {"not_finite": float(broken)})


def check_columns(sample: SampleFolder, tools: Tools) -> Iterator[Finding]:
    """music_features.empty, .constant, .duplicates: columns of zeros, of one value (tempo and beats may), and equal ones."""
    features = _table(sample)
    spread = np.concatenate([np.ptp(block, axis=0) for block in _blocks(features)])
    largest = np.concatenate([np.abs(block).max(axis=0) for block in _blocks(features)])
    allowed = _may_be_constant(sample)
    empty = (largest == 0) & ~allowed
    count, width = int(empty.sum()), features.shape[1]
    detail = f"{count} of {width} columns hold nothing but zeros" if count else "no column is empty"
    yield Finding(sample.label, "music_features.empty", "fail" if count else "pass", detail, {"columns": float(count)})
    constant = (spread == 0) & (largest > 0) & ~allowed & ~(_columns_of(sample, _AT_MOST_ONE) & (largest == 1))
    count = int(constant.sum())
    status: Status = "pass" if not count or (not is_ours(sample) and count == 1) else "fail"  # elsewhere a tempo has any place
    detail = f"{count} of {width} columns are constant{_named(sample, constant)}"
    yield Finding(sample.label, "music_features.constant", status, detail, {"columns": float(count)})
    twice = _duplicates(features, spread, allowed)
    detail = f"{len(twice)} columns are equal to another{_named(sample, twice)}" if len(twice) else "no two columns are equal"
    yield Finding(
        sample.label, "music_features.duplicates", "fail" if len(twice) else "pass", detail, {"columns": float(len(twice))}
    )


def check_rows(sample: SampleFolder, tools: Tools) -> Iterator[Finding]:
    """music_features.padding: no rows of zeros, no row repeated where there is sound; padded contexts are as many as told."""
    features = _table(sample)
    zero = int(sum((~np.any(block, axis=1)).sum() for block in _row_blocks(features)))
    same = _repeated_rows(features)
    heard = _heard_rows(sample, tools, len(features))
    repeated = int((same & heard).sum())
    silent = int((same & ~heard).sum())
    wrong = [f"{zero} rows are zeros"] * bool(zero) + [f"{repeated} rows repeat the row before while the sound goes on"] * bool(
        repeated
    )
    numbers = {"zero_rows": float(zero), "repeated_rows": float(repeated), "repeated_in_silence": float(silent)}
    if is_ours(sample) and features.shape[1] == music.WIDTH:
        padded, told = _padded_rows(features, heard), (sample.entry or {}).get("padded_frames")
        numbers["padded_frames"] = float(padded)
        if isinstance(told, int) and padded > told:
            wrong.append(f"the context of {padded} rows is padded, metadata.json tells of {told}")
    detail = "; ".join(wrong) or "no row is padding"
    yield Finding(sample.label, "music_features.padding", "fail" if wrong else "pass", detail, numbers)


def check_context(sample: SampleFolder, tools: Tools) -> Iterator[Finding]:
    """music_features.context: columns of frame t + k are, in row t, what row t + k says of itself."""
    if not is_ours(sample):
        return
    features = _table(sample)
    now = music.WIDTH - (2 * music.CONTEXT + 1) * (width := _around_width())
    middle, wrong = now + music.CONTEXT * width, list[int]()
    for offset in (k for k in range(-music.CONTEXT, music.CONTEXT + 1) if k and abs(k) < len(features)):
        start = now + (offset + music.CONTEXT) * width
        rows = slice(max(0, -offset), len(features) - max(0, offset))
        theirs = slice(rows.start + offset, rows.stop + offset)
        said, own = features[rows, start : start + width], features[theirs, middle : middle + width]
        limit = limits.NEARLY_EQUAL * (np.ptp(own, axis=0) + 1e-6)
        wrong += [offset] if (np.abs(said - own) > limit).any() else []
    detail = f"not so for {len(wrong)} of {2 * music.CONTEXT} offsets" if wrong else "every offset"
    yield Finding(sample.label, "music_features.context", "fail" if wrong else "pass", detail, {"offsets": float(len(wrong))})


def check_sound(sample: SampleFolder, tools: Tools) -> Iterator[Finding]:
    """music_features.lag and .sound: measured again from video.mp4's sound, the features say the same, at the same time."""
    features = np.array(_table(sample), np.float64)
    if not np.isfinite(features).all():
        raise Broken("music_features.npy: holds values that are not finite")
    if features.shape[1] == music.WIDTH and is_ours(sample):
        yield from _compare_stack(sample, features)
    else:
        yield from _compare_unknown(sample, tools, features)


def _compare_stack(sample: SampleFolder, features: np.ndarray) -> Iterator[Finding]:
    fps = fps_of(sample)
    wanted = len(features) / fps
    samples = decode_audio(sample.folder / "video.mp4", 0.0, wanted, music.rate_hz(fps)).samples
    lag, likeness = music_lag_s(features, samples, fps, limits.MAX_LAG_S)
    numbers = {"lag_s": lag, "correlation": likeness, "allowed_s": 1 / fps}
    known = likeness >= limits.TRUE_LAG
    detail = f"the sound comes {lag:+.3f} s after its features (correlation {likeness:.2f})"
    late: Status = "fail" if not known or abs(lag) >= 1 / fps else "pass"
    if not known:
        detail = f"at no lag up to {limits.MAX_LAG_S:g} s the features follow the sound (correlation {likeness:.2f} at best)"
    yield Finding(sample.label, "music_features.lag", late, detail, numbers)
    shift = round(lag * music.rate_hz(fps)) if known else 0
    heard = music.measure(_moved(samples, shift), fps, 0, len(features))
    found = _likeness(features, heard.features)
    other = {name: value for name, value in found.items() if name in _OF_THE_SOUND and value < limits.SAME_SOUND}
    if other:
        told = ", ".join(f"{name} {value:.2f}" for name, value in sorted(other.items(), key=lambda pair: pair[1])[:6])
        detail = f"{len(other)} groups of columns are not of this sound (correlation): {told}"
    else:
        detail = f"all groups agree with this sound, measured again (correlation {min(found[name] for name in _judged(found)):.2f} and more)"
    yield Finding(sample.label, "music_features.sound", "fail" if other else "pass", detail, found)
    if known and not other:
        yield _same_scale(sample, features, heard.features)
        yield from rhythm.heard_again(sample, heard, wanted)


def _same_scale(sample: SampleFolder, said: np.ndarray, heard: np.ndarray) -> Finding:
    """music_features.scale: groups of columns are as large, spread as much and lie as high as of the sound measured again."""
    rows, wrong, worst = slice(_EDGE, len(said) - _EDGE), dict[str, str](), 1.0
    for group in (row for row in music.layout() if row["offset"] == 0 and row["name"] in _OF_THE_SOUND):
        one, two = (np.asarray(table[rows, group["start"] : group["stop"]], np.float64) for table in (said, heard))
        spreads = [table - table.mean(axis=0) for table in (one, two)]
        if not (one.any() and two.any() and spreads[1].any()):
            continue
        sizes = [np.sqrt((a**2).mean() / (b**2).mean()) for a, b in ((one, two), tuple(spreads))]
        factor = max(sizes, key=lambda size: abs(np.log(max(size, 1e-9))))
        beside = float(np.abs(one.mean(axis=0) - two.mean(axis=0)).mean() / two.std())
        faint = group["name"] in _FAINT
        most = limits.SAME_SCALE_FAINT if faint else limits.SAME_SCALE
        worst = max(worst, factor, 1 / max(factor, 1e-9))
        if not 1 / most <= factor <= most:
            wrong[group["name"]] = f"{group['name']} x{factor:.2f}"
        elif beside > limits.SAME_LEVEL and not faint:
            wrong[group["name"]] = f"{group['name']} moved by {beside:.1f} of its spread"
    told = f"{len(wrong)} groups of columns do not have this sound's size: {', '.join(list(wrong.values())[:6])}"
    detail = told if wrong else f"all groups are as large as of this sound, measured again (x{worst:.2f} at most)"
    numbers = {"factor": float(worst), "groups": float(len(wrong))}
    return Finding(sample.label, "music_features.scale", "fail" if wrong else "pass", detail, numbers)


def _judged(found: dict[str, float]) -> list[str]:
    return [name for name in found if name in _OF_THE_SOUND] or list(found)


def _likeness(said: np.ndarray, heard: np.ndarray) -> dict[str, float]:
    """Correlation of each group of columns of frame t, after each column's mean is taken off; groups that vary in neither are left out."""
    rows, found = slice(_EDGE, len(said) - _EDGE), dict[str, float]()
    for group in (row for row in music.layout() if row["offset"] == 0):
        one, two = (np.asarray(table[rows, group["start"] : group["stop"]], np.float64) for table in (said, heard))
        one, two = one - one.mean(axis=0), two - two.mean(axis=0)
        power = np.sqrt((one**2).sum() * (two**2).sum())
        if power > 0:
            found[group["name"]] = float((one * two).sum() / power)
        elif group["name"] in _OF_THE_SOUND and (one**2).sum() + (two**2).sum() > 0:
            found[group["name"]] = 0.0  # one varies, the other does not
    return found


def _moved(samples: np.ndarray, by: int) -> np.ndarray:
    """The sound `by` samples earlier; silence where it ends."""
    moved = np.zeros_like(samples)
    inside = samples[max(0, by) : len(samples) + min(0, by)]
    moved[max(0, -by) : max(0, -by) + len(inside)] = inside
    return moved


def _compare_unknown(sample: SampleFolder, tools: Tools, features: np.ndarray) -> Iterator[Finding]:
    """Of an unknown layout: which columns follow the sound, and at which lag?"""
    heard, count = tools.heard(sample), len(features)
    fps = fps_of(sample)
    rate = fps if count == len(tools.film(sample).times_s) else count / max(heard.audio.duration_s, 1e-3)
    varying = np.ptp(features, axis=0) > 0
    if count < limits.FEW_ROWS or not varying.any() or not np.abs(heard.audio.samples).max(initial=0) > limits.SILENT:
        why = "too few rows, none that varies, or silence: nothing tells whose they are"
        yield Finding(sample.label, "music_features.sound", "unproven", why, {"rows": float(count)})
        return
    found = follow(features[:, varying], heard.audio.samples, heard.audio.rate_hz, rate, limits.MAX_LAG_S)
    numbers = {"lag_s": found.lag_s, "agreement": found.agreement, "elsewhere": found.elsewhere, "columns": float(found.columns)}
    told = f"(correlation {found.agreement:.2f}, {found.elsewhere:.2f} at other lags)"
    if not found.is_real:
        detail = f"none of {varying.sum()} columns that vary follows the sound {told}"
        yield Finding(sample.label, "music_features.sound", "fail", detail, numbers)
        return
    detail = (
        f"{found.columns} of {features.shape[1]} columns follow the sound {told}; the layout is unknown, the others are unproven"
    )
    yield Finding(sample.label, "music_features.sound", "unproven", detail, numbers)
    late: Status = "fail" if abs(found.lag_s) >= 1 / fps else "pass"
    yield Finding(
        sample.label, "music_features.lag", late, f"the sound comes {found.lag_s:+.3f} s after its features {told}", numbers
    )


def _table(sample: SampleFolder) -> np.ndarray:
    features = sample.features
    if features.ndim != 2 or not features.size:
        raise Broken(f"music_features.npy: has the shape {features.shape}, not (T, {limits.WIDTH})")
    return features


def _blocks(features: np.ndarray) -> Iterator[np.ndarray]:
    return (np.asarray(features[:, start : start + _BLOCK]) for start in range(0, features.shape[1], _BLOCK))


def _row_blocks(features: np.ndarray) -> Iterator[np.ndarray]:
    return (np.asarray(features[start : start + _BLOCK]) for start in range(0, len(features), _BLOCK))


def _may_be_constant(sample: SampleFolder) -> np.ndarray:
    return _columns_of(sample, _MAY_BE_CONSTANT)


def _columns_of(sample: SampleFolder, groups: tuple[str, ...]) -> np.ndarray:
    """Which columns are of those groups; none of an unknown layout."""
    found = np.zeros(sample.features.shape[1], bool)
    if is_ours(sample) and len(found) == music.WIDTH:
        for row in music.layout():
            found[row["start"] : row["stop"]] = row["name"] in groups
    return found


def _named(sample: SampleFolder, columns: np.ndarray) -> str:
    places = np.flatnonzero(columns) if columns.dtype == bool else columns
    if not len(places):
        return ""
    shown = ", ".join(str(place) for place in places[:5])
    return f" ({shown}{', ...' if len(places) > 5 else ''})"


def _duplicates(features: np.ndarray, spread: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """Columns that vary and are, byte by byte, one before them; beats of a short clip may be."""
    seen, found = set[bytes](), list[int]()
    for number, block in enumerate(_blocks(features)):
        for place, column in enumerate(np.ascontiguousarray(block.T), number * _BLOCK):
            if spread[place] > 0 and not allowed[place]:
                digest = hashlib.blake2b(column.tobytes(), digest_size=16).digest()
                found += [place] if digest in seen else []
                seen.add(digest)
    return np.array(found, int)


def _repeated_rows(features: np.ndarray) -> np.ndarray:
    """(T,) bool: rows equal to the row before."""
    same = np.zeros(len(features), bool)
    for start in range(1, len(features), _BLOCK):
        stop = min(start + _BLOCK, len(features))
        same[start:stop] = (features[start:stop] == features[start - 1 : stop - 1]).all(axis=1)
    return same


def _padded_rows(features: np.ndarray, heard: np.ndarray) -> int:
    """Rows of our layout whose outermost context repeats the one beside it, as padding does, while there is sound."""
    width = _around_width()
    first, last = music.WIDTH - (2 * music.CONTEXT + 1) * width, music.WIDTH - width
    starts = (features[:, first : first + width] == features[:, first + width : first + 2 * width]).all(axis=1)
    ends = (features[:, last:] == features[:, last - width : last]).all(axis=1)
    return int(((starts | ends) & heard).sum())


def _around_width() -> int:
    return sum(row["width"] for row in music.layout() if row["offset"] == 1)


def _heard_rows(sample: SampleFolder, tools: Tools, count: int) -> np.ndarray:
    """(count,) bool: rows, spread evenly over the sound, in which something is heard."""
    audio = tools.heard(sample).audio
    edges = np.linspace(0, len(audio.samples), count + 1).astype(int)
    level = np.abs(audio.samples)
    return np.array([level[start : max(stop, start + 1)].max(initial=0) > limits.SILENT for start, stop in pairwise(edges)])
