"""Is video.mp4 a picture that moves, at a constant rate, with a sound that runs beside it?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from onscreen.checks import limits
from onscreen.checks.finding import Finding, Status
from onscreen.checks.sample import SampleFolder
from onscreen.checks.structure import fps_of, resolution_of
from onscreen.checks.tools import Tools
from onscreen.errors import Rejected


def check_decodes(sample: SampleFolder, tools: Tools) -> Iterator[Finding]:
    """video.decodes: to its end, every packet."""
    try:
        film = tools.film(sample)
    except Rejected as rejected:
        yield Finding(sample.label, "video.decodes", "fail", str(rejected), rejected.numbers)
        return
    numbers = {
        "decoded": float(len(film.times_s)),
        "packets": float(film.probe.n_frames),
        "broken": float(len(film.probe.broken_s)),
    }
    missing_s = max(0.0, (film.probe.declared_duration_s or 0.0) - film.probe.duration_s)
    whole = len(film.times_s) == film.probe.n_frames > 0 and not film.probe.broken_s and missing_s <= 1 / fps_of(sample)
    detail = f"{len(film.times_s)} of {film.probe.n_frames} frames decode"
    detail += f"; the file breaks off, {missing_s:.2f} s before its end" if missing_s > 1 / fps_of(sample) else ""
    yield Finding(sample.label, "video.decodes", "pass" if whole else "fail", detail, numbers)


def check_size(sample: SampleFolder, tools: Tools) -> Iterator[Finding]:
    """video.resolution: 512 x 512 square pixels, or what metadata.json says."""
    film, side = tools.film(sample), resolution_of(sample)
    right = film.probe.width == film.probe.height == side and abs(film.pixel_aspect - 1) < 0.01
    detail = f"{film.probe.width} x {film.probe.height} px, wanted {side} x {side}"
    if abs(film.pixel_aspect - 1) >= 0.01:
        detail += f"; its pixels are {film.pixel_aspect:.2f} times as wide as high"
    numbers = {"width": float(film.probe.width), "height": float(film.probe.height), "wanted": float(side)}
    yield Finding(sample.label, "video.resolution", "pass" if right else "fail", detail, numbers)


def check_rate(sample: SampleFolder, tools: Tools) -> Iterator[Finding]:
    """video.frame_rate: frame i is on screen at i / 24 s; video.length: 24 frames or more, 3-10 s recommended."""
    film, fps = tools.film(sample), fps_of(sample)
    count = len(film.times_s)
    off_s = float(np.abs(film.times_s - film.times_s[0] - np.arange(count) / fps).max()) if count else 0.0
    numbers = {"fps": film.probe.fps, "wanted_fps": float(fps), "largest_deviation_s": off_s}
    detail = f"{film.probe.fps:.3f} frames a second, at most {off_s:.3f} s beside a constant {fps}"
    yield Finding(sample.label, "video.frame_rate", "pass" if off_s <= limits.CLOCK_S else "fail", detail, numbers)
    duration_s, (least_s, most_s) = film.probe.duration_s, limits.RECOMMENDED_S
    status: Status = "fail" if count < limits.MIN_FRAMES else "pass" if least_s <= duration_s <= most_s else "warn"
    detail = f"{count} frames, {duration_s:.2f} s; at least {limits.MIN_FRAMES} frames, {least_s:g}-{most_s:g} s recommended"
    yield Finding(sample.label, "video.length", status, detail, {"frames": float(count), "duration_s": duration_s})


def check_picture(sample: SampleFolder, tools: Tools) -> Iterator[Finding]:
    """video.picture: neither black nor one colour, and it moves."""
    small = tools.film(sample).small
    empty = float((small.std(axis=(1, 2)) < limits.BLACK).mean()) if len(small) else 1.0
    still = float((small[1:] == small[:-1]).all(axis=(1, 2)).mean()) if len(small) > 1 else 1.0
    warn, fail = limits.STILL_SHARE
    change = np.abs(np.diff(small.astype(np.int16), axis=0)).max(axis=(1, 2), initial=0)
    nearly = float((change <= limits.SAME_LEVELS).mean()) if len(change) else 1.0
    status: Status = "fail" if empty >= limits.BLACK_SHARE or still >= fail else "warn" if empty or nearly >= warn else "pass"
    detail = f"{empty:.0%} of the frames show nothing, {nearly:.0%} are the frame before"
    numbers = {"empty_share": empty, "still_share": still, "nearly_still_share": nearly}
    yield Finding(sample.label, "video.picture", status, detail, numbers)


def check_sound(sample: SampleFolder, tools: Tools) -> Iterator[Finding]:
    """video.sound: there is one, and it is not silent; 44.1 kHz recommended. video.sound_noise: little clipped or hissing."""
    if not tools.film(sample).probe.has_audio:
        yield Finding(sample.label, "video.sound", "fail", "video.mp4 has no soundtrack: there is no music to dance to")
        return
    audio, probe = tools.heard(sample).audio, tools.film(sample).probe
    peak, rate = float(np.abs(audio.samples).max(initial=0)), probe.audio_rate_hz
    status: Status = "fail" if peak < limits.SILENT else "warn" if rate < limits.RECOMMENDED_AUDIO_HZ else "pass"
    detail = f"{rate} Hz, peak {peak:.3f}" + (
        ": silence" if status == "fail" else f"; {limits.RECOMMENDED_AUDIO_HZ} Hz recommended"
    )
    yield Finding(sample.label, "video.sound", status, detail, {"rate_hz": float(rate), "peak": peak})
    if status != "fail":
        clipped, flatness = float((np.abs(audio.samples) >= limits.CLIPPED).mean()), _flatness(audio.samples)
        noisy = clipped > limits.CLIPPED_SHARE or flatness > limits.NOISY_FLATNESS
        detail = f"{clipped:.2%} of the samples clipped, spectral flatness {flatness:.3f} (white noise 0.56)"
        numbers = {"clipped_share": clipped, "flatness": flatness}
        yield Finding(sample.label, "video.sound_noise", "warn" if noisy else "pass", detail, numbers)


def check_sync(sample: SampleFolder, tools: Tools) -> Iterator[Finding]:
    """video.sync: sound and picture start and end within a frame of each other."""
    probe = tools.film(sample).probe
    if not probe.has_audio or probe.audio_start_offset_s is None or probe.audio_end_s is None:
        yield Finding(sample.label, "video.sync", "unproven", "there is no sound to lie beside the picture")
        return
    frame_s, block_s = 1 / fps_of(sample), limits.CODEC_SAMPLES / max(1, probe.audio_rate_hz)
    heard = tools.heard(sample).audio
    start_s, end_s = probe.audio_start_offset_s, probe.audio_end_s - probe.duration_s
    wrong = abs(start_s) > frame_s or not -frame_s <= end_s <= frame_s + block_s or heard.missing_inside_s > frame_s
    detail = (
        f"the sound starts {start_s:+.3f} s and ends {end_s:+.3f} s after the picture, {heard.missing_inside_s:.3f} s are missing"
    )
    numbers = {"start_s": start_s, "end_s": end_s, "missing_s": heard.missing_inside_s, "allowed_s": frame_s}
    yield Finding(sample.label, "video.sync", "fail" if wrong else "pass", detail, numbers)


def _flatness(samples: np.ndarray) -> float:
    import librosa

    return float(np.median(librosa.feature.spectral_flatness(y=np.asarray(samples, np.float32))))
