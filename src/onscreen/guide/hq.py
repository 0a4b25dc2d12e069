"""`onscreen hq split`, `train` and `evaluate`: an HQ-VoxCeleb tree in any folder, without DVC.

They do what the stages train_hq and evaluate do with data/hq. A tree is never written to, but for its split.json by `split`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onscreen.config import Params
from onscreen.errors import ConfigError, InputError, NothingUsable
from onscreen.guide.measuring import config_of, workspace_for
from onscreen.guide.model_files import FILES, REJECTS, RESULTS, place, refuse_other_settings, results_of, write_rejects
from onscreen.guide.options import counts, refuse_torchrun
from onscreen.guide.telling import TooFewPeople
from onscreen.matching.folder import digest_of_person, load_model, read_config
from onscreen.matching.hq_split import RULES, Sides, sides_of
from onscreen.matching.hq_tree import Tree, read_split, tree_of
from onscreen.matching.train import FEWEST_PEOPLE, accelerator_of, check_device
from onscreen.own_folder import OwnFolder
from onscreen.records import Reject
from onscreen.stages.contamination import OWN
from onscreen.stages.evaluate import corpora_of, without
from onscreen.stages.items import FaceInput
from onscreen.stages.labels import of_tree
from onscreen.stages.train_hq import load_sides, train_tree
from onscreen.store import read_json, read_table, write_json

MANIFEST = "written_hq.json"
_KNOWN = ("training_people_sha256", "validation_people_sha256")


def write_split(vox_dir: Path, output: Path, most: int | None, rule: str) -> Sides:
    """Write split.json of a tree. Raises ConfigError for an unknown rule, InputError as sides_of does, NothingUsable for nobody."""
    if rule not in RULES:
        raise ConfigError(f"--rule {rule}: must be one of {', '.join(RULES)}")
    if most is not None and most < 1:
        raise ConfigError(f"--max_identities {most}: must be a whole number from 1")
    if not vox_dir.is_dir():
        raise InputError(f"--vox_dir {vox_dir}: there is no such folder")
    made = sides_of(vox_dir, rule, most)
    if not made.people:
        raise NothingUsable(
            f"--vox_dir {vox_dir}: nobody has both spectrograms (.npy, .pickle) and faces (.jpg, .png) in folders of one name"
            + (f"; of {len(made.unplaced)} who do, no row of the meta file has the name" if made.unplaced else "")
        )
    write_json(output, made.split)
    return made


def open_tree(vox_dir: Path | None, split_json: Path) -> Tree:
    """The tree of these options. Raises InputError when split_json is missing, naming what makes it or where there is another."""
    here = Path("data/hq/split.json")
    if not split_json.is_file() and here.is_file():
        raise InputError(f"--split_json_path {split_json} does not exist; this checkout has --split_json_path {here}")
    return tree_of(vox_dir or split_json.parent, read_split(split_json))


@dataclass(frozen=True)
class Trained:
    """What came of a training. config, history: of the model's folder. told: metrics of the tree. rejects: what is left out."""

    config: dict[str, Any]
    history: dict[str, Any]
    told: dict[str, Any]
    rejects: tuple[Reject, ...]


def train(tree: Tree, save_dir: Path, params: Params) -> Trained:
    """Train on the tree's train side, choose the epoch on its val side where it has one; write the model into save_dir.

    A killed run goes on where it stopped. Raises InputError when save_dir holds what this command did not write, ConfigError when it
    holds a model of other settings, TooFewPeople when fewer than 2 are left to train on: rejects.parquet in save_dir says why.
    """
    refuse_torchrun("train_hq")
    check_device(params.train_hq)
    own = OwnFolder(save_dir.resolve(), "--save_dir", MANIFEST)
    with own.alone():
        own.refuse_foreign(name for name in FILES if (own.path / name).exists())
        refuse_other_settings(own.path, {"params": params.train_hq.model_dump(mode="json")})
        workspace = own.workspace(own.path, params)
        made = workspace.models / "hq"
        train_tree(workspace, tree, params.train_hq, made, tracked=False)
        config, told = read_config(made), read_json(workspace.reports / "metrics" / "train_hq.json")
        rejects = tuple(read_table(made / REJECTS, Reject))
        if config["status"] != "ok":
            lost = ", ".join(f"{count} {code}" for code, count in counts(rejects).items())
            told = f"{config['status']}: {config['reason']}" + (f". Left out: {lost}" if lost else "")
            raise TooFewPeople(told, rejects, write_rejects(own, rejects))
        place(made, own)
    return Trained(config, read_json(own.path / "history.json"), told, rejects)


@dataclass(frozen=True)
class Evaluated:
    """results: what evaluation_results.json says. known: test people of the tree whom the model was trained on."""

    results: dict[str, Any]
    known: int
    rejects: dict[str, int]


def evaluate_model(tree: Tree, model_dir: Path, top_k: int, params: Params) -> Evaluated:
    """Score a model on the tree's test people whom it has not seen; write evaluation_results.json into its folder.

    Raises ConfigError for a model of sound files or of other spectrograms, NothingUsable when fewer than 2 people are left to test
    on: of one, nothing can be told.
    """
    if top_k < 1:
        raise ConfigError(f"--top_k {top_k}: must be a whole number from 1")
    config = config_of("--model_dir", model_dir)
    voice = config["inputs"]["voice"]
    if "mel_bands" not in voice:
        raise ConfigError(f"--model_dir {model_dir}: this model hears sound. `onscreen evaluate face-voice` scores it")
    if voice["hop_ms"] != tree.hop_ms:
        raise ConfigError(
            f"--model_dir {model_dir}: this model takes a frame every {voice['hop_ms']:g} ms, the tree has one every "
            f"{tree.hop_ms:g} ms. Train one on trees like this"
        )
    workspace = workspace_for(model_dir, params)
    face = FaceInput(**config["inputs"]["face"])
    loaded = load_sides(workspace, tree, ("test",), face, voice["mel_bands"])["test"]
    seen = {digest for key in _KNOWN for digest in config.get(key, ())}
    pairs = without(loaded.pairs, sorted(seen))
    rejects = counts(loaded.rejects)
    known = sum(digest_of_person(name) in seen for name in loaded.pairs.people)
    if len(pairs.by_person) < FEWEST_PEOPLE:
        raise NothingUsable(_too_few(tree, len(pairs.by_person), known, rejects))
    model = load_model(model_dir).to(accelerator_of(params.train_hq))
    # A tree that says what its files were taken from is made of somebody's own videos.
    labels, corpora = ({}, (OWN,)) if tree.source else (of_tree(tree.files.folder, pairs.people), corpora_of(tree))
    results = results_of(model, pairs, config, params.evaluate, top_k, corpora, labels)
    results |= {"test_people_seen_in_training": known, "left_out": rejects}
    write_json(model_dir / RESULTS, results)
    return Evaluated(results, known, rejects)


def _too_few(tree: Tree, left: int, known: int, rejects: dict[str, int]) -> str:
    people = len(tree.side("test"))
    if not people:
        return f"{tree.files.folder}: split.json puts nobody on the test side who has spectrograms and faces"
    lost = ", ".join(f"{count} {code}" for code, count in rejects.items())
    can = (
        f"nobody of {people} test people"
        if not left
        else f"1 of {people} test people alone"
        if people > 1
        else "1 test person alone"
    )
    return (
        f"{can} can be scored, and at least {FEWEST_PEOPLE} are needed: {known} were seen in training"
        + (f". Left out: {lost}" if lost else "")
        + ". Put more people, with spectrograms and faces, on the test side of split.json"
    )
