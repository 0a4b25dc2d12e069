import shutil
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from face_cases import empty_video, files_of, portrait_video
from media_cases import turned
from onscreen import cache
from onscreen.cache import Item
from onscreen.config import Faces, parse_params
from onscreen.errors import Rejected
from onscreen.faces import detectors, embedders
from onscreen.faces.limits import LIMITS
from onscreen.faces.thresholds import auto_threshold
from onscreen.ledger import write_ledger
from onscreen.media.video import write_video
from onscreen.records import Clip, Face, Reject, View
from onscreen.stages import extract_faces, prepare
from onscreen.stages.extract_faces import Portrait, jobs, measurement_key, run
from onscreen.store import read_json, read_table
from onscreen.workspace import Workspace
from real_data import DATA, needs_real_data
from records_of import row

CLIP = row(Clip, clip_id="a", source="a.mp4", source_sha256="0" * 64)
ANNA, BERT = np.eye(128, dtype=np.float32)[:2]


def view(frame: int, x: float = 100, side: float = 100, **given: Any) -> dict[str, Any]:
    points = np.array([[20 + x, 30], [80 + x, 30], [50 + x, 50], [25 + x, 75], [75 + x, 75]])
    numbers = {"sharpness": 50, "exposure": 0.5, "dynamic_range": 0.5, "yaw": 0, "pitch": 0, "roll": 0, "completeness": 1}
    measured = {"score": 0.9, "interocular_px": 60.0, "quality": 0.5, **numbers, **given}
    return {"frame": frame, "box": [x, 0.0, side, side], "landmarks": points.ravel().tolist(), **measured}


def item(views: list[dict[str, Any]], vectors: list[np.ndarray], frames: int = 5, lost: Sequence[dict[str, Any]] = ()) -> Item:
    crops = {f"crop_{number}": np.frombuffer(b"jpeg%d" % number, np.uint8) for number in range(len(views))}
    meta = {"frames": [float(frame) for frame in range(frames)], "faces": views, "lost": list(lost)}
    return Item(meta, {"embeddings": np.array(vectors), **crops})


def without_embedding(frame: int, score: float = 0.9) -> dict[str, Any]:
    reason = {"code": "bad_embedding", "detail": "3 values are not finite", "numbers": {"not_finite": 3}}
    return {"frame": frame, "box": [300.0, 0.0, 80.0, 80.0], "score": score, **reason}


def decide(measured: Item | Rejected, **params: Any) -> list[Portrait | Reject]:
    return [found for found in run(Faces(**params), [(CLIP, measured)]) if not isinstance(found, View)]


def views_of(measured: Item, **params: Any) -> list[View]:
    return [found for found in run(Faces(**params), [(CLIP, measured)]) if isinstance(found, View)]


def test_a_person_is_pooled_over_the_frames_and_shown_by_the_best() -> None:
    views = [view(frame, quality=0.9 if frame == 2 else 0.3) for frame in range(5)]
    [portrait] = decide(item(views, [ANNA, ANNA, ANNA, ANNA, (ANNA + 0.1 * BERT) / np.linalg.norm(ANNA + 0.1 * BERT)]))
    assert portrait.jpeg == b"jpeg2"
    face = portrait.face
    assert (face.face_id, face.person, face.people, face.n_frames, face.time_s) == ("a", 0, 1, 5, 2.0)
    assert np.linalg.norm(face.embedding) == pytest.approx(1, abs=1e-6)
    assert face.embedding[1] > 0


def test_two_people_in_the_picture_are_counted_and_the_larger_one_is_the_main_person() -> None:
    views = [view(frame, x, side) for frame in range(5) for x, side in ((0, 80), (300, 120))]
    [portrait] = decide(item(views, [BERT, ANNA] * 5))
    assert portrait.face.people == 2
    assert portrait.face.box[0] == 300


def test_keep_all_gives_every_person_a_number() -> None:
    views = [view(frame, x, side) for frame in range(5) for x, side in ((0, 80), (300, 120))]
    first, second = decide(item(views, [BERT, ANNA] * 5), keep="all")
    assert (first.face.face_id, second.face.face_id) == ("a", "a-p1")
    assert second.face.box[0] == 0


def test_a_persons_number_does_not_change_with_thresholds() -> None:
    views = [view(frame, x, side, interocular_px=io) for frame in range(5) for x, side, io in ((0, 80, 60.0), (300, 120, 10.0))]
    large_first = decide(item(views, [BERT, ANNA] * 5), keep="all", min_interocular_px=5.0)
    rejected, kept = decide(item(views, [BERT, ANNA] * 5), keep="all")
    assert (rejected.item, rejected.code) == ("a", "face_too_small")
    assert kept.face.key == large_first[1].face.key


