"""`onscreen train face-voice` and `onscreen evaluate face-voice`: the two-tower model on pictures and sounds of any folders.

People are put on sides by the hash of their name, as the split stage does, so whoever is held out at training is never trained on,
however often and with whomever it is repeated. config.json keeps digests of those who trained the model or chose its epoch; only
others are test people.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from onscreen.config import Params, Split
from onscreen.errors import ConfigError, NothingUsable
from onscreen.guide.measuring import Measured, config_of, digests_of, hearing_of, inputs_of, measure, workspace_for
from onscreen.guide.model_files import FILES, REJECTS, RESULTS, place, refuse_other_settings, results_of, write_rejects
from onscreen.guide.options import counts, refuse_torchrun
from onscreen.guide.people import STAGE, Media, join_by_bytes, pairs_of, usable
from onscreen.guide.telling import TooFewPeople
from onscreen.matching.folder import digest_of_person, load_model, read_config
from onscreen.matching.train import FEWEST_PEOPLE, check_device
from onscreen.own_folder import OwnFolder
from onscreen.records import Pair, Reject
from onscreen.stages.contamination import OWN
from onscreen.stages.items import FaceInput, VoiceInput
from onscreen.stages.pairing import pair_set
from onscreen.stages.split import side_of
from onscreen.stages.train_face_voice import plan_of
from onscreen.stages.training import Loaded, fit
from onscreen.store import read_json, write_json, write_table
from onscreen.workspace import Workspace

MANIFEST = "written_face_voice.json"
SIDES = ("train", "val", "test")
_KNOWN = ("training_people_sha256", "validation_people_sha256", "joined_people_sha256")


@dataclass(frozen=True)
class Trained:
    """What came of a training. people: by side. joined: people who are another under a second name, by files of the same bytes.

    epochs: done. best: the epoch that was kept, from 0. losses: its train_loss and val_loss. calibration: of config.json.
    """

    people: dict[str, int]
    faces: int
    voices: int
    joined: int
    epochs: int
    best: int
    train_loss: float
    val_loss: float | None
    calibration: dict[str, Any]
    rejects: tuple[Reject, ...]


def train(media: Media, save_dir: Path, params: Params) -> Trained:
    """Train on the train side of these people, choose the epoch on their val side; write the model into save_dir.

    A killed run goes on where it stopped; a finished one is told again, and nothing is trained.
    Raises InputError when save_dir holds what this command did not write, ConfigError when it holds a model of other settings or
    of other people, TooFewPeople when fewer than 2 are left to train on: rejects.parquet in save_dir says why.
    """
    refuse_torchrun("train_face_voice")
    check_device(params.train_face_voice)
    own = OwnFolder(save_dir.resolve(), "--save_dir", MANIFEST)
    face, voice = inputs_of(params)
    with own.alone():
        own.refuse_foreign(name for name in FILES if (own.path / name).exists())
        settings = {
            "params": params.train_face_voice.model_dump(mode="json"),
            "inputs": {"face": asdict(face), "voice": asdict(voice)},
            "split": params.split.model_dump(mode="json"),
        }
        refuse_other_settings(own.path, settings)
        workspace = own.workspace(own.path, params)
        people = _people(workspace, media, face, voice, params.split)
        _enough(own, people, params.split)
        _same_people(own.path, people)
        plan = replace(plan_of(params.train_face_voice, face, voice), stage=STAGE, tracked=False)
        made = workspace.models / "face_voice"
        fit(workspace, plan, people.sides["train"], people.sides["val"], made)
        config = read_config(made) | {
            "split": settings["split"],
            "joined_people_sha256": sorted(digest_of_person(name) for name in people.joined),
        }
        write_json(made / "config.json", config)
        write_table(made / REJECTS, Reject, people.rejects)
        place(made, own)
    rows = read_json(own.path / "history.json")
    best = config["best_epoch"]
    return Trained(
        people={side: len(loaded.pairs.people) for side, loaded in people.sides.items()},
        faces=len(people.measured.faces.known),
        voices=len(people.measured.voices.known),
        joined=len(people.joined),
        epochs=len(rows["train_loss"]),
        best=best,
        train_loss=rows["train_loss"][best],
        val_loss=rows["val_loss"][best],
        calibration=config["calibration"],
        rejects=tuple(people.rejects),
    )


def _same_people(folder: Path, people: _People) -> None:
    """Raises ConfigError when the folder holds a model of other people: what was scored with it would be of another model."""
    if not (folder / "config.json").is_file():
        return
    config = read_config(folder)
    for side, key in (("train", "training_people_sha256"), ("val", "validation_people_sha256")):
        before, now = set(config[key]), {digest_of_person(name) for name in people.sides[side].pairs.people}
        if before != now:
            raise ConfigError(
                f"--save_dir {folder} holds a model of other people: {key} has {len(before)} there and {len(now)} now, "
                f"{len(before & now)} of them the same. Choose another folder, or delete this one."
            )


@dataclass(frozen=True)
class _People:
    """Pairs by side. joined: who is whom under a second name. rejects: all that is left out, files and people."""

    sides: dict[str, Loaded]
    measured: Measured
    joined: dict[str, str]
    rejects: list[Reject]


def _people(workspace: Workspace, media: Media, face: FaceInput, voice: VoiceInput, split: Split) -> _People:
    """Measure all faces and voices, and put people on sides. People who share bytes are one, so that no copy is on two sides."""
    measured = measure(workspace, media, face, voice)
    joined, other_names = join_by_bytes(usable(media, measured.sha256), measured.sha256)
    pairs = [replace(pair, split=side_of(pair.identity_id, split)) for pair in pairs_of(joined)]
    sides = {side: load(measured, joined, [pair for pair in pairs if pair.split == side]) for side in SIDES}
    rejects = [*joined.rejects, *measured.rejects]
    return _People(sides, measured, other_names, rejects)


def load(measured: Measured, media: Media, pairs: list[Pair]) -> Loaded:
    """These pairs as arrays."""
    face_source = {name: file.recording for name, file in media.faces.items()}
    voice_source = {name: file.recording for name, file in media.voices.items()}
    return pair_set(STAGE, pairs, measured.faces, measured.voices, face_source, voice_source)


def _enough(own: OwnFolder, people: _People, split: Split) -> None:
    sizes = {side: len(loaded.pairs.people) for side, loaded in people.sides.items()}
    if sizes["train"] < FEWEST_PEOPLE:
        lost = ", ".join(f"{count} {code}" for code, count in counts(people.rejects).items())
        raise TooFewPeople(
            f"{_people_are(sizes['train'])} left to train on; at least {FEWEST_PEOPLE} are needed. {sizes['val']} choose the epoch and "
            f"{sizes['test']} are held out for the test, by split.val = {split.val:g} and split.test = {split.test:g}"
            + (f". Left out: {lost}" if lost else ""),
            people.rejects,
            write_rejects(own, people.rejects),
        )


@dataclass(frozen=True)
class Evaluated:
    """results: what evaluation_results.json says. people: all with face and voice. unseen: of them, those whom the model does not
    know. all_of: the --test_size that takes them all, where the given one does not.
    """

    results: dict[str, Any]
    people: int
    unseen: int
    all_of: float | None
    rejects: dict[str, int]


def evaluate_model(media: Media, model_dir: Path, test_size: float, top_k: int, params: Params) -> Evaluated:
    """Score a model on people of these folders who neither trained it nor chose its epoch; write evaluation_results.json.

    test_size: share of all people, above 0 up to 1: those whose hash lies below it, so a smaller share is part of a larger one.
    Raises ConfigError for a wrong share or rank, InputError when the folder holds no model, NothingUsable when fewer than 2 people are
    left: of one, nothing can be told.
    """
    if not 0 < test_size <= 1:
        raise ConfigError(f"--test_size {test_size:g}: must be a share of people, above 0 and at most 1")
    if top_k < 1:
        raise ConfigError(f"--top_k {top_k}: must be a whole number from 1")
    config = config_of("--model_dir", model_dir)
    model = load_model(model_dir)
    split = Split(**config["split"]) if "split" in config else params.split
    known = {digest for key in _KNOWN for digest in config.get(key, ())}
    workspace = workspace_for(model_dir, params)
    face, voice = FaceInput(**config["inputs"]["face"]), hearing_of("--model_dir", model_dir, config)
    unseen = _unseen(media, digests_of(workspace, media), known)
    chosen = {person for person in unseen if _below(person, test_size, split)}
    if not chosen:
        raise NothingUsable(_nobody(media, unseen, test_size, split))
    own = media.of_people(chosen)
    measured = measure(workspace, own, face, voice)
    joined, _ = join_by_bytes(usable(own, measured.sha256), measured.sha256)
    loaded = load(measured, joined, list(pairs_of(joined)))
    rejects = [*joined.rejects, *measured.rejects]
    if len(loaded.pairs.people) < FEWEST_PEOPLE:
        raise NothingUsable(_too_few(loaded, chosen, unseen, rejects, split))
    results = results_of(model, loaded.pairs, config, params.evaluate, top_k, (OWN,))
    results |= {"test_size": test_size, "people_in_folders": len(media.people), "people_unseen": len(unseen)}
    results["left_out"] = counts(rejects)
    write_json(model_dir / RESULTS, results)
    all_of = None if chosen == unseen else share_for(unseen, split)
    return Evaluated(results, len(media.people), len(unseen), all_of, counts(rejects))


def _unseen(media: Media, sha256: Mapping[str, str], known: Collection[str]) -> set[str]:
    """People whom the model does not know, neither by name nor by a file that is also one of a person it knows."""
    people = media.people
    seen = {person for person in people if digest_of_person(person) in known}
    _, same_as = join_by_bytes(media, sha256)
    groups = {same_as.get(person, person) for person in seen}
    return {person for person in people if same_as.get(person, person) not in groups}


def _below(person: str, share: float, split: Split) -> bool:
    return share == 1 or side_of(person, Split(val=0.0, test=share, salt=split.salt)) == "test"


def _nobody(media: Media, unseen: set[str], test_size: float, split: Split) -> str:
    people = len(media.people)
    if not unseen:
        return (
            f"the model was trained on all {people} people of these folders, or its epoch was chosen on them: nobody is held out"
        )
    return (
        f"--test_size {test_size:g} of {people} people is nobody whom the model has not seen. It has not seen {len(unseen)}: "
        f"--test_size {share_for(unseen, split):g} takes them"
    )


def _too_few(loaded: Loaded, chosen: set[str], unseen: set[str], rejects: list[Reject], split: Split) -> str:
    """Nobody, or one person, who has nobody to be told from."""
    tested, lost = len(loaded.pairs.people), ", ".join(f"{count} {code}" for code, count in counts(rejects).items())
    told = f"{_people_are(tested)} left to test on; at least {FEWEST_PEOPLE} are needed. {_people_are(len(unseen))} held out"
    told += f" (left out: {lost})" if lost else ""
    if len(chosen) < len(unseen):
        return f"{told}: --test_size {share_for(unseen, split):g} tests all of them"
    return f"{told}, and all of them were taken: add people whom the model has not seen, or train one with a larger split.test"


def _people_are(count: int) -> str:
    return "1 person is" if count == 1 else f"{count} people are"


def share_for(people: Collection[str], split: Split) -> float:
    """The smallest --test_size, in hundredths, that takes all these people."""
    return next(step / 100 for step in range(1, 101) if all(_below(person, step / 100, split) for person in people))
