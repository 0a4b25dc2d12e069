"""Faults are planted into a clean dataset, one at a time; the validator finds each by its own check, and nothing in the other samples."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import m2p_faults as faults
from conftest import PLANTED
from m2p_cases import clean_dataset, needs_dances
from onscreen.checks import parts, run, timing
from onscreen.checks.embeddings import check_embeddings
from onscreen.checks.faces import check_arcface
from onscreen.checks.facts import Facts, measure_facts
from onscreen.checks.finding import Finding
from onscreen.checks.movement import scale_of
from onscreen.checks.sample import SampleFolder, read_samples
from onscreen.checks.tools import Tools, model_files
from onscreen.faces.alignment import aligned_crop
from onscreen.faces.detectors import Detection
from onscreen.faces.embedders import embed
from onscreen.motion.keypoints import FACE, INDEX, LEFT_HAND

pytestmark = needs_dances

FULL, UPPER, OTHER = "train/dancer_a_1", "train/dancer_c", "validation/dancer_b"
"""A whole body with a small face; an upper body; another dancer to another song."""
DLIB = "face_embedding_dlib.npy"


@dataclass(frozen=True)
class Fault:
    """plant(sample, another sample); found: the check that must fail."""

    name: str
    sample: str
    plant: Callable[[Path, Path], None]
    found: str


FAULTS = [
    Fault("sound 200 ms late", FULL, faults.late_sound, "music_features.lag"),
    Fault("squashed video", OTHER, faults.squashed_video, "video.proportions"),
    Fault("squashed reference", OTHER, faults.squashed_reference, "reference_image.proportions"),
    Fault("video of 30 frames a second", FULL, faults.thirty_frames_a_second, "video.frame_rate"),
    Fault("black video", FULL, faults.black_video, "video.picture"),
    Fault(
        "constant column",
        FULL,
        faults.features(lambda a: faults.with_values(a, slice(None), 700, 1.5)),
        "music_features.constant",
    ),
    Fault(
        "features padded with zeros",
        FULL,
        faults.features(lambda a: faults.with_values(a, slice(None), slice(39, None), 0)),
        "music_features.empty",
    ),
    Fault(
        "duplicated column",
        FULL,
        faults.features(lambda a: faults.with_values(a, slice(None), 701, a[:, 700])),
        "music_features.duplicates",
    ),
    Fault("NaN in features", FULL, faults.features(lambda a: faults.with_values(a, 3, 5, np.nan)), "music_features.finite"),
    Fault("a frame of features too few", FULL, faults.features(lambda a: a[:-1]), "files.frames"),
    Fault("features of another clip", FULL, faults.take("music_features.npy"), "music_features.lag"),
    Fault("truncated npy", FULL, faults.truncated, "files.readable"),
    Fault("pickled npy", FULL, faults.pickled, "files.readable"),
    Fault("swapped hands", FULL, faults.points(faults.swap_hands), "poses.sides"),
    Fault("swapped sides of the body", FULL, faults.points(faults.swap_sides), "poses.left_right"),
    Fault("teleporting joint", FULL, faults.points(faults.teleport), "poses.jumps"),
    Fault("constant pose", FULL, faults.points(faults.freeze), "poses.motion"),
    Fault("dummy poses", FULL, faults.points(faults.dummy), "poses.picture"),
    Fault("NaN in poses", FULL, faults.points(faults.nowhere), "poses.values"),
    Fault("a frame of poses too few", FULL, faults.poses(lambda frames: frames.pop()), "files.frames"),
    Fault("wrong timestamps", FULL, faults.poses(faults.half_a_second_late), "poses.times"),
    Fault("joints named joint_i", FULL, faults.poses(faults.number_joints), "poses.joints"),
    Fault("poses of another clip", FULL, faults.take("pose_annotations.json"), "poses.picture"),
    Fault("random embedding", FULL, faults.embedding(DLIB, lambda: faults.random_unit(128)), "face_embedding_dlib.measured"),
    Fault("constant embedding", FULL, faults.embedding(DLIB, lambda: faults.unit(np.ones(128))), "face_embedding_dlib.values"),
    Fault("embedding that is not of length 1", FULL, faults.twice_as_long, "face_embedding_dlib.length"),
    Fault("another person's embedding", FULL, faults.take(DLIB), "face_embedding_dlib.measured"),
    Fault("another person's reference and embedding", OTHER, faults.another_face, "dancer.face"),
    Fault(
        "padded embedding as ArcFace's",
        FULL,
        faults.embedding("face_embedding.npy", lambda: faults.unit(np.pad(faults.random_unit(128), (0, 384)))),
        "face_embedding.values",
    ),
    Fault("nobody's embedding", OTHER, faults.nobodys_face, "face_embedding_dlib.measured"),
    Fault("features twice as large", FULL, faults.features(lambda a: a * 2), "music_features.scale"),
    Fault("features half as large", FULL, faults.features(lambda a: a / np.float32(2)), "music_features.scale"),
    Fault(
        "tempo that was made up",
        FULL,
        faults.features(lambda a: faults.with_values(a, slice(None), 38, 60)),
        "music_features.tempo",
    ),
    Fault("another tempo told", FULL, faults.told_of_music(tempo_bpm=61.0), "music_features.tempo"),
    Fault("other beats told", FULL, faults.told_of_music(beats_s=[0.2, 0.7, 1.3]), "music_features.beats"),
    Fault("another alignment told", OTHER, faults.told_alignment, "metadata.alignment"),
    Fault("missing file", FULL, faults.missing, "files.present"),
]


MODULES = {
    **{"files": ("structure",), "music_features": ("sound", "rhythm"), "poses": ("poses", "pictured", "movement", "parts")},
    **{"video": ("video", "squash"), "reference_image": ("faces", "dancer"), "dancer": ("faces", "dancer")},
    **{"metadata": ("structure", "rhythm"), "face_embedding": ("faces",), "face_embedding_dlib": ("faces",)},
}
"""Part of a sample -> the modules that check it: a fault is looked for by those alone, which takes half the time."""


@cache
def tools() -> Tools:
    """The models, loaded once."""
    return Tools(model_files())


def measured(sample: SampleFolder, part: str = "") -> tuple[list[Finding], Facts]:
    """One sample's findings and facts, of all checks or of those of a part."""
    modules = [f"onscreen.checks.{name}" for name in MODULES.get(part, ())]
    checks = [check for check in run.SAMPLE_CHECKS if not modules or check.__module__ in modules]
    findings = [finding for check in checks for finding in run._guarded(sample.label, check, sample, tools())]
    return findings, measure_facts(sample, tools())


