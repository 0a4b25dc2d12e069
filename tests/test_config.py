"""params.yaml: what is wrong is named, with its value and what is allowed."""

from pathlib import Path

import numpy as np
import pytest

from onscreen.config import Params, load_params, parse_params
from onscreen.errors import ConfigError
from onscreen.motion import music

SHIPPED = Path(__file__).parents[1] / "params.yaml"


def test_the_shipped_file_holds_every_key_with_its_default():
    from ruamel.yaml import YAML

    written = YAML(typ="safe").load(SHIPPED.read_text(encoding="utf-8"))
    assert load_params(SHIPPED) == Params()
    assert {name: set(keys) for name, keys in written.items()} == {
        name: set(keys) for name, keys in Params().model_dump().items()
    }


def test_every_shipped_line_with_a_number_says_what_it_means():
    bare = [
        line
        for line in SHIPPED.read_text(encoding="utf-8").splitlines()
        if line.startswith("  ") and "#" not in line and "- " not in line
    ]
    repeated = {"embedding_dim", "loss", "temperature", "learn_temperature", "learning_rate", "warmup_fraction", "clip_norm"}
    repeated |= {"patience", "audio_duration_sec", "seed", "face_frozen_epochs", "voice_frozen_epochs", "augment", "accumulation"}
    repeated |= {
        "precision",
        "gradient_checkpointing",
        "accelerator",
        "devices",
        "num_workers",
    }  # explained in train_face_voice, the same in train_hq
    assert [line for line in bare if line.split(":")[0].strip() not in repeated] == []


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"dedupe": {"threshold": 3.5}}, ["dedupe.threshold", "3.5", '"auto"', "< 2"]),
        ({"dedupe": {"treshold": 0.1}}, ["dedupe.treshold", "not a key", "threshold"]),
        ({"faces": {"detector": "haar"}}, ["faces.detector", '"haar"', "mediapipe, dlib, dlib_cnn, opencv, ssd"]),
        ({"faces": {"frames_per_clip": "5"}}, ["faces.frames_per_clip", '"5"', "whole number", ">= 1"]),
        ({"train_hq": {"learning_rate": "abc"}}, ["train_hq.learning_rate", '"abc"', "<= 1"]),
        ({"split": {"val": 0.6, "test": 0.6}}, ["split", "val + test", "1.2"]),
        ({"data": {"video_extensions": ["mp4"]}}, ["data.video_extensions.0", '"mp4"']),
        ({"m2p": {"resolution": 511}}, ["m2p.resolution", "511", "multiple of 2", "<= 4096"]),
        ({"m2p": {"fps": 12}}, ["m2p.fps", "12", ">= 20", "<= 60"]),
        ({"hq": {"win_ms": 1.0}}, ["hq.win_ms", "1.0", ">= 5"]),
        ({"hq": {"hop_ms": 0.01}}, ["hq.hop_ms", "0.01", ">= 1"]),
        ({"hq": {"n_mels": 512}}, ["hq.n_mels", "512", "<= 128"]),
        ({"evaluate": {"top_k": []}}, ["evaluate.top_k", "[]", "a list not empty"]),
        ({"evaluate": {"top_k": [1, 5, 1]}}, ["evaluate.top_k", "[1, 5, 1]", "each entry once"]),
        ({"data": {"video_extensions": []}}, ["data.video_extensions", "[]", "not empty"]),
        ({"data": {"video_extensions": [".mp4", ".mp4"]}}, ["data.video_extensions", "each entry once"]),
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


def number_keys():
    return [
        (section, key) for section, keys in Params().model_dump().items() for key, value in keys.items() if type(value) is float
    ]


@pytest.mark.parametrize("value", [".inf", "-.inf", ".nan"])
def test_no_key_takes_what_is_no_finite_number(tmp_path, value):
    path = tmp_path / "params.yaml"
    for section, key in number_keys():
        path.write_text(f"{section}: {{{key}: {value}}}\n")
        with pytest.raises(ConfigError, match=f"{section}.{key} = .*finite number"):
            load_params(path)


@pytest.mark.parametrize("fps", [20, 60])
def test_music_is_whole_at_both_ends_of_the_frame_rates(fps):
    rng = np.random.default_rng(0)
    samples = (rng.standard_normal(6 * music.rate_hz(fps)) * 0.01).astype(np.float32)
    for start in range(0, samples.size, music.rate_hz(fps) // 2):
        samples[start : start + 1000] *= 20
    found = music.measure(samples, fps, 0, 6 * fps).features
    assert found.shape == (6 * fps, music.WIDTH)
    mel = next(row for row in music.layout() if (row["name"], row["offset"]) == ("log_mel_db", 0))
    assert (found[:, mel["start"] : mel["stop"]].std(axis=0) > 0.1).all()


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
