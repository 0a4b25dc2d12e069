"""params.yaml: what is wrong is named, with its value and what is allowed."""

from pathlib import Path

import pytest

from onscreen.config import Params, load_params, parse_params
from onscreen.errors import ConfigError

SHIPPED = Path(__file__).parents[1] / "params.yaml"


def test_the_shipped_file_holds_every_key_with_its_default():
    from ruamel.yaml import YAML

    written = YAML(typ="safe").load(SHIPPED.read_text(encoding="utf-8"))
    assert load_params(SHIPPED) == Params()
    assert {name: set(keys) for name, keys in written.items()} == {
        name: set(keys) for name, keys in Params().model_dump().items()
    }


def test_every_shipped_line_with_a_number_says_what_it_means():
    bare = [line for line in SHIPPED.read_text(encoding="utf-8").splitlines() if line.startswith("  ") and "#" not in line]
    repeated = {"embedding_dim", "loss", "temperature", "learn_temperature", "learning_rate", "warmup_fraction", "clip_norm"}
    repeated |= {"patience", "audio_duration_sec", "seed"}  # explained in train_face_voice, the same in train_hq
    assert [line for line in bare if line.split(":")[0].strip() not in repeated] == []


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"dedupe": {"threshold": 3.5}}, ["dedupe.threshold", "3.5", '"auto"', "<= 2"]),
        ({"dedupe": {"treshold": 0.1}}, ["dedupe.treshold", "not a key", "threshold"]),
        ({"faces": {"detector": "haar"}}, ["faces.detector", '"haar"', "mediapipe, dlib, opencv"]),
        ({"faces": {"frames_per_clip": "5"}}, ["faces.frames_per_clip", '"5"', "whole number", ">= 1"]),
        ({"train_hq": {"learning_rate": "abc"}}, ["train_hq.learning_rate", '"abc"', "<= 1"]),
        ({"split": {"val": 0.6, "test": 0.6}}, ["split", "val + test", "1.2"]),
        ({"data": {"video_extensions": ["mp4"]}}, ["data.video_extensions.0", '"mp4"']),
        ({"prepare": None}, ["prepare", "null", "section"]),
        (["a"], ["must be a section"]),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(data, words):
    with pytest.raises(ConfigError) as error:
        parse_params(data, "params.yaml")
    assert [word for word in ["params.yaml", *words] if word not in str(error.value)] == []


def test_all_wrong_keys_are_named_at_once():
    with pytest.raises(ConfigError) as error:
        parse_params({"faces": {"min_score": 7}, "nonsense": 1}, "params.yaml")
    assert "faces.min_score" in str(error.value)
    assert "nonsense" in str(error.value)


def test_params_cannot_be_changed_after_loading():
    with pytest.raises(ValueError, match="frozen"):
        Params().split.val = 0.5


def test_numbers_are_read_as_dvc_reads_them(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("train_hq: {learning_rate: 1e-4}\n")
    assert load_params(path).train_hq.learning_rate == 1e-4


def test_a_missing_or_broken_file_is_a_clear_error(tmp_path):
    with pytest.raises(ConfigError, match="does not exist"):
        load_params(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("a: [1\n")
    with pytest.raises(ConfigError, match="not readable as YAML"):
        load_params(tmp_path / "params.yaml")
