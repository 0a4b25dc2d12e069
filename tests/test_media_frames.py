"""Frames by their number: the pixels of a whole decode, for the price of those from the keyframe on."""

from pathlib import Path

import numpy as np
import pytest

from media_cases import broken, encoded, number_of, shifted, slideshow, video
from onscreen.errors import Rejected
from onscreen.media.frames import frame_clock, read_frames
from onscreen.media.video import open_picture, upright


def whole(path: Path) -> np.ndarray:
    with open_picture(path) as (container, stream):
        return np.stack([upright(frame, stream) for frame in container.decode(stream)])


@pytest.mark.parametrize(
    ("name", "codec", "sound"),
    [
        ("a.mp4", "libx264", "aac"),
        ("a.mp4", "libx265", "aac"),
        ("a.mkv", "libx264", "libopus"),
        ("a.webm", "libvpx-vp9", "libopus"),
    ],
)
def test_every_window_has_the_pixels_of_a_whole_decode(tmp_path: Path, name: str, codec: str, sound: str) -> None:
    path = encoded(tmp_path / name, codec, sound, count=60, beep_s=1.0, keyframes_s=0.8)
    clock, frames = frame_clock(path), whole(path)
    assert (clock.frames, clock.fps) == (60, 25)
    for first in (0, 1, 18, 19, 20, 21, 35, 53):
        found = read_frames(path, first, 7, clock)
        assert (found == frames[first : first + 7]).all()
        assert number_of(found[0]) == first


@pytest.mark.parametrize("kind", ["audio", "video"])
def test_a_stream_that_starts_late_moves_no_number(tmp_path: Path, kind: str) -> None:
    path = shifted(video(tmp_path / "a.mp4"), tmp_path / "b.mp4", kind, 0.3)
    assert [number_of(image) for image in read_frames(path, 20, 3, frame_clock(path))] == [20, 21, 22]


def test_no_more_is_decoded_than_from_the_keyframe_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = encoded(tmp_path / "a.mp4", "libx264", "aac", count=100, beep_s=1.0, keyframes_s=1.0)
    clock, decoded = frame_clock(path), list[int]()
    monkeypatch.setattr("onscreen.media.frames.frames_of", lambda packet: decoded.append(1) or packet.decode())
    read_frames(path, 75, 5, clock)
    assert len(decoded) <= 5 + 8  # frames that the decoder holds back until it knows their order
    decoded.clear()
    read_frames(path, 60, 5, clock)
    assert len(decoded) <= 15 + 8


def test_a_variable_rate_has_no_numbers(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="variable_rate"):
        frame_clock(slideshow(tmp_path / "a.mp4", [0, 0.04, 0.08, 0.5, 0.54]))


def test_damaged_frames_are_not_replaced(tmp_path: Path) -> None:
    path = broken(video(tmp_path / "a.mp4"), tmp_path / "b.mp4", "video", 0.8, 1.2)
    clock = frame_clock(path)
    assert [number_of(image) for image in read_frames(path, 2, 5, clock)] == [2, 3, 4, 5, 6]
    with pytest.raises(Rejected, match="undecodable") as caught:
        read_frames(path, 18, 8, clock)
    assert caught.value.numbers["found"] < 8


def test_frames_beyond_the_end_are_not_made_up(tmp_path: Path) -> None:
    path = video(tmp_path / "a.mp4")
    with pytest.raises(Rejected, match="undecodable"):
        read_frames(path, 48, 5, frame_clock(path))
