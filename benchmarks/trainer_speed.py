"""What the trainer adds to a training loop written by hand: same model, optimizer, batches and thread number, side by side.

    python benchmarks/trainer_speed.py heads     # stored embeddings, 128 and 256 wide, 4,000 people; about 4 minutes
    python benchmarks/trainer_speed.py networks  # ViT and Wav2Vec2, tiny, from their configurations, augmented nothing; 2 minutes

The ways run in turns, after one turn to warm up; printed are core-seconds (CPU time of all threads) of the middle repetition,
pairs per core-second, and the speed by that of the first loop: median, and least to most of the repetitions.

`same recipe` is what a careful hand writes for the recipe that we follow: weight decay on matrices only, warm-up and cosine,
clipping, the mean loss of every epoch, fused AdamW. `bare` has forward, loss, backward, step. Ours is a call of train().
`whole` is everything, also what the loops do not do: checks, statistics, states on disk on the way, the last state, the
result; `epochs` is the time between the end of the first epoch and that of the last one, states on the way included.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import ViTConfig, Wav2Vec2Config

from onscreen.config import TrainFaceVoice
from onscreen.matching.data import Link, PairSet
from onscreen.matching.recipe import Recipe, start, untrained
from onscreen.matching.schedule import learning_rate
from onscreen.matching.towers import TowerSpec
from onscreen.matching.train import train

GREY = {"mean": [0.5] * 3, "std": [0.5] * 3}  # ViT's own normalisation
NOBODY = PairSet((), [], [], (), (), ())


def paired(faces: list[np.ndarray], voices: list[np.ndarray], clips: int) -> PairSet:
    """People with so many clips each; a person's faces go with the voices of their other clips."""
    people = len(faces) // clips
    links = tuple(
        Link(person, person * clips + face, person * clips + voice, same_source=clips == 1)
        for person in range(people)
        for face in range(clips)
        for voice in range(clips)
        if face != voice or clips == 1
    )
    source = tuple(str(item) for item in range(len(faces)))
    return PairSet(tuple(str(person) for person in range(people)), faces, voices, links, source, source)


def vectors(people: int, seed: int) -> PairSet:
    """Random embeddings as wide as dlib's and GE2E's."""
    random = np.random.default_rng(seed)
    faces, voices = (random.normal(size=(2 * people, width)).astype(np.float32) for width in (128, 256))
    return paired(list(faces), list(voices), 2)


class Clock:
    """CPU time of all threads of this process at the ends of epochs."""

    def __init__(self) -> None:
        self.begin, self.ends = time.process_time(), list[float]()

    def epoch(self, number: int = 0, row: object = None) -> None:
        """One is over."""
        self.ends.append(time.process_time())


Way = Callable[[Clock], None]


