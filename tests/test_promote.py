"""The champion changes only for a version that is better on the current test set, among people whom neither has seen."""

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from matching_cases import NOBODY, planted
from onscreen.config import Engine, Evaluate, Params, TrainFaceVoice
from onscreen.errors import InputError
from onscreen.lineage import Pass
from onscreen.matching.data import PairSet, of_people
from onscreen.matching.folder import describe, write_sources, write_trained
from onscreen.matching.towers import TowerSpec, sized
from onscreen.matching.train import Recipe, train
from onscreen.stages.items import FaceInput, VoiceInput, voice_frames
from onscreen.stages.train_face_voice import load_sides
from onscreen.store import write_json
from onscreen.tracking.comparison import DECIDES, shared
from onscreen.tracking.promote import CHALLENGED, PROMOTION, promote
from onscreen.tracking.registration import register
from onscreen.tracking.registry import versions_of
from onscreen.tracking.store import RECORDED, connect
from onscreen.workspace import Workspace
from stage_cases import checkout

PEOPLE = 14
FACE, VOICE = FaceInput("embedding", "Dlib"), VoiceInput("embedding", "resemblyzer", 5.0)
MEL = VoiceInput("mel", None, 2.0, n_mels=16)


VERSIONS = ("bad", "knows four", "knows five", "knows four by other names", "good", "good again", "mel")  # 1, 2, ...
EPOCHS = {"bad": 1, "good": 40, "mel": 2}
"""On the very test people, so that many make a good model and one a bad one, whatever it says that it was trained on."""


def says(name: str, test: PairSet) -> PairSet:
    """Whom a version says that it was trained on."""
    known = {"knows four": test.people[:4], "knows five": test.people[:5]}
    return (
        of_people(test, set(known[name]).__contains__)
        if name in known
        else planted(4, first=600 if name == "good again" else 500)
    )


def write_model(folder: Path, pairs: PairSet, epochs: int, voice: VoiceInput) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    params = TrainFaceVoice(embedding_dim=16, num_epochs=epochs, learning_rate=0.003 if epochs > 2 else 1e-6, augment=False)
    spec = sized(TowerSpec("mel", 16) if voice is MEL else TowerSpec("embedding"), pairs.voices)
    recipe = Recipe(params, sized(TowerSpec("embedding"), pairs.faces), spec, voice_frames(voice))
    trained = train(recipe, pairs, NOBODY, folder.parent / f"state-{epochs}", lambda epoch, row: None)
    inputs = {"face": asdict(FACE), "voice": asdict(voice)}
    write_trained(folder, recipe, trained, describe(params, inputs, NOBODY, NOBODY))


def say(folder: Path, people: PairSet) -> None:
    """Write into a model's folder whom it was trained on."""
    config = json.loads((folder / "config.json").read_text())
    about = describe(TrainFaceVoice(), config["inputs"], people, NOBODY)
    write_json(folder / "config.json", config | {name: about[name] for name in ("data", "training_people_sha256")})


