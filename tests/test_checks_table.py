"""What a person reads of findings."""

import json
from pathlib import Path

import pytest

from onscreen.checks.finding import Finding
from onscreen.checks.table import print_findings, what_is_real

FOUND = [
    Finding("train/a", "video.decodes", "pass", "48 of 48", {"decoded": 48.0}),
    Finding("train/a", "poses.jumps", "fail", "the points leap 120 px a frame"),
    Finding("train/a", "face_embedding.measured", "unproven", "no weights"),
    Finding("train/b", "video.decodes", "warn", "short"),
]


def test_each_part_of_a_sample_is_real_or_not_or_unproven_with_the_reason() -> None:
    assert what_is_real(FOUND[:3]) == {
        "real": {"video": []},
        "not_real": {"poses": ["the points leap 120 px a frame"]},
        "unproven": {"face_embedding": ["no weights"]},
    }


def test_failing_samples_are_shown_and_everything_is_in_the_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not print_findings(tmp_path, FOUND, tmp_path / "all.json")
    shown = capsys.readouterr().out
    assert "poses.jumps: the points leap 120 px a frame" in shown
    assert "real: video; not real: poses; unproven: face_embedding" in shown
    assert "1 of 2 samples are real in every respect" in shown
    assert "train/b" not in shown
    written = json.loads((tmp_path / "all.json").read_text())
    assert len(written["findings"]) == 4
    assert written["samples"]["train/b"]["real"] == {"video": []}


def test_a_warning_of_the_set_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    alike = Finding("validation/b", "leaks.dancer", "warn", "much like train/a: look at both")
    assert print_findings(tmp_path, [*FOUND[3:], alike], None)
    assert "much like train/a: look at both" in capsys.readouterr().out


def test_three_thousand_failing_samples_do_not_fill_the_screen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    many = [Finding(f"train/{number}", "poses.jumps", "fail", "leaps") for number in range(3000)]
    assert not print_findings(tmp_path, many, None)
    shown = capsys.readouterr().out
    assert shown.count("\n") < 120
    assert "and 2980 more" in shown
    assert print_findings(tmp_path, FOUND[3:], None)
