"""Faults to plant into a copy of a clean dataset. Each changes one sample (or where it lies) and leaves the others' files untouched."""

import json
import os
import pickle
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from onscreen.media.audio import decode_audio
from onscreen.media.video import constant_rate_frames
from onscreen.motion.keypoints import INDEX, LEFT_HAND, RIGHT_HAND
from onscreen.store import read_json

FPS = 24


def copy_of(dataset: Path, to: Path) -> Path:
    """A dataset whose files are links to another's: replace files, never write into them."""
    return Path(shutil.copytree(dataset, to, copy_function=_link))


def _link(source: str, to: str) -> None:
    try:
        os.link(source, to)
    except OSError:  # another file system
        shutil.copy(source, to)


@contextmanager
def anew(path: Path) -> Iterator[Path]:
    """A place to write a file's new content to, which then takes its name: links to the old content keep it."""
    made = path.with_name(f"new_{path.name}")
    yield made
    made.replace(path)


def save(path: Path, array: np.ndarray) -> None:
    with anew(path) as made, made.open("wb") as file:
        np.save(file, array, allow_pickle=False)


def change_array(path: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    save(path, change(np.load(path, allow_pickle=False).copy()))


def change_json(path: Path, change: Callable[[Any], None]) -> None:
    data = read_json(path)
    change(data)
    with anew(path) as made:
        made.write_text(json.dumps(data), encoding="utf-8")


def change_points(sample: Path, change: Callable[[np.ndarray], None]) -> None:
    """change: gets (T, 134, 3), and writes into it."""

    def put(data: Any) -> None:
        points = np.array([[(k["x"], k["y"], k["confidence"]) for k in pose["keypoints"]] for pose in data["poses"]])
        change(points)
        for pose, frame in zip(data["poses"], points, strict=True):
            for keypoint, (x, y, confidence) in zip(pose["keypoints"], frame.tolist(), strict=True):
                keypoint.update(x=x, y=y, confidence=confidence)

    change_json(sample / "pose_annotations.json", put)


def change_poses(sample: Path, change: Callable[[list[Any]], None]) -> None:
    change_json(sample / "pose_annotations.json", lambda data: change(data["poses"]))


def take(name: str) -> Callable[[Path, Path], None]:
    """That file of another sample in place of one's own."""

    def plant(sample: Path, other: Path) -> None:
        with anew(sample / name) as made:
            shutil.copy(other / name, made)

    return plant


def pictures_of(sample: Path) -> list[np.ndarray]:
    frames = len(read_json(sample / "pose_annotations.json")["poses"])
    return [frame.image for frame in constant_rate_frames(sample / "video.mp4", 0.0, frames / FPS, FPS)]


def sound_of(sample: Path, rate_hz: int = 44100) -> np.ndarray:
    frames = len(read_json(sample / "pose_annotations.json")["poses"])
    return decode_audio(sample / "video.mp4", 0.0, frames / FPS, rate_hz).samples


def film(path: Path, pictures: Iterable[np.ndarray], samples: np.ndarray, rate_hz: int = 44100, fps: int = FPS) -> None:
    """Write video.mp4 anew, fast."""
    with anew(path) as made, av.open(str(made), "w") as container:
        sound = container.add_stream("aac", rate=rate_hz)
        options = {"preset": "ultrafast", "crf": "18"}
        picture = None
        for index, image in enumerate(pictures):
            if picture is None:
                picture = container.add_stream("libx264", rate=fps, options=options)
                picture.height, picture.width = image.shape[:2]
                picture.pix_fmt = "yuv420p"
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            frame.pts, frame.time_base = index, Fraction(1, fps)
            container.mux(picture.encode(frame))
        assert picture is not None
        container.mux(picture.encode(None))
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None]), "fltp", "mono")
        frame.sample_rate, frame.pts, frame.time_base = rate_hz, 0, Fraction(1, rate_hz)
        fit = av.AudioResampler(sound.codec_context.format.name, sound.layout.name, rate_hz, sound.codec_context.frame_size)
        for part in [*fit.resample(frame), *fit.resample(None)]:
            container.mux(sound.encode(part))
        container.mux(sound.encode(None))


def picture(path: Path, image: np.ndarray) -> None:
    with anew(path) as made:
        made.write_bytes(cv2.imencode(".jpg", image[..., ::-1])[1].tobytes())


def reference_of(sample: Path) -> np.ndarray:
    return cv2.imread(str(sample / "reference_image.jpg"))[..., ::-1]


def unit(vector: np.ndarray) -> np.ndarray:
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def random_unit(width: int, seed: int = 0) -> np.ndarray:
    return unit(np.random.default_rng(seed).normal(size=width))


