"""Transformers towers end to end, on the CPU and without a model host: networks from configurations, with random weights.

    PYTHONPATH=src python benchmarks/hf_towers.py overfit   a tiny ViT and a tiny Wav2Vec2 learn 16 real people by heart: Top-1 = 1.0
    PYTHONPATH=src python benchmarks/hf_towers.py memory    one training step of ViT-Base and Wav2Vec2-Base: peak memory below 8 GB

overfit takes the clips in $ONSCREEN_TEST_DATA/clips (with labels.csv) through prepare, extract_faces
and train_face_voice. It says nothing of people whom the model has not seen: only that faces and voices reach the towers, and
gradients the weights.
"""

from __future__ import annotations

import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from onscreen.workspace import Workspace

PEOPLE, EPOCHS, WINDOW_S = 16, 100, 2.0
CLIPS = Path(os.environ.get("ONSCREEN_TEST_DATA", Path(__file__).parents[2] / "shared" / "data")) / "clips"
TINY = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 128}
STILL = {"hidden_dropout": 0.0, "attention_dropout": 0.0, "activation_dropout": 0.0, "feat_proj_dropout": 0.0}


def main() -> None:
    """Run the named part, or both; `step` is one step of memory in a process of its own."""
    wanted = sys.argv[1:] or ["overfit", "memory"]
    if "overfit" in wanted:
        overfit()
    if "memory" in wanted:
        for frozen, checkpointing in ((False, False), (False, True), (True, False)):
            subprocess.run([sys.executable, __file__, "step", str(int(frozen)), str(int(checkpointing))], check=True)
    if wanted[0] == "step":
        step(frozen=wanted[1] == "1", checkpointing=wanted[2] == "1")


