"""A registered model answers what a client has, pictures and sounds as base64: as `onscreen match` scores the files, row by row."""

import base64
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, replace
from functools import cached_property
from importlib.metadata import packages_distributions
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import requests
import soundfile

from hf_cases import small_face, small_voice
from matching_cases import NOBODY, planted
from onscreen import hf
from onscreen.cache import Item, ItemCache
from onscreen.config import Params, TrainFaceVoice, TrainHq
from onscreen.engine import InProcess, Job
from onscreen.errors import ConfigError, MixedModelsError, Rejected, WeightsError
from onscreen.guide import requests as limits
from onscreen.guide.answers import Answer, Answerer
from onscreen.guide.matching import judging_threshold, match
from onscreen.guide.measuring import measure_faces, measure_voices
from onscreen.guide.people import MediaFile
from onscreen.lineage import Pass
from onscreen.matching.folder import describe, load_model, read_config, write_trained
from onscreen.matching.towers import TowerSpec, hf_face, hf_voice
from onscreen.matching.train import Recipe, train
from onscreen.media.sound import decode_sound
from onscreen.stages import hq_items
from onscreen.stages.hq_items import PICTURE_MODELS, Crop, Picture, measure_masked, measure_picture
from onscreen.stages.items import FaceInput, VoiceInput, voice_frames
from onscreen.stages.sounds import hear
from onscreen.stages.tower_faces import CropTask, Framing, measure_crop
from onscreen.storage import StoredFile
from onscreen.store import write_json
from onscreen.tracking import serving_files
from onscreen.tracking.registration import register
from onscreen.tracking.registry import CHAMPION
from onscreen.tracking.serving_files import LOOK, NAME, REQUIREMENTS, brought, signature
from onscreen.tracking.store import RECORDED, connect
from onscreen.voices.mel import MelTask, measure_mel
from onscreen.weights import model, path_of
from onscreen.workspace import Workspace
from real_data import DATA, needs_real_data

ROOT = Path(__file__).parents[1]
RATE = 16_000
SAY = TrainFaceVoice(embedding_dim=8, num_epochs=1, face_frozen_epochs=0, voice_frozen_epochs=0)
DLIB, GE2E = FaceInput("embedding", "Dlib"), VoiceInput("embedding", "resemblyzer", 5.0)
JUDGES = {"threshold": 0.1, "validation_people": 12, "missed": 0.2, "accepted": 0.2}
pytestmark = needs_real_data


class Here(Workspace):
    """Measures in this process; the networks of other tests are loaded already."""

    @cached_property
    def engine(self) -> InProcess:
        return InProcess(self.cache, 1, 0.0)


def encoded(content: Path | bytes) -> str:
    return base64.b64encode(content if isinstance(content, bytes) else content.read_bytes()).decode()


def picture(image: np.ndarray, ending: str = ".png", *settings: int) -> bytes:
    return cv2.imencode(ending, image, settings)[1].tobytes()


