"""Files as phones, screen recorders and editors leave them, from the file to the loader: what comes out is true, or says why not.

Most pictures carry their number and their dancer's wrist moves with it, by keypoints that lie beside the video; a loud click marks a
time. So a sample shows whether its picture, its points, its music and its sound are of one time.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from media_cases import turned
from onscreen import weights
from onscreen.cache import Item
from onscreen.config import M2p, Params
from onscreen.errors import Rejected
from onscreen.media.audio import Audio, decode_audio
from onscreen.media.frames import frame_clock, read_frames
from onscreen.media.probe import probe
from onscreen.media.video import constant_rate_frames, write_video
from onscreen.motion import music
from onscreen.motion.dataset import M2PDataset
from onscreen.motion.keypoints import COCO_WHOLEBODY, INDEX
from onscreen.motion.poses import keypoints_of, weights_of
from onscreen.motion.precomputed import frame_times
from onscreen.records import Clip, Reject
from onscreen.stages import m2p, prepare
from onscreen.stages.m2p_clip import FACE_MODELS, LOOK_MODELS, DanceClip, look_for_body, measure_dance
from onscreen.stages.m2p_output import write_sample
from onscreen.stages.m2p_parts import part_of, parts_of
from onscreen.stages.m2p_records import Sample
from onscreen.stages.m2p_sides import People
from onscreen.voices.speech import measure_video
from real_data import DATA

WIDTH, HEIGHT, STRIP = 96, 128, 8  # px; the number stands in the lowest STRIP rows
RATE = 48000
MARK_S = 1.25  # of the loud click
DANCE = DATA / "dance"
needs_dances = pytest.mark.skipif(not (DANCE / "silent_dance_0.mp4").is_file(), reason=f"no dances in {DATA}")


def picture(number: int) -> np.ndarray:
    """(128, 96, 3): a number as 8 black or white columns under a picture that stands still, so that no frame looks like a new shot."""
    image = np.repeat(np.linspace(60, 190, HEIGHT).astype(np.uint8)[:, None], WIDTH, axis=1)
    image[-STRIP:] = np.repeat([235 if number >> bit & 1 else 16 for bit in range(8)], WIDTH // 8)
    return np.repeat(image[..., None], 3, axis=2)


def number_of(image: np.ndarray) -> int:
    """Of a 128 x 128 frame in which the picture stands letterboxed."""
    left = (HEIGHT - WIDTH) // 2
    columns = image[-STRIP + 2 : -1, left : left + WIDTH].astype(int).mean(axis=(0, 2)).reshape(8, -1)[:, 3:-3].mean(axis=1)
    return sum(1 << bit for bit, level in enumerate(columns) if level > 128)


def wrist_x(number: int) -> float:
    return 10 + 0.3 * number


def clicks(duration_s: float, channels: int = 2) -> np.ndarray:
    """(channels, N) float32: a soft click every half second, a loud one at MARK_S, over faint noise."""
    sound = np.random.default_rng(0).normal(0, 0.002, round(duration_s * RATE))  # music is never digital silence
    tone = np.sin(2 * np.pi * 1000 * np.arange(480) / RATE) * np.hanning(480)
    for time_s in np.arange(0.25, duration_s - 0.02, 0.5):
        start = round(time_s * RATE) - 240
        sound[start : start + 480] += tone * (0.9 if time_s == MARK_S else 0.2)
    return np.repeat(sound[None], channels, axis=0).astype(np.float32)


def film(
    path: Path, times_s: Sequence[float], sound: np.ndarray, *, layout: str = "stereo", late_s: float = 0.0, turn: int = 0
) -> Path:
    """A video whose picture i comes at times_s[i], with sound from late_s on, and its dancer's keypoints beside it."""
    unit = Fraction(1, 90000)
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        shown, heard = (
            container.add_stream("libx264", rate=Fraction(len(times_s), 1)),
            container.add_stream("aac", rate=RATE, layout=layout),
        )
        shown.width, shown.height = (HEIGHT, WIDTH) if turn % 2 else (WIDTH, HEIGHT)
        shown.pix_fmt, shown.codec_context.time_base = "yuv420p", unit
        stamps = [round(time_s / unit) for time_s in times_s]
        lasts = dict(zip(stamps, np.diff([*stamps, 2 * stamps[-1] - stamps[-2]]).tolist(), strict=True))
        packets = list[av.Packet]()
        for index, stamp in enumerate(stamps):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(np.rot90(picture(index), turn)), format="rgb24")
            frame.pts, frame.time_base = stamp, unit
            packets += shown.encode(frame)
        for packet in packets + shown.encode(None):
            packet.duration = lasts[packet.pts]
            container.mux(packet)
        samples = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound), "fltp", layout)
        samples.sample_rate, samples.pts, samples.time_base = RATE, round(late_s * RATE), Fraction(1, RATE)
        container.mux(heard.encode(samples))
        container.mux(heard.encode(None))
    write_keypoints(path, len(times_s))
    return path


