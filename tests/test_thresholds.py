from typing import get_args

import pytest
from deepface.config.threshold import thresholds as deepface_thresholds

from onscreen.config import Faces
from onscreen.errors import ConfigError
from onscreen.faces.thresholds import CALIBRATED, PUBLISHED, auto_threshold, same_clip_threshold, threshold_of

EMBEDDERS = get_args(Faces.model_fields["embedder"].annotation)


def test_more_frames_need_a_smaller_threshold() -> None:
    for table in CALIBRATED.values():
        values = [threshold.value for threshold in table]
        assert values == sorted(values, reverse=True)
    assert auto_threshold("Dlib", 50) == CALIBRATED["Dlib"][-1].value


def test_a_calibrated_threshold_carries_its_margin() -> None:
    for frames, threshold in enumerate(CALIBRATED["Dlib"], 1):
        assert threshold_of("Dlib", frames) == threshold
        assert threshold.same_99 is not None
        assert threshold.different_1 is not None
        assert threshold.same_99 < threshold.different_1
        assert threshold.value < threshold.different_1
        if frames > 1:
            assert threshold.value == pytest.approx((threshold.same_99 + threshold.different_1) / 2, abs=6e-4)


def test_published_thresholds_are_those_that_deepface_carries() -> None:
    names = {"buffalo_l": "Buffalo_L"}
    for name, threshold in PUBLISHED.items():
        assert threshold.value == deepface_thresholds[names.get(name, name)]["cosine"]
        assert threshold.same_99 is None


@pytest.mark.parametrize("name", sorted(PUBLISHED.keys() - CALIBRATED.keys()))
def test_single_photos_are_held_to_the_published_threshold(name: str) -> None:
    assert auto_threshold(name, 1) == PUBLISHED[name].value


@pytest.mark.parametrize("name", sorted(PUBLISHED.keys() - CALIBRATED.keys()))
def test_pooled_frames_of_an_uncalibrated_embedder_need_a_number(name: str) -> None:
    with pytest.raises(ConfigError, match=r"dedupe\.threshold = auto with 5 frames") as caught:
        auto_threshold(name, 5)
    for way in ("a number", f"benchmarks/dedupe_threshold.py --embedder {name} FOLDER", "faces.frames_per_clip: 1"):
        assert way in str(caught.value)


@pytest.mark.parametrize("frames", [1, 5])
def test_an_embedder_that_nobody_measured_needs_a_number(frames: int) -> None:
    with pytest.raises(ConfigError, match=r"buffalo_s; give dedupe\.threshold a number"):
        auto_threshold("buffalo_s", frames)


def test_views_of_one_clip_can_be_linked_with_every_embedder() -> None:
    for name in EMBEDDERS:
        assert 0 < same_clip_threshold(name) < 1
    assert same_clip_threshold("Dlib") < auto_threshold("Dlib", 1)
    assert same_clip_threshold("buffalo_s") == same_clip_threshold("buffalo_l")