def overfit() -> None:
    """Train on the labelled clips of 16 people and rank the training people's own faces and voices."""
    import torch

    from onscreen.config import Data, Params, TrainFaceVoice
    from onscreen.stages import extract_faces, prepare, train_face_voice
    from onscreen.workspace import Workspace

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        face, voice = tiny_models(root / "networks")
        train = TrainFaceVoice(
            face_tower=face,
            voice_tower=voice,
            face_frozen_epochs=0,
            voice_frozen_epochs=0,
            audio_duration_sec=WINDOW_S,
            augment=False,
            batch_size=PEOPLE,
            embedding_dim=64,
            num_epochs=EPOCHS,
            learning_rate=1e-3,
        )
        params = Params(data=Data(raw=str(CLIPS)), train_face_voice=train)
        cache = os.environ.get("ONSCREEN_BENCHMARK_CACHE")  # measured faces and speech, kept between runs
        workspace = Workspace(root, Path.cwd(), params, Path(cache) if cache else root / ".cache")
        prepare.main(workspace)
        extract_faces.main(workspace)
        write_pairs(workspace)
        torch.set_num_threads(1)  # networks this small only wait for a second one
        begin = time.process_time()
        train_face_voice.main(workspace)
        spent = time.process_time() - begin
        to_voice, to_face = top1(workspace)
        losses = json.loads((workspace.models / "face_voice" / "history.json").read_text(encoding="utf-8"))["train_loss"]
        told = ", ".join(f"{losses[at]:.2f}" for at in range(0, EPOCHS, EPOCHS // 5))
        print(f"overfit: {PEOPLE} people, {EPOCHS} epochs, {spent:.0f} core-s of training; loss {told}, last {losses[-1]:.2f}")
        print(f"  Top-1 on them: face to voice {to_voice:.3f}, voice to face {to_face:.3f} (chance {1 / PEOPLE:.3f})")
        assert to_voice == to_face == 1.0


def top1(workspace: Workspace) -> tuple[float, float]:
    """Share of the training faces whose own voice is nearest of all, and of their voices whose own face is: read from the model's
    folder, whole voices in windows."""
    from onscreen.matching.folder import load_model
    from onscreen.stages import train_face_voice
    from onscreen.stages.items import face_input, voice_input

    params = workspace.params
    train = params.train_face_voice
    how = face_input(train.face_tower, False, None, params.faces), voice_input(train, params.voices, params.hq)
    pairs = train_face_voice.load_sides(workspace, ["train"], *how)["train"].pairs
    model = load_model(workspace.models / "face_voice")
    scores = model.embed_faces(pairs.faces) @ model.embed_voices(pairs.voices).T
    face, voice = np.array([(link.face, link.voice) for link in pairs.links]).T
    assert len(np.unique(face)) == len(np.unique(voice)) == PEOPLE
    return float(np.mean(scores[face].argmax(axis=1) == voice)), float(np.mean(scores.T[voice].argmax(axis=1) == face))


def tiny_models(folder: Path) -> tuple[str, str]:
    """Save a tiny ViT of 64 px and a tiny Wav2Vec2 as any model is saved.

    Four convolutions instead of seven, a frame of 40 ms instead of 20: those over raw samples are what takes the time.
    """
    import torch
    from transformers import ViTConfig, ViTModel, Wav2Vec2Config, Wav2Vec2Model

    torch.manual_seed(0)
    still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    ViTModel(ViTConfig(image_size=64, patch_size=16, **TINY, **still)).save_pretrained(folder / "vit")
    shape = {"conv_dim": (32, 64, 64, 64), "conv_kernel": (20, 16, 8, 4), "conv_stride": (10, 8, 4, 2)}
    position = {"num_conv_pos_embeddings": 32, "num_conv_pos_embedding_groups": 4}
    settings = {**TINY, **STILL, **shape, **position, "feat_extract_norm": "layer", "do_stable_layer_norm": True}
    Wav2Vec2Model(Wav2Vec2Config(**settings)).save_pretrained(folder / "wav2vec2")
    return f"hf:{folder / 'vit'}", f"hf:{folder / 'wav2vec2'}"


def write_pairs(workspace: Workspace) -> None:
    """One clip of each of the first 16 people by labels.csv that have a face and speech, as training pairs."""
    from onscreen.records import Clip, Face, Pair
    from onscreen.store import read_table, write_table

    with (CLIPS / "labels.csv").open(encoding="utf-8") as file:
        person_of = {row["file"]: row["identity"] for row in csv.DictReader(file)}
    clips = {clip.clip_id: clip for clip in read_table(workspace.prepared / "clips.parquet", Clip)}
    chosen: dict[str, Pair] = {}
    for face in read_table(workspace.faces / "faces.parquet", Face):
        clip = clips[face.clip_id]
        if clip.audio and clip.speech_s >= 1.0 and len(chosen) < PEOPLE:
            name = person_of[Path(clip.source).name]
            chosen.setdefault(name, Pair(name, "train", face.face_id, clip.clip_id, same_source=True))
    write_table(workspace.splits / "pairs.parquet", Pair, list(chosen.values()))
    assert len(chosen) == PEOPLE, f"only {len(chosen)} people have a face and speech"


def step(*, frozen: bool, checkpointing: bool) -> None:
    """One update of ViT-Base and Wav2Vec2-Base with a batch of 8 pictures and 8 x 5 s, and what it took."""
    import torch
    from transformers import ViTConfig, Wav2Vec2Config

    from onscreen.matching.data import collate
    from onscreen.matching.loss import Contrastive
    from onscreen.matching.towers import FaceVoiceModel, TowerSpec

    face = TowerSpec("hf_face", 3, 0, config_of(ViTConfig()), {"size_px": 224, "mean": [0.5] * 3, "std": [0.5] * 3})
    voice = TowerSpec("hf_voice", 1, 0, config_of(Wav2Vec2Config(mask_feature_prob=0.0)), {"normalize": True})
    model = FaceVoiceModel(face, voice, 512, 80_000).train()
    for tower in (model.face_encoder, model.audio_encoder):
        tower.requires_grad_(not frozen)
        tower.train(not frozen)
        if checkpointing:
            tower.enable_checkpointing()
    built = rss_gb()
    loss = Contrastive("infonce", 0.07, learn_temperature=False)
    optimizer = torch.optim.AdamW([value for value in model.parameters() if value.requires_grad], lr=1e-5)
    random = np.random.default_rng(0)
    faces = collate(list(random.integers(0, 256, (8, 3, 224, 224), dtype=np.uint8)))
    voices = collate(list(random.normal(0, 0.1, (8, 1, 80_000)).astype(np.float32)))
    begin = time.process_time()
    value = loss(model.faces(*faces), model.voices(*voices), torch.arange(8))
    value.backward()
    optimizer.step()
    name = "heads only, networks frozen" if frozen else "all weights" + (", checkpointing" if checkpointing else "")
    parameters = sum(value.numel() for value in model.parameters()) / 1e6
    print(
        f"memory: ViT-Base + Wav2Vec2-Base ({parameters:.0f} M), 8 x 5 s, {name}: peak {rss_gb():.2f} GB ({built:.2f} before the step), "
        f"{time.process_time() - begin:.0f} core-s, loss {float(value.detach()):.3f}",
        flush=True,
    )
    assert rss_gb() < 8.0


def config_of(config: object) -> dict[str, object]:
    """A configuration as a tower's specification keeps it."""
    return json.loads(config.to_json_string(use_diff=False))


def rss_gb() -> float:
    """Peak resident memory of this process, 10^9 bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


if __name__ == "__main__":
    main()
