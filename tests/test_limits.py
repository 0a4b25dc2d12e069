from dataclasses import replace

import pytest

from onscreen.config import Faces
from onscreen.errors import Rejected
from onscreen.faces.limits import LIMITS, Limit, choose_views
from onscreen.records import View
from records_of import row

GOOD = row(
    View,
    score=0.9,
    interocular_px=60.0,
    sharpness=50.0,
    exposure=0.5,
    dynamic_range=0.5,
    yaw=-10.0,
    pitch=10.0,
    roll=5.0,
    completeness=1.0,
    mouth_width=0.9,
)
STRICT = {
    "min_score": 0.5,
    "min_interocular_px": 16.0,
    "min_sharpness": 20.0,
    "min_exposure": 0.2,
    "max_exposure": 0.8,
    "min_dynamic_range": 0.3,
    "max_yaw": 40.0,
    "max_pitch": 30.0,
    "max_roll": 45.0,
    "min_completeness": 0.8,
    "min_mouth_width": 0.65,
}
BAD = {
    "low_score": {"score": 0.3},
    "face_too_small": {"interocular_px": 9.0},
    "too_blurred": {"sharpness": 11.0},
    "too_dark": {"exposure": 0.1},
    "too_bright": {"exposure": 0.9},
    "too_flat": {"dynamic_range": 0.1},
    "turned_away": {"yaw": -55.0},
    "turned_up_or_down": {"pitch": 35.0},
    "tilted": {"roll": -60.0},
    "cut_off": {"completeness": 0.5},
    "not_lifelike": {"mouth_width": 0.5},
}


def code(params: Faces, views: list[View], frames: int = 5) -> str:
    try:
        choose_views(params, views, frames)
    except Rejected as rejected:
        return rejected.code
    return ""


def test_every_threshold_of_params_on_a_measure_is_in_the_table_once() -> None:
    named = {name for name in Faces.model_fields if name.startswith(("min_", "max_"))} - {"min_presence"}
    assert sorted(limit.param for limit in LIMITS) == sorted(named)
    assert {limit.param.startswith("min_") for limit in LIMITS if limit.least} == {True}
    assert {limit.param.startswith("max_") for limit in LIMITS if not limit.least} == {True}
    assert len({limit.code for limit in LIMITS}) == len(LIMITS)


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.param)
def test_each_threshold_rejects_with_its_own_reason_and_the_value_that_decided(limit: Limit) -> None:
    params = Faces(**STRICT)
    assert choose_views(params, [GOOD] * 5, 5) == [0, 1, 2, 3, 4]
    bad = BAD[limit.code]
    views = [GOOD] * 2 + [replace(GOOD, **bad)] * 3
    with pytest.raises(Rejected) as caught:
        choose_views(params, views, 5)
    assert caught.value.code == limit.code
    assert caught.value.numbers[limit.measure] == next(iter(bad.values()))
    assert caught.value.numbers[limit.param] == STRICT[limit.param]
    assert (caught.value.numbers["frames"], caught.value.numbers["needed"]) == (5, 3)


@pytest.mark.parametrize("limit", [limit for limit in LIMITS if not limit.median], ids=lambda limit: limit.param)
def test_views_that_miss_a_threshold_are_not_pooled_and_cost_no_face_while_enough_are_left(limit: Limit) -> None:
    views = [GOOD, replace(GOOD, **BAD[limit.code]), GOOD, GOOD, replace(GOOD, **BAD[limit.code])]
    assert choose_views(Faces(**STRICT), views, 5) == [0, 2, 3]


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.param)
def test_a_person_passes_at_the_value_that_decided(limit: Limit) -> None:
    values = [0.11, 0.14, 0.17, 0.12, 0.19]
    views = [replace(GOOD, **{limit.measure: value}) for value in values]
    decisive = limit.decisive(values, 3)
    strict = {**STRICT, "max_exposure": 1.0, "min_exposure": 0.0}
    beyond = decisive + (0.001 if limit.least else -0.001)
    assert code(Faces(**{**strict, limit.param: beyond}), views) == limit.code
    assert code(Faces(**{**strict, limit.param: decisive}), views) == ""


def test_defaults_keep_what_only_the_new_thresholds_could_reject() -> None:
    worst = replace(GOOD, sharpness=0.0, exposure=1.0, dynamic_range=0.0, yaw=-90.0, pitch=90.0, roll=180.0, completeness=0.0)
    assert code(Faces(), [worst] * 5) == ""


def test_a_person_who_is_there_too_briefly_is_told_apart_from_one_who_is_unsure() -> None:
    unsure = replace(GOOD, score=0.2)
    assert code(Faces(), [GOOD, GOOD]) == "seen_too_briefly"
    assert code(Faces(), [GOOD, unsure]) == "seen_too_briefly"
    assert code(Faces(), [unsure, unsure]) == "low_score"
    assert code(Faces(), [GOOD, GOOD, unsure, unsure, unsure]) == "low_score"
