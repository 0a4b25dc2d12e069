"""Transformers models as backbones: where `hf:<id or path>` lies on this machine, what it is, and its weights. Never fetches.

The weights are safetensors and nothing else: a PyTorch .bin file is a pickle. Code that comes with a model is never run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from onscreen.errors import Rejected, WeightsError

if TYPE_CHECKING:
    import torch

PREFIX = "hf:"
RATE_HZ = 16_000  # samples a second that voice networks are given
FACE_TYPES = ("vit", "dinov2", "dinov2_with_registers", "clip_vision_model")
VOICE_TYPES = ("wav2vec2", "wavlm", "hubert")
_CLASSES = {
    "vit": "ViTModel",
    "dinov2": "Dinov2Model",
    "dinov2_with_registers": "Dinov2WithRegistersModel",
    "clip_vision_model": "CLIPVisionModel",
    "wav2vec2": "Wav2Vec2Model",
    "wavlm": "WavLMModel",
    "hubert": "HubertModel",
}
_NOT_NEEDED = ("mask_token", "masked_spec_embed")  # what these networks learn without: no picture or speech is masked with them
# Of the processor of each family, where a repository has none: what transformers' own processor class then takes.
_HALF, _IMAGENET = (0.5, 0.5, 0.5), ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
_NORMAL = {"vit": (_HALF, _HALF), "dinov2": _IMAGENET, "dinov2_with_registers": _IMAGENET, "clip_vision_model": _CLIP}
# Keys of a configuration that say nothing of the network, or where it once lay.
_NO_PART = ("_name_or_path", "architectures", "dtype", "torch_dtype", "transformers_version", "id2label", "label2id")
_CONVERT = (
    'python -c "import torch; from safetensors.torch import save_file; '
    "w = torch.load('pytorch_model.bin', map_location='cpu', weights_only=True); "
    "save_file({k: v.clone() for k, v in w.items()}, 'model.safetensors', {'format': 'pt'})\""
)


@dataclass(frozen=True)
class Backbone:
    """A model that was found. name: as params write it, with hf:. folder: its files. config: JSON, of the network that is used.

    files: name -> sha256 of the weights, the configuration and the processor's, which together make its result.
    """

    name: str
    folder: Path
    config: Mapping[str, Any]
    files: Mapping[str, str]

    @property
    def model_type(self) -> str:
        """One of FACE_TYPES or VOICE_TYPES."""
        return str(self.config["model_type"])


@dataclass(frozen=True)
class Frozen:
    """A network that runs once per item, in a worker. name: hf:<id or path>. files: see Backbone; it must be these."""

    name: str
    files: Mapping[str, str]


def find(name: str, types: tuple[str, ...], sha256: Mapping[str, str] | None = None) -> Backbone:
    """The backbone of that name, hf:<folder> or hf:<id> in the cache of Hugging Face's hub on this machine.

    types: FACE_TYPES or VOICE_TYPES. sha256: of its files as they must be, where a model was trained with them.
    Raises WeightsError when it is not here, has no safetensors, is another kind of network, or other files than these.
    """
    folder = _folder(name)
    config = _network(name, _json(folder / "config.json"), types)
    weights = _weights(name, folder)
    processors = [path for path in (folder / "preprocessor_config.json", folder / "processor_config.json") if path.is_file()]
    files = {path.name: _sha256(path) for path in (*weights, folder / "config.json", *processors)}
    if sha256 is not None and dict(sha256) != files:
        other = sorted(file for file in {*sha256, *files} if sha256.get(file) != files.get(file))
        raise WeightsError(f"{name} is another model than the one that was used: {', '.join(other)} in {folder} differ. Retrain.")
    return Backbone(name, folder, config, files)


def require(name: str, types: tuple[str, ...]) -> None:
    """Whether the backbone is here, by its files' names and its config.json; loads no library of networks, and hashes nothing.

    Raises WeightsError as find does for what is missing or is another kind of network.
    """
    folder = _folder(name)
    _check_type(name, _json(folder / "config.json").get("model_type"), types)
    _weights(name, folder)


def face_settings(backbone: Backbone) -> dict[str, Any]:
    """How it wants pictures. size_px: side of the square; mean, std: of RGB in [0, 1], as its processor normalises."""
    processor = _processor(backbone.folder, "image_processor")
    mean, std = _NORMAL[backbone.model_type]
    if processor.get("do_normalize", True):
        mean, std = processor.get("image_mean", mean), processor.get("image_std", std)
    else:
        mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    return {"size_px": _side(backbone, processor), "mean": list(mean), "std": list(std)}


def voice_settings(backbone: Backbone) -> dict[str, Any]:
    """How it wants speech. normalize: every utterance to mean 0 and variance 1. Raises WeightsError when it is not for 16 kHz."""
    processor = _processor(backbone.folder, "feature_extractor")
    rate = processor.get("sampling_rate", RATE_HZ)
    if rate != RATE_HZ:
        raise WeightsError(f"{backbone.name} hears {rate} Hz; speech is kept at {RATE_HZ} Hz. Choose a model for that rate.")
    return {"normalize": bool(processor.get("do_normalize", True))}


def network(config: Mapping[str, Any]) -> torch.nn.Module:
    """The network of a configuration with random weights: needs no file. Its attention is SDPA where transformers has that."""
    import torch

    made, settings = _made(config)
    built: torch.nn.Module = made._from_config(_config(config), dtype=torch.float32, **settings)
    return built


def load(backbone: Backbone, architecture: str | None = None) -> torch.nn.Module:
    """The network with its weights, float32, on the CPU. Raises WeightsError when its file lacks some of them.

    architecture: its class in transformers, where a head of it is used too (WavLMForXVector).
    """
    import torch
    from safetensors import SafetensorError

    made, settings = _made(backbone.config, architecture)
    with _quiet():
        try:
            model, report = made.from_pretrained(
                str(backbone.folder),
                config=_saved_config(backbone.folder) if architecture else _config(backbone.config),
                dtype=torch.float32,
                local_files_only=True,
                use_safetensors=True,
                output_loading_info=True,
                **settings,
            )
        except (SafetensorError, RuntimeError, OSError) as error:
            raise WeightsError(f"the weights of {backbone.name} in {backbone.folder} cannot be read: {error}") from error
    lacking = sorted(key for key in report["missing_keys"] if not key.endswith(_NOT_NEEDED))
    if lacking:
        raise WeightsError(
            f"the weights in {backbone.folder} lack {len(lacking)} tensors of a {backbone.model_type}, the first {lacking[0]}: it "
            f"is not what its config.json says. Nothing is filled with random values; fetch {backbone.name} again."
        )
    loaded: torch.nn.Module = model
    return loaded


def numbers(values: np.ndarray) -> np.ndarray:
    """What a network made of an item, float32. Raises Rejected "no_embedding" when some of it is not finite."""
    if not np.isfinite(values).all():
        raise Rejected("no_embedding", "the network gives no numbers for it", {})
    return np.ascontiguousarray(values, np.float32)


def _folder(name: str) -> Path:
    """Where it lies. Raises WeightsError."""
    wanted = name.removeprefix(PREFIX)
    folder = Path(wanted).expanduser()
    if folder.is_dir():
        return folder
    from huggingface_hub import snapshot_download
    from huggingface_hub.constants import HF_HUB_CACHE
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(wanted, local_files_only=True))
    except (HFValidationError, LocalEntryNotFoundError) as error:
        raise WeightsError(
            f"{name} is not on this machine: there is no folder {folder.absolute()}, and {wanted} is not in {HF_HUB_CACHE}. Run "
            f"`hf download {wanted}` where the hub can be reached; or put config.json, preprocessor_config.json and "
            f"model.safetensors of it into a folder by hand and write hf:<that folder>."
        ) from error


def _network(name: str, config: dict[str, Any], types: tuple[str, ...]) -> dict[str, Any]:
    """The configuration of the network that is used: of CLIP's two the one that sees, of a Wav2Vec2 all but its adapter."""
    if config.get("model_type") == "clip":
        config = {**config.get("vision_config", {}), "model_type": "clip_vision_model"}
    found = config.get("model_type")
    _check_type(name, found, types)
    kept = {key: value for key, value in config.items() if key not in _NO_PART}
    if found in VOICE_TYPES:  # a skipped layer would leave gradients out; an adapter shortens the frames; bands of features
        kept |= {"add_adapter": False, "layerdrop": 0.0, "mask_feature_prob": 0.0}
    full = json.loads(_config(kept).to_json_string(use_diff=False))  # whatever defaults a later transformers has
    return {key: value for key, value in full.items() if key not in _NO_PART}


