"""The trainer: it learns what is there, repeats itself bit by bit, and goes on after a kill as if nothing had been."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from matching_cases import NOBODY, planted
from onscreen.config import TrainFaceVoice, TrainHq
from onscreen.errors import ConfigError, InputError
from onscreen.matching.folder import PARTS, describe, load_model, read_config, write_trained, write_untrained
from onscreen.matching.schedule import learning_rate
from onscreen.matching.towers import TowerSpec
from onscreen.matching.train import Recipe, Trained, train

QUICK = {"embedding_dim": 32, "num_epochs": 6, "batch_size": 8, "learning_rate": 1e-3}


def recipe(**changes: object) -> Recipe:
    return Recipe(TrainFaceVoice(**(QUICK | changes)), TowerSpec("embedding", 24), TowerSpec("embedding", 32), frames=1)


def ignore(epoch: int, row: dict[str, float]) -> None:
    """No tracker."""


def files_of(folder: Path, made: Trained, what: Recipe) -> dict[str, bytes]:
    folder.mkdir()
    write_trained(folder, what, made, describe(what.params, {}, planted(20), NOBODY))
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


class Killed(BaseException):
    """Stands for the end of the process: nothing in the trainer may catch it."""


def kill_at(last: int):
    def on_epoch(epoch: int, row: dict[str, float]) -> None:
        if epoch == last:
            raise Killed

    return on_epoch


@pytest.mark.parametrize("changes", [{}, {"loss": "siglip", "learn_temperature": True}])
def test_a_run_killed_twice_ends_in_the_same_bytes_as_one_that_was_not(tmp_path: Path, changes: dict[str, object]) -> None:
    what, people, others = recipe(**changes), planted(21), planted(5, seed=1, first=100)
    whole = files_of(tmp_path / "whole", train(what, people, others, tmp_path / "a", ignore), what)
    for last in (1, 3):
        with pytest.raises(Killed):
            train(what, people, others, tmp_path / "b", kill_at(last))
    resumed = files_of(tmp_path / "resumed", train(what, people, others, tmp_path / "b", ignore), what)
    assert whole.keys() == {
        *(f"{part}.safetensors" for part in PARTS),
        "last/training_state.safetensors",
        "config.json",
        "history.json",
    }
    assert resumed == whole


def test_a_process_ended_from_outside_leaves_a_state_to_go_on_from(tmp_path: Path) -> None:
    script = """
import os, signal, sys
from pathlib import Path
from matching_cases import planted, NOBODY
from test_train import recipe
from onscreen.matching.train import train
train(recipe(), planted(20), NOBODY, Path(sys.argv[1]), lambda e, r: os.kill(os.getpid(), signal.SIGKILL) if e == 2 else None)
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    state = tmp_path / "state"
    ended = subprocess.run([sys.executable, "-c", script, str(state)], env=environment, check=False, capture_output=True)
    assert ended.returncode == -9, ended.stderr.decode()
    epochs: list[int] = []
    resumed = train(recipe(), planted(20), NOBODY, state, lambda epoch, row: epochs.append(epoch))
    whole = train(recipe(), planted(20), NOBODY, tmp_path / "whole", ignore)
    assert epochs == list(range(6))
    assert state.read_bytes() == (tmp_path / "whole").read_bytes()
    assert resumed.progress.history == whole.progress.history


def test_another_seed_gives_another_model(tmp_path: Path) -> None:
    rows = [train(recipe(seed=seed), planted(20), NOBODY, tmp_path / str(seed), ignore).progress.history for seed in (0, 1)]
    assert rows[0] != rows[1]


def test_training_leaves_the_global_random_state_and_threads_alone(tmp_path: Path) -> None:
    torch.manual_seed(5)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    train(recipe(num_epochs=1), planted(4), NOBODY, tmp_path / "state", ignore)
    assert torch.equal(before, torch.get_rng_state())
    assert torch.get_num_threads() == threads


def test_a_damaged_state_is_started_anew(tmp_path: Path) -> None:
    whole = train(recipe(), planted(20), NOBODY, tmp_path / "a", ignore)
    (tmp_path / "b").write_bytes((tmp_path / "a").read_bytes()[:1000])
    assert train(recipe(), planted(20), NOBODY, tmp_path / "b", ignore).progress.history == whole.progress.history


