"""What is trained and how: the recipe of a run, the model that follows from it, and everything that its result depends on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from onscreen.config import Train
from onscreen.matching.data import Batch, PairSet
from onscreen.matching.distributed import ALONE, Share
from onscreen.matching.loss import Contrastive
from onscreen.matching.towers import FaceVoiceModel, TowerSpec

INDIFFERENT = ("accelerator", "devices", "num_workers", "gradient_checkpointing")  # params: how a run is computed, not what

TOWERS = ("face_tower", "voice_tower")  # params: their content stands in the towers' specs, and in the data of frozen ones


@dataclass(frozen=True)
class Recipe:
    """What to train. params: hyperparameters. face, voice: the towers. frames: of a long voice item that is heard at once."""

    params: Train
    face: TowerSpec
    voice: TowerSpec
    frames: int

    @property
    def is_small(self) -> bool:
        """Only heads are trained, on vectors."""
        return self.face.kind == self.voice.kind == "embedding"


class Matcher(nn.Module):
    """The model and its loss: everything that training changes. share: the part of every batch that this process embeds."""

    def __init__(self, model: FaceVoiceModel, loss: Contrastive, share: Share = ALONE) -> None:
        super().__init__()
        self.model = model
        self.loss = loss
        self.share = share

    def forward(self, batch: Batch) -> Tensor:
        """The whole batch's loss, a scalar, in float32 whatever the towers compute in."""
        face = self.model.faces(batch.faces, batch.face_lengths).float()
        voice = self.model.voices(batch.voices, batch.voice_lengths).float()
        faces, voices = self.share.gather(face, batch.pairs), self.share.gather(voice, batch.pairs)
        with torch.autocast(face.device.type, enabled=False):
            result: Tensor = self.loss(faces, voices, batch.person)
        return result


def recipe_of(recipe: Recipe, training: PairSet, validation: PairSet) -> dict[str, Any]:
    """Everything that a run's result depends on, as JSON: what check_same_recipe compares."""
    params = recipe.params.model_dump(mode="json", exclude={*INDIFFERENT, *TOWERS})
    data = {"training_data": training.digest, "validation_data": validation.digest}
    return {**params, "face": _content(recipe.face), "voice": _content(recipe.voice), "frames": recipe.frames, **data}


def _content(tower: TowerSpec) -> dict[str, Any]:
    """What a tower is, without the name by which its weights were found: a folder that is moved holds the same ones."""
    values = asdict(tower)
    if tower.files:
        del values["backbone"]
    return values


def untrained(recipe: Recipe) -> Matcher:
    """A model with weights drawn from the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.params.seed)
        model = FaceVoiceModel(recipe.face, recipe.voice, recipe.params.embedding_dim, recipe.frames)
    return Matcher(model, Contrastive(recipe.params.loss, recipe.params.temperature, recipe.params.learn_temperature))


def start(matcher: Matcher, recipe: Recipe, training: PairSet) -> None:
    """Make a model ready for its first step: pretrained weights, statistics of the training items."""
    matcher.model.load_pretrained(recipe.face, recipe.voice)
    matcher.model.face_encoder.fit(training.faces, training.face_person)
    matcher.model.audio_encoder.fit(training.voices, training.voice_person)
