"""What gates.yaml lets pass, and what is wrong in it."""

from pathlib import Path

import pytest

from onscreen.errors import ConfigError
from onscreen.versions.gates import Change, Gate, judge, read_gates

AUC = "evaluate.face_voice.all.verification.auc"
STAGES = {"evaluate", "dedupe", "prepare"}
NAMES = {AUC, "evaluate.face_voice.all.verification.eer", "dedupe.faces"}


def change(old, new, **more):
    return Change(AUC, old, new, old is not None, new is not None, more.pop("reason", ""), **more)


def gate(**more):
    return Gate(**{"direction": "higher", "same": "test_set", **more})


def words(gates, *changes):
    return [judge(gates, one).word for one in changes]


def test_an_interval_on_one_side_of_0_is_a_change_and_one_that_holds_0_is_noise():
    strict = gate(relative=0.0)
    better = change(0.7, 0.72, low=0.01, high=0.03)
    worse = change(0.7, 0.68, low=-0.03, high=-0.01)
    noise = change(0.7, 0.68, low=-0.05, high=0.01)
    assert words(strict, better, worse, noise) == ["better", "FAIL", "within noise"]


def test_lower_is_better_turns_it_round():
    strict = gate(direction="lower", relative=0.0)
    assert words(strict, change(0.3, 0.2, low=-0.12, high=-0.08), change(0.2, 0.3, low=0.08, high=0.12)) == ["better", "FAIL"]


def test_a_loss_within_the_share_that_may_be_lost_passes_and_says_how_much():
    verdict = judge(gate(relative=0.05), change(0.8, 0.78, low=-0.03, high=-0.01))
    assert (verdict.word, verdict.why) == ("pass", "worse by 2.5%; 5.0% may be lost")
    assert words(gate(relative=0.02), change(0.8, 0.78, low=-0.03, high=-0.01)) == ["FAIL"]


def test_noise_counts_in_the_numbers_own_unit_and_without_an_interval():
    loose = gate(same="raw", relative=0.0, noise=0.01)
    assert words(loose, change(0.9, 0.895), change(0.9, 0.88), change(0.9, 0.9)) == ["within noise", "FAIL", "pass"]


def test_the_limit_counts_whatever_it_was_before_also_on_another_test_set():
    limited = gate(absolute=0.6, relative=0.0)
    other = change(0.5, 0.55, not_comparable="the test set changed")
    assert words(limited, other, change(None, 0.5), change(0.55, 0.65, low=0.05, high=0.15)) == ["FAIL", "FAIL", "better"]


def test_another_test_set_is_not_comparable_however_large_the_difference():
    verdict = judge(gate(relative=0.0), change(0.9, 0.1, not_comparable="the test set changed: 20 people before, 22 people now"))
    assert (verdict.word, verdict.why) == ("not comparable", "the test set changed: 20 people before, 22 people now")


def test_a_figure_that_should_have_an_interval_and_has_none_is_not_judged_by_its_bare_difference():
    verdict = judge(gate(relative=0.0), change(0.9, 0.1, no_interval="3 people; an interval needs 10"))
    assert (verdict.word, "3 people" in verdict.why) == ("not comparable", True)


def test_resamples_that_are_gone_or_of_other_draws_excuse_no_loss():
    gone = [change(0.9, new, no_interval="no resamples were kept now", excused=False) for new in (0.1, 0.89, 0.95)]
    assert words(gate(relative=0.02), *gone) == ["FAIL", "not comparable", "not comparable"]
    assert "worse by 88.9%" in judge(gate(relative=0.02), gone[0]).why


def test_a_number_that_became_null_or_is_missing_fails_and_one_that_never_was_does_not():
    null = Change(AUC, 0.7, None, True, True, "1 person; at least 2 are needed")
    missing = Change(AUC, 0.7, None, True, False, "no metrics file has it")
    dropped = Change(AUC, None, None, True, False, "no metrics file has it")
    both_null = Change(AUC, None, None, True, True, "1 person; at least 2 are needed")
    assert words(gate(), null, missing, dropped, both_null) == ["FAIL", "FAIL", "FAIL", "no number"]
    assert "null" in judge(gate(), null).why
    assert "missing" in judge(gate(), missing).why


def test_a_number_that_was_0_can_be_lost_too():
    assert words(gate(direction="lower", same="raw", relative=0.5), change(0.0, 0.1), change(0.1, 0.0)) == ["FAIL", "better"]


def test_the_gates_that_ship_can_be_read_and_name_numbers_that_can_be():
    text = (Path(__file__).parents[1] / "gates.yaml").read_text()
    assert len(read_gates(text, NAMES | {"prepare.clips"}, STAGES | {"extract_faces"})) > 8
    assert read_gates(None, NAMES, STAGES) == {}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("gates:\n  dedupe.faces: {direction: up, same: raw}\n", "dedupe.faces.direction"),
        (
            "gates:\n  dedupe.faces: {direction: higher, same: raw, relativ: 1}\n",
            "relativ is not a key. Known here: direction, same",
        ),
        ("gates:\n  dedupe.faces: {direction: higher}\n", "dedupe.faces.same is missing"),
        ("gates:\n  dedupe.faces: {direction: higher, same: raw, absolute: .nan}\n", "absolute"),
        ("gates:\n  dedupe.faces: {direction: higher, same: raw, relative: 2}\n", "relative"),
        ("gate: {}\n", "gate is not a key. Known here: gates"),
        ("gates: [\n", "not readable"),
        (
            "gates:\n  dedupe.faces: {direction: higher, same: raw}\n  dedupe.faces: {direction: lower, same: raw}\n",
            "duplicate key",
        ),
        (f"gates:\n  {AUC[:-3]}acu: {{direction: higher, same: test_set}}\n", AUC),
        ("gates:\n  dedup.faces: {direction: higher, same: raw}\n", "dedup has no metrics. Stages that have: dedupe, evaluate"),
    ],
)
def test_what_is_wrong_in_it_is_named_with_what_is_allowed(text, told):
    with pytest.raises(ConfigError, match=r"gates\.yaml") as raised:
        read_gates(text, NAMES, STAGES)
    assert told in str(raised.value)


def test_a_name_whose_whole_section_is_not_there_is_no_mistake():
    text = "gates:\n  dedupe.labels.pairwise_f1: {direction: higher, same: raw}\n"
    assert list(read_gates(text, NAMES, STAGES)) == ["dedupe.labels.pairwise_f1"]
