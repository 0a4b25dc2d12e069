"""What the trainer adds to a training loop written by hand: same model, optimizer, batches and thread number, side by side.

    python benchmarks/trainer_speed.py heads     # stored embeddings, 128 and 256 wide, 4,000 people
    python benchmarks/trainer_speed.py networks  # ViT and Wav2Vec2, tiny, from their configurations, augmented nothing

Each repetition runs both in turns; printed are core-seconds (CPU time of all threads), pairs per core-second, and the median
ratio. Ours is a whole call of train(): statistics, digest of the data, checks, learning rate, clipping, states on disk, result.
The bare loop has forward, loss, backward and the optimizer's step; `clipped` adds clipping to it, which is part of the recipe.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F
from transformers import ViTConfig, Wav2Vec2Config

from onscreen.config import TrainFaceVoice
from onscreen.matching.data import Link, PairSet
from onscreen.matching.recipe import Recipe, start, untrained
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


def bare(recipe: Recipe, pairs: PairSet, faces: torch.Tensor, voices: torch.Tensor, *, clip: bool) -> int:
    """The loop written by hand over stacked items. Returns how many pairs it saw."""
    params = recipe.params
    matcher = untrained(recipe)
    start(matcher, recipe, pairs)
    model, seen = matcher.model, 0
    optimizer = torch.optim.AdamW(model.parameters(), lr=params.learning_rate, weight_decay=params.weight_decay, fused=True)
    links = torch.tensor([(link.face, link.voice) for link in pairs.links])
    per_person = len(links) // len(pairs.people)
    face_lengths, voice_lengths = (torch.full((params.batch_size,), items.shape[-1]) for items in (faces, voices))
    target = torch.arange(params.batch_size)
    torch.manual_seed(0)
    model.train()
    for _ in range(params.num_epochs):
        for people in torch.randperm(len(pairs.people)).split(params.batch_size):
            size = len(people)
            face, voice = links[people * per_person + torch.randint(per_person, (size,))].T
            seen_face = model.faces(faces[face], face_lengths[:size])
            heard_voice = model.voices(voices[voice], voice_lengths[:size])
            logits = seen_face @ heard_voice.T / params.temperature
            loss = (F.cross_entropy(logits, target[:size]) + F.cross_entropy(logits.T, target[:size])) / 2
            optimizer.zero_grad()
            loss.backward()
            if clip:
                torch.nn.utils.clip_grad_norm_(model.parameters(), params.clip_norm)
            optimizer.step()
            seen += size
    return seen


def core_seconds(work: Callable[[], object]) -> float:
    """CPU time of all threads of this process."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def compare(name: str, pairs: int, ways: dict[str, Callable[[], object]], repetitions: int) -> None:
    """Run all ways in turns and print each one's figures and its speed by the first one's."""
    for work in ways.values():
        work()  # warm
    spent = {way: list[float]() for way in ways}
    for _ in range(repetitions):
        for way, work in ways.items():
            spent[way].append(core_seconds(work))
    first = next(iter(ways))
    for way, times in spent.items():
        ratio = statistics.median(one / own for one, own in zip(spent[first], times, strict=True))
        middle = statistics.median(times)
        print(f"{name:24} {way:24} {middle:7.2f} core-s {pairs / middle:9.0f} pairs/core-s   speed x {ratio:.3f}")


def ours(recipe: Recipe, training: PairSet, validation: PairSet) -> None:
    """A whole training from the beginning."""
    with tempfile.TemporaryDirectory() as folder:
        train(recipe, training, validation, Path(folder) / "state", lambda epoch, row: None)


def heads(repetitions: int) -> None:
    """Both batch sizes, without and with validation people."""
    torch.set_num_threads(1)
    training, validation = vectors(4000, 0), vectors(400, 1)
    faces, voices = (torch.from_numpy(np.stack(items))[:, :, None] for items in (training.faces, training.voices))
    towers = TowerSpec("embedding", 128), TowerSpec("embedding", 256)
    for batch_size, epochs in ((32, 6), (256, 12)):
        params = TrainFaceVoice(batch_size=batch_size, num_epochs=epochs, accelerator="cpu", patience=epochs)
        recipe = Recipe(params, *towers, frames=1)
        ways: dict[str, Callable[[], object]] = {
            "bare": lambda recipe=recipe: bare(recipe, training, faces, voices, clip=False),
            "bare, clipped": lambda recipe=recipe: bare(recipe, training, faces, voices, clip=True),
            "ours": lambda recipe=recipe: ours(recipe, training, NOBODY),
            "ours, 400 validated": lambda recipe=recipe: ours(recipe, training, validation),
        }
        compare(f"heads, batch {batch_size}", epochs * 4000, ways, repetitions)


def networks(repetitions: int) -> None:
    """Two networks with random weights, 48 people, pictures of 64 px and 2 s of speech."""
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
    ways: dict[str, Callable[[], object]] = {
        "bare": lambda: bare(recipe, pairs, faces, voices, clip=False),
        "ours": lambda: ours(recipe, pairs, NOBODY),
    }
    compare("networks, batch 8", params.num_epochs * 48, ways, repetitions)


def seen_and_heard(people: int) -> PairSet:
    """Pictures and speech of nothing."""
    random = np.random.default_rng(0)
    faces = [random.integers(0, 256, (3, 64, 64), dtype=np.uint8) for _ in range(2 * people)]
    voices = [random.normal(size=(1, 32_000)).astype(np.float32) for _ in range(2 * people)]
    return paired(faces, voices, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["heads", "networks"])
    parser.add_argument("--repetitions", type=int, default=5)
    options = parser.parse_args()
    {"heads": heads, "networks": networks}[options.what](options.repetitions)


if __name__ == "__main__":
    main()