def test_a_key_names_the_place_in_the_picture_and_not_the_rank() -> None:
    def two(left: float, right: float) -> Item:
        views = [view(frame, x, side) for frame in range(5) for x, side in ((0, left), (300, right))]
        return item(views, [BERT, ANNA] * 5)

    main, other = decide(two(80, 120), keep="all")
    swapped_main, swapped_other = decide(two(120, 80), keep="all")
    assert (main.face.key, other.face.key) == (f"{'0' * 16}@0-2of2", f"{'0' * 16}@0-1of2")
    assert (swapped_main.face.key, swapped_other.face.key) == (other.face.key, main.face.key)
    assert decide(two(80, 120))[0].face.key == main.face.key  # keep changes nothing


def test_a_key_tells_how_many_are_seen_so_that_another_count_is_another_key() -> None:
    views = [view(frame, x, side) for frame in range(5) for x, side in ((0, 80), (300, 120))]
    alone = [one if one["box"][0] else {**one, "score": 0.2} for one in views]
    assert decide(item(views, [BERT, ANNA] * 5))[0].face.key.endswith("-2of2")
    assert decide(item(alone, [BERT, ANNA] * 5))[0].face.key.endswith("-1of1")


def test_whoever_is_kept_is_among_the_seen() -> None:
    views = [view(frame, 300, 120) for frame in range(5)] + [view(0, 0, 80)]
    found = decide(item(views, [*[ANNA] * 5, BERT]), keep="all", min_presence=0.2)
    faces = [portrait.face for portrait in found if isinstance(portrait, Portrait)]
    assert [(face.person, face.place, face.people) for face in faces] == [(0, 2, 2), (1, 1, 2)]


@pytest.mark.parametrize(
    ("views", "code"),
    [
        ([], "no_face"),
        ([view(0, score=0.3), view(1, score=0.2), view(2, score=0.4)], "low_score"),
        ([view(0), view(1)], "seen_too_briefly"),
        ([view(frame, interocular_px=9.0) for frame in range(5)], "face_too_small"),
    ],
)
def test_a_clip_without_a_good_face_is_a_named_reject(views: list[dict[str, Any]], code: str) -> None:
    [reject] = decide(item(views, [ANNA] * len(views)))
    assert (reject.item, reject.stage, reject.scope, reject.code) == ("a", "extract_faces", "face", code)
    assert reject.numbers["frames"] == 5


def test_a_face_with_a_dolls_mouth_is_not_lifelike() -> None:
    doll = [view(frame) for frame in range(5)]
    for face in doll:
        face["landmarks"][6], face["landmarks"][8] = 135.0, 165.0  # half as wide as the eyes are apart
    [reject] = decide(item(doll, [ANNA] * 5))
    assert reject.code == "not_lifelike"
    assert reject.numbers["mouth_width"] == pytest.approx(0.5)
    assert isinstance(decide(item(doll, [ANNA] * 5), min_mouth_width=0.0)[0], Portrait)


def test_every_view_of_every_person_is_told_and_which_are_pooled() -> None:
    views = [view(frame, x, side) for frame in range(5) for x, side in ((0, 80), (300, 120))]
    views[3]["score"] = 0.2
    found = views_of(item(views, [BERT, ANNA] * 5))
    assert [(one.person, one.frame, one.frames) for one in found] == [
        (person, frame, 5) for person in range(2) for frame in range(5)
    ]
    assert [one.frame for one in found if one.pooled] == [0, 2, 3, 4]  # the main person's; frame 1 has a low score
    assert {one.person for one in found if one.pooled} == {0}
    assert {one.person for one in views_of(item(views, [BERT, ANNA] * 5), keep="all") if one.pooled} == {0, 1}
    assert (found[0].clip_id, found[0].time_s, found[0].box[0], found[0].mouth_width) == ("a", 0.0, 300.0, pytest.approx(50 / 60))


def test_views_of_who_is_rejected_are_told_too() -> None:
    found = views_of(item([view(frame) for frame in range(5)], [ANNA] * 5), min_sharpness=51.0)
    assert [one.pooled for one in found] == [False] * 5
    [reject] = decide(item([view(frame) for frame in range(5)], [ANNA] * 5), min_sharpness=51.0)
    assert (reject.code, reject.numbers["sharpness"], reject.numbers["min_sharpness"]) == ("too_blurred", 50.0, 51.0)


