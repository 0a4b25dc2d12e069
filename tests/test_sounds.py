"""Voices of sound files through the item cache: what is heard, what is lost and why, and that a second call measures nothing."""

from pathlib import Path

import pytest

from onscreen.config import Params
from onscreen.stages.sounds import hear
from onscreen.workspace import Workspace
from sound_cases import SPEECH_HZ, sound_file, speech


def test_files_become_voices_once_and_thresholds_decide_on_what_was_measured(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, work = tmp_path / "voices", tmp_path / "work"
    sound_file(folder / "alice.wav", 44100, 2)
    sound_file(folder / "bob.flac", 8000, samples=speech()[: 3 * SPEECH_HZ])
    sound_file(folder / "click.ogg", samples=speech()[: SPEECH_HZ // 10])
    (folder / "notes.mp3").write_text("no sound")
    (folder / "folder.wav").mkdir()
    files = {path.name: path for path in sorted(folder.iterdir())} | {"gone.wav": folder / "gone.wav"}
    files["\udcff.wav"] = folder / "\udcff.wav"  # what Python makes of a name that is not UTF-8
    workspace = Workspace(tmp_path, tmp_path, Params.model_validate({"engine": {"workers": 1}}), tmp_path / ".cache")
    heard = hear(workspace, files, work)
    assert sorted(heard.speech) == ["alice.wav", "bob.flac"]
    assert {name: why.code for name, why in heard.lost.items()} == {
        "click.ogg": "too_short",
        "notes.mp3": "not_a_sound",
        "folder.wav": "unreadable",
        "gone.wav": "unreadable",
        "\udcff.wav": "bad_name",
    }
    assert heard.marks == {"bob.flac": ("narrow_band:8000Hz",)}
    assert "1 of 2 sound files have a rate below 16 kHz" in caplog.text
    assert len(list(work.rglob("*.wav"))) == 2
    before = {path: path.stat().st_mtime_ns for path in [*workspace.cache.root.rglob("*"), *work.rglob("*")]}
    again = hear(workspace, files, work)
    assert again.speech == heard.speech
    assert {name: str(why) for name, why in again.lost.items()} == {name: str(why) for name, why in heard.lost.items()}
    assert {path: path.stat().st_mtime_ns for path in before} == before

    strict = Workspace(tmp_path, tmp_path, Params.model_validate({"voices": {"min_speech_s": 4.0}}), tmp_path / ".cache")
    less = hear(strict, files)
    assert list(less.speech) == ["alice.wav"]
    assert (less.lost["bob.flac"].code, less.lost["bob.flac"].numbers["min_speech_s"]) == ("no_speech", 4.0)
    assert less.speech["alice.wav"].wav.path.is_relative_to(tmp_path / ".cache")
    assert list(strict.cache.root.rglob("*.npz")) == list(workspace.cache.root.rglob("*.npz"))