def write_keypoints(path: Path, frames: int) -> None:
    """COCO-WholeBody of a dancer who stands in the picture, seen from head to feet, without face and hands."""
    body = np.zeros((133, 3))
    body[:23, 0], body[:23, 1], body[:23, 2] = np.linspace(20, 70, 23), np.linspace(20, 110, 23), 1
    annotations = []
    for index in range(frames):
        body[COCO_WHOLEBODY.index("right_wrist")] = wrist_x(index), 60, 1
        annotations.append({"image_id": index, "keypoints": body.ravel().tolist()})
    images = [{"id": index, "width": WIDTH, "height": HEIGHT} for index in range(frames)]
    path.with_name(f"{path.stem}.keypoints.json").write_text(json.dumps({"images": images, "annotations": annotations}))


def rate(fps: float, duration_s: float = 2.0) -> list[float]:
    return [index / fps for index in range(round(fps * duration_s))]


SMALL = Params(m2p=M2p(resolution=HEIGHT, min_source_px=WIDTH, pose="precomputed", framing="letterbox"))


def prepared(path: Path) -> tuple[list[Clip], list[str]]:
    """Clips, and codes of rejects, that prepare makes of a file."""
    try:
        measured = measure_video(str(path))
    except Rejected as rejected:
        measured = rejected
    found = list(prepare.run(Params(), prepare.Source(path.name, path.stem, "0" * 64, None), measured))
    return [row for row in found if isinstance(row, Clip)], [row.code for row in found if isinstance(row, Reject)]


def through(path: Path, params: Params = SMALL) -> tuple[list[Path], dict[str, str]]:
    """Folders of samples that become of a file, and codes of the m2p stage's rejects by item."""
    root, folders, codes = path.parent / f"{path.stem}_m2p", list[Path](), dict[str, str]()
    for row in m2p.choose(params.m2p, prepared(path)[0]):
        if isinstance(row, Reject):
            codes[row.item] = row.code
            continue
        measured = measured_dance(path, row, params.m2p)
        for found in m2p.run(params, [(row, measured)], People([], {})):
            if isinstance(found, Reject):
                codes[found.item] = found.code
            else:
                (root / found.dancer.side).mkdir(parents=True, exist_ok=True)
                part = m2p.finished(params.m2p, part_of(measured, found.dance.part))
                folders.append(root / write_sample(root, found, part, params.m2p)["folder"])
    return folders, codes


def measured_dance(path: Path, clip: Clip, params: M2p) -> Item | Rejected:
    models = (*LOOK_MODELS, *weights_of(params.pose), *FACE_MODELS)
    weights.ensure(models)
    files = {file: weights.path_of(model, file) for model in models for file in weights.model(model).files}
    dance = DanceClip(path, clip.start_s, clip.end_s, params.fps, params.resolution, files, params.framing, pose=params.pose)
    try:
        if params.pose == "precomputed":
            return measure_dance(replace(dance, keypoints=keypoints_of(path)))
        look = look_for_body(dance)
        return measure_dance(replace(dance, window=look.meta["window"], people=look.meta["people"]))
    except Rejected as rejected:
        return rejected