def test_the_best_epoch_is_kept_and_patience_ends_training(tmp_path: Path) -> None:
    what = recipe(num_epochs=400, learning_rate=0.03, patience=5)
    made = train(what, planted(12, noise=3.0), planted(6, seed=1, noise=3.0), tmp_path / "state", ignore)
    losses = [row["val_loss"] for row in made.progress.history]
    assert made.validated
    assert made.progress.best == int(np.argmin(losses))
    assert len(losses) == made.progress.best + 6
    folder = tmp_path / "model"
    folder.mkdir()
    write_trained(folder, what, made, describe(what.params, {}, planted(12), NOBODY))
    state = load_file(folder / "last" / "training_state.safetensors")
    kept = load_file(folder / "face_projection.safetensors")["linear.weight"]
    assert torch.equal(kept, state["best.model.face_projection.linear.weight"])
    assert not torch.equal(kept, state["last.model.face_projection.linear.weight"])


@pytest.mark.parametrize("others", [NOBODY, planted(1, seed=3)])
def test_without_two_validation_people_the_last_epoch_is_kept_and_said_so(tmp_path: Path, others) -> None:
    what = recipe(patience=1)
    made = train(what, planted(9), others, tmp_path / "state", ignore)
    files = files_of(tmp_path / "model", made, what)
    assert not made.validated
    assert made.progress.best == 5
    assert json.loads(files["history.json"])["val_loss"] == [None] * 6
    assert "no validation" in json.loads(files["config.json"])["selected_by"]


def test_a_relation_of_faces_and_voices_is_learned_and_holds_for_unseen_people(tmp_path: Path) -> None:
    what = recipe(num_epochs=60, batch_size=32, learning_rate=3e-3)
    made = train(what, planted(200), planted(30, seed=1), tmp_path / "state", ignore)
    assert top1(made, planted(40, seed=2)) > 0.5  # chance: 1 in 40


def test_the_mel_tower_learns_it_from_spectrograms(tmp_path: Path) -> None:
    params = TrainHq(embedding_dim=64, num_epochs=12, batch_size=16, learning_rate=3e-3, warmup_fraction=0.1)
    what = Recipe(params, TowerSpec("embedding", 24), TowerSpec("mel", 16), frames=40)
    made = train(what, planted(120, mel_bands=16), planted(20, seed=1, mel_bands=16), tmp_path / "state", ignore)
    assert top1(made, planted(30, seed=2, mel_bands=16)) > 0.2  # chance: 1 in 30


def top1(made: Trained, people) -> float:
    """Share of people whose first face is nearest to their own second voice."""
    face = made.matcher.model.embed_faces(people.faces[::2])
    voice = made.matcher.model.embed_voices(people.voices[1::2])
    return float(np.mean((face @ voice.T).argmax(axis=1) == np.arange(len(face))))


def test_a_learned_temperature_moves_and_is_written(tmp_path: Path) -> None:
    made = train(recipe(learn_temperature=True, num_epochs=20), planted(20), NOBODY, tmp_path / "state", ignore)
    moved = [row["temperature"] for row in made.progress.history]
    assert len(set(moved)) == 20
    assert made.matcher.loss.temperature == moved[-1]


def test_the_learning_rate_warms_up_and_falls_to_nothing() -> None:
    params = TrainFaceVoice(learning_rate=0.1, warmup_fraction=0.1)
    rates = [learning_rate(params, step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(0.01)
    assert rates[9] == rates[10] == pytest.approx(0.1)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 1e-4
    assert learning_rate(TrainFaceVoice(learning_rate=0.1, warmup_fraction=0.0), 0, 3) == pytest.approx(0.1)


def test_a_loss_that_is_no_number_ends_the_run_with_the_key_to_change(tmp_path: Path) -> None:
    people = planted(8)
    people.faces[0][:] = np.nan
    with pytest.raises(ConfigError, match="learning_rate"):
        train(recipe(), people, NOBODY, tmp_path / "state", ignore)


def test_a_validation_loss_that_is_no_number_is_said_too(tmp_path: Path) -> None:
    others = planted(4, seed=1)
    others.voices[0][:] = np.nan
    with pytest.raises(ConfigError, match="validation loss stopped being a number in epoch 0"):
        train(recipe(), planted(8), others, tmp_path / "state", ignore)


def test_a_model_comes_back_from_its_folder_as_it_was(tmp_path: Path) -> None:
    what = recipe()
    made = train(what, planted(20), NOBODY, tmp_path / "state", ignore)
    files_of(tmp_path / "model", made, what)
    model = load_model(tmp_path / "model")
    people = planted(5, seed=4)
    assert np.array_equal(model.embed_faces(people.faces), made.matcher.model.embed_faces(people.faces))
    assert np.array_equal(model.embed_voices(people.voices), made.matcher.model.embed_voices(people.voices))


def test_a_model_that_could_not_be_trained_says_so_and_has_no_weights(tmp_path: Path) -> None:
    write_untrained(tmp_path, describe(TrainFaceVoice(), {}, planted(1), NOBODY))
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "history.json"}
    assert read_config(tmp_path)["status"] == "too few people to train"
    with pytest.raises(InputError, match="1 training people"):
        load_model(tmp_path)
