"""params.yaml as frozen objects. An unknown key, a wrong type or a value out of range is one error, before any work.

The comments of params.yaml carry meaning, unit and source of every value; a test holds these defaults equal to the file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from onscreen.errors import ConfigError

Entry = TypeVar("Entry")


def _without_repeats(values: tuple[Entry, ...]) -> tuple[Entry, ...]:
    if len(set(values)) < len(values):
        raise PydanticCustomError("repeats", "an entry stands in it twice")
    return values


Distinct = Annotated[
    tuple[Entry, ...], Field(min_length=1, json_schema_extra={"uniqueItems": True}), AfterValidator(_without_repeats)
]
Unit = Annotated[float, Field(ge=0, le=1)]
HuggingFace = Annotated[str, Field(pattern=r"^hf:.+$")]
Cosine = Annotated[float, Field(gt=0, lt=2)]


class Section(BaseModel):
    """Strict (no "3" for 3), frozen, no unknown keys, no infinities."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


class Data(Section):
    raw: Annotated[str, Field(min_length=1)] = "data/raw"
    video_extensions: Distinct[Annotated[str, Field(pattern=r"^\.[a-z0-9]+$")]] = (
        ".mp4",
        ".mpg",
        ".mpeg",
        ".avi",
        ".mov",
        ".mkv",
        ".wmv",
        ".webm",
    )


class Engine(Section):
    workers: Annotated[int, Field(ge=0, le=1024)] = 0
    item_timeout_s: Annotated[float, Field(gt=0)] = 900.0


class Prepare(Section):
    min_clip_s: Annotated[float, Field(gt=0)] = 1.0
    max_clip_s: Annotated[float, Field(gt=0)] = 60.0

    @model_validator(mode="after")
    def _ordered(self) -> Prepare:
        if self.max_clip_s < 2 * self.min_clip_s:
            raise ValueError(f"max_clip_s must be at least 2 x min_clip_s = {2 * self.min_clip_s}")
        return self


class Voices(Section):
    vad_threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    min_speech_s: Annotated[float, Field(ge=0)] = 1.0
    embedder: Literal["resemblyzer"] | HuggingFace = "resemblyzer"
    loudness_dbfs: Literal["as_recorded"] | Annotated[float, Field(ge=-60, le=-6)] = -30.0
    short_speech: Literal["repeat", "refuse"] = "repeat"
    active_speaker: Literal["none", "mouth", "light_asd"] = "mouth"
    min_speaker_similarity: Annotated[float, Field(ge=0, lt=1)] = 0.6
    min_sync: Annotated[float, Field(ge=-5, le=5)] = 0.0


class Faces(Section):
    detector: Literal["mediapipe", "dlib", "dlib_cnn", "opencv", "ssd", "mtcnn", "retinaface", "retinaface_s", "yunet"] = (
        "mediapipe"
    )
    embedder: Literal[
        "Dlib", "Facenet", "Facenet512", "VGG-Face", "OpenFace", "DeepID", "ArcFace", "SFace", "buffalo_l", "buffalo_s"
    ] = "Dlib"
    frames: Literal["first", "keyframes", "uniform"] = "keyframes"
    frames_per_clip: Annotated[int, Field(ge=1, le=100)] = 5
    keep: Literal["largest", "all"] = "largest"
    min_score: Unit = 0.5
    min_interocular_px: Annotated[float, Field(ge=0)] = 16.0
    min_presence: Unit = 0.5
    min_mouth_width: Unit = 0.65
    min_sharpness: Annotated[float, Field(ge=0)] = 0.0
    min_exposure: Unit = 0.0
    max_exposure: Unit = 1.0
    min_dynamic_range: Unit = 0.0
    max_yaw: Annotated[float, Field(ge=0, le=90)] = 90.0
    max_pitch: Annotated[float, Field(ge=0, le=90)] = 90.0
    max_roll: Annotated[float, Field(ge=0, le=180)] = 180.0
    min_completeness: Unit = 0.0
    crop_px: Annotated[int, Field(ge=64, le=1024)] = 256
    crop_margin: Annotated[float, Field(ge=0, le=2)] = 0.4

    @model_validator(mode="after")
    def _leaves_light(self) -> Faces:
        if self.min_exposure > self.max_exposure:
            raise ValueError(f"min_exposure must not be above max_exposure = {self.max_exposure}")
        return self


