"""The reference picture and the embedding of its face: is it one clear face, drawn as it is, and is the vector its own?"""

from __future__ import annotations

from collections.abc import Generator, Iterator

import cv2
import numpy as np

from onscreen.checks import structure
from onscreen.checks.finding import Finding, Status
from onscreen.checks.portrait import BREADTH, FRONTAL_DEG, MIN_INTEROCULAR_PX, MIN_SCORE, breadth, interocular_px, shown_faces
from onscreen.checks.sample import Broken, SampleFolder
from onscreen.checks.tools import Tools
from onscreen.faces.alignment import aligned_crop
from onscreen.faces.detectors import Detection
from onscreen.faces.embedders import embed
from onscreen.faces.quality import measure_quality
from onscreen.faces.thresholds import PUBLISHED, auto_threshold

ARCFACE, DLIB = "face_embedding.npy", "face_embedding_dlib.npy"
_ANOTHER_CLEAR = 0.6  # of the largest face's width: a second face so large may be meant as well
_SLIGHTLY_TURNED_DEG = 35.0  # "frontal or slightly turned" (the guide); head_pose is good to 10 degrees
_LIGHT = (0.2, 0.85)  # mean grey of the face, 0-1; 0.23 to 0.67 in 114 photos of LFW10 and johns
_UNEVEN = 0.5  # difference of the face's halves over their mean; 0.50 at most in 99 of 100 of those photos
_BLURRED = 15.0  # variance of the Laplacian of a face of 112 px; 20 at least there
_L2_ERROR = 1e-3
_ZEROS = 0.05  # share of exact zeros: a network's output has none
_OTHER_MODEL = 0.8  # cosine distance far above what is published for one person (0.55 to 0.68); of unrelated vectors about 1
_SAME_FACE = auto_threshold("Dlib", 5)
"""Two pictures of one dancer, and their mean, are nearer than this to each other; no two people of LFW10 and johns are."""
_ANOTHER_FACE = auto_threshold("Dlib", 1)
_FAR = 0.25  # dlib's vectors of any two faces are nearer than this: 0.17 at most on LFW10 and johns


def check_reference(sample: SampleFolder, tools: Tools) -> Iterator[Finding]:
    """reference_image.*: it decodes, has its size, and shows one clear face, not squashed, from the front, in even light."""
    try:
        portrait = tools.portrait(sample)
    except Broken as error:
        yield Finding(sample.label, "reference_image.decodes", "fail", str(error))
        return
    height, width = portrait.image.shape[:2]
    side = structure.resolution_of(sample)
    numbers = {"width": float(width), "height": float(height), "wanted": float(side)}
    status: Status = "pass" if (width, height) == (side, side) else "fail"
    yield Finding(sample.label, "reference_image.size", status, f"{width}x{height} px, {side}x{side} wanted", numbers)
    if portrait.hidden is not None:
        yield _turned_away(sample, portrait.image, portrait.hidden)
        return
    if not portrait.faces:
        told = _says_no_face(sample)
        detail = "no face is found" + (", as metadata.json says" if told else ", and metadata.json does not say so")
        yield Finding(sample.label, "reference_image.face", "warn" if told else "fail", detail)
        return
    face = portrait.faces[0]
    others = [other for other in portrait.faces[1:] if interocular_px(other) >= _ANOTHER_CLEAR * interocular_px(face)]
    numbers = {"faces": 1.0 + len(others), "score": face.score, "interocular_px": interocular_px(face)}
    if others:
        yield Finding(sample.label, "reference_image.face", "fail", f"{len(others) + 1} clear faces; one is wanted", numbers)
    elif interocular_px(face) < MIN_INTEROCULAR_PX:
        detail = f"the face is {interocular_px(face):.0f} px between the eyes; faces below {MIN_INTEROCULAR_PX:.0f} look alike"
        yield Finding(sample.label, "reference_image.face", "warn", detail, numbers)
    else:
        yield Finding(sample.label, "reference_image.face", "pass", "one clear face", numbers)
    yield _squashed(sample, portrait.image, face)
    yield _quality(sample, portrait.image, face)


def _turned_away(sample: SampleFolder, image: np.ndarray, face: Detection) -> Finding:
    quality = measure_quality(image, face, 0.0)
    numbers = {"score": face.score, "clear": MIN_SCORE, "yaw": quality.yaw, "pitch": quality.pitch}
    how = f"turned by {abs(quality.yaw):.0f} degrees" if abs(quality.yaw) > _SLIGHTLY_TURNED_DEG else "hard to see"
    detail = f"a face is there, but {how}: found with a score of {face.score:.2f}, {MIN_SCORE} is clear"
    return Finding(sample.label, "reference_image.face", "warn", detail, numbers)