# Sound and picture -------------------------------------------------------------------------------------------------------------


def late_sound(sample: Path, other: Path) -> None:
    samples = sound_of(sample)
    by = round(0.2 * 44100)
    film(sample / "video.mp4", pictures_of(sample), np.concatenate([samples[:by] * 0, samples[:-by]]))


def squashed_video(sample: Path, other: Path) -> None:
    """The middle 9:16 drawn out to a square, as resizing an upright video does; the points move with it."""
    side = 512
    left, width = (side - side * 9 // 16) // 2, side * 9 // 16
    pictures = [cv2.resize(image[:, left : left + width], (side, side)) for image in pictures_of(sample)]
    film(sample / "video.mp4", pictures, sound_of(sample))

    def move(points: np.ndarray) -> None:
        points[..., 0] = (points[..., 0] - left) * side / width
        points[(points[..., 0] < 0) | (points[..., 0] > side - 1) | (points[..., 2] == 0)] = 0

    change_points(sample, move)


def squashed_reference(sample: Path, other: Path) -> None:
    image = reference_of(sample)
    left = round(image.shape[1] * 7 / 32)
    picture(sample / "reference_image.jpg", cv2.resize(image[:, left:-left], image.shape[1::-1]))


def thirty_frames_a_second(sample: Path, other: Path) -> None:
    frames = pictures_of(sample)
    film(sample / "video.mp4", [frames[index * 4 // 5] for index in range(len(frames) * 5 // 4)], sound_of(sample), fps=30)


def black_video(sample: Path, other: Path) -> None:
    film(sample / "video.mp4", [np.zeros_like(image) for image in pictures_of(sample)], sound_of(sample))


# Music features ----------------------------------------------------------------------------------------------------------------


def features(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path, Path], None]:
    return lambda sample, other: change_array(sample / "music_features.npy", change)


def with_values(array: np.ndarray, rows: Any, columns: Any, value: Any) -> np.ndarray:
    array[rows, columns] = value
    return array


def truncated(sample: Path, other: Path) -> None:
    path = sample / "music_features.npy"
    with anew(path) as made:
        made.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


class Trap:
    """Unpickled, it makes a file."""

    path = ""

    def __reduce__(self) -> Any:
        return (open, (self.path, "w"))


def pickled(sample: Path, other: Path) -> None:
    Trap.path = str(sample.parents[1] / "executed")
    with anew(sample / "music_features.npy") as made, made.open("wb") as file:
        np.save(file, np.array([Trap()], object), allow_pickle=True)
    assert pickle  # np.save's own format; nothing here unpickles it


# Poses -------------------------------------------------------------------------------------------------------------------------


def points(change: Callable[[np.ndarray], None]) -> Callable[[Path, Path], None]:
    return lambda sample, other: change_points(sample, change)


def poses(change: Callable[[list[Any]], None]) -> Callable[[Path, Path], None]:
    return lambda sample, other: change_poses(sample, change)


def swap_hands(values: np.ndarray) -> None:
    values[:, LEFT_HAND], values[:, RIGHT_HAND] = values[:, RIGHT_HAND].copy(), values[:, LEFT_HAND].copy()


def swap_sides(values: np.ndarray) -> None:
    for name, index in INDEX.items():
        if name.startswith("left_") and index < LEFT_HAND.start:
            twin = INDEX[name.replace("left_", "right_")]
            values[:, [index, twin]] = values[:, [twin, index]]


def teleport(values: np.ndarray) -> None:
    wrist = INDEX["left_wrist"]
    values[len(values) // 2, wrist, :2] = (values[len(values) // 2, wrist, :2] + 256) % 500 + 5


def freeze(values: np.ndarray) -> None:
    values[:] = values[0]


def dummy(values: np.ndarray) -> None:
    """The guide's: numbers drawn anew in each frame."""
    draw = np.random.default_rng(0)
    values[..., :2] = draw.integers(0, 512, values[..., :2].shape)
    values[..., 2] = draw.uniform(0.5, 1.0, values.shape[:2])


def nowhere(values: np.ndarray) -> None:
    values[3, 4] = np.nan


def half_a_second_late(frames: list[Any]) -> None:
    for pose in frames:
        pose["timestamp"] += 0.5


def number_joints(frames: list[Any]) -> None:
    for pose in frames:
        for index, keypoint in enumerate(pose["keypoints"]):
            keypoint["joint_type"] = f"joint_{index}"


# Faces -------------------------------------------------------------------------------------------------------------------------


def embedding(name: str, make: Callable[[], np.ndarray]) -> Callable[[Path, Path], None]:
    return lambda sample, other: save(sample / name, make())


def twice_as_long(sample: Path, other: Path) -> None:
    change_array(sample / "face_embedding_dlib.npy", lambda vector: vector * 2)


def another_face(sample: Path, other: Path) -> None:
    """Another person's picture, and the vector that belongs to it."""
    take("reference_image.jpg")(sample, other)
    take("face_embedding_dlib.npy")(sample, other)


# Files and sides ---------------------------------------------------------------------------------------------------------------


def nobodys_face(sample: Path, other: Path) -> None:
    """A vector beside a reference and a video that show nobody."""
    grey = np.full_like(reference_of(sample), 90)
    picture(sample / "reference_image.jpg", grey)
    film(sample / "video.mp4", [grey] * len(pictures_of(sample)), sound_of(sample))


def told_of_music(**said: Any) -> Callable[[Path, Path], None]:
    """What metadata.json says of the music, otherwise."""

    def plant(sample: Path, other: Path) -> None:
        root = sample.parents[1]
        entries = read_json(root / "metadata.json")["clips"]
        music = next(entry["music"] for entry in entries if entry["folder"] == f"{sample.parent.name}/{sample.name}")
        _change_entry(root, f"{sample.parent.name}/{sample.name}", {"music": music | said})

    return plant


def told_alignment(sample: Path, other: Path) -> None:
    change = {"beat_alignment": {"score": 0.99, "chance": 0.2}}
    _change_entry(sample.parents[1], f"{sample.parent.name}/{sample.name}", change)


def missing(sample: Path, other: Path) -> None:
    (sample / "pose_annotations.json").unlink()


def unnamed(sample: Path, other: Path) -> None:
    root = sample.parents[1]
    folder = sample.relative_to(root).as_posix()

    def drop(data: Any) -> None:
        data["clips"] = [clip for clip in data["clips"] if clip["folder"] != folder]

    change_json(root / "metadata.json", drop)


def _change_entry(root: Path, folder: str, change: dict[str, Any]) -> None:
    def put(data: Any) -> None:
        next(clip for clip in data["clips"] if clip["folder"] == folder).update(change)

    change_json(root / "metadata.json", put)


def dancer_on_both_sides(root: Path) -> None:
    """Another cut of a dancer of train, in validation; metadata.json tells of somebody else, in another video."""
    (root / "train" / "dancer_a_2").rename(root / "validation" / "dancer_a_2")
    told = {"identity": "somebody", "source": "other.mp4", "source_sha256": "0" * 64, "song": None, "split": "validation"}
    _change_entry(root, "train/dancer_a_2", {**told, "folder": "validation/dancer_a_2"})


def song_on_both_sides(root: Path) -> None:
    """The soundtrack of a sample of train under a dance of validation."""
    sample = root / "validation" / "dancer_b"
    film(sample / "video.mp4", pictures_of(sample), sound_of(root / "train" / "dancer_a_1"))


def source_on_both_sides(root: Path) -> None:
    """Some pictures of a sample of train, encoded anew, in validation."""
    sample = root / "validation" / "dancer_b"
    pictures = pictures_of(root / "train" / "dancer_a_1")
    film(sample / "video.mp4", [*pictures[9:], *[pictures[-1]] * 9], sound_of(sample))


def tell(root: Path, one: str, other: str, key: str) -> None:
    """metadata.json gives two samples the same identity, song or source."""
    for folder in (one, other):
        _change_entry(root, folder, {key: "0" * 64})


def all_in_train(root: Path) -> None:
    (root / "validation" / "dancer_b").rename(root / "train" / "dancer_b")
    _change_entry(root, "validation/dancer_b", {"folder": "train/dancer_b", "split": "train"})


def guide_dataset(clean: Path, to: Path) -> Path:
    """What the guide's script writes of the same videos: features of 39 columns and zeros, random poses, a first frame, random vectors."""
    root, draw = copy_of(clean, to), np.random.default_rng(0)
    (root / "metadata.json").unlink()
    for sample in sorted(root.glob("*/*")):
        frames = pictures_of(sample)
        features_of = np.load(sample / "music_features.npy")[:, :39]
        save(sample / "music_features.npy", np.hstack([features_of, np.zeros((len(features_of), 4761))]))
        change_points(sample, dummy)
        change_poses(sample, number_joints)
        picture(sample / "reference_image.jpg", frames[0])
        (sample / "face_embedding_dlib.npy").unlink()
        vector = draw.normal(size=512)
        save(sample / "face_embedding.npy", vector / np.linalg.norm(vector))
    return root
