"""Points, sound and music features made small: what is shown is what was there."""

import base64
import io
import zlib

import numpy as np
import pytest
from PIL import Image

from m2p_folders import dancer
from onscreen.report.m2p_pictures import SCALE, heat_map, pack_points, waveform

OURS = {"music": {"layout_version": 1}}
GREY, RED = (128, 128, 128), (230, 0, 0)


def unpack(text: str, frames: int, count: int) -> np.ndarray:
    """(T, K, 3) as the page's script reads it."""
    packed = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8).reshape(5, count, frames).astype(int)
    steps = [packed[0] + 256 * packed[1], packed[2] + 256 * packed[3], packed[4]]
    x, y = (np.cumsum(step, axis=1).astype(np.uint16).view(np.int16) / SCALE for step in steps[:2])
    return np.stack([x, y, np.cumsum(steps[2], axis=1).astype(np.uint8) / 255], axis=2).transpose(1, 0, 2)


def test_points_come_back_to_an_eighth_of_a_pixel_and_unseen_ones_as_nothing() -> None:
    points = dancer()
    points[5:9, 3] = 0
    points[7, 4] = -30.5, 700.25, 0.001
    back = unpack(pack_points(points), *points.shape[:2])
    assert np.abs(back - points)[..., :2].max() <= 0.5 / SCALE
    assert np.abs(back - points)[..., 2].max() <= 1 / 255
    assert ((back[..., 2] > 0) == (points[..., 2] > 0)).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30, -1e30])
def test_values_that_are_no_places_become_unseen_or_stay_at_the_rim(value: float) -> None:
    points = np.full((2, 3, 3), 0.5)
    points[1, 1, 0] = value
    back = unpack(pack_points(points), 2, 3)
    assert back[1, 1, 2] == 0 if not np.isfinite(value) else abs(back[1, 1, 0]) > 8000
    assert (np.delete(back.reshape(6, 3), 4, axis=0)[:, 2] > 0.4).all()


def test_a_waveform_reaches_its_rim_at_the_peak_and_silence_has_none() -> None:
    samples = np.zeros(4000, np.float32)
    samples[1000], samples[3000] = 0.2, -0.1
    corners = [tuple(map(int, pair.split(","))) for pair in waveform(samples).split()]
    top, low = corners[:400], corners[400:]
    assert min(top, key=lambda corner: corner[1]) == (251, 1)
    assert max(low, key=lambda corner: corner[1])[1] == round(50 + 49 / 2)
    assert waveform(np.zeros(10, np.float32)) == waveform(np.zeros(0, np.float32)) == ""


def colours(png: bytes) -> np.ndarray:
    """(rows, T, 3), the first row of features first."""
    return np.array(Image.open(io.BytesIO(png)).convert("RGB"))[::-1]


def test_a_heat_map_shows_the_columns_of_frame_t_and_names_them() -> None:
    features = np.zeros((10, 4800))
    now = [*range(39), *range(39 + 11 * 207, 39 + 12 * 207)]
    features[:, now] = np.linspace(0, 1, 10)[:, None] * np.arange(1, 247)  # all others never change
    found = heat_map(features, OURS)
    shown = colours(found.png)
    assert shown.shape == (246, 10, 3)
    assert not (shown == GREY).all(axis=2).any()
    assert (shown == shown[0]).all(), "each row is scaled for itself"
    assert found.groups[0] == ("MFCC", 0, 13)
    assert ("mel, dB", 39, 128) in found.groups
    assert sum(rows for _, _, rows in found.groups) == 246


def test_what_never_changes_is_grey_and_what_is_no_number_red() -> None:
    features = np.random.default_rng(0).normal(size=(10, 4800))  # any numbers that change
    features[:, 1] = 3.0
    features[4, 2] = np.nan
    features[:, 3] = np.nan
    shown = colours(heat_map(features, OURS).png)
    assert (shown[1] == GREY).all()
    assert (shown[2, 4] == RED).all()
    assert not (np.delete(shown[2], 4, axis=0) == RED).all(axis=1).any()
    assert (shown[3] == RED).all()


def test_columns_that_nothing_explains_get_no_names() -> None:
    features = np.random.default_rng(0).normal(size=(10, 4800))
    for shared in ({}, {"music": {"layout_version": 99}}, {"music": "x"}):
        found = heat_map(features, shared)
        assert (found.groups, found.rows) == ((), 246)
        assert "nothing says what they mean" in found.about
    assert heat_map(features[:, :35], OURS).rows == 35


def test_long_dances_stay_small_and_what_is_no_table_has_no_picture() -> None:
    assert colours(heat_map(np.random.default_rng(0).normal(size=(3000, 20)), {}).png).shape == (20, 720, 3)
    for features in (np.zeros(5), np.zeros((0, 4800)), np.zeros((2, 3, 4))):
        assert heat_map(features, OURS) is None
