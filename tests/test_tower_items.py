"""Faces and voices for transformers towers: frozen ones through the item cache, trained ones read when they are asked for."""

import json
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import soundfile
import torch
from skimage import data as photographs

from hf_cases import LAYER_NORM, small_face, small_voice
from hq_cases import published_tree
from matching_cases import NOBODY
from onscreen import hf
from onscreen.config import Engine, Faces, Hq, Params, TrainFaceVoice, TrainHq, Voices
from onscreen.errors import MixedModelsError, Rejected, WeightsError
from onscreen.matching.folder import describe, load_model, write_untrained
from onscreen.matching.hf_towers import FaceTower, VoiceTower
from onscreen.matching.hq_tree import read_tree
from onscreen.stages import evaluate, train_face_voice
from onscreen.stages.hq_items import PICTURE_MODELS, Picture, look
from onscreen.stages.items import FaceFile, FaceInput, VoiceInput, face_items, voice_frames, voice_input, voice_items, voice_spec
from onscreen.stages.reading import ReadCrop, ReadSpeech
from onscreen.stages.tower_faces import CropTask, FaceTask, Framing, measure_crop, measure_face, to_tower
from onscreen.stages.tower_voices import SpeechTask, VoiceWindows, measure_waveform, measure_windows
from onscreen.stages.train_hq import train_tree
from onscreen.storage import StoredFile
from onscreen.voices.waveform import Speech
from onscreen.weights import ensure, model, path_of
from onscreen.workspace import Workspace
from stage_cases import checkout, portrait, spoken

RATE = 16_000


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small only wait for a second one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def vit(tmp_path_factory: pytest.TempPathFactory) -> hf.Backbone:
    return hf.find(small_face(tmp_path_factory.mktemp("vit")), hf.FACE_TYPES)


@pytest.fixture(scope="module")
def wav2vec2(tmp_path_factory: pytest.TempPathFactory) -> hf.Backbone:
    return hf.find(small_voice(tmp_path_factory.mktemp("wav2vec2")), hf.VOICE_TYPES)


def frozen(found: hf.Backbone) -> hf.Frozen:
    return hf.Frozen(found.name, found.files)


def picture(path: Path, pixels: np.ndarray) -> StoredFile:
    cv2.imwrite(str(path), pixels[..., ::-1])
    return StoredFile(path)


def speech(path: Path, seconds: float, samples: np.ndarray | None = None) -> Speech:
    soundfile.write(path, spoken(1, 0, seconds) if samples is None else samples, RATE, subtype="FLOAT")
    return Speech(StoredFile(path), (0.0,), (seconds,))


def task(of: Speech, rule: str = "repeat") -> SpeechTask:
    return SpeechTask(of, "as_recorded", rule)


def look_at(image: StoredFile) -> CropTask:
    ensure(PICTURE_MODELS)
    files = {file: path_of(name, file) for name in PICTURE_MODELS for file in model(name).files}
    return CropTask(Picture(image, files), Framing(256, 0.4))


def test_a_frozen_network_gives_of_a_crop_what_its_tower_gives(tmp_path: Path, vit: hf.Backbone) -> None:
    image = picture(tmp_path / "face.png", portrait(1))
    found = measure_face(FaceTask(image, frozen(vit))).arrays["embedding"]
    tower = FaceTower(vit.config, hf.face_settings(vit), hf.load(vit)).eval()
    with torch.inference_mode():
        wanted = tower(torch.from_numpy(ReadCrop(image, 32)())[None], torch.tensor([32]))[0].numpy()
    assert found.dtype == np.float32
    assert np.array_equal(found, wanted)


def test_of_a_photograph_the_face_is_cut_and_never_the_whole_frame(tmp_path: Path) -> None:
    photo = cv2.resize(photographs.astronaut()[:300, 70:370], (600, 600))
    jpeg = measure_crop(look_at(picture(tmp_path / "a.png", photo))).arrays["jpeg"]
    crop = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)[..., ::-1]
    assert crop.shape == (256, 256, 3)
    _, _, before = look(look_at(picture(tmp_path / "a.png", photo)).picture)
    _, _, after = look(look_at(picture(tmp_path / "b.png", crop)).picture)
    assert after[0].box[2] > 1.3 * before[0].box[2]  # in pixels of 256
    middle = np.array(after[0].box[:2]) + np.array(after[0].box[2:]) / 2
    assert np.abs(middle - 128).max() < 20