def test_a_face_without_an_embedding_costs_itself_and_not_its_clip() -> None:
    views = [view(frame) for frame in range(4)]
    reject, portrait = decide(item(views, [ANNA] * 4, lost=[without_embedding(4)]))
    assert (reject.item, reject.scope, reject.code) == ("a", "face", "bad_embedding")
    assert reject.numbers == {"not_finite": 3, "lost": 1, "found": 5}
    assert (portrait.face.n_frames, portrait.face.people) == (4, 1)


def test_a_clip_whose_faces_have_no_embedding_is_rejected_for_that_and_not_for_having_no_face() -> None:
    [reject] = decide(item([], [], lost=[without_embedding(frame) for frame in range(5)]))
    assert (reject.scope, reject.code, reject.numbers["lost"]) == ("face", "bad_embedding", 5)


@pytest.mark.parametrize(("score", "frames", "people"), [(0.9, (1, 2), 2), (0.9, (1,), 1), (0.2, (1, 2), 1)])
def test_whoever_stands_beside_a_face_without_an_embedding_is_not_alone(
    score: float, frames: tuple[int, ...], people: int
) -> None:
    found = decide(
        item([view(frame) for frame in range(5)], [ANNA] * 5, lost=[without_embedding(frame, score) for frame in frames])
    )
    [portrait] = [one for one in found if isinstance(one, Portrait)]
    assert portrait.face.people == people


def test_what_could_not_be_measured_keeps_its_reason() -> None:
    [reject] = decide(Rejected("timed_out", "took too long", {"item_timeout_s": 1.0}))
    assert (reject.code, reject.scope, reject.numbers) == ("timed_out", "face", {"item_timeout_s": 1.0})


def workspace_on(root: Path, raw: Path, **faces: Any) -> Workspace:
    params = parse_params({"data": {"raw": str(raw)}, "engine": {"workers": 2}, "faces": faces}, "test")
    workspace = Workspace(root, root, params, root / "cache")
    write_ledger(workspace.ledger, {})
    return workspace


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    raw = tmp_path_factory.mktemp("raw")
    portrait_video(raw / "한 사람 🎤.mp4", 0)
    empty_video(raw / "nobody.mp4")
    workspace = workspace_on(tmp_path_factory.mktemp("root"), raw)
    prepare.main(workspace)
    extract_faces.main(workspace)
    return workspace


def test_real_videos_become_faces_and_rejects(small: Workspace) -> None:
    [face] = read_table(small.faces / "faces.parquet", Face)
    [reject] = read_table(small.faces / "rejects.parquet", Reject)
    assert (face.face_id, face.n_frames, face.people) == ("한 사람 🎤", 5, 1)
    assert cv2.imdecode(np.fromfile(small.faces / face.image, np.uint8), cv2.IMREAD_COLOR).shape == (256, 256, 3)
    assert (reject.item, reject.code) == ("nobody", "no_face")
    metrics = read_json(small.reports / "metrics" / "extract_faces.json")
    assert (metrics["status"], metrics["clips"], metrics["clips_with_face"]) == ("ok", 2, 1)
    models = metrics["models"]
    assert models.keys() == files_of((*detectors.WEIGHTS["mediapipe"], *embedders.WEIGHTS["Dlib"])).keys()
    assert all(len(digest.split()[0]) == 64 for digest in models.values())
    views = read_table(small.faces / "views.parquet", View)
    assert [(one.clip_id, one.person, one.frame, one.pooled) for one in views] == [
        ("한 사람 🎤", 0, frame, True) for frame in range(5)
    ]
    assert max(one.quality for one in views) == face.quality
    assert {path.name for path in small.plots("extract_faces").iterdir()} == {"quality.csv", "score.csv", "interocular_px.csv"}


def _measured(workspace: Workspace) -> Iterator[Path]:
    return (workspace.cache_root / "items").rglob("*.npz")


STRICTER = {
    "min_score": (0.999, "low_score"),
    "min_interocular_px": (200.0, "face_too_small"),
    "min_mouth_width": (1.0, "not_lifelike"),
    "min_sharpness": (1e6, "too_blurred"),
    "min_exposure": (0.99, "too_dark"),
    "max_exposure": (0.01, "too_bright"),
    "min_dynamic_range": (0.999, "too_flat"),
    "max_yaw": (0.001, "turned_away"),
    "max_pitch": (0.001, "turned_up_or_down"),
    "max_roll": (0.001, "tilted"),
}


