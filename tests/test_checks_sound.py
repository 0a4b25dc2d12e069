"""What checks of music features say of a stack that was measured from a sound, of what is done to it, and of other tools' numbers."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from media_cases import pictures
from onscreen.checks import sound
from onscreen.checks.finding import Finding
from onscreen.checks.follows import describe, follow
from onscreen.checks.sample import SampleFolder
from onscreen.checks.tools import Tools
from onscreen.media.audio import Audio
from onscreen.media.video import write_video
from onscreen.motion import music

FRAMES, FPS = 60, 24
OURS = {"music": {"layout_version": music.LAYOUT_VERSION}, "fps": FPS}


@cache
def song(seed: int = 0) -> np.ndarray:
    """(N,) at 24576 Hz: notes of several heights, struck at uneven times, with a beat every half second."""
    random, rate = np.random.default_rng(seed), music.rate_hz(FPS)
    samples = 0.002 * random.normal(size=FRAMES * music.HOP)
    starts = [*np.arange(0, FRAMES / FPS, 0.5), *random.uniform(0, FRAMES / FPS, 12)]
    for number, start_s in enumerate(starts):
        time = np.arange(len(samples) - round(start_s * rate)) / rate
        tone = np.sin(2 * np.pi * random.choice([110, 196, 330, 523, 880]) * time) + 0.4 * random.normal(size=len(time)) * (
            number < 5
        )
        samples[len(samples) - len(time) :] += 0.15 * tone * np.exp(-time / 0.15)
    return samples.astype(np.float32)


@cache
def features() -> np.ndarray:
    return music.measure(song(), FPS, 0, FRAMES).features


def sample(root: Path, table: np.ndarray, samples: np.ndarray | None = None, **entry: object) -> SampleFolder:
    folder = root / "train" / "one"
    folder.mkdir(parents=True)
    write_video(folder / "video.mp4", pictures(FRAMES), FPS, Audio(song() if samples is None else samples, music.rate_hz(FPS)))
    np.save(folder / "music_features.npy", table)
    return SampleFolder(root, "train", "one", {"padded_frames": 2 * music.CONTEXT, **entry}, OURS)


def wrong(one: SampleFolder) -> set[str]:
    checks: list[Callable[[SampleFolder, Tools], Iterator[Finding]]] = [sound.check_shape, sound.check_columns, sound.check_rows]
    checks += [sound.check_context, sound.check_sound]
    tools = Tools({})
    return {finding.check.partition(".")[2] for check in checks for finding in check(one, tools) if finding.status == "fail"}


def test_features_of_the_videos_own_sound_pass(tmp_path: Path) -> None:
    assert wrong(sample(tmp_path, features())) == set()


def test_a_shift_of_200_ms_is_found_within_21_ms(tmp_path: Path) -> None:
    later = np.roll(song(), round(0.2 * music.rate_hz(FPS)))
    one = sample(tmp_path, features(), later)
    found = {finding.check: finding for finding in sound.check_sound(one, Tools({}))}
    assert found["music_features.lag"].status == "fail"
    assert found["music_features.lag"].numbers["lag_s"] == pytest.approx(0.2, abs=0.021)


def test_features_of_another_song_are_told(tmp_path: Path) -> None:
    assert "sound" in wrong(sample(tmp_path, features(), song(seed=7)))


def _constant(table: np.ndarray) -> None:
    table[:, 45] = 3


def _twice(table: np.ndarray) -> None:
    table[:, 20] = table[:, 21]


def _zero_columns(table: np.ndarray) -> None:
    table[:, 4000:] = 0


def _zero_rows(table: np.ndarray) -> None:
    table[50:] = 0


def _edge_rows(table: np.ndarray) -> None:
    table[50:] = table[50]


def _no_number(table: np.ndarray) -> None:
    table[5, 5] = np.inf


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        (_constant, "constant"),
        (_twice, "duplicates"),
        (_zero_columns, "empty"),
        (_zero_rows, "padding"),
        (_edge_rows, "padding"),
        (_no_number, "finite"),
    ],
)
def test_numbers_that_no_sound_gives_are_found(tmp_path: Path, fault: Callable[[np.ndarray], None], check: str) -> None:
    table = features().copy()
    fault(table)
    one, tools = sample(tmp_path, table), Tools({})
    checks = (sound.check_shape,) if check == "finite" else (sound.check_columns, sound.check_rows)
    assert f"music_features.{check}" in {f.check for some in checks for f in some(one, tools) if f.status == "fail"}


def test_padding_of_the_context_that_metadata_does_not_tell_is_found(tmp_path: Path) -> None:
    assert wrong(sample(tmp_path, features(), padded_frames=3)) == {"padding"}


def test_double_precision_and_a_narrow_table_are_no_stack(tmp_path: Path) -> None:
    assert "dtype" in wrong(sample(tmp_path / "a", features().astype(np.float64)))
    assert "shape" in {
        f.check.partition(".")[2]
        for f in sound.check_shape(sample(tmp_path / "b", features()[:, :39]), Tools({}))
        if f.status == "fail"
    }


def test_numbers_of_an_unknown_layout_are_followed_by_ear() -> None:
    rate, mixed = music.rate_hz(FPS), np.random.default_rng(0).normal(size=(58, 200))
    real = describe(song(), rate, FPS, FRAMES)
    found = follow(real @ mixed, song(), rate, FPS, 1.0)
    assert found.is_real
    assert abs(found.lag_s) < 1 / FPS
    late = follow(real @ mixed, np.roll(song(), round(0.25 * rate)), rate, FPS, 1.0)
    assert late.lag_s == pytest.approx(0.25, abs=0.021)
    noise = np.random.default_rng(1).normal(size=(FRAMES, 200))
    assert not follow(noise, song(), rate, FPS, 1.0).is_real
    assert not follow(np.cumsum(noise, axis=0), song(), rate, FPS, 1.0).is_real