def test_a_picture_without_a_face_is_a_reject(tmp_path: Path, vit: hf.Backbone) -> None:
    with pytest.raises(Rejected) as raised:
        measure_face(FaceTask(look_at(picture(tmp_path / "a.png", photographs.coffee())), frozen(vit)))
    assert raised.value.code == "no_face_found"


def test_a_picture_that_cannot_be_read_is_a_reject(tmp_path: Path, vit: hf.Backbone) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    with pytest.raises(Rejected) as raised:
        measure_face(FaceTask(StoredFile(tmp_path / "a.jpg"), frozen(vit)))
    assert raised.value.code == "unreadable_image"


def test_a_crop_that_is_made_smaller_does_not_alias() -> None:
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::2] = 255
    small = to_tower(stripes, 32)
    assert small.shape == (3, 32, 32)
    assert small.min() > 100
    assert small.max() < 155


def test_a_voice_is_heard_in_equal_windows_that_cover_it(tmp_path: Path, wav2vec2: hf.Backbone) -> None:
    found = measure_windows(VoiceWindows(task(speech(tmp_path / "a.wav", 4.3)), 2.0, frozen(wav2vec2))).arrays["windows"]
    assert found.shape == (32, 3)
    tower = VoiceTower(wav2vec2.config, hf.voice_settings(wav2vec2), hf.load(wav2vec2)).eval()
    size = round(4.3 * RATE) // 3
    samples = ReadSpeech(task(speech(tmp_path / "a.wav", 4.3)))()
    with torch.inference_mode():
        alone = [
            tower(torch.from_numpy(samples[None, :, at : at + size]), torch.tensor([size]))[0].numpy()
            for at in (0, size, 2 * size)
        ]
    assert found == pytest.approx(np.stack(alone, axis=1), abs=1e-5)


@pytest.mark.parametrize(
    ("seconds", "rule", "code"),
    [(0.1, "repeat", "too_short"), (1.2, "refuse", "too_short"), (2.0, "refuse", None), (1.2, "repeat", None)],
)
def test_short_speech_is_repeated_or_refused_by_rule_for_every_tower(
    seconds: float, rule: str, code: str | None, tmp_path: Path, wav2vec2: hf.Backbone
) -> None:
    heard = task(speech(tmp_path / "a.wav", seconds), rule)
    for measure, argument in ((measure_waveform, heard), (measure_windows, VoiceWindows(heard, 5.0, frozen(wav2vec2)))):
        if code is None:
            assert measure(argument).meta == {"speech_s": max(seconds, 1.6), "repeated": seconds < 1.6}
            continue
        with pytest.raises(Rejected) as raised:
            measure(argument)
        assert raised.value.code == code


def test_silent_speech_is_a_reject(tmp_path: Path) -> None:
    with pytest.raises(Rejected) as raised:
        measure_waveform(task(speech(tmp_path / "a.wav", 3.0, np.zeros(3 * RATE, np.float32))))
    assert raised.value.code == "silent"


def test_items_that_are_read_later_travel_to_other_processes_and_hold_no_samples(tmp_path: Path) -> None:
    for item in (ReadSpeech(task(speech(tmp_path / "a.wav", 3.0))), ReadCrop(picture(tmp_path / "a.png", portrait(1)), 32)):
        packed = pickle.dumps(item)
        assert len(packed) < 1500
        assert np.array_equal(pickle.loads(packed)(), item())  # noqa: S301  # packed two lines above


def test_pictures_for_a_model_of_another_embedder_are_refused(tmp_path: Path) -> None:
    workspace = checkout(tmp_path, {"train": 1})
    files = {"a": FaceFile(picture(tmp_path / "a.png", portrait(1)))}
    with pytest.raises(MixedModelsError, match="Facenet"):
        face_items(workspace, FaceInput("embedding", "Facenet"), files)


