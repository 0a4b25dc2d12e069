"""onscreen m2p draw: pose i over picture i, with the sound; never over what somebody else wrote."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from m2p_folders import BEATS_S, FRAMES, dancer, write_sample
from media_cases import SIZE, number_of
from onscreen import cli
from onscreen.checks.sample import SampleFolder
from onscreen.errors import InputError, NothingUsable, OnscreenError, Rejected
from onscreen.guide.m2p_draw import Drawing, draw_dataset, draw_sample
from onscreen.media.audio import decode_audio
from onscreen.media.probe import probe
from onscreen.media.video import constant_rate_frames
from onscreen.motion.draw import draw_pose


def drawn(folder: Path, output: Path) -> str:
    """Draw one sample in this process; returns what is not whole."""
    sample = SampleFolder(folder.parent.parent, folder.parent.name, folder.name, None)
    return str(draw_sample(Drawing(sample, output)).meta["fault"])


def test_each_picture_has_its_own_points_and_the_sound_stays_where_it_was(tmp_path: Path) -> None:
    sample, out = write_sample(tmp_path / "train" / "a"), tmp_path / "a.mp4"
    assert drawn(sample, out) == ""
    found = probe(out)
    assert (found.n_frames, found.fps, found.width, found.height) == (FRAMES, 24, SIZE[1], SIZE[0])
    before = [frame.image for frame in constant_rate_frames(sample / "video.mp4", 0, 1, 24)]
    after = [frame.image for frame in constant_rate_frames(out, 0, 1, 24)]
    points = dancer()

    def error(shift: int) -> float:
        """Between the pictures drawn and what they would be with the points of so many frames later."""
        wanted = [draw_pose(image, points[(index + shift) % FRAMES]) for index, image in enumerate(before)]
        return float(np.abs(np.array(after, int) - wanted).mean())

    assert error(0) < 0.7 * min(error(-1), error(1))
    sound = decode_audio(out, 0, 1, None).samples
    assert np.flatnonzero(np.abs(sound) > 0.1)[0] / 44100 == pytest.approx(BEATS_S[0], abs=0.005)
    assert found.audio_channels == 2


def test_rates_that_are_no_whole_number_stay_as_they_are(tmp_path: Path) -> None:
    sample, out = write_sample(tmp_path / "train" / "a", fps=Fraction(30000, 1001)), tmp_path / "a.mp4"
    assert drawn(sample, out) == ""
    assert probe(out).fps == pytest.approx(30000 / 1001)


def test_pictures_without_a_pose_stay_as_they_are_and_it_is_said(tmp_path: Path) -> None:
    sample, out = write_sample(tmp_path / "train" / "a", points=dancer(20)), tmp_path / "a.mp4"
    assert drawn(sample, out) == "24 pictures and 20 poses; what has no partner is not drawn"
    assert number_of([frame.image for frame in constant_rate_frames(out, 0, 1, 24)][23]) == 23


def test_points_of_another_layout_are_not_joined_by_guess(tmp_path: Path) -> None:
    sample = write_sample(tmp_path / "train" / "a")
    (sample / "pose_annotations.json").write_text('{"poses": [{"keypoints": [{"x": 1, "y": 2, "confidence": 1}]}]}')
    with pytest.raises(Rejected, match="need 134"):
        drawn(sample, tmp_path / "a.mp4")
    assert not (tmp_path / "a.mp4").exists()


def run(*words: object) -> tuple[int, str]:
    """The exit code and what was told."""
    result = CliRunner().invoke(cli.app, ["m2p", "draw", *map(str, words)])
    if isinstance(result.exception, OnscreenError):
        assert result.exception.exit_code == 2
        raise result.exception
    return result.exit_code, " ".join(result.output.split())


def test_a_broken_sample_is_named_the_others_are_drawn_and_nothing_foreign_is_touched(tmp_path: Path) -> None:
    write_sample(tmp_path / "set" / "train" / "a")
    write_sample(tmp_path / "set" / "validation" / "a")
    write_sample(tmp_path / "set" / "validation" / "b")
    (tmp_path / "set" / "validation" / "b" / "video.mp4").write_bytes(b"no video")
    out = tmp_path / "out"
    out.mkdir()
    (out / "train__a.mp4").write_text("mine")
    with pytest.raises(InputError, match=r"did not write \(train__a\.mp4\)"):
        run(tmp_path / "set", "--output_dir", out)
    (out / "train__a.mp4").rename(out / "mine.mp4")
    code, told = run(tmp_path / "set", "--output_dir", out)
    assert (code, "validation/b: cannot be drawn: not_a_video" in told) == (1, True)
    assert {path.name for path in out.iterdir()} == {".onscreen", "mine.mp4", "train__a.mp4", "validation__a.mp4"}
    (out / "train__a.mp4").write_bytes(b"old")
    assert run(tmp_path / "set", "--output_dir", out, "--only", "train/a")[0] == 0
    assert probe(out / "train__a.mp4").n_frames == FRAMES
    assert (out / "validation__a.mp4").is_file(), "what was drawn before stays"


def test_one_samples_folder_will_do(tmp_path: Path) -> None:
    write_sample(tmp_path / "lone" / "dance")
    assert draw_dataset(tmp_path / "lone" / "dance", tmp_path / "out") == {}
    assert (tmp_path / "out" / "lone__dance.mp4").is_file()


def test_what_cannot_be_asked_for_is_an_error_that_says_why(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        draw_dataset(tmp_path / "none", tmp_path / "out")
    (tmp_path / "set" / "train").mkdir(parents=True)
    with pytest.raises(InputError, match="hold no sample"):
        draw_dataset(tmp_path / "set", tmp_path / "out")
    sample = write_sample(tmp_path / "set" / "train" / "a")
    with pytest.raises(InputError, match="--only b: there is no such sample"):
        draw_dataset(tmp_path / "set", tmp_path / "out", ["b"])
    with pytest.raises(InputError, match="outside of the dataset"):
        draw_dataset(tmp_path / "set", tmp_path / "set" / "train")
    (sample / "pose_annotations.json").unlink()
    with pytest.raises(NothingUsable, match=r"pose_annotations\.json: is missing"):
        draw_dataset(tmp_path / "set", tmp_path / "out")