def sound(samples: np.ndarray, kind: str = "WAV", rate: int = RATE) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind)
    return file.getvalue()


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Two people's pictures, one of both of them, and 4 s of two people's voices."""
    faces = sorted((DATA / "faces" / "lfw10").rglob("*.jpg"))
    speakers = [sorted(folder.rglob("*.flac"))[0] for folder in sorted((DATA / "voices" / "librispeech10").iterdir())[:2]]
    voices = [soundfile.read(path, dtype="float32")[0][: 4 * RATE] for path in speakers]
    two = tmp_path_factory.mktemp("two") / "two.png"
    cv2.imwrite(
        str(two),
        np.hstack(
            [cv2.resize(cv2.imread(str(faces[0])), (320, 320))[10:-10], cv2.resize(cv2.imread(str(faces[-1])), (300, 300))]
        ),
    )
    return SimpleNamespace(face=faces[0], other=faces[-1], group=two, voices=voices)


def made(
    folder: Path, face: FaceInput, voice: VoiceInput, towers: tuple[TowerSpec, TowerSpec], params: Any = SAY, hq: Any = None
) -> Path:
    """A model folder of these inputs, trained an epoch on random items of 6 people; its threshold is planted."""
    draw, frames, pairs = np.random.default_rng(0), voice_frames(voice), planted(6)

    def items(spec: TowerSpec) -> list[np.ndarray]:
        if spec.kind == "hf_face":
            return [draw.integers(0, 256, (3, 32, 32), np.uint8) for _ in pairs.faces]
        shape = {"embedding": (spec.inputs,), "hf_voice": (1, 3200)}.get(spec.kind, (spec.inputs, 2 * frames))
        return [draw.normal(0, 0.1, shape).astype(np.float32) for _ in pairs.faces]

    pairs = replace(pairs, faces=items(towers[0]), voices=items(towers[1]))
    recipe = Recipe(params, *towers, frames=frames)
    folder.mkdir(parents=True)
    inputs = {"face": asdict(face), "voice": hq or asdict(voice)}
    trained = train(recipe, pairs, NOBODY, folder.parent / "state", lambda epoch, row: None)
    write_trained(folder, recipe, trained, describe(params, inputs, pairs, NOBODY))
    write_json(folder / "config.json", read_config(folder) | {"calibration": JUDGES})
    return folder


def answerer(folder: Path, place: Path, root: Path | None = None) -> Answerer:
    """Of a model and what it brings, both moved to where nothing else lies."""
    brought(folder, root or place, Params(), place / NAME)
    shutil.copytree(folder, place / "moved")
    return Answerer(place / "moved", place / NAME)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default model: heads on dlib's and resemblyzer's vectors."""
    towers = TowerSpec("embedding", 128), TowerSpec("embedding", 256)
    return made(tmp_path_factory.mktemp("plain") / "model", DLIB, GE2E, towers)


@pytest.fixture(scope="module")
def serving(plain: Path, tmp_path_factory: pytest.TempPathFactory) -> Answerer:
    return answerer(plain, tmp_path_factory.mktemp("serving"))


def test_rows_score_as_match_scores_the_files(plain: Path, serving: Answerer, media: SimpleNamespace, tmp_path: Path) -> None:
    (tmp_path / "voices").mkdir()
    for at, samples in enumerate(media.voices):
        (tmp_path / "voices" / f"{at}.flac").write_bytes(sound(samples, "FLAC"))
    copy = tmp_path / "model"
    shutil.copytree(plain, copy)
    (copy / ".onscreen").mkdir()  # so that what is measured is remembered there
    ranked = match(media.group, tmp_path / "voices", copy, Params(engine={"workers": 1}))
    wanted = dict(zip(ranked.names, ranked.scores, strict=True))
    rows = [(encoded(face), encoded(tmp_path / "voices" / f"{at}.flac")) for face in (media.group, media.face) for at in range(2)]
    answers = serving.answer(rows)
    assert [answer.similarity for answer in answers[:2]] == pytest.approx([wanted["0.flac"], wanted["1.flac"]], abs=1e-5)
    assert [answer.same_person for answer in answers] == [ranked.takes_for_one(answer.similarity) for answer in answers]
    assert len({answer.similarity for answer in answers}) == 4
    assert answers[0].faces > 1  # of a group the largest face is taken, and the client is told of the others
    assert answers[2].faces == 1
    assert {(answer.threshold, answer.reject, answer.remark) for answer in answers} == {(0.1, None, None)}


