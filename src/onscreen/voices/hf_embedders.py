"""Speaker embeddings of transformers' networks (`hf:<id or path>`): x-vectors where the model has them, else the mean over time.

A window is heard alone and whole, at its own length: nothing is padded, so no mask is needed and no neighbour changes a result.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache

import numpy as np

from onscreen import hf

XVECTORS = ("WavLMForXVector", "Wav2Vec2ForXVector")  # networks with a head that was trained to tell speakers apart


@cache
def files_of(name: str) -> Mapping[str, str]:
    """Its weights, configuration and processor: file -> sha256, read once per process. Raises WeightsError as hf.find does."""
    return hf.find(name, hf.VOICE_TYPES).files


@cache
def embedder(name: str, files: tuple[tuple[str, str], ...] | None = None) -> Callable[[np.ndarray], np.ndarray]:
    """What makes (D,) float32, L2 = 1, of (n,) float32 samples at 16 kHz; loaded once per process, on one thread.

    D is xvector_output_dim of an x-vector model; else hidden_size, and the vector is the mean over the last layer's frames.
    files: (name, sha256) of its files as they must be; None: as they are.
    Raises WeightsError as hf.find, hf.voice_settings and hf.load do.
    """
    import torch

    torch.set_num_threads(1)  # a worker process is one of many
    backbone = hf.find(name, hf.VOICE_TYPES, None if files is None else dict(files))
    normalize = hf.voice_settings(backbone)["normalize"]
    head = _head(backbone)
    network = hf.load(backbone, head).eval()

    def embed(samples: np.ndarray) -> np.ndarray:
        heard = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7) if normalize else samples  # as its processor does
        with torch.inference_mode():
            found = network(torch.from_numpy(np.ascontiguousarray(heard, np.float32))[None])
            vector = found.embeddings if head else found.last_hidden_state.mean(dim=1)
        return np.asarray(torch.nn.functional.normalize(vector[0], dim=0).numpy())

    return embed


def _head(backbone: hf.Backbone) -> str | None:
    """The x-vector class that the model was saved as; None for every other, whose heads say nothing of speakers."""
    saved_as = json.loads((backbone.folder / "config.json").read_text(encoding="utf-8")).get("architectures") or []
    return next((name for name in saved_as if name in XVECTORS), None)