@cache
def clean() -> dict[str, tuple[list[Finding], Facts]]:
    return {sample.label: measured(sample) for sample in read_samples(clean_dataset())}


def whole(samples: Sequence[SampleFolder], again: Sequence[str], part: str = "") -> Iterator[Finding]:
    """All findings of a set: of the samples named measured again, of the others as they were in the clean set."""
    facts = {}
    for sample in samples:
        found, facts[sample.label] = measured(sample, part) if sample.label in again else clean()[sample.label]
        yield from found
    for check in run.SET_CHECKS:
        yield from run._guarded("", check, samples, facts)


def failed(findings: Iterator[Finding]) -> list[tuple[str, str]]:
    return [(finding.sample, finding.check) for finding in findings if finding.status == "fail"]


@pytest.fixture
def found_of(record_property: Callable[[str, object], None]) -> Iterator[dict[str, bool]]:
    """Fault -> whether it was found; counted at the end of the whole run (conftest.py)."""
    found: dict[str, bool] = {}
    yield found
    for name, is_found in found.items():
        record_property(f"{PLANTED}{name}", is_found)


@pytest.fixture(scope="module", autouse=True)
def models_are_closed() -> Iterator[None]:
    yield
    tools().close()
    tools.cache_clear()


def test_a_clean_dataset_has_nothing_wrong() -> None:
    samples = read_samples(clean_dataset())
    assert {sample.split for sample in samples} == {"train", "validation"}
    assert failed(whole(samples, [])) == []


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "_"))
def test_a_planted_fault_is_found_by_its_own_check_and_in_its_own_sample(
    fault: Fault, tmp_path: Path, found_of: dict[str, bool]
) -> None:
    root = faults.copy_of(clean_dataset(), tmp_path / "dataset")
    another = OTHER if fault.sample != OTHER else FULL
    fault.plant(root / fault.sample, root / another)
    found = failed(whole(read_samples(root), [fault.sample], fault.found.split(".")[0]))
    found_of[fault.name] = (fault.sample, fault.found) in found
    assert found_of[fault.name], found
    assert {sample for sample, _ in found} <= {fault.sample, ""}
    assert not (root / "executed").exists()