def _check_type(name: str, found: Any, types: tuple[str, ...]) -> None:
    """Raises WeightsError for a network of another kind. Of CLIP's two the one that sees is taken."""
    if found in types or (found == "clip" and types == FACE_TYPES):
        return
    tower, more = ("a face tower", " (and clip's vision)") if types == FACE_TYPES else ("a voice network", "")
    raise WeightsError(f"{name} is a {found} model, which cannot be {tower}. Possible: {', '.join(types)}{more}")


def _weights(name: str, folder: Path) -> list[Path]:
    """Its safetensors: one file, or the parts that an index names."""
    whole, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if whole.is_file():
        return [whole]
    if index.is_file():
        parts = [folder / part for part in sorted(set(_json(index)["weight_map"].values()))]
        missing = [part.name for part in parts if not part.is_file()]
        if missing:
            raise WeightsError(f"{name} in {folder} lacks {', '.join(missing)} of its weights. Fetch it again.")
        return parts
    pickles = sorted(path.name for path in folder.glob("*.bin"))
    if pickles:
        raise WeightsError(
            f"{name} in {folder} has only {pickles[0]}, a pickle, which is not read: loading one can run code. Convert it once, in "
            f"that folder, with nothing but tensors allowed: {_CONVERT}"
        )
    raise WeightsError(f"{name} in {folder} has no model.safetensors. Fetch it again, or put it there by hand.")