def test_containers_make_no_difference(serving: Answerer, media: SimpleNamespace) -> None:
    image, samples = cv2.imread(str(media.face)), np.round(media.voices[0] * 2**15) / 2**15
    faces = [
        picture(image),
        picture(image, ".bmp"),
        picture(image, ".tiff"),
        picture(image, ".webp", cv2.IMWRITE_WEBP_QUALITY, 101),
    ]
    voices = [
        sound(samples, "WAV"),
        sound(samples, "FLAC"),
        sound(np.stack([samples] * 2, axis=1), "AIFF"),
        sound(samples, "OGG"),
    ]
    rows = [(encoded(face), encoded(voice)) for face, voice in zip(faces, voices, strict=True)]
    rows.append(
        (f"data:image/png;base64,{rows[0][0]}", "\n".join(rows[0][1][at : at + 76] for at in range(0, len(rows[0][1]), 76)))
    )
    scores = [answer.similarity for answer in serving.answer(rows)]
    assert [scores[at] for at in (1, 2, 4)] == pytest.approx([scores[0]] * 3, abs=1e-5)
    assert scores[3] == pytest.approx(scores[0], abs=0.05)  # Vorbis loses some of it


def bad(media: SimpleNamespace) -> dict[str, tuple[Any, Any, str]]:
    """What is wrong with a row: its cells, and how its reject begins."""
    face, voice = encoded(media.face), encoded(sound(media.voices[0]))
    time_s = np.arange(3 * RATE) / RATE
    return {
        "no face": (encoded(picture(np.full((300, 300, 3), 90, np.uint8))), voice, "image: no_face_found"),
        "no picture": (encoded(b"hello"), voice, "image: not_an_image"),
        "half a header": (encoded(media.face.read_bytes()[:60]), voice, "image: "),
        "a tenth of a picture": (encoded(media.face.read_bytes()[:900]), voice, "image: "),
        "a program that draws": (encoded(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"), voice, "image: not_an_image"),
        "telephone's": (encoded(b"\0\0\0\x18ftypheic" + bytes(40)), voice, "image: unsupported: HEIC"),
        "large file": ("A" * (limits.IMAGE_BYTES * 2), voice, "image: too_large"),
        "bomb": (encoded(picture(np.zeros((8000, 8000), np.uint8))), voice, "image: too_many_pixels"),
        "null": (None, voice, "image: missing"),
        "number": (5, voice, "image: missing"),
        "NaN": (float("nan"), voice, "image: missing"),
        "empty": ("", voice, "image: missing"),
        "no base64": ("*" + face, voice, "image: not_base64"),
        "cut base64": (face[:-5].rstrip("="), voice, "image: not_base64"),
        "letters of others": ("\u00e4" * 40, voice, "image: not_base64"),
        "silence": (face, encoded(sound(np.zeros(3 * RATE))), "audio: silent"),
        "no speech": (face, encoded(sound(0.3 * np.sin(2 * np.pi * 440 * time_s))), "audio: no_speech"),
        "no sound": (face, face, "audio: not_a_sound"),
        "blink": (face, encoded(sound(media.voices[0][:1000])), "audio: too_short"),
        "long, in few bytes": (face, encoded(sound(np.zeros(round((limits.AUDIO_S + 1) * RATE)), "FLAC")), "audio: too_long"),
        "large sound": (face, "A" * (limits.AUDIO_BYTES * 2), "audio: too_large"),
        "playlist": (face, encoded(b"#EXTM3U\n/etc/passwd\n"), "audio: not_a_sound"),
        "both": ("", "", "image: missing: a base64 text is needed; audio: missing"),
    }


def test_a_bad_row_is_answered_with_its_reason_and_spoils_no_other(serving: Answerer, media: SimpleNamespace) -> None:
    good, rows = (encoded(media.face), encoded(sound(media.voices[0]))), bad(media)
    alone = serving.answer([good])[0]
    answers = serving.answer([good, *((face, voice) for face, voice, _ in rows.values()), good])
    assert answers[0].similarity == answers[-1].similarity == pytest.approx(alone.similarity, abs=1e-6)
    told = {
        name: (answer.reject or "")[: len(start)] for (name, (*_, start)), answer in zip(rows.items(), answers[1:-1], strict=True)
    }
    assert told == {name: start for name, (*_, start) in rows.items()}
    assert {(answer.similarity, answer.same_person) for answer in answers[1:-1]} == {(None, None)}
    limit = [
        answer.reject for answer in answers if answer.reject and "too_" in answer.reject and "too_short" not in answer.reject
    ]
    assert len(limit) == 4
    assert all(any(f"{most:g}" in why or str(most) in why for most in LIMITS) for why in limit)
    assert serving.answer([]) == []


LIMITS = (limits.IMAGE_BYTES, limits.IMAGE_PIXELS, limits.AUDIO_BYTES, limits.AUDIO_S)


def test_no_limit_is_below_what_people_have(tmp_path: Path) -> None:
    studio = 2 * 3 * 48_000 * limits.AUDIO_S  # bytes of stereo at 24 bits
    assert studio < limits.AUDIO_BYTES
    assert Params().prepare.max_clip_s <= limits.AUDIO_S
    for samples, long in ((round(limits.AUDIO_S * 44_100), False), (round(limits.AUDIO_S * 44_100) + 1, True)):
        (tmp_path / "sound.wav").write_bytes(sound(np.zeros(samples), rate=44_100))
        with pytest.raises(Rejected, match="too_long") if long else nullcontext():
            decode_sound(tmp_path / "sound.wav", RATE, limits.AUDIO_S)
    exactly = "A" * (limits.IMAGE_BYTES // 3 * 4)
    assert len(limits.decoded(exactly, limits.IMAGE_BYTES)) <= limits.IMAGE_BYTES


def test_a_request_leaves_nothing_on_disk_and_repeats_cost_nothing(
    serving: Answerer, media: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    row = (encoded(media.face), encoded(sound(media.voices[0])))
    answers = serving.answer([row] * limits.ROWS)
    assert len(set(answers)) == 1
    assert list(tmp_path.iterdir()) == []


def test_what_raises_while_it_is_measured_loses_its_own_row(tmp_path: Path) -> None:
    def measure(number: int) -> Item:
        if number == 1:
            raise MemoryError("a codec's")
        return Item({"number": number})

    here = InProcess(ItemCache(tmp_path), 1, 0.0)
    found = list(here.measure("numbers", measure, [Job(f"{number:064}", number) for number in range(3)]))
    assert [one.meta["number"] for one in (found[0], found[2])] == [0, 2]
    assert (found[1].code, found[1].detail) == ("failed", "MemoryError: a codec's")


def test_threads_wait_for_each_other(serving: Answerer, media: SimpleNamespace) -> None:
    rows = [(encoded(face), encoded(sound(voice))) for face in (media.face, media.other) for voice in media.voices]
    wanted = [serving.answer([row])[0] for row in rows]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda row: serving.answer([row])[0], rows * 2)) == wanted * 2


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (
            {"threshold": 0.1, "validation_people": 9, "missed": 0.0, "accepted": 0.0},
            "threshold from 9 validation people says nothing",
        ),
        ({"threshold": None, "reason": "nobody"}, "no threshold: nobody"),
    ],
)
def test_a_threshold_that_says_nothing_judges_nobody(told: dict[str, Any], why: str) -> None:
    threshold, remark = judging_threshold({"calibration": told})
    assert threshold is None
    assert remark.startswith(why)


