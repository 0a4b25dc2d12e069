"""The faces that installed packages carry: where each lies, where it comes from, and what may be done with it.

An image is used only when its bytes are the ones on record, so that boxes fit and the same packages give the same sample.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from onscreen.errors import InputError


@dataclass(frozen=True)
class Source:
    """An image file inside a package. about: what it shows and whose it is, for the manifest."""

    package: str
    member: str
    sha256: str
    about: str


@dataclass(frozen=True)
class SourceFace:
    """One face of a source. box: left, top, right, bottom in pixels, as dlib's detector framed it."""

    source: Source
    box: tuple[int, int, int, int]


_GROUP = Source(
    "insightface",
    "data/images/t1.jpg",
    "47f682e945b659f93a9e490b9c9c4a2a864abe64dace9e1a2893845ddfd69489",
    "InsightFace's test image, six people: a publicity photograph of a television series. The package (MIT) names no source of the "
    "picture; the rights in it stay with their owner.",
)
_PORTRAIT = Source(
    "insightface",
    "data/images/Tom_Hanks_54745.png",
    "8545da294e8c7c79911169c3915fed8528f1960cd0ed99b92453788ca4275083",
    "InsightFace's test image of an aligned face. The package (MIT) names no source of the picture; the rights stay with their owner.",
)
_ASTRONAUT = Source(
    "skimage",
    "data/astronaut.png",
    "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
    "scikit-image's test image: a photograph of an astronaut by NASA, in the public domain.",
)
_OFFICER = Source(
    "matplotlib",
    "mpl-data/sample_data/grace_hopper.jpg",
    "a8ca6d734765703b09728ab47fe59f473d93ae3967fc24c7c0288c3c7adb7130",
    "Matplotlib's test image: a portrait of an officer by the United States Navy, in the public domain.",
)

FACES = {
    "group_1": SourceFace(_GROUP, (58, 281, 170, 393)),
    "group_2": SourceFace(_GROUP, (265, 172, 358, 265)),
    "group_3": SourceFace(_GROUP, (455, 294, 567, 406)),
    "group_4": SourceFace(_GROUP, (727, 356, 839, 468)),
    "group_5": SourceFace(_GROUP, (876, 83, 988, 195)),
    "group_6": SourceFace(_GROUP, (1111, 281, 1223, 393)),
    "portrait": SourceFace(_PORTRAIT, (11, 29, 92, 110)),
    "astronaut": SourceFace(_ASTRONAUT, (175, 76, 265, 166)),
    "officer": SourceFace(_OFFICER, (180, 139, 366, 325)),
}


def read_source(source: Source) -> np.ndarray:
    """The image as (H, W, 3) uint8 RGB. Raises InputError when the package lacks it or carries another picture."""
    import cv2

    spec = find_spec(source.package)
    path = Path((spec.submodule_search_locations or ["."])[0] if spec else ".") / source.member
    if spec is None or not path.is_file():
        raise InputError(f"the sample needs {source.member} of the package {source.package}. {_REMEDY}")
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != source.sha256:
        raise InputError(f"{path} is another picture than the one the sample was made for. {_REMEDY}")
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise InputError(f"{path} cannot be decoded as a picture. {_REMEDY}")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


_REMEDY = "Install the versions of constraints.txt, or put your own videos into the folder and leave the sample out."