def one_sample(path: Path) -> Path:
    folders, codes = through(path)
    assert codes == {}
    [folder] = folders
    return folder


def assert_one_time(folder: Path, numbers: list[int], mark_s: float = MARK_S) -> None:
    """Picture, points, music and sound of a sample: frame i shows numbers[i] in all of them, the loud click is at mark_s in both."""
    frames, end_s = len(numbers), len(numbers) / 24
    clock = frame_clock(folder / "video.mp4")
    assert (clock.frames, clock.fps) == (frames, 24)
    images = read_frames(folder / "video.mp4", 0, frames, clock)
    assert [number_of(image) for image in images] == numbers
    poses = json.loads((folder / "pose_annotations.json").read_text())["poses"]
    wrists = [pose["keypoints"][INDEX["right_wrist"]] for pose in poses]
    left = (HEIGHT - WIDTH) / 2
    assert [point["x"] for point in wrists] == pytest.approx([wrist_x(number) + left for number in numbers], abs=0.02)
    features = np.load(folder / "music_features.npy")
    assert features.shape == (frames, 4800)
    [loudness] = [part for part in music.layout() if part["name"] == "rms" and part["offset"] == 0]
    assert abs(int(features[:, loudness["start"]].argmax()) / 24 - mark_s) <= 1 / 24
    sound = decode_audio(folder / "video.mp4", 0.0, end_s, RATE, mono=True)
    assert sound.missing_end_s < 1 / 24
    assert np.abs(sound.samples).argmax() / RATE == pytest.approx(mark_s, abs=0.002)


def test_a_video_of_24_frames_a_second_becomes_a_sample_that_the_loader_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONSCREEN_HOME", str(tmp_path))
    folder = one_sample(film(tmp_path / "a.mp4", rate(24), clicks(2.0)))
    assert_one_time(folder, list(range(48)))
    np.save(folder / "face_embedding_dlib.npy", np.eye(1, 128, dtype=np.float32)[0])  # the drawn dancer has no face
    dataset = M2PDataset(folder.parents[1], folder.parent.name, sequence_length=24, resolution=HEIGHT, face_embedding="dlib")
    _, first = dataset.locate(0)
    item = dataset[0]
    assert [number_of(image.numpy()) for image in item["video_frames"]] == list(range(first, first + 24))
    assert item["pose_coordinates"][:, INDEX["right_wrist"], 0].tolist() == pytest.approx(
        [wrist_x(number) + (HEIGHT - WIDTH) / 2 for number in range(first, first + 24)], abs=0.02
    )


def test_a_variable_rate_becomes_constant_and_stays_in_time_with_its_sound(tmp_path: Path) -> None:
    steps = np.tile([1 / 60, 1 / 30, 1 / 24, 1 / 60, 1 / 15], 12)  # 28.6 frames a second on average, as phones vary it
    times = [0.0, *np.cumsum(steps)[:-1].tolist()]
    path = film(tmp_path / "a.mp4", times, clicks(times[-1] + steps[-1]))
    [clip] = prepared(path)[0]
    shown = [int(np.searchsorted(times, index / 24 + 0.001, "right")) - 1 for index in range(int(clip.end_s * 24 + 1e-6))]
    assert_one_time(one_sample(path), shown)


def test_120_frames_a_second_become_every_fifth(tmp_path: Path) -> None:
    assert_one_time(one_sample(film(tmp_path / "a.mp4", rate(120), clicks(2.0))), list(range(0, 240, 5)))


def test_15_frames_a_second_are_too_few(tmp_path: Path) -> None:
    assert through(film(tmp_path / "a.mp4", rate(15), clicks(2.0))) == ([], {"a": "low_fps"})


