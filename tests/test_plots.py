"""What is drawn: ROC, DET, CMC and scores of a model agree with its figures, and hold only numbers that can be drawn."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML
from scipy.stats import norm
from sklearn.metrics import det_curve

from onscreen.matching.metrics import Scoring, evaluate
from onscreen.matching.trials import Items, Trials
from onscreen.matching.verification import eer
from onscreen.stages.evaluate import MODELS
from onscreen.stages.evaluate_plots import COLUMNS, MOST_POINTS, Drawn, drawn_of, write_plots
from plot_cases import REPO, columns_of, named_plots


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def made(people: int, clips: int, signal: float) -> Trials:
    """Faces and voices around a vector of each person, every one of another source."""
    random = np.random.default_rng(3)
    person, centres = np.repeat(np.arange(people), clips), signal * random.normal(size=(people, 8))
    sides = [
        Items(unit(centres[person] + random.normal(size=(len(person), 8))), person, np.arange(len(person))) for _ in range(2)
    ]
    several = np.full(people, clips > 1)
    return Trials(sides[0], sides[1], several, np.ones(people, bool))


@pytest.fixture(scope="module")
def trials() -> Trials:
    return made(40, 3, 1.0)


@pytest.fixture(scope="module")
def drawn(trials: Trials) -> Drawn:
    return drawn_of(trials)


def column(drawn: Drawn, table: str, name: str) -> np.ndarray:
    return np.array([row[COLUMNS[table].index(name)] for row in drawn.tables[table]], np.float64)


def test_the_curves_cross_where_the_equal_error_rate_is(trials: Trials, drawn: Drawn) -> None:
    expected = evaluate(trials, Scoring((1,), 100, 0), "none")["all"]["verification"]["eer"]["value"]
    false, true = column(drawn, "roc", "false_positive_rate"), column(drawn, "roc", "true_positive_rate")
    assert (false[0], true[0], false[-1], true[-1]) == (0, 0, 1, 1)
    assert eer(false, true) == pytest.approx(expected, abs=0.01)
    false, missed = column(drawn, "det", "false_positive_rate"), column(drawn, "det", "miss_rate")
    assert false[np.argmin(np.abs(false - missed))] == pytest.approx(expected, abs=0.02)


def test_the_det_curve_is_that_of_scikit_learn_on_axes_of_normal_deviates(trials: Trials, drawn: Drawn) -> None:
    same = trials.faces.person[:, None] == trials.voices.person
    kept = ~(same & (trials.faces.source[:, None] == trials.voices.source))
    scores = trials.faces.vectors @ trials.voices.vectors.T
    false, missed, _ = det_curve(same[kept], scores[kept])
    known = set(zip(false.round(9), missed.round(9), strict=True))
    rates = column(drawn, "det", "false_positive_rate"), column(drawn, "det", "miss_rate")
    corners = list(zip(*(rate.round(9) for rate in rates), strict=True))
    # scikit-learn leaves out corners within straight lines
    assert sum(corner in known for corner in corners) > len(corners) / 2
    for rate, deviate in zip(rates, ("false_positive_deviate", "miss_deviate"), strict=True):
        assert ((rate > 0) & (rate < 1)).all()
        assert column(drawn, "det", deviate) == pytest.approx(norm.ppf(rate))
    assert 2 < len(corners) <= MOST_POINTS


def test_cmc_rises_from_top_1_to_everybody_and_chance_is_a_random_order(trials: Trials, drawn: Drawn) -> None:
    figures = evaluate(trials, Scoring((1, 5), 100, 0), "none")["all"]
    for way in ("face_to_voice", "voice_to_face"):
        found, chance = column(drawn, "cmc", way), column(drawn, "cmc", f"{way}_chance")
        at = column(drawn, "cmc", "rank").tolist()
        for k in (1, 5):
            assert found[at.index(k)] == pytest.approx(figures[way][f"top{k}"]["value"])
            assert chance[at.index(k)] == pytest.approx(figures[way][f"top{k}"]["chance"])
        assert (np.diff(found) >= 0).all()
        assert found[-1] == chance[-1] == 1
    assert column(drawn, "cmc", "rank")[-1] == 119  # 120 answers, without the one of the same source


def test_shares_of_scores_sum_to_one_and_counts_to_all_combinations(drawn: Drawn) -> None:
    assert column(drawn, "scores", "same_person").sum() == pytest.approx(1)
    assert column(drawn, "scores", "different_people").sum() == pytest.approx(1)
    assert column(drawn, "scores", "same_person_count").sum() == 40 * 3 * 2
    assert column(drawn, "scores", "different_people_count").sum() == 120 * 117
    assert column(drawn, "scores", "score")[[0, -1]] == pytest.approx([-0.975, 0.975])


@pytest.mark.parametrize("trials", [made(12, 1, 100.0), made(2, 1, 0.0), made(3, 2, 0.0)], ids=["perfect", "two", "three"])
def test_nothing_but_finite_numbers_is_written_and_a_model_without_scores_leaves_headers(tmp_path: Path, trials: Trials) -> None:
    write_plots(tmp_path / "out", MODELS, {"face_voice": drawn_of(trials)})
    for name, columns in COLUMNS.items():
        for model in MODELS:
            header, *rows = csv.reader((tmp_path / "out" / f"{model}_{name}.csv").read_text().splitlines())
            assert tuple(header) == columns
            assert all(math.isfinite(float(cell)) for row in rows for cell in row)
            assert bool(rows) == (model == "face_voice") or name == "det"  # whose corners may all lie beyond its axes


def test_every_plot_of_the_evaluation_in_dvc_yaml_has_its_columns(tmp_path: Path) -> None:
    write_plots(tmp_path, MODELS, {})
    named = {path: columns for path, columns in named_plots() if path.startswith("reports/plots/evaluate/")}
    assert {Path(path).name for path in named} == {path.name for path in tmp_path.iterdir()}
    for path, columns in named.items():
        assert columns <= columns_of(tmp_path / Path(path).name), path


def test_only_outputs_of_stages_are_drawn() -> None:
    stages = YAML(typ="safe").load((REPO / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    outs = {out for stage in stages.values() for out in stage["outs"] if isinstance(out, str)}
    for path, _ in named_plots():
        assert path in outs or str(Path(path).parent) in outs, path