def hf_case(kind: str, folder: Path) -> tuple[FaceInput, VoiceInput, TowerSpec, TowerSpec]:
    """Small networks of transformers in both places, of each use that a tower makes of them."""
    see, say = small_face(folder / "vit"), small_voice(folder / "wav2vec2")
    files = {name: dict(hf.find(name, types).files) for name, types in ((see, hf.FACE_TYPES), (say, hf.VOICE_TYPES))}
    if kind == "trained":
        face = FaceInput(see, None, False, 32, files[see])
        return face, VoiceInput(say, None, 2.0, files=files[say]), hf_face(see), hf_voice(say, augment=False)
    face = FaceInput(see, None, True, 32, files[see])
    if kind == "frozen":
        return face, VoiceInput(say, None, 2.0, frozen=True, files=files[say]), *[TowerSpec("embedding", 32)] * 2
    if kind == "speaker":
        return face, VoiceInput("embedding", say, 2.0, files=files[say]), *[TowerSpec("embedding", 32)] * 2
    mel = VoiceInput(kind, None, 1.0, n_mels=16)
    return DLIB, mel, TowerSpec("embedding", 128), TowerSpec(kind, 16, voice_frames(mel) if kind == "flatten" else 0)


@pytest.mark.parametrize("kind", ["trained", "frozen", "speaker", "mel", "flatten"])
def test_every_kind_of_tower_is_given_what_it_was_trained_on(kind: str, media: SimpleNamespace, tmp_path: Path) -> None:
    face, voice, *towers = hf_case(kind, tmp_path)
    params = TrainHq(embedding_dim=8, num_epochs=1) if kind in ("mel", "flatten") else SAY
    folder = made(tmp_path / "model", face, voice, tuple(towers), params)
    (tmp_path / "voice.wav").write_bytes(sound(media.voices[0]))
    here = Here(ROOT, ROOT, Params(), tmp_path / "cache")
    seen = measure_faces(
        here, {"face": MediaFile("face", media.face, "", "")}, face
    )  # as match does, with the networks where they were
    heard = measure_voices(here, {"voice": MediaFile("voice", tmp_path / "voice.wav", "", "")}, voice)
    network = load_model(folder)
    wanted = float(network.embed_faces(seen.of(["face"]))[0] @ network.embed_voices(heard.of(["voice"]))[0])
    (tmp_path / "place").mkdir()
    brings = brought(folder, tmp_path, Params(), tmp_path / "place")
    assert any(name.startswith("transformers==") for name in brings.requirements) is (kind not in ("mel", "flatten"))
    for backbone in ("vit", "wav2vec2"):
        (tmp_path / backbone).rename(tmp_path / f"{backbone}, elsewhere")
    answer = Answerer(folder, tmp_path / "place").answer([(encoded(media.face), encoded(tmp_path / "voice.wav"))])[0]
    assert answer.reject is None
    assert answer.similarity == pytest.approx(wanted, abs=1e-5)