def test_a_phones_turned_video_is_upright(tmp_path: Path) -> None:
    film(tmp_path / "lying.mp4", rate(24), clicks(2.0), turn=1)
    write_keypoints(tmp_path / "a.mp4", 48)
    assert_one_time(one_sample(turned(tmp_path / "lying.mp4", tmp_path / "a.mp4", 90)), list(range(48)))


def test_surround_sound_becomes_stereo_in_time(tmp_path: Path) -> None:
    folder = one_sample(film(tmp_path / "a.mp4", rate(24), clicks(2.0, channels=6), layout="5.1"))
    assert_one_time(folder, list(range(48)))
    assert probe(folder / "video.mp4").audio_channels == 2


def test_frames_after_the_sounds_end_are_in_no_file(tmp_path: Path) -> None:
    folder = one_sample(film(tmp_path / "a.mp4", rate(24, 2.5), clicks(1.75)))
    frames = len(json.loads((folder / "pose_annotations.json").read_text())["poses"])
    assert 1.75 <= frames / 24 < 1.75 + 2048 / RATE  # a coder's last block is filled up
    assert_one_time(folder, list(range(frames)))


def test_sound_after_the_last_picture_is_in_no_file(tmp_path: Path) -> None:
    folder = one_sample(film(tmp_path / "a.mp4", rate(24), clicks(4.0)))
    assert_one_time(folder, list(range(48)))
    assert probe(folder / "video.mp4").audio_end_s == pytest.approx(2.0, abs=1 / 24)


def test_sound_that_starts_late_begins_the_dance_with_it(tmp_path: Path) -> None:
    folder = one_sample(film(tmp_path / "a.mp4", rate(24), clicks(1.5), late_s=0.5))
    assert_one_time(folder, list(range(12, 48)))


@pytest.mark.parametrize(("late_s", "frames"), [(0.5, 12), (0.07, 2)])
def test_a_picture_that_starts_late_begins_the_dance_with_it(tmp_path: Path, late_s: float, frames: int) -> None:
    """Picture 0 is at late_s; the dance begins on the source's frame grid, which is at most one frame behind it."""
    times = [late_s + time_s for time_s in rate(24)]
    folder = one_sample(film(tmp_path / "a.mp4", times, clicks(2.5)))
    count = len(np.load(folder / "music_features.npy"))
    assert count >= 46
    assert_one_time(folder, list(range(count)), MARK_S - frames / 24)


def test_a_late_start_is_remarked_and_what_is_left_must_be_long_enough(tmp_path: Path) -> None:
    [clip] = prepared(path := film(tmp_path / "a.mp4", rate(24), clicks(1.5), late_s=0.5))[0]
    measured = measured_dance(path, clip, SMALL.m2p)
    assert isinstance(measured, Item)
    [part] = parts_of(measured)
    assert (part.meta["start_s"], part.meta["frames"]) == (0.5, 36)
    [sample] = m2p.run(SMALL, [(clip, measured)], People([], {}))
    assert isinstance(sample, Sample)
    assert [remark.numbers for remark in sample.dance.warnings if remark.code == "starts_late"] == [{"late_s": 0.5}]
    strict = SMALL.model_copy(update={"m2p": SMALL.m2p.model_copy(update={"min_clip_s": 1.6})})
    [reject] = m2p.run(strict, [(clip, measured)], People([], {}))
    assert isinstance(reject, Reject)
    assert reject.code == "clip_too_short"


