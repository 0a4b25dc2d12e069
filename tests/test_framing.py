"""The square window of a sample: what it shows, and that points and pixels move alike."""

from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onscreen.media.cropping import Cropper
from onscreen.media.video import Decoded
from onscreen.motion.framing import Window, fit_window, show, to_window, whole_window


def body(*places: tuple[float, float], confidence: float = 1.0) -> np.ndarray:
    points = np.zeros((1, 134, 3), np.float32)
    for index, (x, y) in enumerate(places):
        points[0, index] = [x, y, confidence]
    return points


def test_a_dancer_as_tall_as_a_portrait_picture_is_letterboxed() -> None:
    assert fit_window(body((500, 100), (600, 1900)), 1080, 1920, 512) == Window(-420, 0, 1920)


def test_a_small_dancer_is_cropped_and_stays_in_the_middle_where_the_picture_allows() -> None:
    window = fit_window(body((900, 200), (1000, 800)), 1920, 1080, 512)
    assert window.side == 780
    assert window == Window(560, 110, 780)


def test_nothing_is_scaled_up_where_the_picture_is_large_enough() -> None:
    assert fit_window(body((900, 400), (1000, 500)), 1920, 1080, 512).side == 512


def test_doubtful_points_do_not_widen_the_picture_and_nobody_gives_the_whole() -> None:
    sure = body((900, 200), (1000, 800))
    sure[0, 5] = [10, 10, 0.2]
    assert fit_window(sure, 1920, 1080, 512).side == 780
    assert fit_window(np.zeros((3, 134, 3), np.float32), 1920, 1080, 512) == Window(0, -420, 1920)


@given(
    st.integers(64, 700),
    st.integers(64, 700),
    st.lists(st.tuples(st.floats(0, 63), st.floats(0, 63)), max_size=5),
    st.sampled_from([64, 512]),
)
def test_a_window_is_never_larger_than_the_letterbox_and_never_shows_more_outside_than_it_must(
    width: int, height: int, places: list[tuple[float, float]], resolution: int
) -> None:
    window = fit_window(body(*places), width, height, resolution)
    assert window.side % 2 == 0
    assert 0 < window.side <= max(width, height) + max(width, height) % 2
    for start, length in ((window.x, width), (window.y, height)):
        if window.side <= length:
            assert 0 <= start <= length - window.side
        else:
            assert (start % 2, abs(start - (length - window.side) / 2) <= 2) == (0, True)


@pytest.mark.parametrize("window", [Window(-420, 0, 1920), Window(300, 200, 780), Window(284, 604, 512), Window(100, 100, 300)])
def test_a_spot_in_the_picture_lands_where_its_point_does(window: Window) -> None:
    x, y = window.x + window.side * 0.6, window.y + window.side * 0.4
    rows, columns = np.mgrid[0:1920, 0:1080] + 0.5
    image = (255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 800)).astype(np.uint8)
    shown = show(np.repeat(image[..., None], 3, axis=2), window, 512).astype(float)[..., 0]
    assert shown.shape == (512, 512)
    weight = np.where(shown > 60, shown, 0)
    centre = [(weight.sum(axis=axis) * (np.arange(512) + 0.5)).sum() / weight.sum() for axis in (0, 1)]
    np.testing.assert_allclose(centre, to_window(np.array([x, y, 1.0]), window, 512)[:2], atol=0.3)


def test_what_lies_outside_the_window_is_unseen_and_what_lies_outside_the_picture_is_black() -> None:
    points = to_window(np.array([[10, 10, 1], [400, 400, 1], [0, 0, 0]], np.float32), Window(300, 300, 200), 512)
    np.testing.assert_array_equal(points[:, 2], [0, 1, 0])
    assert not points[[0, 2]].any()
    shown = show(np.full((100, 50, 3), 200, np.uint8), Window(-25, 0, 100), 64)
    assert (shown[:, :15] == 0).all()
    assert (shown[:, 17:47] == 200).all()


@pytest.mark.parametrize("kind", ["fitted", "whole"])
def test_every_window_of_every_size_of_picture_can_be_filmed_where_it_shows_what_it_should(kind: str) -> None:
    """Also odd sizes, and windows that reach beyond the picture."""
    random = np.random.default_rng(3)
    for _ in range(150):
        width, height = (int(length) for length in random.integers(30, 140, 2))
        places = random.uniform(0, 1, (2, 2)) * (width, height)
        fitted = fit_window(body(*map(tuple, places)), width, height, 64)
        window = fitted if kind == "fitted" else whole_window(width, height)
        image = np.full((height, width, 3), 200, np.uint8)
        frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
        frame.pts, frame.time_base = 0, Fraction(1, 24)
        filmed = Cropper(window.x, window.y, window.side, 64)(Decoded(frame, width, height)).to_ndarray(format="rgb24")
        expected = show(image, window, 64)
        assert filmed.shape == expected.shape
        assert np.abs(filmed.astype(int) - expected).mean() < 12  # colour of two pixels at the border of a bar
