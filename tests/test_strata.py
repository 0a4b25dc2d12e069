"""Strata by label and the floor of who knows gender alone."""

import numpy as np
import pytest

from onscreen.matching.floors import oracle_of
from onscreen.matching.hq_meta import people_of
from onscreen.matching.metrics import Scored, Scoring, evaluate, no_figures
from onscreen.matching.strata import Labels, coded, labels_of, summary
from onscreen.matching.trials import Items, Trials
from onscreen.matching.verification import eer
from real_data import DATA, needs_real_data
from test_metrics import made

QUICK = Scoring((1, 5, 10), 100, 0)


def hearing_gender_alone(code: np.ndarray, clips: int = 1) -> Trials:
    """A model that says one of two things, by gender."""
    person = np.repeat(np.arange(len(code)), clips)
    sides = [Items(np.eye(2, dtype=np.float32)[code[person]], person, np.arange(len(person))) for _ in range(2)]
    return Trials(*sides, np.zeros(len(code), bool), np.ones(len(code), bool))


def test_a_model_that_hears_gender_alone_reaches_the_floor_and_no_more() -> None:
    code = np.array([0] * 30 + [1] * 20)
    found = evaluate(hearing_gender_alone(code), QUICK, "none", {"gender": Labels(("f", "m"), code)})
    for name in ("auc", "eer", "min_dcf_p05", "min_dcf_p50"):
        figure = found["all"]["verification"][name]
        assert figure["value"] == pytest.approx(figure["gender_floor"])
    for size in ("one_of_two", "one_of_3", "one_of_10"):
        figure = found["all"]["face_to_voice"][size]
        assert figure["value"] == pytest.approx(figure["gender_floor"])
    within = found["same_gender"]
    assert within["people"] == 50
    assert within["verification"]["auc"]["value"] == within["verification"]["auc"]["gender_floor"] == 0.5
    assert within["voice_to_face"]["one_of_10"]["value"] == pytest.approx(0.1)


def test_the_floor_of_ranks_is_what_a_random_order_within_the_gender_reaches() -> None:
    code = np.array([0] * 12 + [1] * 8)
    random = np.random.default_rng(0)
    trials = hearing_gender_alone(code)
    figures = []
    for _ in range(300):
        noise = [
            Items(side.vectors + 0.01 * random.normal(size=(20, 2)), side.person, side.source)
            for side in (trials.faces, trials.voices)
        ]
        noisy = Trials(*noise, trials.apart, trials.counted)
        ranks = Scored.of(noisy, QUICK).counts.for_face.at_or_above + 1
        figures.append(((ranks == 1).mean(), (ranks <= 5).mean(), (1 / ranks).mean()))
    oracle = oracle_of(trials, Scored.of(trials, QUICK).counts, code)
    assert (oracle.top(1), oracle.top(5), oracle.chance.reciprocal_rank) == pytest.approx(np.mean(figures, axis=0), abs=0.03)


@needs_real_data
def test_on_the_people_of_voxceleb1_the_floors_are_the_published_ones(tmp_path) -> None:
    (tmp_path / "vox1").mkdir()
    (tmp_path / "vox1" / "vox1_meta.csv").write_bytes((DATA / "face_voice" / "meta" / "vox1_meta.csv").read_bytes())
    about = list({one.name: one for one in people_of(tmp_path).values()}.values())
    gender = coded([one.gender for one in about])
    assert np.bincount(gender.code).tolist() == [561, 690]
    trials = hearing_gender_alone(gender.code)
    oracle = oracle_of(trials, Scored.of(trials, QUICK).counts, gender.code)
    assert oracle.one_of(2) == pytest.approx(0.747, abs=0.0006)
    assert oracle.auc == pytest.approx(0.747, abs=0.0006)
    assert oracle.eer == pytest.approx(0.336, abs=0.0006)
    assert float(eer(*oracle.roc)) == pytest.approx(oracle.eer)


def test_within_one_gender_wrong_answers_are_of_that_gender_alone() -> None:
    trials = made(12, 2, seed=3)
    labels = {"gender": coded(["f", "m"] * 6)}
    found = evaluate(trials, QUICK, "none", labels)["same_gender"]
    parts = [evaluate(trials.of_people(labels["gender"].code == code), QUICK, "none")["all"] for code in (0, 1)]
    for way in ("face_to_voice", "voice_to_face"):
        for name in ("top1", "mrr", "map", "one_of_two", "one_of_5"):
            expected = np.mean([part[way][name]["value"] for part in parts])
            assert found[way][name]["value"] == pytest.approx(expected)
    assert found["verification"]["negatives"] == sum(part["verification"]["negatives"] for part in parts)


def test_when_all_are_of_one_gender_the_stratum_is_everybody_and_the_floor_is_chance() -> None:
    trials = made(12)
    found = evaluate(trials, QUICK, "none", {"gender": coded(["f"] * 12)})
    assert found["same_gender"] == found["all"]
    for part in found["all"].values():
        for figure in part.values() if isinstance(part, dict) else ():
            if isinstance(figure, dict) and figure["value"] is not None:
                assert figure["gender_floor"] == pytest.approx(figure["chance"])
    without = evaluate(trials, QUICK, "none")
    assert "same_gender" not in without
    assert "gender_floor" not in without["all"]["verification"]["auc"]


def test_people_without_a_label_or_alone_with_theirs_take_no_part_in_the_stratum_and_are_counted() -> None:
    people = [f"p{number}" for number in range(8)]
    known = {
        "gender": dict.fromkeys(people[:4], "female") | dict.fromkeys(people[4:6], "male"),
        "nationality": {"p0": "India", "p1": "Peru"},
    }
    labels = labels_of(people, known)
    told = summary(labels, np.arange(8))
    assert told["gender"] == {"labelled": 6, "of": 8, "people": {"female": 4, "male": 2}, "alone": 0}
    assert told["nationality"] == {"labelled": 2, "of": 8, "people": {"India": 1, "Peru": 1}, "alone": 2}
    assert summary({}, np.arange(8))["gender"] == {"labelled": 0, "of": 8, "reason": "nobody's gender is known"}
    found = evaluate(made(8), QUICK, "none", labels)
    assert found["same_gender"]["people"] == 6
    assert found["same_gender"]["face_to_voice"]["gallery"] == 18
    assert "same_nationality" not in found  # each is the only one of theirs
    assert set(no_figures(QUICK, "x")) <= set(found)