def test_the_guides_flattened_spectrogram_takes_as_many_frames_as_its_window_has() -> None:
    params = TrainFaceVoice(voice_tower="flatten", audio_duration_sec=2.0)
    how = voice_input(params, Voices(), Hq(n_mels=40, hop_ms=20.0))
    spec = voice_spec(how, augment=True)
    assert (spec.kind, spec.inputs, spec.frames, voice_frames(how)) == ("flatten", 40, 100, 100)
    assert VoiceInput(**json.loads(json.dumps(vars(how)))) == how


def test_mels_by_the_params_of_hq_wait_in_the_item_cache(tmp_path: Path) -> None:
    workspace = checkout(tmp_path, {"train": 1}, params=Params(engine=Engine(workers=1)))
    how = voice_input(TrainFaceVoice(voice_tower="mel"), Voices(), Hq(n_mels=40, hop_ms=20.0))
    voices = {"long": speech(tmp_path / "a.wav", 3.0), "short": speech(tmp_path / "b.wav", 0.3)}
    items = voice_items(workspace, how, voices)
    assert items.lost["short"].code == "too_short"
    assert not isinstance(items.known["long"], np.ndarray)
    mel = items.of(["long"])[0]
    assert mel.shape[0] == 40
    assert abs(mel.shape[1] - 150) <= 2


def test_a_trained_face_network_and_a_frozen_voice_network_become_a_model_that_evaluate_loads(tmp_path: Path) -> None:
    face = small_face(tmp_path / "vit")
    voice = small_voice(tmp_path / "wav2vec2", **LAYER_NORM)
    train = TrainFaceVoice(
        face_tower=face, voice_tower=voice, face_frozen_epochs=0, num_epochs=2, embedding_dim=16, batch_size=4, learning_rate=1e-3
    )
    params = Params(train_face_voice=train, engine=Engine(workers=1), faces=Faces(crop_px=256))
    workspace = checkout(tmp_path / "checkout", {"train": 4, "val": 2, "test": 2}, params=params)
    train_face_voice.main(workspace)
    folder = workspace.models / "face_voice"
    config = json.loads((folder / "config.json").read_text())
    assert config["inputs"]["face"]["files"]["model.safetensors"] == hf.find(face, hf.FACE_TYPES).files["model.safetensors"]
    assert config["face_tower"]["kind"] == "hf_face"
    assert (config["voice_tower"]["kind"], config["voice_tower"]["inputs"]) == ("embedding", 32)
    assert config["inputs"]["voice"]["tower"] == voice
    before = hf.load(hf.find(face, hf.FACE_TYPES)).state_dict()
    after = load_model(folder).face_encoder.network.state_dict()  # type: ignore[union-attr]  # it is a FaceTower
    assert any(not torch.equal(before[name], after[name]) for name in before)

    (workspace.models / "hq").mkdir()
    write_untrained(workspace.models / "hq", describe(TrainFaceVoice(), {}, NOBODY, NOBODY))
    shutil.move(tmp_path / "vit", tmp_path / "gone")  # the trained tower's own weights are in the model
    shutil.move(tmp_path / "wav2vec2", tmp_path / "away")
    with pytest.raises(WeightsError, match="is not on this machine"):  # one error, no reject for each item
        evaluate.main(workspace)
    shutil.move(tmp_path / "away", tmp_path / "wav2vec2")
    evaluate.main(workspace)
    figures = json.loads((workspace.reports / "metrics" / "evaluate.json").read_text())["face_voice"]
    assert figures["status"] == "ok"
    assert figures["test_people"] == 2


def test_a_trained_face_network_beside_spectrograms_of_a_tree_becomes_a_model(tmp_path: Path) -> None:
    published_tree(tmp_path / "tree", dict.fromkeys(("Ann", "Bob", "Cid"), "train"))
    face = small_face(tmp_path / "vit")
    params = TrainHq(face_tower=face, face_frozen_epochs=0, num_epochs=1, embedding_dim=8, batch_size=4)
    workspace = Workspace(tmp_path, tmp_path, Params(engine=Engine(workers=1)), tmp_path / ".cache")
    train_tree(workspace, read_tree(tmp_path / "tree"), params, tmp_path / "model", tracked=False)
    shutil.rmtree(tmp_path / "vit")
    read = load_model(tmp_path / "model")
    assert isinstance(read.face_encoder, FaceTower)
    assert read.embed_faces([to_tower(portrait(1), 32)]).shape == (1, 8)