def _squashed(sample: SampleFolder, image: np.ndarray, face: Detection) -> Finding:
    """By the proportions that frontal faces share. A picture squeezed by less than 3:2 is not told from a person's own face."""
    check, quality = "reference_image.proportions", measure_quality(image, face, 0.0)
    numbers = {"breadth": breadth(face), "least": BREADTH[0], "most": BREADTH[1], "yaw": quality.yaw, "pitch": quality.pitch}
    if BREADTH[0] <= breadth(face) <= BREADTH[1]:
        return Finding(sample.label, check, "pass", "the face is as broad for its height as faces are", numbers)
    if abs(quality.yaw) > FRONTAL_DEG:
        return Finding(sample.label, check, "unproven", "the face is turned too far to tell", numbers)
    how = "narrow" if breadth(face) < BREADTH[0] else "broad"
    return Finding(sample.label, check, "fail", f"the face is too {how} for its height: the picture is squashed", numbers)


def _quality(sample: SampleFolder, image: np.ndarray, face: Detection) -> Finding:
    """The guide's recommendations: clear, even light, from the front or slightly turned."""
    quality, uneven = measure_quality(image, face, 0.0), _unevenness(image, face)
    numbers = {"yaw": quality.yaw, "pitch": quality.pitch, "exposure": quality.exposure, "sharpness": quality.sharpness}
    said = {
        f"turned by {abs(quality.yaw):.0f} degrees": abs(quality.yaw) > _SLIGHTLY_TURNED_DEG,
        "dark": quality.exposure < _LIGHT[0],
        "overexposed": quality.exposure > _LIGHT[1],
        "lit from one side": uneven > _UNEVEN,
        "blurred": quality.sharpness < _BLURRED,
        "cut off by the picture's edge": quality.completeness < 0.9,
    }
    wrong = [words for words, is_so in said.items() if is_so]
    detail = f"the face is {', '.join(wrong)}" if wrong else "clear, evenly lit, from the front or slightly turned"
    return Finding(
        sample.label, "reference_image.quality", "warn" if wrong else "pass", detail, {**numbers, "unevenness": uneven}
    )


def _unevenness(image: np.ndarray, face: Detection) -> float:
    """Difference of the mean grey of the face's left and right half, over the mean of both."""
    grey = cv2.cvtColor(aligned_crop(image, face, 112, 0.0), cv2.COLOR_RGB2GRAY)[20:92, 20:92].astype(float)
    left, right = grey[:, :36].mean(), grey[:, 36:].mean()
    return float(abs(left - right) / max((left + right) / 2, 1.0))


def _says_no_face(sample: SampleFolder) -> bool:
    entry = sample.entry or {}
    missing = entry.get("missing")
    return entry.get("reference_shows_face") is False or (isinstance(missing, list) and "face_embedding_dlib" in missing)


def check_arcface(sample: SampleFolder, tools: Tools) -> Iterator[Finding]:
    """face_embedding.*: a vector of 512 of length 1, and ArcFace's of the reference's face, where its weights are here."""
    vector = yield from _vector(sample, ARCFACE, 512)
    if vector is None:
        return
    check = "face_embedding.measured"
    portrait = tools.portrait(sample)
    if not portrait.faces:
        yield _nobody(sample, tools, check)
        return
    if not tools.arcface:
        detail = "ArcFace's weights are not here (onscreen weights pull buffalo_l), and one vector alone is not told from random numbers"
        yield Finding(sample.label, check, "unproven", detail)
        return
    found = {name: 1 - float(embed(model, portrait.image, portrait.faces[0]) @ vector) for name, model in tools.arcface.items()}
    name = min(found, key=lambda name: found[name])
    numbers = {f"distance_{name}": distance for name, distance in found.items()}
    if found[name] <= PUBLISHED[name].value:
        yield Finding(sample.label, check, "pass", f"measured again with {name}: distance {found[name]:.3f}", numbers)
    elif found[name] >= _OTHER_MODEL:
        detail = f"no vector that {' or '.join(found)} gives of this face: of somebody else, of another model, or made up"
        yield Finding(sample.label, check, "fail", detail, numbers)
    else:
        yield Finding(
            sample.label, check, "unproven", f"neither near to nor far from {name}'s: distance {found[name]:.3f}", numbers
        )


