"""A run that is killed between two steps ends in the same bits; a state that is damaged, foreign or of another recipe is not used."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from hf_cases import small_face, small_voice
from matching_cases import NOBODY, planted
from onscreen.config import TrainFaceVoice
from onscreen.errors import ConfigError
from onscreen.matching import state
from onscreen.matching.data import Link, PairSet
from onscreen.matching.state import Budget, check_same_recipe, stored_recipe
from onscreen.matching.towers import TowerSpec, hf_face, hf_voice
from onscreen.matching.train import Recipe, recipe_of, train

ALWAYS = 1e9  # of the time may go into states: one after each step
HEADS = {"embedding_dim": 16, "num_epochs": 3, "batch_size": 4, "learning_rate": 1e-3, "accelerator": "cpu"}


def heads(**changes: object) -> Recipe:
    return Recipe(TrainFaceVoice(**(HEADS | changes)), TowerSpec("embedding", 24), TowerSpec("embedding", 32), frames=1)


def ignore(epoch: int, row: dict[str, float]) -> None:
    """No tracker."""


class Fatal(Sequence):
    """Items of which the n-th reading kills the process, as a lack of memory would."""

    def __init__(self, items: Sequence[np.ndarray], last: int) -> None:
        self.items, self.left = items, last

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index):
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.items[index]


def networks(folder: Path, **changes: object) -> Recipe:
    """Two small transformers networks with dropout, augmentation, accumulation; the voice's stands still in the first epoch."""
    face = hf_face(small_face(folder / "face", hidden_dropout_prob=0.1))
    voice = hf_voice(small_voice(folder / "voice", hidden_dropout=0.1, mask_time_length=2), augment=True)
    params = {
        "num_epochs": 2,
        "batch_size": 2,
        "accumulation": 2,
        "learning_rate": 1e-3,
        "embedding_dim": 8,
        "accelerator": "cpu",
    }
    frozen = {"face_frozen_epochs": 0, "voice_frozen_epochs": 1}
    return Recipe(TrainFaceVoice(**(params | frozen | changes)), face, voice, frames=3200)


def seen_and_heard(people: int) -> PairSet:
    """Pictures and waveforms of nothing, two of each person."""
    random = np.random.default_rng(0)
    faces = [random.integers(0, 256, (3, 32, 32), dtype=np.uint8) for _ in range(2 * people)]
    voices = [random.normal(size=(1, random.integers(3000, 6000))).astype(np.float32) for _ in range(2 * people)]
    links = tuple(Link(person, 2 * person + clip, 2 * person + 1 - clip, False) for person in range(people) for clip in (0, 1))
    source = tuple(str(item) for item in range(2 * people))
    return PairSet(tuple(str(person) for person in range(people)), faces, voices, links, source, source)


def fatal_run(folder: str) -> None:
    """Dies while it reads the third batch of the second epoch."""
    pairs = seen_and_heard(10)
    digest = len(pairs.faces) + 1  # and the one that says that there are no more
    faces = Fatal(pairs.faces, digest + 10 + 5)
    dying = PairSet(pairs.people, faces, pairs.voices, pairs.links, pairs.face_source, pairs.voice_source)
    train(networks(Path(folder)), dying, NOBODY, Path(folder) / "state", ignore, writing=ALWAYS)


def test_networks_killed_in_the_middle_of_an_epoch_end_in_the_same_bits(tmp_path: Path) -> None:
    threads = f"import torch; torch.set_num_threads({torch.get_num_threads()})"  # other tests may have changed this process's
    script = f"import sys; sys.path[:0] = {sys.path!r}; {threads}; from test_resume import fatal_run; fatal_run(sys.argv[1])"
    ended = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False, capture_output=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    what, pairs = networks(tmp_path), seen_and_heard(10)
    left = state.read(tmp_path / "state", recipe_of(what, pairs, NOBODY))
    assert left is not None
    assert (len(left.progress.history), left.progress.steps) == (1, 1)
    train(what, pairs, NOBODY, tmp_path / "state", ignore)
    train(networks(tmp_path, num_workers=3, gradient_checkpointing=True), pairs, NOBODY, tmp_path / "whole", ignore)
    equal = (tmp_path / "state").read_bytes() == (tmp_path / "whole").read_bytes()
    assert equal, "the states differ"  # two words: pytest would compare the bytes for an hour


