"""What checks of poses say of a made-up dancer who moves as a body does, and of what is done to it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from media_cases import pictures
from onscreen.checks import movement, poses
from onscreen.checks.finding import Finding
from onscreen.checks.run import check_sample
from onscreen.checks.sample import SampleFolder
from onscreen.checks.tools import Tools, model_files
from onscreen.media.video import write_video
from onscreen.motion.keypoints import INDEX, LEFT_HAND, RIGHT_HAND, assemble, to_annotations

FRAMES = 30
SIZE = (64, 96)  # height, width of the pictures


def dancer() -> np.ndarray:
    """(30, 134, 3): a body of 33 points that sways, arms that swing, a hand on each wrist."""
    made = []
    for frame in range(FRAMES):
        body = np.zeros((33, 3), np.float32)
        down = np.array([0, 1])
        turn, sway = 0.8 * np.sin(frame / 4), 3 * np.sin(frame / 5)
        for side, x in ((0, 1), (1, -1)):
            arm = np.array([x * np.cos(turn), np.sin(turn)])
            shoulder, hip = np.array([45 + 5 * x + sway, 15]), np.array([45 + 3 * x + sway, 33])
            body[11 + side, :2], body[13 + side, :2], body[15 + side, :2] = shoulder, shoulder + 7 * arm, shoulder + 14 * arm
            body[23 + side, :2], body[25 + side, :2], body[27 + side, :2] = hip, hip + 12 * down, hip + 24 * down
            body[29 + side, :2] = body[31 + side, :2] = hip + 26 * down
        body[:11, :2] = [45 + sway, 8]
        body[:, 2] = 0.95
        hands = [np.column_stack([body[15 + side, :2] + np.arange(21)[:, None] / 20, np.full(21, 0.9)]) for side in (0, 1)]
        made.append(assemble(body, None, hands[0], hands[1]))
    return np.array(made)


def sample(root: Path, points: np.ndarray, change: Callable[[dict], object] = lambda _: None) -> SampleFolder:
    folder = root / "train" / "one"
    folder.mkdir(parents=True)
    write_video(folder / "video.mp4", pictures(len(points)), 24)
    data = to_annotations(points, "one", 24)
    change(data)
    (folder / "pose_annotations.json").write_text(json.dumps(data))
    return SampleFolder(root, "train", "one", None)


def failing(*found: Iterator[Finding]) -> set[str]:
    return {finding.check for some in found for finding in some if finding.status == "fail"}


def all_checks(one: SampleFolder) -> tuple[Iterator[Finding], ...]:
    tools = Tools({})
    checks = (poses.check_schema, poses.check_values, poses.check_confidence)
    checks += (movement.check_motion, movement.check_jumps, movement.check_bones, movement.check_sides)
    return tuple(check(one, tools) for check in checks)


def test_a_body_that_moves_as_one_passes_every_check(tmp_path: Path) -> None:
    found = [finding for some in all_checks(sample(tmp_path, dancer())) for finding in some]
    assert {finding.status for finding in found} == {"pass"}
    assert len(found) == 10


def test_a_dancer_without_legs_is_a_warning(tmp_path: Path) -> None:
    points = dancer()
    points[:, [INDEX[f"{side}_{joint}"] for side in ("left", "right") for joint in ("hip", "knee", "ankle")]] = 0
    one = sample(tmp_path, points)
    assert not failing(*all_checks(one))
    [body] = [finding for finding in poses.check_confidence(one, Tools({})) if finding.check == "poses.body"]
    assert (body.status, body.numbers["both_legs"]) == ("warn", 0.0)


def _teleport(points: np.ndarray) -> None:
    points[12, INDEX["right_knee"], :2] = [90, 5]


def _swap_hands(points: np.ndarray) -> None:
    left = points[:, LEFT_HAND].copy()
    points[:, LEFT_HAND] = points[:, RIGHT_HAND]
    points[:, RIGHT_HAND] = left


def _swap_sides_now_and_then(points: np.ndarray) -> None:
    for name, index in INDEX.items():
        if name.startswith("left_") and index < 18:
            other = INDEX[name.replace("left", "right")]
            points[10:20:2, [index, other]] = points[10:20:2, [other, index]]


def _stand_still(points: np.ndarray) -> None:
    points[:] = points[0]


def _interpolate(points: np.ndarray) -> None:
    points[:] = points[0]
    points[..., 0] += np.where(points[..., 2] > 0, 1.2 * np.arange(FRAMES)[:, None], 0)


def _repeat(points: np.ndarray) -> None:
    points[1::2] = points[::2]
    points[2::4] = points[1::4][: len(points[2::4])]


def _leap(points: np.ndarray) -> None:
    points[..., :2] = np.random.default_rng(0).uniform(1, 60, points[..., :2].shape)


def _outside(points: np.ndarray) -> None:
    points[3, 0, 0] = 200


def _nobody(points: np.ndarray) -> None:
    points[5:] = 0


def _long_arm(points: np.ndarray) -> None:
    points[:, INDEX["left_wrist"], :2] = [95, 63]
    points[:, LEFT_HAND, :2] = [95, 63]


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        (_teleport, "poses.jumps"),
        (_swap_hands, "poses.sides"),
        (_swap_sides_now_and_then, "poses.sides"),
        (_stand_still, "poses.motion"),
        (_interpolate, "poses.motion"),
        (_repeat, "poses.motion"),
        (_leap, "poses.jumps"),
        (_outside, "poses.values"),
        (_nobody, "poses.body"),
        (_long_arm, "poses.bones"),
    ],
)
def test_what_no_body_does_is_found(tmp_path: Path, fault: Callable[[np.ndarray], None], check: str) -> None:
    points = dancer()
    fault(points)
    assert check in failing(*all_checks(sample(tmp_path, points)))


def _no_names(data: dict) -> None:
    for pose in data["poses"]:
        for number, point in enumerate(pose["keypoints"]):
            point["joint_type"] = f"joint_{number}"


def _late(data: dict) -> None:
    data["poses"][4]["timestamp"] += 0.02


def _fewer(data: dict) -> None:
    data["poses"][4]["keypoints"].pop()


def _words(data: dict) -> None:
    data["poses"][4]["keypoints"][0]["x"] = "12"


def _guess(data: dict) -> None:
    data["poses"][4]["keypoints"][0]["confidence"] = 0


@pytest.mark.parametrize(
    ("change", "check"),
    [
        (_no_names, "poses.joints"),
        (_late, "poses.times"),
        (_fewer, "poses.joints"),
        (_words, "poses.schema"),
        (_guess, "poses.values"),
    ],
)
def test_annotations_that_are_not_as_the_guide_says_fail(tmp_path: Path, change: Callable[[dict], object], check: str) -> None:
    one, tools = sample(tmp_path, dancer(), change), Tools({})
    found = failing(poses.check_schema(one, tools)) | (failing(poses.check_values(one, tools)) if change is not _fewer else set())
    assert check in found


def test_of_unnamed_points_nobody_knows_the_bones(tmp_path: Path) -> None:
    one = sample(tmp_path, dancer(), _no_names)
    [found] = movement.check_bones(one, Tools({}))
    assert (found.status, found.check) == ("unproven", "poses.bones")


def test_a_sample_of_garbage_gets_findings_and_no_error(tmp_path: Path) -> None:
    folder = tmp_path / "train" / "one"
    folder.mkdir(parents=True)
    for name in ("video.mp4", "music_features.npy", "pose_annotations.json", "reference_image.jpg", "face_embedding.npy"):
        (folder / name).write_bytes(bytes(range(256)) * 9)
    files = tuple((model, tuple(paths.items())) for model, paths in model_files().items())
    item = check_sample((SampleFolder(tmp_path, "train", "one", None), files))
    assert {row["status"] for row in item.meta["findings"]} <= {"fail", "unproven", "pass"}
    assert any(row["check"] == "video.decodes" and row["status"] == "fail" for row in item.meta["findings"])