def check_dlib(sample: SampleFolder, tools: Tools) -> Iterator[Finding]:
    """face_embedding_dlib.*: a vector of 128 of length 1, and dlib's of the reference's face."""
    vector = yield from _vector(sample, DLIB, 128)
    if vector is None:
        return
    check, portrait = "face_embedding_dlib.measured", tools.portrait(sample)
    own = portrait.embedding
    if own is None:
        found = None if portrait.hidden is None else 1 - float(embed(tools.embedder, portrait.image, portrait.hidden) @ vector)
        near = found is not None and found <= _SAME_FACE
        numbers = {} if found is None else {"distance": found, "same": _SAME_FACE}
        detail = f"measured again of a face that is hard to see: distance {found:.3f}" if near else ""
        yield Finding(sample.label, check, "pass", detail, numbers) if near else _nobody(sample, tools, check)
        return
    distance = 1 - float(own @ vector)
    numbers = {"distance": distance, "same": _SAME_FACE, "another": _ANOTHER_FACE}
    if distance <= _SAME_FACE:
        yield Finding(sample.label, check, "pass", f"measured again: distance {distance:.3f}", numbers)
    elif distance > _ANOTHER_FACE:
        what = "a face at all" if distance > _FAR else "the face of the reference picture"
        yield Finding(sample.label, check, "fail", f"not of {what}: distance {distance:.3f}", numbers)
    else:
        yield Finding(
            sample.label, check, "unproven", f"neither near to nor far from the reference's: distance {distance:.3f}", numbers
        )


def _nobody(sample: SampleFolder, tools: Tools, check: str) -> Finding:
    """A vector beside a reference without a clear face: of somebody, or of nobody at all."""
    images = tools.film(sample).frames.values()
    if tools.portrait(sample).hidden is None and images and not any(shown_faces(image, tools.faces) for image in images):
        detail = f"neither the reference picture nor any of the {len(images)} frames looked at shows a face: it is nobody's"
        return Finding(sample.label, check, "fail", detail, {"frames": float(len(images))})
    return Finding(sample.label, check, "unproven", "the reference picture shows no clear face to measure again")


def _vector(sample: SampleFolder, name: str, width: int) -> Generator[Finding, None, np.ndarray | None]:
    """What a file's values alone tell. Returns (width,) float64 of length 1, or None where nothing more can be said."""
    check = name.removesuffix(".npy")
    if not (sample.folder / name).exists():
        return None  # files.present says it
    try:
        raw = sample.embedding(name)
    except Broken as error:
        yield Finding(sample.label, f"{check}.readable", "fail", str(error))
        return None
    if raw.shape != (width,):
        yield Finding(sample.label, f"{check}.shape", "fail", f"shape {raw.shape}, ({width},) wanted")
        return None
    status: Status = "pass" if raw.dtype == np.float32 else "warn"
    yield Finding(sample.label, f"{check}.shape", status, f"({width},) {raw.dtype}, float32 wanted")
    vector = np.asarray(raw, np.float64)
    made_up = _made_up(vector)
    yield Finding(
        sample.label,
        f"{check}.values",
        "fail" if made_up else "pass",
        made_up or "the numbers are finite, of both signs, not constant, not padded; whose they are, .measured tells",
    )
    length = float(np.linalg.norm(vector))
    if not np.isfinite(length) or length == 0:
        return None
    status = "pass" if abs(length - 1) <= _L2_ERROR else "fail"
    yield Finding(
        sample.label,
        f"{check}.length",
        status,
        f"the vector's length is {length:.4f}, 1 wanted; random numbers can have it too",
        {"l2": length},
    )
    return vector / length


def _made_up(vector: np.ndarray) -> str:
    """Why a vector is no network's, or nothing."""
    zeros = float((vector == 0).mean())
    if not np.isfinite(vector).all():
        return f"{int((~np.isfinite(vector)).sum())} of {vector.size} values are not finite"
    if np.ptp(vector) <= 1e-6 * np.abs(vector).max():
        return "all values are the same"
    if zeros > _ZEROS:
        return f"{zeros:.0%} of the values are exactly 0: padded or masked"
    if (vector > 0).all() or (vector < 0).all():
        return "all values have one sign: no embedder gives such a vector"
    return ""