class Storage(Section):
    layout: Literal["folders", "shards"] = "folders"


class Dedupe(Section):
    method: Literal["average_link", "connected", "greedy"] = "average_link"
    threshold: Literal["auto"] | Cosine = "auto"
    review_band: Annotated[float, Field(ge=0, lt=1)] = 0.2


class Split(Section):
    val: Annotated[float, Field(ge=0, lt=1)] = 0.2
    test: Annotated[float, Field(ge=0, lt=1)] = 0.25
    salt: str = "4"

    @model_validator(mode="after")
    def _leaves_training(self) -> Split:
        if self.val + self.test >= 1:
            raise ValueError(f"val + test must leave people to train on: below 1, got {self.val + self.test}")
        return self


class Train(Section):
    """One trainer; train_face_voice and train_hq are two configurations of it."""

    embedding_dim: Annotated[int, Field(ge=2, le=4096)] = 512
    loss: Literal["infonce", "siglip"] = "infonce"
    temperature: Annotated[float, Field(gt=0, le=1)] = 0.07
    learn_temperature: bool = False
    batch_size: Annotated[int, Field(ge=2)] = 32
    num_epochs: Annotated[int, Field(ge=1)] = 100
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 1e-4
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    warmup_fraction: Unit = 0.1
    clip_norm: Annotated[float, Field(gt=0)] = 1.0
    patience: Annotated[int, Field(ge=1)] = 20
    audio_duration_sec: Annotated[float, Field(gt=0)] = 5.0
    face_frozen_epochs: Literal["all"] | Annotated[int, Field(ge=0)] = "all"
    voice_frozen_epochs: Literal["all"] | Annotated[int, Field(ge=0)] = "all"
    augment: bool = True
    accumulation: Annotated[int, Field(ge=1)] = 1
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    gradient_checkpointing: bool = False
    accelerator: Literal["auto", "cpu", "cuda"] = "auto"
    devices: Annotated[int, Field(ge=1)] = 1
    num_workers: Annotated[int, Field(ge=0)] = 0
    seed: Annotated[int, Field(ge=0)] = 0


class TrainFaceVoice(Train):
    face_tower: Literal["embedding"] | HuggingFace = "embedding"
    voice_tower: Literal["embedding", "mel", "flatten"] | HuggingFace = "embedding"


class TrainHq(Train):
    batch_size: Annotated[int, Field(ge=2)] = 16
    num_epochs: Annotated[int, Field(ge=1)] = 50
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 1e-3
    face_tower: Literal["embedding"] | HuggingFace = "embedding"
    voice_tower: Literal["mel", "flatten"] = "mel"


class Hq(Section):
    root: Annotated[str, Field(min_length=1)] = "data/hq_source"
    n_mels: Annotated[int, Field(ge=8, le=128)] = 64
    win_ms: Annotated[float, Field(ge=5, le=1000)] = 25.0
    hop_ms: Annotated[float, Field(ge=1, le=1000)] = 10.0


class M2p(Section):
    # Sound is read at fps x 1024 Hz: below 20 it ends under the 10 kHz of the music's mel bands, far above 60 some bands fall
    # between the bins of its spectrum.
    fps: Annotated[int, Field(ge=20, le=60)] = 24
    resolution: Annotated[int, Field(ge=64, le=4096, multiple_of=2)] = 512
    framing: Literal["crop", "letterbox"] = "crop"
    pose: Literal["mediapipe", "rtmw", "precomputed"] = "mediapipe"
    smooth: Literal["none", "one_euro"] = "none"
    max_clip_s: Annotated[float, Field(gt=0)] = 60.0
    min_keypoint_confidence: Unit = 0.1
    min_source_px: Annotated[int, Field(ge=1)] = 512
    min_source_fps: Annotated[float, Field(gt=0)] = 24.0
    min_clip_s: Annotated[float, Field(gt=0)] = 1.0
    min_body_confidence: Unit = 0.8
    min_body_frames: Unit = 0.5
    recommended_min_s: Annotated[float, Field(gt=0)] = 3.0
    recommended_max_s: Annotated[float, Field(gt=0)] = 10.0
    recommended_audio_hz: Annotated[int, Field(ge=8000)] = 44100