def test_a_truncated_file_gives_what_it_holds_and_one_without_its_index_nothing(tmp_path: Path) -> None:
    whole = film(tmp_path / "whole.mp4", rate(24, 6.0), clicks(6.0)).read_bytes()
    path = tmp_path / "a.mp4"
    path.write_bytes(whole[: len(whole) * 2 // 3])
    clips, codes = prepared(path)
    frames = len(frame_times(path))
    write_keypoints(path, frames)
    assert "truncated" in codes
    assert "truncated" in clips[0].flags
    folder = one_sample(path)
    kept = len(np.load(folder / "music_features.npy"))
    assert 0 <= frames - kept <= 4
    assert_one_time(folder, list(range(kept)))
    path.write_bytes(whole[:2000])
    assert prepared(path) == ([], ["truncated"])


def test_a_silent_soundtrack_is_no_music(tmp_path: Path) -> None:
    assert through(film(tmp_path / "a.mp4", rate(24), np.zeros((2, 2 * RATE), np.float32))) == ([], {"a": "silent"})


@needs_dances
@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_dance_without_sound_is_no_dance_to_music(number: int) -> None:
    assert through(DANCE / f"silent_dance_{number}.mp4") == ([], {f"silent_dance_{number}": "no_audio"})


REAL = Params(m2p=M2p(resolution=256, min_clip_s=0.9))


def dancers(file: str, count: int, first: int = 0) -> list[np.ndarray]:
    """Frames of a real dance, 512 px high."""
    frames = islice(constant_rate_frames(DANCE / file, 0.0, 10.0, 15), first, first + count)
    return [
        cv2.resize(f.image, (f.image.shape[1] * 512 // f.image.shape[0] // 2 * 2, 512), interpolation=cv2.INTER_AREA)
        for f in frames
    ]


def song(duration_s: float) -> Audio:
    return decode_audio(DANCE / "music" / "drum_bass.ogg", 2.0, 2.0 + duration_s, None, mono=False)


@needs_dances
def test_of_a_video_without_a_person_in_its_first_3_s_the_dance_is_kept_and_nobody_made_up(tmp_path: Path) -> None:
    dance = dancers("dance_with_music.mp4", 36)
    height, width = dance[0].shape[:2]
    title = np.full((height, width * 2, 3), (20, 40, 90), np.uint8)
    cv2.putText(title, "DANCE", (40, 300), cv2.FONT_HERSHEY_SIMPLEX, 5, (250, 240, 200), 24)
    shown = [np.pad(image, ((0, 0), (width // 2, width - width // 2), (0, 0))) for image in dance]
    write_video(tmp_path / "a.mp4", [title] * 72 + shown, 24, song(4.5))
    [folder], codes = through(tmp_path / "a.mp4", REAL)
    assert codes == {"a-d000": "body_seldom_seen"}
    assert folder.name == "a-d001"
    poses = json.loads((folder / "pose_annotations.json").read_text())["poses"]
    assert len(poses) == len(np.load(folder / "music_features.npy")) == frame_clock(folder / "video.mp4").frames == 36
    sure = [pose["keypoints"][INDEX["right_hip"]]["confidence"] for pose in poses]
    assert min(sure) > 0.8
    assert probe(folder / "video.mp4").audio_end_s == pytest.approx(1.5, abs=1 / 24)


@needs_dances
def test_of_two_dancers_side_by_side_one_is_followed_and_it_is_said(tmp_path: Path) -> None:
    left, right = dancers("dance_with_music.mp4", 24), dancers("silent_dance_0.mp4", 24, 30)
    middle = left[0].shape[1]
    path = tmp_path / "a.mp4"
    write_video(path, [np.hstack(pair) for pair in zip(left, right, strict=True)], 24, song(1.0))
    [clip], _ = prepared(path)
    measured = measured_dance(path, clip, REAL.m2p.model_copy(update={"framing": "letterbox"}))
    assert isinstance(measured, Item)
    [part] = parts_of(measured)
    window = part.meta["window"]
    points = part.arrays["points"]
    x = points[..., 0] * window["side"] / REAL.m2p.resolution + window["x"]
    seen = points[..., 2] > 0
    assert seen[:, INDEX["neck"]].all()
    side = x[0, INDEX["neck"]] < middle
    assert ((x[seen] < middle) == side).mean() > 0.98  # a hand may reach over
    assert part.meta["people"] == 2
    assert part.meta["several_share"] > 0.5