def by_hand(recipe: Recipe, pairs: PairSet, faces: Tensor, voices: Tensor, clock: Clock, *, same_recipe: bool) -> None:
    """The loop written by hand over stacked items."""
    params = recipe.params
    matcher = untrained(recipe)
    start(matcher, recipe, pairs)
    model = matcher.model
    decayed = [value for value in model.parameters() if value.ndim > 1]
    others = [value for value in model.parameters() if value.ndim <= 1]
    groups = [{"params": decayed}, {"params": others, "weight_decay": 0.0}] if same_recipe else model.parameters()
    optimizer = torch.optim.AdamW(groups, lr=params.learning_rate, weight_decay=params.weight_decay, fused=True)
    links = torch.tensor([(link.face, link.voice) for link in pairs.links])
    per_person = len(links) // len(pairs.people)
    face_lengths, voice_lengths = (torch.full((params.batch_size,), items.shape[-1]) for items in (faces, voices))
    target = torch.arange(params.batch_size)
    steps, step = params.num_epochs * -(-len(pairs.people) // params.batch_size), 0
    torch.manual_seed(0)
    model.train()
    for _ in range(params.num_epochs):
        total = 0.0
        for people in torch.randperm(len(pairs.people)).split(params.batch_size):
            size = len(people)
            face, voice = links[people * per_person + torch.randint(per_person, (size,))].T
            seen_face = model.faces(faces[face], face_lengths[:size])
            heard_voice = model.voices(voices[voice], voice_lengths[:size])
            logits = seen_face @ heard_voice.T / params.temperature
            loss = (F.cross_entropy(logits, target[:size]) + F.cross_entropy(logits.T, target[:size])) / 2
            optimizer.zero_grad()
            loss.backward()
            if same_recipe:
                torch.nn.utils.clip_grad_norm_(model.parameters(), params.clip_norm)
                for group in optimizer.param_groups:
                    group["lr"] = learning_rate(params, step, steps)
                total += loss.item() * size
            optimizer.step()
            step += 1
        clock.epoch()


def compare(name: str, pairs: int, epochs: int, ways: dict[str, Way], repetitions: int) -> None:
    """Run all ways in turns and print each one's figures and its speed by the first two's. pairs: of an epoch."""
    spent: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for repetition in range(1 + repetitions):
        for way, work in ways.items():
            clock = Clock()
            work(clock)
            whole, between = time.process_time() - clock.begin, clock.ends[-1] - clock.ends[0]
            if repetition:  # the first one warms up
                spent[way].append((whole, between))
    references = list(ways)[:2]
    for part, (what, count) in enumerate((("whole", epochs), ("epochs", epochs - 1))):
        for way, times in spent.items():
            middle = statistics.median(one[part] for one in times)
            speeds = [_speed(spent[reference], times, part) for reference in references]
            told = "   ".join(f"x {speed} of {reference}" for speed, reference in zip(speeds, references, strict=True))
            print(f"{name:18} {what:7} {way:20} {middle:6.2f} core-s {pairs * count / middle:7.0f} pairs/core-s   {told}")


def _speed(reference: list[tuple[float, float]], own: list[tuple[float, float]], part: int) -> str:
    ratios = [one[part] / other[part] for one, other in zip(reference, own, strict=True)]
    return f"{statistics.median(ratios):.3f} ({min(ratios):.2f} to {max(ratios):.2f})"


def ours(recipe: Recipe, training: PairSet, validation: PairSet, clock: Clock) -> None:
    """A whole training from the beginning."""
    with tempfile.TemporaryDirectory() as folder:
        train(recipe, training, validation, Path(folder) / "state", clock.epoch)


def heads(repetitions: int) -> None:
    """Both batch sizes, without and with validation people."""
    torch.set_num_threads(1)
    training, validation = vectors(4000, 0), vectors(400, 1)
    faces, voices = (torch.from_numpy(np.stack(items))[:, :, None] for items in (training.faces, training.voices))
    towers = TowerSpec("embedding", 128), TowerSpec("embedding", 256)
    for batch_size, epochs in ((32, 6), (256, 16)):
        params = TrainFaceVoice(batch_size=batch_size, num_epochs=epochs, accelerator="cpu", patience=epochs)
        recipe = Recipe(params, *towers, frames=1)
        ways: dict[str, Way] = {
            "same recipe": partial(by_hand, recipe, training, faces, voices, same_recipe=True),
            "bare": partial(by_hand, recipe, training, faces, voices, same_recipe=False),
            "ours": partial(ours, recipe, training, NOBODY),
            "ours, 400 validated": partial(ours, recipe, training, validation),
        }
        compare(f"heads, batch {batch_size}", 4000, epochs, ways, repetitions)


def networks(repetitions: int) -> None:
    """Two networks with random weights, 48 people, pictures of 64 px and 2 s of speech."""
    torch.set_num_threads(1)  # on a machine with other work, several wait for each other busily: that would be measured
    pairs, seconds = seen_and_heard(48), 2.0
    small = {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 128}
    face = TowerSpec("hf_face", 3, 0, ViTConfig(image_size=64, patch_size=8, **small).to_dict(), GREY)
    settings = {"conv_dim": (32,) * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4, "mask_time_prob": 0.0}
    voice = TowerSpec("hf_voice", 1, 0, Wav2Vec2Config(**small, **settings).to_dict(), {"normalize": True})
    params = TrainFaceVoice(
        batch_size=8, num_epochs=3, accelerator="cpu", augment=False, face_frozen_epochs=0, voice_frozen_epochs=0
    )
    recipe = Recipe(params, face, voice, round(seconds * 16_000))
    faces, voices = (torch.from_numpy(np.stack(items)) for items in (pairs.faces, pairs.voices))
    ways: dict[str, Way] = {
        "same recipe": partial(by_hand, recipe, pairs, faces, voices, same_recipe=True),
        "bare": partial(by_hand, recipe, pairs, faces, voices, same_recipe=False),
        "ours": partial(ours, recipe, pairs, NOBODY),
    }
    compare("networks, batch 8", 48, params.num_epochs, ways, repetitions)


def seen_and_heard(people: int) -> PairSet:
    """Pictures and speech of nothing."""
    random = np.random.default_rng(0)
    faces = [random.integers(0, 256, (3, 64, 64), dtype=np.uint8) for _ in range(2 * people)]
    voices = [random.normal(size=(1, 32_000)).astype(np.float32) for _ in range(2 * people)]
    return paired(faces, voices, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["heads", "networks"])
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    {"heads": heads, "networks": networks}[options.what](options.repetitions)


if __name__ == "__main__":
    main()