HQ = {"tower": "mel", "mel_bands": 16, "hop_ms": 10.0}


def test_a_model_of_our_own_tree_gets_faces_without_background(media: SimpleNamespace, tmp_path: Path) -> None:
    towers = TowerSpec("embedding", 128), TowerSpec("mel", 16, 0)
    params = TrainHq(embedding_dim=8, num_epochs=1)
    folder = made(tmp_path / "model", DLIB, VoiceInput("mel", None, 1.0, n_mels=16), towers, params, HQ)
    mel = {"root": "x", "n_mels": 16, "win_ms": 25.0, "hop_ms": 10.0}
    write_json(tmp_path / "data" / "hq" / "tree.json", {"mel": mel, "source": {}})
    here = Here(ROOT, ROOT, Params(), tmp_path / "cache")
    (tmp_path / "voice.wav").write_bytes(sound(media.voices[0]))
    files = {file: path_of(name, file) for name in PICTURE_MODELS for file in model(name).files}
    (tmp_path / "crop.jpg").write_bytes(
        measure_crop(CropTask(Picture(StoredFile(media.face), files), Framing(256, 0.4))).arrays["jpeg"].tobytes()
    )
    mask = path_of("mediapipe_selfie", "selfie_segmentation.tflite")
    (tmp_path / "masked.jpg").write_bytes(measure_masked(Crop(StoredFile(tmp_path / "crop.jpg"), mask)).arrays["jpeg"].tobytes())
    vector = measure_picture(Picture(StoredFile(tmp_path / "masked.jpg"), files)).arrays["embedding"]
    speech = hear(here, {"voice": tmp_path / "voice.wav"}).speech["voice"]
    spectrogram = measure_mel(MelTask(speech, 16, 25.0, 10.0)).arrays["mel"]
    network = load_model(folder)
    wanted = float(network.embed_faces([vector])[0] @ network.embed_voices([spectrogram])[0])
    write_json(folder / "config.json", read_config(folder) | {"calibration": {"threshold": None, "reason": "nobody"}})
    serving = answerer(folder, tmp_path / "place", tmp_path)
    row = (encoded(media.face), encoded(tmp_path / "voice.wav"))
    grey = encoded(picture(np.full((300, 300, 3), 90, np.uint8)))
    answers = serving.answer([row, (grey, row[1])])
    assert answers[0].similarity == pytest.approx(wanted, abs=1e-5)
    assert (answers[0].faces, answers[0].same_person, answers[0].remark) == (1, None, "no threshold: nobody")
    assert answers[1].reject.startswith("image: no_face_found")