LEAKS: list[tuple[str, Callable[[Path], None], tuple[str, str]]] = [
    ("leaked dancer", faults.dancer_on_both_sides, ("validation/dancer_a_2", "leaks.dancer")),
    ("leaked song", faults.song_on_both_sides, (OTHER, "leaks.song")),
    ("leaked source", faults.source_on_both_sides, (OTHER, "leaks.source")),
    ("dancer told on both sides", lambda root: faults.tell(root, FULL, OTHER, "identity"), (OTHER, "leaks.dancer")),
    ("song told on both sides", lambda root: faults.tell(root, FULL, OTHER, "song"), (OTHER, "leaks.song")),
    ("source told on both sides", lambda root: faults.tell(root, FULL, OTHER, "source_sha256"), (OTHER, "leaks.source")),
    ("sample without an entry", lambda root: faults.unnamed(root / FULL, root / OTHER), ("", "metadata.file")),
    ("validation is empty", faults.all_in_train, ("", "set.split")),
]


@pytest.mark.parametrize(("name", "plant", "wanted"), LEAKS, ids=[name.replace(" ", "_") for name, _, _ in LEAKS])
def test_a_fault_of_the_set_is_found_and_names_the_sample(
    name: str, plant: Callable[[Path], None], wanted: tuple[str, str], tmp_path: Path, found_of: dict[str, bool]
) -> None:
    root = faults.copy_of(clean_dataset(), tmp_path / "dataset")
    plant(root)
    samples = read_samples(root)
    changed = [sample.label for sample in samples if not same_files(root, sample.label)]
    found = failed(whole(samples, changed))
    found_of[name] = wanted in found
    assert found_of[name], found
    assert {sample for sample, _ in found} <= {wanted[0], "", *changed}


def same_files(root: Path, label: str) -> bool:
    """Whether a sample lies where it lay, with the bytes it had."""
    files = {path.name: path.read_bytes() for path in (clean_dataset() / label).glob("*")}
    return files == {path.name: path.read_bytes() for path in (root / label).glob("*")}


def with_vectors(root: Path, vectors: dict[str, np.ndarray]) -> list[Finding]:
    """What is said of those face_embedding.npy, among the facts of the clean set."""
    for label, vector in vectors.items():
        faults.save(root / label / "face_embedding.npy", vector)
    facts = {label: facts for label, (_, facts) in clean().items()}
    return list(check_embeddings(read_samples(root), facts))


def test_vectors_as_arcface_gives_them_agree_and_a_random_one_of_a_dancer_seen_twice_does_not(
    tmp_path: Path, found_of: dict[str, bool]
) -> None:
    """Stand-ins: what one dancer's have in common, and some noise; the network's weights are nowhere near a test."""
    root = faults.copy_of(clean_dataset(), tmp_path / "dataset")
    dancer, draw = faults.random_unit(512, 1), np.random.default_rng(2)
    real = {
        **{label: faults.unit(dancer + draw.normal(size=512) / 40) for label in (FULL, "train/dancer_a_2")},
        **{label: faults.random_unit(512, seed) for seed, label in enumerate((UPPER, OTHER), 3)},
    }
    assert [finding.status for finding in with_vectors(root, real)] == ["pass"]
    found = with_vectors(root, {**real, FULL: faults.random_unit(512, 9)})
    found_of["random vector as ArcFace's"] = (FULL, "fail") in [(finding.sample, finding.status) for finding in found]
    assert found_of["random vector as ArcFace's"]
    assert {finding.sample for finding in found} == {
        FULL,
        "train/dancer_a_2",  # of two that disagree, either may be the wrong one
    }
    found = with_vectors(root, dict.fromkeys(real, real[OTHER]))
    found_of["one vector for all"] = (OTHER, "fail") in [(finding.sample, finding.status) for finding in found]
    assert found_of["one vector for all"]


def test_of_dancers_who_are_seen_once_a_vector_is_not_proven(tmp_path: Path) -> None:
    root = faults.copy_of(clean_dataset(), tmp_path / "dataset")
    [found] = with_vectors(root, {UPPER: faults.random_unit(512, 1), OTHER: faults.random_unit(512, 2)})
    assert (found.sample, found.status) == ("", "unproven")


