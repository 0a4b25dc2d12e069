"""Whether a model's pretrained networks have seen the people that it is scored on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from onscreen.faces import embedders
from onscreen.weights import catalogue

OWN = "own clips"
SHARED = {"VoxCeleb1": {"VoxCeleb1", "VGG-Face"}, "VoxCeleb2": {"VoxCeleb2", "VGGFace2"}}
"""Test corpus -> corpora with its recordings or its people: VoxCeleb1 and 2 took their people from the lists of VGG-Face and VGGFace2
(Nagrani et al. 2017; Chung et al. 2018)."""
APART = {"LibriSpeech", "Libri-Light", "Multilingual LibriSpeech", "VoxPopuli", "ImageNet", "ImageNet-21k", "iBUG 300-W"}
"""Readers of audiobooks, members of a parliament, things: nobody has found VoxCeleb's people in them. What is in neither of the two
sets (pictures and sound of celebrities, the web) may or may not hold some of them."""
PUBLISHED = {  # what the model cards say
    "facebook/wav2vec2-base": ("LibriSpeech",),
    "facebook/wav2vec2-base-960h": ("LibriSpeech",),
    "facebook/wav2vec2-large": ("LibriSpeech",),
    "facebook/wav2vec2-large-960h": ("LibriSpeech",),
    "facebook/wav2vec2-large-xlsr-53": ("Multilingual LibriSpeech", "Common Voice", "BABEL"),
    "microsoft/wavlm-base": ("LibriSpeech",),
    "microsoft/wavlm-base-sv": ("LibriSpeech", "VoxCeleb1"),
    "microsoft/wavlm-base-plus": ("Libri-Light", "GigaSpeech", "VoxPopuli"),
    "microsoft/wavlm-base-plus-sv": ("Libri-Light", "GigaSpeech", "VoxPopuli", "VoxCeleb1"),
    "microsoft/wavlm-large": ("Libri-Light", "GigaSpeech", "VoxPopuli"),
    "google/vit-base-patch16-224-in21k": ("ImageNet-21k",),
    "google/vit-base-patch16-224": ("ImageNet-21k", "ImageNet"),
    "facebook/dinov2-small": ("LVD-142M",),
    "facebook/dinov2-base": ("LVD-142M",),
    "openai/clip-vit-base-patch32": ("the web",),
    "openai/clip-vit-base-patch16": ("the web",),
}


@dataclass(frozen=True)
class Backbone:
    """A pretrained network that a model's inputs come from. corpora: None where what it was trained on is not known here."""

    about: str
    trained_on: str
    corpora: tuple[str, ...] | None


def backbones_of(inputs: Mapping[str, Any]) -> list[Backbone]:
    """Those of both sides. inputs: of config.json."""
    used = [_network(inputs.get(side, {})) for side in ("face", "voice")]
    return [backbone for name in used if name for backbone in _named(name)]


def _network(side: Mapping[str, Any]) -> str | None:
    """The pretrained network of one side: a transformers tower, or what its embeddings come from."""
    tower = str(side.get("tower", ""))
    return tower if tower.startswith("hf:") else side.get("embedder")


def _named(name: str) -> list[Backbone]:
    if not name.startswith("hf:"):
        entries = [catalogue()[weights] for weights in embedders.WEIGHTS.get(name, (name,))]
        return [Backbone(entry.about, entry.trained_on, entry.corpora) for entry in entries]
    corpora = PUBLISHED.get(name.removeprefix("hf:"))
    return [Backbone(name, ", ".join(corpora) if corpora else "unknown here", corpora)]


def contamination(backbones: Sequence[Backbone], test_corpora: Sequence[str]) -> dict[str, Any]:
    """contaminated: True where a network has seen recordings or people of a test corpus, False where none can have, None where nobody
    knows; contaminated_reason: why, in words; test_corpora."""
    told = [_of(backbone, corpus) for backbone in backbones for corpus in test_corpora]
    known = [seen for seen, _ in told]
    seen = True if True in known else None if None in known else False
    reasons = dict.fromkeys(reason for of, reason in told if of is seen)
    return {
        "contaminated": seen,
        "contaminated_reason": "; ".join(reasons) or "no pretrained network is part of this model",
        "test_corpora": list(test_corpora),
    }


def _of(backbone: Backbone, corpus: str) -> tuple[bool | None, str]:
    if backbone.corpora is None:
        return None, f"what {backbone.about} was trained on is not known here"
    shared = [name for name in backbone.corpora if name in SHARED.get(corpus, ())]
    if shared:
        named = " and ".join(name if name == corpus else f"{name}, which shares people with {corpus}" for name in shared)
        return True, f"{backbone.about}: trained on {named}"
    if corpus not in SHARED:
        return None, f"whether people of the {corpus} are in {', '.join(backbone.corpora)} ({backbone.about}) is not known"
    open_ = [name for name in backbone.corpora if name not in APART]
    if open_:
        return None, f"{backbone.about}: how many people of {corpus} are in {', '.join(open_)} is not known"
    return False, f"{backbone.about}: trained on {', '.join(backbone.corpora)}, apart from {corpus}"