def test_a_model_that_cannot_be_given_what_it_was_trained_on_says_so_when_it_is_loaded(plain: Path, tmp_path: Path) -> None:
    hq = {"face": asdict(DLIB), "voice": HQ}
    arcface = {"face": asdict(FaceInput("embedding", "ArcFace")), "voice": asdict(GE2E)}
    for at, (inputs, error, why) in enumerate(
        (
            (hq, ConfigError, "tree.json, which was not there"),
            ({}, ConfigError, "does not say what its towers take in"),
            (arcface, MixedModelsError, "ArcFace"),
        )
    ):
        folder = tmp_path / str(at)
        shutil.copytree(plain, folder)
        write_json(folder / "config.json", read_config(plain) | {"inputs": inputs})
        with pytest.raises(error, match=why):
            answerer(folder, tmp_path / f"place{at}")
    write_json(tmp_path / "data" / "hq" / "tree.json", {"mel": {"n_mels": 16}, "adopted": {}})
    with pytest.raises(ConfigError, match="adopted HQ-VoxCeleb tree"):
        answerer(tmp_path / "0", tmp_path / "place", tmp_path)


def test_what_it_brought_is_checked_when_it_is_loaded(plain: Path, tmp_path: Path) -> None:
    brought(plain, tmp_path, Params(), tmp_path / NAME)
    file = tmp_path / NAME / "weights" / "resemblyzer" / "pretrained.pt"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(WeightsError, match=r"pretrained\.pt"):
        Answerer(plain, tmp_path / NAME)
    file.unlink()
    with pytest.raises(WeightsError, match="does not exist"):
        Answerer(plain, tmp_path / NAME)


def test_names_that_stand_in_two_places_are_one() -> None:
    assert (
        LOOK == PICTURE_MODELS == (*hq_items.detectors.WEIGHTS[hq_items.DETECTOR], *hq_items.embedders.WEIGHTS[hq_items.EMBEDDER])
    )
    assert [column.name for column in signature().outputs] == list(Answer.__annotations__)
    assert (ROOT / "src" / "onscreen" / serving_files.CODE).is_file()


