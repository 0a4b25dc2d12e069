"""Options as the guide's scripts had them, checked before any work."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

from onscreen.config import Faces, Params, load_params, parse_params
from onscreen.errors import ConfigError
from onscreen.media.images import SUFFIXES
from onscreen.records import Reject

_EXTENSION = re.compile(r"(?:\*?\.)?([A-Za-z0-9]+)")


def params_of(settings: Path) -> Params:
    """params.yaml where there is one, else the defaults."""
    return load_params(settings) if settings.is_file() else Params()


def train_params(params: Params, given: Mapping[str, object], section: str = "train_face_voice") -> Params:
    """params with these values of train_face_voice or train_hq; None means that an option was not given.

    Raises ConfigError naming the option, its value and what is allowed.
    """
    values = {name: value for name, value in given.items() if value is not None}
    data = getattr(params, section).model_dump(mode="json") | values
    try:
        made = parse_params({section: data}, "options")
    except ConfigError as error:
        raise ConfigError(str(error).replace(f"options: {section}.", "--")) from error
    return params.model_copy(update={section: getattr(made, section)})


def one_of(option: str, value: str, key: str) -> str:
    """The name that params know this value of faces.<key> by, whatever its case. Raises ConfigError naming all that are known."""
    known: Sequence[str] = get_args(Faces.model_fields[key].annotation)
    for name in known:
        if name.casefold() == value.casefold():
            return name
    raise ConfigError(f"{option} {value}: must be one of {', '.join(known)}")


def extensions(values: Iterable[str]) -> tuple[str, ...]:
    """--video_extensions: "*.mp4", ".mp4" or "mp4", several by commas or by repeating the option -> (".mp4", ...)."""
    found = []
    for value in (part.strip() for text in values for part in text.split(",")):
        match = _EXTENSION.fullmatch(value)
        if match is None:
            raise ConfigError(f'--video_extensions {value}: must be an extension as in "*.mp4"')
        found.append(f".{match[1].lower()}")
    return tuple(dict.fromkeys(found))


def threshold(value: str) -> Literal["auto"] | float:
    """--threshold: auto, or a cosine distance between 0 and 2."""
    if value == "auto":
        return "auto"
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not 0 < number < 2:
        raise ConfigError(f"--threshold {value}: must be auto or a cosine distance above 0 and below 2")
    return number


def refuse_torchrun(section: str) -> None:
    """Raises ConfigError where torchrun started this command: its processes would fill one folder. section: of params.yaml."""
    from onscreen.matching.distributed import under_torchrun  # it loads torch

    if under_torchrun():
        raise ConfigError(
            f"this command starts its processes itself: set {section}.devices in params.yaml and call it without torchrun"
        )


def results_in(folder: Path) -> set[str]:
    """The names in a folder that results take: pictures and tables, not what else a person keeps there."""
    endings = (*SUFFIXES, ".parquet")
    return {path.name for path in folder.iterdir() if not path.name.startswith(".") and path.suffix.lower() in endings}


def counts(rejects: Iterable[Reject]) -> dict[str, int]:
    """How many rejects there are of each code."""
    return dict(sorted(Counter(reject.code for reject in rejects).items()))
