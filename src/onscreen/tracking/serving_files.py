"""What a registered model brings along, so that it answers where there is neither a checkout nor a model host.

One folder, the artifact `brought`: brought.json (how pictures and sounds are heard and seen, or why they cannot be), weights/<name>/
(files of weights.toml), networks/face and networks/voice (frozen networks of transformers). The packages that hold some of these
weights are not asked for: resemblyzer requires webrtcvad, which needs a compiler; face-recognition-models is 100 MB, of which 22 are used.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onscreen import hf
from onscreen.config import Params
from onscreen.faces import background, detectors, embedders
from onscreen.matching.folder import read_config
from onscreen.store import read_json, write_json
from onscreen.voices import speech
from onscreen.weights import ensure, model, path_of

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

CODE = Path("guide", "serving.py")  # the pyfunc, in the package
NAME = "brought"
ABOUT = "brought.json"
LOOK = (*detectors.WEIGHTS["dlib"], *embedders.WEIGHTS["Dlib"])  # stages.hq_items.PICTURE_MODELS
REQUIREMENTS = (
    "av",
    "dlib-bin",
    "librosa",
    "lightning-fabric",
    "mlflow",
    "numpy",
    "onnx",
    "onnxruntime",
    "pandas",
    "pillow",
    "pyarrow",
    "pydantic",
    "rich",
    "ruamel.yaml",
    "safetensors",
    "scipy",
    "soundfile",
    "soxr",
    "torch",
)
"""Distributions that scoring imports (tests/test_serving.py sees to it), and OpenCV."""
_NETWORKS, _MASKS = ("transformers", "huggingface-hub"), ("mediapipe",)
_TOWERS = {"face": hf.FACE_TYPES, "voice": hf.VOICE_TYPES}


@dataclass(frozen=True)
class Brought:
    """For mlflow.pyfunc.log_model: python_model, artifacts beside the model's own folder, signature, pip_requirements."""

    code: Path
    artifacts: dict[str, str]
    signature: ModelSignature
    requirements: list[str]


def brought(folder: Path, root: Path, params: Params, place: Path) -> Brought:
    """Gather in `place`, an empty folder, what the model in `folder` needs to score pictures and sounds.

    root: the checkout it was trained in; params: its. A model that cannot take them is gathered all the same, with the reason, and
    then loading it for serving fails with that. Raises WeightsError when a file of weights is not on this machine.
    """
    config = read_config(folder)
    about = about_of(config, root, params)
    weights = weights_of(config) if "refused" not in about else []
    ensure(weights)
    for name in weights:
        for file in model(name).files:
            _copy(path_of(name, file), place / "weights" / name / file)
    networks = [] if "refused" in about else list(networks_of(config))
    for tower, name, files in networks:
        found = hf.find(name, _TOWERS[tower], files)
        for file in files:
            _copy(found.folder / file, place / "networks" / tower / file)
    write_json(place / ABOUT, about)
    towers = [config[f"{tower}_tower"]["kind"] for tower in _TOWERS]
    needed = requirements(
        networks=bool(networks) or any(kind.startswith("hf_") for kind in towers), masks="hq" in about, place=place
    )
    return Brought(Path(__file__).parents[1] / CODE, {NAME: str(place)}, signature(), needed)


def about_of(config: Mapping[str, Any], root: Path, params: Params) -> dict[str, Any]:
    """brought.json. voices: voices.vad_threshold and min_speech_s. hq: of a model of our own HQ-VoxCeleb tree, how its spectrograms and
    crops are made. refused: why pictures and sounds cannot become what the towers take."""
    voice = config.get("inputs", {}).get("voice")
    if not voice:
        return {"refused": "its config.json does not say what its towers take in; train it with this version"}
    about: dict[str, Any] = {"voices": {"vad_threshold": params.voices.vad_threshold, "min_speech_s": params.voices.min_speech_s}}
    if "mel_bands" not in voice:
        return about
    tree = root / "data" / "hq" / "tree.json"
    if not tree.is_file():
        return {
            "refused": "how its spectrograms are made of sound stands in data/hq/tree.json, which was not there when it was registered"
        }
    made: dict[str, Any] = read_json(tree)
    if "mel" not in made or "adopted" in made:
        return {
            "refused": "it was trained on spectrograms of an adopted HQ-VoxCeleb tree, and how those were made of sound nobody has "
            "recorded; `onscreen hq evaluate` scores it on such a tree"
        }
    mel = {name: made["mel"][name] for name in ("n_mels", "win_ms", "hop_ms")}
    return about | {"hq": {**mel, "crop_px": params.faces.crop_px, "crop_margin": params.faces.crop_margin}}


def weights_of(config: Mapping[str, Any]) -> list[str]:
    """Names in weights.toml of what looks at pictures and listens to sounds for this model."""
    voice = config["inputs"]["voice"]
    names = [*LOOK, speech.WEIGHTS]
    if voice["tower"] == "embedding" and not voice["embedder"].startswith(hf.PREFIX):
        names.append(voice["embedder"])
    return [*names, *(background.WEIGHTS if "mel_bands" in voice else ())]


def networks_of(config: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, str]]]:
    """Networks of transformers that run before the model: tower, hf: name, files with their sha256. A trained one is in the model."""
    for tower in _TOWERS:
        how = config["inputs"][tower]
        name = how.get("embedder") if how["tower"] == "embedding" else how["tower"] if how.get("frozen") else None
        if name and name.startswith(hf.PREFIX):
            yield tower, name, how["files"]


def signature() -> ModelSignature:
    """Columns image and audio in, base64; what guide.answers.Answer holds out."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    inputs = (ColSpec("string", "image"), ColSpec("string", "audio"))
    outputs = (
        ColSpec("double", "similarity", required=False),
        ColSpec("boolean", "same_person", required=False),
        ColSpec("double", "threshold", required=False),
        ColSpec("long", "faces", required=False),
        ColSpec("string", "reject", required=False),
        ColSpec("string", "remark", required=False),
    )
    return ModelSignature(Schema([*inputs]), Schema([*outputs]))


def requirements(*, networks: bool, masks: bool, place: Path) -> list[str]:
    """Distributions at their versions here. networks: of transformers. masks: backgrounds are taken out of pictures.

    mediapipe asks for OpenCV's contrib wheel, and two wheels of OpenCV overwrite each other: then a file of constraints, written in
    `place`, says which version of that one.
    """
    names = [*REQUIREMENTS, *(_NETWORKS if networks else ()), *(_MASKS if masks else ("opencv-python",))]
    needed = [f"{name}=={version(name).split('+')[0]}" for name in sorted(names)]
    if not masks:
        return needed
    constraints = place / "constraints.txt"
    constraints.write_text(f"opencv-contrib-python=={version('opencv-python')}\n", encoding="utf-8")
    return [*needed, f"-c {constraints}"]


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