def one_pass(md5: str) -> Pass:
    lock = {"stages": {"train": {"outs": [{"path": "models/face_voice", "md5": md5}]}}}
    return Pass("workspace", "0" * 40, {"x": 1}, lock, {}, f"digest-{md5}")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A checkout of 14 test people, in whose registry every kind of VERSIONS is registered; there is no champion."""
    params = Params(engine=Engine(workers=1), evaluate=Evaluate(bootstrap=300))
    workspace = checkout(tmp_path_factory.mktemp("promote"), {"test": PEOPLE}, params=params)
    client, experiment = connect(workspace.home)
    test = load_sides(workspace, ("test",), FACE, VOICE)["test"].pairs
    heard = load_sides(workspace, ("test",), FACE, MEL)["test"].pairs
    folder = workspace.models / "face_voice"
    for name in VERSIONS:
        if name in EPOCHS:  # the others have the weights of the one before them
            write_model(folder, heard if name == "mel" else test, EPOCHS[name], MEL if name == "mel" else VOICE)
        say(folder, says(name, test))
        write_sources(folder, *([of_people(test, set(test.people[:4]).__contains__)] if "other names" in name else []))
        client.create_run(experiment, tags={RECORDED: f"digest-{name}"})
        register(client, experiment, one_pass(name), workspace)
    return workspace


@pytest.fixture
def here(world: Workspace) -> Workspace:
    """The same, with nothing left of other tests."""
    client, _ = connect(world.home)
    client.delete_registered_model_alias("face_voice", "champion")
    for found in versions_of(client, "face_voice"):
        for tag in {PROMOTION, CHALLENGED} & set(found.tags):
            client.delete_model_version_tag("face_voice", found.version, tag)
    return world


def crown(workspace: Workspace, name: str) -> None:
    connect(workspace.home)[0].set_registered_model_alias("face_voice", "champion", number(name))


def number(name: str) -> str:
    return str(1 + VERSIONS.index(name))


def champion(workspace: Workspace) -> str | None:
    aliases = connect(workspace.home)[0].get_registered_model("face_voice").aliases
    return VERSIONS[int(aliases["champion"]) - 1] if "champion" in aliases else None


def told(workspace: Workspace, name: str, tag: str = PROMOTION) -> dict:
    return json.loads(connect(workspace.home)[0].get_model_version("face_voice", number(name)).tags[tag])


def ask(workspace: Workspace, name: str) -> bool:
    return promote(workspace, "face_voice", int(number(name)))


def test_a_better_version_becomes_champion_and_both_say_why(here: Workspace) -> None:
    crown(here, "bad")
    assert ask(here, "good")
    assert champion(here) == "good"
    found = told(here, "good")
    assert found == told(here, "bad", CHALLENGED)
    assert (found["verdict"], found["challenger"], found["champion"]) == ("promoted", number("good"), number("bad"))
    assert found["figures"][DECIDES]["low"] > 0
    assert (found["people"], found["people_left_out"], found["resamples"]) == (PEOPLE, 0, 300)
    client, experiment = connect(here.home)
    run = client.search_runs([experiment], "tags.`onscreen.kind` = 'promotion'")[0]  # the newest first
    assert run.data.metrics[f"{DECIDES}.low"] == found["figures"][DECIDES]["low"]
    assert json.loads(run.data.tags[PROMOTION]) == found


def test_a_worse_version_is_refused(here: Workspace) -> None:
    crown(here, "good")
    assert not ask(here, "bad")
    assert champion(here) == "good"
    assert told(here, "bad")["figures"][DECIDES]["high"] < 0
    assert "does not lie above 0" in told(here, "bad")["reason"]


def test_an_equal_version_is_refused(here: Workspace) -> None:
    crown(here, "good")
    assert not ask(here, "good again")
    found = told(here, "good again")["figures"][DECIDES]
    assert (found["difference"], found["low"], found["high"]) == (0, 0, 0)
    assert champion(here) == "good"


def test_people_whom_the_champion_was_trained_on_take_no_part(here: Workspace) -> None:
    crown(here, "knows four")
    assert ask(here, "good")
    assert (told(here, "good")["people"], told(here, "good")["people_left_out"]) == (PEOPLE - 4, 4)


def test_people_whom_the_champion_knows_by_other_names_take_no_part(here: Workspace) -> None:
    """Identities were renamed since; the videos are the same."""
    crown(here, "knows four by other names")
    assert ask(here, "good")
    assert (told(here, "good")["people"], told(here, "good")["people_left_out"]) == (PEOPLE - 4, 4)


def test_with_fewer_than_ten_people_left_nothing_changes(here: Workspace) -> None:
    crown(here, "knows five")
    assert not ask(here, "good")
    assert champion(here) == "knows five"
    assert told(here, "good")["reason"] == "9 people are left to compare on; 10 are needed for an interval"
    assert "figures" not in told(here, "good")


def test_a_champion_that_hears_otherwise_is_scored_with_its_own_inputs(here: Workspace) -> None:
    crown(here, "mel")
    assert ask(here, "good")
    assert told(here, "good")["people"] == PEOPLE


def test_without_a_champion_a_version_must_be_better_than_chance(here: Workspace) -> None:
    assert not ask(here, "bad")
    assert champion(here) is None
    assert told(here, "bad")["champion"] is None
    assert ask(here, "good")
    assert champion(here) == "good"
    assert told(here, "good")["figures"][DECIDES]["other"] == 0.5


def test_the_champion_itself_is_no_challenger(here: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    crown(here, "good")
    assert ask(here, "good")
    assert "is the champion already" in capsys.readouterr().out
    assert PROMOTION not in connect(here.home)[0].get_model_version("face_voice", number("good")).tags


def test_a_champion_whose_files_are_gone_stays_until_a_person_decides(here: Workspace, tmp_path: Path) -> None:
    client, _ = connect(here.home)
    gone = client.create_model_version("face_voice", (tmp_path / "gone").as_uri())
    client.set_registered_model_alias("face_voice", "champion", gone.version)
    assert not ask(here, "good")
    assert client.get_registered_model("face_voice").aliases == {"champion": gone.version}
    reason = told(here, "good")["reason"]
    assert f"face_voice/{gone.version} cannot be scored here" in reason
    assert str(here.root) not in reason
    assert str(tmp_path) not in reason


def test_a_model_or_version_that_does_not_exist_is_named_with_those_that_do(here: Workspace) -> None:
    with pytest.raises(InputError, match="face_voice or hq"):
        promote(here, "voices")
    with pytest.raises(InputError, match=r"has no version '77'. It has: 1, 2, 3"):
        promote(here, "face_voice", 77)
    with pytest.raises(InputError, match="no version of 'hq' is registered"):
        promote(here, "hq")


def test_only_pairs_that_both_models_take_in_are_compared() -> None:
    every = planted(6)
    some = replace(every, links=every.links[1:])
    fewer = of_people(every, lambda name: name != "person003")
    ours, others = shared(some, fewer)
    assert ours.people == others.people == tuple(name for name in every.people if name != "person003")
    assert len(ours.links) == len(others.links) == len(every.links) - 1 - 2
    assert ours.test_set_sha256 == others.test_set_sha256
    assert len(ours.faces) == len(others.faces)