def _saved_config(folder: Path) -> Any:
    """As it was saved, with what a head needs."""
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(str(folder), local_files_only=True)


def _config(config: Mapping[str, Any]) -> Any:
    from transformers import AutoConfig

    values = {key: value for key, value in config.items() if key != "model_type"}
    return AutoConfig.for_model(config["model_type"], **values)


def _made(config: Mapping[str, Any], architecture: str | None = None) -> tuple[Any, dict[str, Any]]:
    """Its class in transformers and how it is built."""
    import transformers

    made = getattr(transformers, architecture or _CLASSES[config["model_type"]])
    settings: dict[str, Any] = {"attn_implementation": "sdpa" if made._supports_sdpa else "eager"}  # WavLM has only its own
    if config["model_type"] == "vit":
        settings["add_pooling_layer"] = False  # a layer on the class token, which many checkpoints lack
    return made, settings


def _side(backbone: Backbone, processor: Mapping[str, Any]) -> int:
    """Side of its pictures: what its processor makes where it can see any size (DINOv2), else what it was built for."""
    built = backbone.config["image_size"]
    built = int(built if isinstance(built, int) else built[0])
    wanted = processor.get("crop_size") or processor.get("size") or built
    if isinstance(wanted, Mapping):
        wanted = wanted.get("height") or wanted.get("shortest_edge") or built
    return int(wanted) if backbone.model_type.startswith("dinov2") else built


def _processor(folder: Path, part: str) -> dict[str, Any]:
    """What its processor's file says; empty where there is none."""
    alone, together = folder / "preprocessor_config.json", folder / "processor_config.json"
    if alone.is_file():
        return _json(alone)
    found: dict[str, Any] = _json(together).get(part, {}) if together.is_file() else {}
    return found


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}. A model's folder must have it.") from error
    except ValueError as error:
        raise WeightsError(f"{path} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise WeightsError(f"{path} is not a configuration: a JSON object is needed")
    return found


def _sha256(path: Path) -> str:
    seen = path.stat()
    return _sha256_of(path, seen.st_size, seen.st_mtime_ns)


@cache
def _sha256_of(path: Path, size: int, mtime_ns: int) -> str:
    """Once per process for a file's size and time: a network is looked up at every step of a stage."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' table of tensors that belong to another head, and its bars: what counts is checked here."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # of transformers
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # of transformers
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]  # of transformers
