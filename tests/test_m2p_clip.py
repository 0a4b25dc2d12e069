"""What is measured of a clip: its shots as parts with pictures, sound and music of their own; faces and pictures for reference."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from embedder_cases import stub
from media_cases import onset_s
from onscreen import weights
from onscreen.cache import Item
from onscreen.config import Params
from onscreen.faces.detectors import Detection
from onscreen.faces.landmarks import FaceMesh
from onscreen.media.audio import Audio, decode_audio
from onscreen.media.probe import probe
from onscreen.media.video import constant_rate_frames, write_video
from onscreen.motion.framing import Window, show
from onscreen.motion.keypoints import COCO_WHOLEBODY
from onscreen.records import Clip, Reject
from onscreen.stages import m2p
from onscreen.stages.m2p_clip import FACE_MODELS, DanceClip, measure_dance
from onscreen.stages.m2p_faces import View, embedded, reference
from onscreen.stages.m2p_parts import lost_parts, parts_of
from onscreen.stages.m2p_sides import People
from records_of import row

FPS, SHOT = 24, 36  # frames
WIDTH, HEIGHT = 640, 512
CLICK_S = 2.25  # one click in the second shot is the loudest
BODY = {
    **{
        "nose": (0, -90),
        "left_shoulder": (20, -50),
        "right_shoulder": (-20, -50),
        "left_elbow": (30, 0),
        "right_elbow": (-30, 0),
    },
    **{"left_wrist": (35, 40), "right_wrist": (-35, 40), "left_hip": (15, 40), "right_hip": (-15, 40)},
    **{"left_knee": (15, 90), "right_knee": (-15, 90), "left_ankle": (15, 140), "right_ankle": (-15, 140)},
}


def picture(shot: int, index: int) -> np.ndarray:
    rng = np.random.default_rng(shot)
    room = cv2.resize(rng.integers(0, 256, (10, 12, 3), np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST)
    cv2.ellipse(room, (200 + 3 * index, 250), (30, 120), 0, 0, 360, (200, 40, 40), -1)
    return room


def music(duration_s: float) -> Audio:
    """Clicks at 120 beats a minute over a chord; left and right differ."""
    rate = 44100
    time_s = np.arange(round(duration_s * rate)) / rate
    chord = sum(0.05 * np.sin(2 * np.pi * hz * time_s) for hz in (220, 277, 330))
    left = chord.copy()
    for beat_s in np.arange(0.25, duration_s, 0.5):
        click = np.exp(-(time_s - beat_s) * 60) * (time_s >= beat_s) * np.sin(2 * np.pi * 1500 * time_s)
        left += (0.9 if abs(beat_s - CLICK_S) < 0.01 else 0.1) * click
    return Audio(np.stack([left, chord], axis=1).astype(np.float32), rate)


def body(x: float) -> list[float]:
    points = [(*(np.add(BODY[name], (x, 250))), 0.95) if name in BODY else (0, 0, 0) for name in COCO_WHOLEBODY[:17]]
    return [float(value) for point in points for value in point]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> DanceClip:
    """Two shots of 1.5 s; the dancer stands left in one and right in the other, as a file of keypoints says."""
    path = tmp_path_factory.mktemp("clip") / "a.mp4"
    frames = [picture(shot, index) for shot in (1, 2) for index in range(SHOT)]
    write_video(path, frames, FPS, music(2 * SHOT / FPS))
    images = [{"id": index, "width": WIDTH, "height": HEIGHT} for index in range(2 * SHOT)]
    people = [{"image_id": index, "keypoints": body(150 if index < SHOT else 500)} for index in range(2 * SHOT)]
    keypoints = path.with_name("a.keypoints.json")
    keypoints.write_text(json.dumps({"images": images, "annotations": people}))
    files = {file: weights.path_of(model, file) for model in FACE_MODELS for file in weights.model(model).files}
    how = {"framing": "crop", "window": (0, 0, 512), "pose": "precomputed", "keypoints": keypoints}
    return DanceClip(path, 0.0, 2 * SHOT / FPS, FPS, 128, files, **how)


@pytest.fixture(scope="module")
def item(clip: DanceClip) -> Item:
    return measure_dance(clip)


def test_a_clip_of_two_shots_gives_two_parts_cut_at_the_frame(item: Item) -> None:
    parts = parts_of(item)
    assert [(part.meta["shot"], part.meta["shots"], part.meta["frames"], part.meta["start_s"]) for part in parts] == [
        (0, 2, SHOT, 0.0),
        (1, 2, SHOT, 1.5),
    ]
    for part in parts:
        assert part.arrays["points"].shape == (SHOT, 134, 3)
        assert part.arrays["music"].shape == (SHOT, 4800)
        assert (part.arrays["embeddings"].shape, part.meta["views"]) == ((0, 128), [])


def test_each_part_has_its_own_pictures_and_its_own_sound_in_step(item: Item, tmp_path: Path) -> None:
    for shot, part in enumerate(parts_of(item)):
        path = tmp_path / f"{shot}.mp4"
        path.write_bytes(part.arrays["video"].tobytes())
        assert (probe(path).n_frames, probe(path).fps) == (SHOT, FPS)
        first = next(constant_rate_frames(path, 0.0, 1.5, FPS)).image
        expected = show(picture(shot + 1, 0), Window(**part.meta["window"]), 128).astype(int)
        assert np.abs(expected - first).mean() < 12
    sound = decode_audio(tmp_path / "1.mp4", 0.0, 1.5, mono=False)
    assert sound.samples.shape[1] == 2
    loud = Audio(np.where(np.abs(sound.samples) > 0.3, sound.samples, 0), sound.rate_hz)
    assert onset_s(loud) == pytest.approx(CLICK_S - 1.5, abs=0.005)


def test_music_of_a_part_has_its_context_from_beyond_the_cut(item: Item) -> None:
    first, second = parts_of(item)
    assert (first.meta["padded_frames"], second.meta["padded_frames"]) == (11, 11)  # where the source itself ends
    assert (first.meta["context_s"], second.meta["context_s"]) == ([0.0, 1.5], [1.5, 0.0])


def test_a_window_that_does_not_suit_a_part_is_replaced_by_one_that_does(item: Item) -> None:
    first, second = parts_of(item)
    assert first.meta["window"]["x"] + first.meta["window"]["side"] <= second.meta["window"]["x"] + second.meta["window"]["side"]
    assert second.meta["decodes"] == 2  # it was expected to the left
    for part in (first, second):
        assert part.meta["outside_share"] == 0
        assert (part.arrays["points"][..., 2] > 0).sum(axis=1).tolist() == [len(BODY) + 1] * SHOT  # and the neck


def test_a_shot_that_is_too_long_is_cut_into_equal_parts(clip: DanceClip) -> None:
    whole = measure_dance(replace(clip, max_clip_s=0.8, framing="letterbox"))
    assert [part.meta["frames"] for part in parts_of(whole)] == [18] * 4
    assert [part.meta["window"] for part in parts_of(whole)] == [{"x": 0, "y": -64, "side": 640}] * 4


def test_parts_too_short_are_rejects_by_name_and_the_others_are_dances(item: Item) -> None:
    record = row(Clip, clip_id="vid_1", source="a.mp4", source_sha256="a" * 64, end_s=3.0, audio_rate_hz=44100)
    params = Params()
    params = params.model_copy(update={"m2p": params.m2p.model_copy(update={"min_clip_s": 1.6})})
    found = list(m2p.run(params, [(record, item)], People([], {})))
    assert [(one.item, one.code) for one in found if isinstance(one, Reject)] == [
        ("vid_1-d000", "clip_too_short"),
        ("vid_1-d001", "clip_too_short"),
    ]
    dances = [one.dance for one in m2p.run(Params(), [(record, item)], People([], {})) if not isinstance(one, Reject)]
    assert [(dance.dance_id, dance.part, dance.start_s) for dance in dances] == [("vid_1-d000", 0, 0.0), ("vid_1-d001", 1, 1.5)]
    assert {remark.code for dance in dances for remark in dance.warnings} == {
        *("shorter_than_recommended", "no_face", "enlarged")  # 128 px are filmed, and 512 asked for
    }


def test_a_part_without_music_is_lost_by_name_and_the_other_is_kept(clip: DanceClip, tmp_path: Path) -> None:
    path, keypoints, count = tmp_path / "a.mp4", tmp_path / "a.keypoints.json", round(6.5 * FPS)
    sound = music(6.5)
    sound.samples[round(0.4 * sound.rate_hz) :] = 0  # the second part, from 5.5 s on, is silent with the 5 s before it
    standing = picture(1, 0)
    write_video(path, (standing for _ in range(count)), FPS, sound)
    images = [{"id": index, "width": WIDTH, "height": HEIGHT} for index in range(count)]
    people = [{"image_id": index, "keypoints": body(150)} for index in range(count)]
    keypoints.write_text(json.dumps({"images": images, "annotations": people}))
    found = measure_dance(replace(clip, path=path, start_s=4.5, end_s=6.5, max_clip_s=1.0, keypoints=keypoints))
    assert [part.meta["shot"] for part in parts_of(found)] == [0]
    assert [(shot, rejected.code) for shot, rejected in lost_parts(found)] == [(1, "silent")]


def face() -> tuple[np.ndarray, Detection]:
    """A photo that a package carries, with a face whose box is known."""
    from skimage.data import astronaut

    image, box = astronaut(), (170.0, 70.0, 110.0, 110.0)
    model = weights.path_of("mediapipe_face_mesh", "face_landmark.tflite")
    points, presence = FaceMesh(model)(image, box)
    return image, Detection(box, points, presence)


def view(image: np.ndarray, found: Detection) -> View:
    return View(3, image, found, {"score": found.score})


def test_arcface_is_measured_where_its_file_is_and_a_view_without_a_vector_is_left_out(tmp_path: Path) -> None:
    model = "dlib_resnet"
    files = {file: weights.path_of(model, file) for file in weights.model(model).files}
    seen = view(*face())
    kept, arrays = embedded([seen], files)
    assert (len(kept), {name: array.shape for name, array in arrays.items()}) == (1, {"embeddings": (1, 128)})
    (tmp_path / "zeros").mkdir()
    kept, arrays = embedded([seen, seen], files | stub(tmp_path, "buffalo_l"))
    assert {name: array.shape for name, array in arrays.items()} == {"embeddings": (2, 128), "arcface": (2, 512)}
    np.testing.assert_allclose(np.linalg.norm(arrays["arcface"], axis=1), 1, atol=1e-5)
    kept, arrays = embedded([seen], files | stub(tmp_path / "zeros", "buffalo_l", np.zeros((75, 512), np.float32)))
    assert (kept, {name: array.shape for name, array in arrays.items()}) == ([], {"embeddings": (0, 128), "arcface": (0, 512)})


@pytest.mark.parametrize("angle", [0, 35, -90])
def test_a_reference_picture_shows_the_face_upright_with_head_and_shoulders(angle: float) -> None:
    image, found = face()
    turn = cv2.getRotationMatrix2D((225, 125), angle, 1.0)
    turned = cv2.warpAffine(image, turn, (512, 512))
    points = (found.mesh @ turn[:, :2].T + turn[:, 2]).astype(np.float32)
    jpeg, scale = reference(view(turned, Detection(found.box, points, 1.0)), 512)
    picture = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)[..., ::-1]
    assert picture.shape == (512, 512, 3)
    assert scale == pytest.approx(512 / (3.4 * 110))
    size = 110 * scale
    points, presence = FaceMesh(weights.path_of("mediapipe_face_mesh", "face_landmark.tflite"))(
        picture, (256 - size / 2, 256 - 0.45 * size - size / 2, size, size)
    )
    eyes = Detection((0, 0, 1, 1), points, presence).landmarks[:2]
    assert presence > 0.9
    assert abs(np.degrees(np.arctan2(*(eyes[1] - eyes[0])[::-1]))) < 4
