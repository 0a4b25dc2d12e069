"""The sample: the same bytes every time, tagged, recorded, and never at the cost of the user's videos."""

import csv
import hashlib
import json
import shutil

import av
import numpy as np
import pytest
from typer.testing import CliRunner

from onscreen.cli import app
from onscreen.errors import InputError, ToolError
from onscreen.media.audio import decode_audio
from onscreen.media.probe import probe
from onscreen.sample import sources
from onscreen.sample.faces import CANVAS_PX, blend, portrait
from onscreen.sample.make import LABELS, MANIFEST, make_sample
from onscreen.sample.people import PEOPLE
from onscreen.sample.scene import draw_shot, film
from onscreen.sample.voices import Voice, speak

TWO = PEOPLE[:2]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample") / "raw"
    assert make_sample(folder, TWO).state == "made"
    return folder


@pytest.fixture
def sample(made, tmp_path):
    return shutil.copytree(made, tmp_path / "raw")


def digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_every_person_of_the_sample_has_other_parents_another_voice_and_other_sentences():
    assert len(PEOPLE) >= 12
    assert len({(person.host, person.donor) for person in PEOPLE}) == len(PEOPLE)
    assert len({person.voice.variant for person in PEOPLE}) == len(PEOPLE)
    sentences = [sentence for person in PEOPLE for sentence in person.sentences]
    assert len(set(sentences)) == len(sentences) == 3 * len(PEOPLE)
    assert all(person.host != person.donor and 0 < person.texture < 1 for person in PEOPLE)


def test_a_clip_is_a_video_of_four_to_six_seconds_with_sound_and_carries_the_tag(made):
    for path in sorted(made.glob("*.mp4")):
        found = probe(path)
        assert (found.width, found.height, found.fps) == (384, 384, 25)
        assert 3.5 < found.duration_s < 6.5
        with av.open(str(path)) as container:
            assert "scores on it mean nothing" in container.metadata["comment"]
        sound = decode_audio(path, 0, found.duration_s)
        assert sound.rate_hz == 44100
        assert 0.01 < np.sqrt(np.mean(sound.samples**2)) < 0.2


def test_manifest_and_labels_name_every_file_with_its_person_and_origin(made):
    manifest = json.loads((made / MANIFEST).read_text())
    assert {row["file"]: row["sha256"] for row in manifest["files"]} == {
        path.name: digest
        for path, digest in zip(sorted(made.glob("*.mp4")), map(sha256, sorted(made.glob("*.mp4"))), strict=True)
    }
    assert all(source["package"] and source["about"] for source in manifest["sources"])
    with (made / LABELS).open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["file"], row["person"]) for row in manifest["files"]] == [(row["file"], row["identity"]) for row in rows]


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_second_making_gives_the_same_bytes(made, tmp_path):
    make_sample(tmp_path / "again", TWO, workers=1)
    assert digests(tmp_path / "again") == digests(made)


def test_a_complete_folder_is_reused_without_being_written(sample):
    times = {path: path.stat().st_mtime_ns for path in sample.iterdir()}
    assert make_sample(sample, TWO).state == "reused"
    assert {path: path.stat().st_mtime_ns for path in sample.iterdir()} == times


def test_a_missing_and_a_damaged_clip_are_made_again_and_the_others_stay(sample, made):
    (sample / "sample_p01_c2.mp4").unlink()
    (sample / "sample_p01_c3.mp4").write_bytes(b"cut off")
    kept = (sample / "sample_p02_c1.mp4").stat().st_mtime_ns
    outcome = make_sample(sample, TWO)
    assert (outcome.state, outcome.written) == ("made", 3)
    assert (sample / "sample_p02_c1.mp4").stat().st_mtime_ns == kept
    assert digests(sample) == digests(made)


def test_what_a_killed_run_left_is_completed(sample, made):
    manifest = json.loads((sample / MANIFEST).read_text())
    for row in manifest["files"]:
        if row["person"] == "p02":
            row["sha256"] = None
            (sample / row["file"]).unlink()
    (sample / MANIFEST).write_text(json.dumps(manifest))
    (sample / ".sample-making").mkdir()
    (sample / ".sample-making" / "sample_p02_c1.mp4").write_bytes(b"half")
    assert make_sample(sample, TWO).written == 3
    assert digests(sample) == digests(made)


def test_clips_of_an_older_sample_are_replaced(sample):
    manifest = json.loads((sample / MANIFEST).read_text())
    manifest["maker"] = "older"
    (sample / MANIFEST).write_text(json.dumps(manifest))
    assert make_sample(sample, TWO[:1]).written == 3
    assert [path.name for path in sorted(sample.glob("*.mp4"))] == [f"sample_p01_c{clip}.mp4" for clip in (1, 2, 3)]


@pytest.mark.parametrize("name", ["mine.MOV", "deep/er/나의 영상.mp4"])
def test_a_folder_with_the_users_videos_is_left_as_it_is(tmp_path, name):
    video = tmp_path / name
    video.parent.mkdir(parents=True, exist_ok=True)
    video.write_bytes(b"mine")
    found = CliRunner().invoke(app, ["sample", "--output", str(tmp_path)])
    assert found.exit_code == 0
    assert "using the 1 videos" in found.output
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [video]


def test_a_users_video_beside_the_sample_keeps_everything_even_when_a_clip_is_missing(sample):
    (sample / "mine.mp4").write_bytes(b"mine")
    (sample / "sample_p01_c2.mp4").unlink()
    before = digests(sample)
    assert make_sample(sample, TWO).state == "kept"
    assert digests(sample) == before


def test_the_users_labels_are_kept(tmp_path):
    (tmp_path / LABELS).write_text("file,identity\nx.mp4,me\n")
    make_sample(tmp_path, TWO[:1])
    assert (tmp_path / LABELS).read_text() == "file,identity\nx.mp4,me\n"
    assert make_sample(tmp_path, TWO[:1]).state == "reused"


def test_an_output_that_is_a_file_is_an_error_that_names_the_option(tmp_path):
    (tmp_path / "raw").write_text("")
    with pytest.raises(InputError, match="--output"):
        make_sample(tmp_path / "raw", TWO)


def test_a_picture_that_is_not_the_one_on_record_is_refused():
    other = sources.Source("skimage", "data/astronaut.png", "0" * 64, "")
    with pytest.raises(InputError, match="another picture"):
        sources.read_source(other)
    with pytest.raises(InputError, match="no_such_package"):
        sources.read_source(sources.Source("no_such_package", "x.png", "0" * 64, ""))


def test_a_blend_lies_between_its_parents_and_leaves_the_hosts_background_alone():
    host = portrait("astronaut").image.astype(float)
    mixed = blend("astronaut", "officer", 0.5, 0.6).astype(float)
    assert mixed.shape == (CANVAS_PX, CANVAS_PX, 3)
    face = np.s_[250:380, 260:380]
    assert np.abs(mixed[face] - host[face]).mean() > 5
    assert np.abs(mixed[:60] - host[:60]).mean() < 2


def test_two_shots_of_one_person_differ_and_a_shot_moves():
    canvas = portrait("officer").image
    first, again, other = (list(film(canvas, draw_shot(seed, CANVAS_PX), 3)) for seed in ((1, 1), (1, 1), (1, 2)))
    assert np.array_equal(first, again)
    assert np.abs(first[0].astype(float) - other[0]).mean() > 3
    assert not np.array_equal(first[0], first[2])


def test_a_voice_that_the_synthesiser_lacks_is_an_error_that_names_it():
    with pytest.raises(ToolError, match="nobody"):
        speak(Voice("nobody", 50, 150), ["Good morning."])
