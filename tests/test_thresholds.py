import pytest

from onscreen.errors import ConfigError
from onscreen.faces.thresholds import THRESHOLDS, auto_threshold


def test_more_frames_need_a_smaller_threshold() -> None:
    for table in THRESHOLDS.values():
        assert list(table) == sorted(table, reverse=True)
    assert auto_threshold("Dlib", 50) == THRESHOLDS["Dlib"][-1]


def test_an_embedder_without_a_table_needs_a_number() -> None:
    with pytest.raises(ConfigError, match=r"dedupe\.threshold"):
        auto_threshold("Facenet", 1)
