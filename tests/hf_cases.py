"""Tiny transformers networks with random weights, saved as any model is: the real loading code reads them."""

import json
from pathlib import Path
from typing import Any

import torch

SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
LAYER_NORM = {"feat_extract_norm": "layer", "do_stable_layer_norm": True}


def small_face(folder: Path, kind: str = "ViT", seed: int = 0, **settings: Any) -> str:
    """A network of 32 px pictures under the folder: its hf: name. kind: prefix of its classes in transformers, or Clip."""
    import transformers

    torch.manual_seed(seed)
    settings = {"image_size": 32, "patch_size": 8, **SMALL, **settings}
    if kind == "CLIP":  # both of CLIP's networks, as its repositories hold them
        text = {"vocab_size": 99, "bos_token_id": 0, "eos_token_id": 1, **SMALL}
        config = transformers.CLIPConfig(text_config=text, vision_config=settings, projection_dim=16)
    else:
        config = getattr(transformers, f"{kind}Config")(**settings)
    return _saved(getattr(transformers, f"{kind}Model")(config), folder)


def small_voice(folder: Path, kind: str = "Wav2Vec2", seed: int = 0, **settings: Any) -> str:
    """A network of waveforms under the folder, with the frames of the real ones (20 ms): its hf: name."""
    import transformers

    torch.manual_seed(seed)
    shape = {"conv_dim": (16,) * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4}
    config = getattr(transformers, f"{kind}Config")(**SMALL, **shape, **settings)
    return _saved(getattr(transformers, f"{kind}Model")(config), folder)


def processor(folder: Path, **settings: Any) -> None:
    """Write preprocessor_config.json."""
    (folder / "preprocessor_config.json").write_text(json.dumps(settings), encoding="utf-8")


def _saved(model: Any, folder: Path) -> str:
    model.save_pretrained(folder)
    return f"hf:{folder}"