class Projection:
    """A stand-in for ArcFace: 512 fixed directions of a small picture of the face."""

    dim = 512

    def preprocess(self, image: np.ndarray, face: Detection) -> np.ndarray:
        return aligned_crop(image, face, 16, 0.2).ravel() / 255 - 0.5

    def infer(self, chip: np.ndarray) -> np.ndarray:
        return np.random.default_rng(0).normal(size=(512, chip.size)) @ chip  # the same directions each time

    def postprocess(self, raw: np.ndarray) -> np.ndarray:
        return faults.unit(raw)


def test_where_arcfaces_weights_are_here_one_vector_is_measured_again(tmp_path: Path) -> None:
    root = faults.copy_of(clean_dataset(), tmp_path / "dataset")
    sample = next(sample for sample in read_samples(root) if sample.label == OTHER)
    with_weights = Tools(model_files())
    with_weights.__dict__["arcface"] = {"ArcFace": Projection()}
    portrait = with_weights.portrait(sample)
    said = dict[str, str]()
    for name, vector in {
        "own": embed(Projection(), portrait.image, portrait.faces[0]),
        "random": faults.random_unit(512),
    }.items():
        faults.save(sample.folder / "face_embedding.npy", vector)
        said[name] = {finding.check: finding.status for finding in check_arcface(sample, with_weights)}["face_embedding.measured"]
    with_weights.close()
    assert said == {"own": "pass", "random": "fail"}


TIMES = {
    "poses reversed in time": (lambda points: points[::-1], "timing"),
    "poses 5 frames late": (lambda points: np.roll(points, 5, axis=0), "timing"),
    "poses 2 frames early": (lambda points: np.roll(points, -2, axis=0), "timing"),
    "poses drawn at 90 %": (lambda points: np.dstack([points[..., :2] * 0.9 + 25.6, points[..., 2]]), "scale"),
}


def test_poses_of_another_time_or_size_than_the_body_that_is_found_again_fail(found_of: dict[str, bool]) -> None:
    """The body is looked for once; the points that are compared with it change."""
    sample = next(sample for sample in read_samples(clean_dataset()) if sample.label == FULL)
    again = timing.look_again(sample, tools(), scale_of(sample.points))
    for name, (change, wanted) in TIMES.items():
        changed = replace(again, points=change(again.points))
        said = timing.time_of(sample.label, changed) if wanted == "timing" else timing.size_of(sample.label, changed)
        found_of[name] = said.status == "fail"
    assert all(found_of.values()), found_of


def stay(points: np.ndarray) -> None:
    points[:, INDEX["left_wrist"]] = points[0, INDEX["left_wrist"], 0], points[0, INDEX["left_wrist"], 1], 0.95


def at_one_place(part: slice) -> Callable[[np.ndarray], None]:
    def put(points: np.ndarray) -> None:
        points[:, part] = *points[:, part, :2].mean(axis=(0, 1)), 0.9

    return put


def beside(points: np.ndarray) -> None:
    points[:, FACE, 0] += 80


PARTS = {
    "wrist frozen in a moving arm": (stay, parts.check_frozen),
    "face at one place": (at_one_place(FACE), parts.check_parts),
    "hand at one place": (at_one_place(LEFT_HAND), parts.check_parts),
    "face 80 px beside the nose": (beside, parts.check_parts),
}


def test_points_that_no_body_has_fail(tmp_path: Path, found_of: dict[str, bool]) -> None:
    for name, (change, check) in PARTS.items():
        root = faults.copy_of(clean_dataset(), tmp_path / name)
        faults.change_points(root / FULL, change)
        sample = next(sample for sample in read_samples(root) if sample.label == FULL)
        found_of[name] = [finding.status for finding in check(sample, tools())] == ["fail"]
    assert all(found_of.values()), found_of


def test_what_the_guides_script_writes_fails_by_name(tmp_path: Path, found_of: dict[str, bool]) -> None:
    root = faults.guide_dataset(clean_dataset(), tmp_path / "dataset")
    samples = read_samples(root)
    found = failed(whole(samples, [sample.label for sample in samples]))
    for sample in samples:
        for check in ("music_features.empty", "poses.joints", "poses.picture"):
            found_of[f"the script's {sample.label}: {check}"] = (sample.label, check) in found
    found_of["the script's random embeddings"] = (FULL, "face_embedding.agreement") in found
    assert all(is_found for name, is_found in found_of.items() if name.startswith("the script's")), found