def test_a_frozen_network_keeps_its_weights_and_a_woken_one_does_not(tmp_path: Path) -> None:
    what, pairs = networks(tmp_path, num_epochs=1), seen_and_heard(4)
    before = Recipe(what.params.model_copy(update={"learning_rate": 1e-12}), what.face, what.voice, what.frames)
    first = train(before, pairs, NOBODY, tmp_path / "before", ignore).matcher.model
    after = train(what, pairs, NOBODY, tmp_path / "after", ignore).matcher.model
    assert torch.equal(voice_weights(first), voice_weights(after))
    woken = networks(tmp_path, num_epochs=1, voice_frozen_epochs=0)
    assert not torch.equal(
        voice_weights(first), voice_weights(train(woken, pairs, NOBODY, tmp_path / "woken", ignore).matcher.model)
    )


def voice_weights(model) -> torch.Tensor:
    return torch.cat([value.reshape(-1) for value in model.audio_encoder.parameters()])


def test_a_state_of_another_recipe_is_refused_with_the_keys_that_differ(tmp_path: Path) -> None:
    train(heads(), planted(6), NOBODY, tmp_path / "state", ignore)
    with pytest.raises(ConfigError, match=r"learning_rate is 0\.001 there and 0\.01 now; seed is 0 there and 1 now"):
        train(heads(learning_rate=1e-2, seed=1), planted(6), NOBODY, tmp_path / "state", ignore)
    with pytest.raises(ConfigError, match="training_data"):
        train(heads(), planted(7), NOBODY, tmp_path / "state", ignore)
    recipe = stored_recipe(tmp_path / "state")
    assert recipe is not None
    check_same_recipe(recipe, recipe_of(heads(num_workers=2), planted(6), NOBODY))


def test_a_network_is_known_by_its_files_not_by_where_they_lie(tmp_path: Path) -> None:
    what, nobody = networks(tmp_path), NOBODY
    moved = replace(what, face=replace(what.face, backbone="hf:elsewhere"))
    assert recipe_of(moved, nobody, nobody) == recipe_of(what, nobody, nobody)
    named = replace(what, params=what.params.model_copy(update={"face_tower": "hf:elsewhere"}))
    assert recipe_of(named, nobody, nobody) == recipe_of(what, nobody, nobody)
    other = replace(what, face=replace(what.face, files={"model.safetensors": "0" * 64}))
    assert recipe_of(other, nobody, nobody) != recipe_of(what, nobody, nobody)


def test_a_file_that_is_no_state_is_left_alone(tmp_path: Path) -> None:
    save_file({"x": torch.zeros(2)}, tmp_path / "state")
    before = (tmp_path / "state").read_bytes()
    with pytest.raises(ConfigError, match="no training state"):
        train(heads(), planted(6), NOBODY, tmp_path / "state", ignore)
    assert (tmp_path / "state").read_bytes() == before


def test_writing_states_takes_its_share_and_no_more() -> None:
    budget = Budget(1e-9)
    assert not budget.allows()
    free = Budget(ALWAYS)
    assert free.allows()
    free.spent(1e-6)
    assert free.allows()


def test_accumulated_batches_weigh_by_their_pairs(tmp_path: Path) -> None:
    """5 people in batches of 3 and 2: one step of both gives the mean over the 5 pairs, as the row of the epoch says too."""
    what = heads(batch_size=3, accumulation=2, num_epochs=1)
    one = train(what, planted(5), NOBODY, tmp_path / "one", ignore)
    two = train(heads(batch_size=3, num_epochs=1, learning_rate=1e-12), planted(5), NOBODY, tmp_path / "two", ignore)
    assert one.progress.history[0]["train_loss"] == pytest.approx(two.progress.history[0]["train_loss"], rel=1e-5)
    moments = state.read(tmp_path / "one", recipe_of(what, planted(5), NOBODY))
    assert moments is not None
    assert {int(values["step"]) for values in moments.moments.values()} == {1}


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"precision": "fp16"}, "precision: fp16"), ({"accelerator": "cuda"}, "accelerator: cuda")],
)
def test_what_this_machine_has_not_is_named_by_its_key(tmp_path: Path, changes: dict[str, str], said: str) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device, so nothing is missing")
    with pytest.raises(ConfigError, match=said):
        train(heads(**changes), planted(6), NOBODY, tmp_path / "state", ignore)


def test_bf16_trains_and_differs_from_fp32_in_rounding(tmp_path: Path) -> None:
    half, full = (
        train(heads(precision=name), planted(6), NOBODY, tmp_path / name, ignore).progress.history[-1]["train_loss"]
        for name in ("bf16", "fp32")
    )
    assert half != full
    assert half == pytest.approx(full, rel=0.05)