@pytest.fixture(scope="module")
def champion(plain: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A registered face_voice@champion; the environment of a machine that has the tracking store and no weights of its own."""
    root = tmp_path_factory.mktemp("registered")
    shutil.copytree(plain, root / "models" / "face_voice")
    workspace = Workspace(root, root, Params(), root / ".cache")
    client, experiment = connect(root)
    lock = {"stages": {"train_face_voice": {"outs": [{"path": "models/face_voice", "md5": "one.dir"}]}}}
    found = Pass("workspace", "0" * 40, {}, lock, {"evaluate": {"face_voice": {"status": "ok"}}}, "digest")
    client.create_run(experiment, tags={RECORDED: "digest"})
    version = register(client, experiment, found, workspace)["face_voice"]
    client.set_registered_model_alias("face_voice", CHAMPION, version.version)
    nowhere = root / "nowhere"
    nowhere.mkdir()
    return {
        **{name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "DVC_ROOT")},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "MLFLOW_TRACKING_URI": client.tracking_uri,
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "ONSCREEN_HOME": str(nowhere),
    }


LOAD = """
import json, sys
import mlflow, pandas
rows = pandas.DataFrame(json.load(sys.stdin), columns=["image", "audio"])
served = mlflow.pyfunc.load_model("models:/face_voice@champion")
answers = served.predict(rows).to_dict("records")
import onscreen
print(json.dumps([answers, onscreen.__file__, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def test_it_loads_without_pickle_checkout_or_packages_of_weights_and_requires_what_it_imports(
    champion: dict[str, str], serving: Answerer, media: SimpleNamespace
) -> None:
    row = (encoded(media.face), encoded(sound(media.voices[0])))
    folder = champion["ONSCREEN_HOME"]
    ran = subprocess.run(
        [sys.executable, "-c", LOAD],
        input=json.dumps([row]),
        env=champion,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    answers, file, modules = json.loads(ran.stdout.splitlines()[-1])
    assert answers[0]["similarity"] == pytest.approx(serving.answer([row])[0].similarity, abs=1e-5)
    assert Path(folder).parent in Path(file).parents  # the code that was registered, not the checkout's
    assert not {"resemblyzer", "silero_vad", "face_recognition_models", "dvc"} & {*modules}
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    known = packages_distributions()
    imported = {name.lower() for top in modules for name in known.get(top, ())} - {"ruamel.yaml.clib"}  # faster where it is there
    assert imported & {re.split(r"[<>=]", name)[0].lower() for name in declared} == {*REQUIREMENTS, "opencv-python"}


@pytest.fixture
def server(champion: dict[str, str], tmp_path: Path) -> Iterator[str]:
    """`mlflow models serve` of the champion, ended with all that it started."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["mlflow", "models", "serve", "--env-manager", "local", "-m", "models:/face_voice@champion", "-p", str(port)]
    with (tmp_path / "log.txt").open("w") as log:
        process = subprocess.Popen(command, env=champion, cwd=tmp_path, stdout=log, stderr=log, start_new_session=True)
    try:
        ends_s = time.monotonic() + 240
        while not answers_ping(port):
            assert process.poll() is None, (tmp_path / "log.txt").read_text()[-2000:]
            assert time.monotonic() < ends_s, (tmp_path / "log.txt").read_text()[-2000:]
            time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/invocations"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)


def answers_ping(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/ping", timeout=5).status_code == 200
    except requests.ConnectionError:
        return False


def strict(reply: requests.Response) -> Any:
    """JSON without NaN or Infinity, which Python alone reads."""
    return json.loads(reply.text, parse_constant=pytest.fail)


def test_mlflow_models_serve_answers_pictures_and_sounds(server: str, serving: Answerer, media: SimpleNamespace) -> None:
    good = {"image": encoded(media.face), "audio": encoded(sound(media.voices[0]))}
    rows = [good, {"image": "hello", "audio": good["audio"]}, {"image": "A" * (2 * limits.IMAGE_BYTES), "audio": good["audio"]}]
    wanted = serving.answer([(row["image"], row["audio"]) for row in rows])
    records = requests.post(server, json={"dataframe_records": [*rows, {"audio": good["audio"]}]}, timeout=60)
    assert records.status_code == 200, records.text
    told = strict(records)["predictions"]
    assert told[0] == asdict(wanted[0]) | {"similarity": pytest.approx(wanted[0].similarity, abs=1e-5)}
    assert told[1:3] == [asdict(answer) for answer in wanted[1:]]
    assert told[3]["reject"] == "image: missing: a base64 text is needed"
    table = {"columns": ["audio", "image"], "data": [[good["audio"], good["image"]]]}
    split = requests.post(server, json={"dataframe_split": table}, timeout=60)
    assert strict(split)["predictions"] == told[:1]
    many = requests.post(server, json={"dataframe_records": [good] * (limits.ROWS + 1)}, timeout=60)
    assert many.status_code == 400
    assert f"at most {limits.ROWS} are answered at once" in strict(many)["message"]
    other = requests.post(server, json={"dataframe_records": [{"image": good["image"]}]}, timeout=60)
    assert other.status_code == 400
    assert "audio" in strict(other)["message"]