@pytest.mark.parametrize(("name", "value", "code"), [(name, value, code) for name, (value, code) in STRICTER.items()])
def test_a_changed_threshold_measures_nothing(small: Workspace, name: str, value: float, code: str) -> None:
    before = {path: path.stat().st_mtime_ns for path in _measured(small)}
    stricter = workspace_on(small.root, small.raw, **{name: value})
    extract_faces.main(stricter)
    codes = {reject.code for reject in read_table(small.faces / "rejects.parquet", Reject)}
    assert codes == {code, "no_face"}
    assert not any(one.pooled for one in read_table(small.faces / "views.parquet", View))
    assert {path: path.stat().st_mtime_ns for path in _measured(small)} == before
    assert read_json(small.reports / "metrics" / "extract_faces.json")["status"] == "no faces"
    assert "median" not in read_json(small.reports / "metrics" / "extract_faces.json")
    extract_faces.main(small)


def test_a_phones_video_that_is_turned_gives_the_upright_face(small: Workspace, tmp_path: Path) -> None:
    upright = portrait_video(tmp_path / "upright.mp4", 0)
    with av.open(str(upright)) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    raw = tmp_path / "raw"
    raw.mkdir()
    write_video(tmp_path / "lying.mp4", [np.ascontiguousarray(np.rot90(image)) for image in pictures], 12)
    turned(tmp_path / "lying.mp4", raw / "turned.mp4", 90)
    workspace = workspace_on(tmp_path / "root", raw)
    prepare.main(workspace)
    extract_faces.main(workspace)
    [face] = read_table(workspace.faces / "faces.parquet", Face)
    [other] = [one for one in read_table(small.faces / "faces.parquet", Face) if one.clip_id != "nobody"]
    assert face.box == pytest.approx(other.box, abs=8)
    assert abs(face.roll - other.roll) < 3
    assert 1 - float(face.embedding @ other.embedding) < 0.02
    crops = [cv2.imread(str(one.faces / row.image)).astype(int) for one, row in ((workspace, face), (small, other))]
    assert np.abs(crops[0] - crops[1]).mean() < 12


def test_keys_hold_what_the_measurement_depends_on_and_no_threshold(small: Workspace) -> None:
    clips = read_table(small.prepared / "clips.parquet", Clip)

    def keys(**faces: Any) -> list[str]:
        return [job.key for job in jobs(workspace_on(small.root, small.raw, **faces), clips)]

    thresholds = {limit.param: 0.7 for limit in LIMITS} | {"min_presence": 0.1, "keep": "all"}
    assert keys(**thresholds) == keys()
    for changed in ({"detector": "dlib"}, {"frames": "first"}, {"frames_per_clip": 3}, {"crop_px": 128}, {"crop_margin": 0.1}):
        assert not set(keys(**changed)) & set(keys())


@pytest.mark.parametrize(
    "library", ["av", "deepface", "dlib-bin", "insightface", "numpy", "onnxruntime", "opencv-python", "scikit-image"]
)
def test_a_key_changes_with_the_version_of_what_makes_chips_and_vectors(monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    now = measurement_key(Faces(), CLIP)
    monkeypatch.setattr(cache, "version", lambda name: "0.0.1" if name == library else version(name))
    monkeypatch.setattr(extract_faces, "code_digest", cache.code_digest.__wrapped__)
    assert measurement_key(Faces(), CLIP) != now


@needs_real_data
def test_a_key_is_the_same_person_whatever_the_detector(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    shutil.copy(DATA / "hard" / "two_speakers_side_by_side.mp4", raw)
    embeddings = {}
    for detector in ("mediapipe", "opencv"):
        workspace = workspace_on(tmp_path / detector, raw, detector=detector, keep="all")
        prepare.main(workspace)
        extract_faces.main(workspace)
        embeddings[detector] = {face.key: face.embedding for face in read_table(workspace.faces / "faces.parquet", Face)}
    assert len(embeddings["mediapipe"]) == 2
    assert embeddings["mediapipe"].keys() == embeddings["opencv"].keys()
    for key, embedding in embeddings["mediapipe"].items():
        assert 1 - float(embedding @ embeddings["opencv"][key]) < auto_threshold("Dlib", 5)


@needs_real_data
def test_hard_clips_are_rejected_or_flagged_for_the_reason_in_their_names(tmp_path: Path) -> None:
    workspace = workspace_on(tmp_path, DATA / "hard")
    prepare.main(workspace)
    extract_faces.main(workspace)
    codes = {(reject.item, reject.scope): reject.code for reject in read_table(workspace.faces / "rejects.parquet", Reject)}
    assert codes == {
        ("illustration_no_person", "face"): "not_lifelike",
        ("no_person_park", "face"): "no_face",
        ("no_person_shot_change", "face"): "no_face",
    }
    people = {face.clip_id: face.people for face in read_table(workspace.faces / "faces.parquet", Face)}
    assert {"no_audio_stream", "no_speech_7s"} <= people.keys()
    assert people["two_speakers_side_by_side"] == 2