class Evaluate(Section):
    top_k: Distinct[Annotated[int, Field(ge=1)]] = (1, 5, 10)
    bootstrap: Annotated[int, Field(ge=100)] = 1000
    seed: Annotated[int, Field(ge=0)] = 0


class Tracking(Section):
    enabled: bool = True


class Params(Section):
    data: Data = Data()
    engine: Engine = Engine()
    prepare: Prepare = Prepare()
    voices: Voices = Voices()
    faces: Faces = Faces()
    storage: Storage = Storage()
    dedupe: Dedupe = Dedupe()
    split: Split = Split()
    hq: Hq = Hq()
    m2p: M2p = M2p()
    train_face_voice: TrainFaceVoice = TrainFaceVoice()
    train_hq: TrainHq = TrainHq()
    evaluate: Evaluate = Evaluate()
    tracking: Tracking = Tracking()


def load_params(path: Path) -> Params:
    """Read and check params.yaml. YAML 1.2, the dialect that DVC reads (1e-4 is a number).

    Raises ConfigError naming every offending key, its value and what is allowed.
    """
    try:
        data = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist. Run this in the folder that holds params.yaml.") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not readable as YAML: {' '.join(str(error).split())}") from error
    return parse_params(data if data is not None else {}, str(path))


def parse_params(data: object, name: str) -> Params:
    """Check plain data, as YAML gives it, against Params. name: what to call it in errors."""
    try:
        return Params.model_validate_json(json.dumps(data))
    except ValidationError as error:
        lines = [_explain(dict(item), data) for item in error.errors()]
        raise ConfigError("\n".join(f"{name}: {line}" for line in dict.fromkeys(lines))) from error
    except TypeError as error:
        raise ConfigError(f"{name}: holds a value that params cannot have: {error}") from error


def _explain(item: dict[str, Any], data: object) -> str:
    key = _key_in(data, item["loc"])
    dotted = ".".join(str(part) for part in key) or "the file"
    if item["type"] == "extra_forbidden":
        known = sorted(_schema_at(key[:-1]).get("properties", {}))
        return f"{dotted} is not a key. Known here: {', '.join(known)}"
    value = json.dumps(_value_at(data, key), ensure_ascii=False)
    if item["type"] == "value_error":
        return f"{dotted}: {item['ctx']['error']}"
    return f"{dotted} = {value}: must be {_allowed(_schema_at(key))}"


def _key_in(data: object, loc: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """The part of pydantic's location that exists in the data (a union adds names of its members)."""
    key: list[str | int] = []
    for part in loc:
        inside = (isinstance(data, dict) and part in data) or (isinstance(data, list) and isinstance(part, int))
        if not inside:
            break
        key.append(part)
        data = data[part]  # type: ignore[index]  # checked by `inside`
    return tuple(key)


def _value_at(data: Any, key: tuple[str | int, ...]) -> Any:
    for part in key:
        data = data[part]
    return data


def _schema_at(key: tuple[str | int, ...]) -> dict[str, Any]:
    root = Params.model_json_schema()
    node: dict[str, Any] = root
    for part in key:
        node = node.get("items", {}) if isinstance(part, int) else node.get("properties", {}).get(part, {})
        if "$ref" in node:
            node = root["$defs"][node["$ref"].rsplit("/", 1)[1]]
    return node


def _allowed(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_allowed(option) for option in schema["anyOf"])
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return "one of " + ", ".join(schema["enum"])
    names = {"integer": "a whole number", "number": "a finite number", "boolean": "true or false", "string": "a text (in quotes)"}
    names |= {"array": "a list", "object": "a section with keys"}
    signs = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    signs |= {"pattern": "matching", "multipleOf": "a multiple of"}
    bounds = [f"{sign} {schema[name]}" for name, sign in signs.items() if name in schema]
    bounds += ["not empty"] if schema.get("minLength") or schema.get("minItems") else []
    bounds += ["each entry once"] if schema.get("uniqueItems") else []
    return " ".join([names.get(schema.get("type", ""), "valid"), ", ".join(bounds)]).strip()
