"""dvc.yaml: every stage says what it is, and names the code and parameters that its result depends on."""

from importlib.util import find_spec
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from onscreen.cache import _imports
from onscreen.cli import STAGES
from onscreen.config import Params
from onscreen.faces import thresholds
from onscreen.stages import dedupe

REPO = Path(__file__).parents[1]
YAML_STAGES = YAML(typ="safe").load((REPO / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
# What moves bytes and processes about; a result does not depend on it. tracking is told, never asked.
CORE = {
    "cache",
    "cli",
    "config",
    "console",
    "engine",
    "errors",
    "lineage",
    "storage",
    "store",
    "tracking.live",
    "tracking.store",
    "weights_fetch",
    "workspace",
}
BESIDE = {"weights": "weights.toml", "report.page": "report/page.html.jinja"}  # files that a module reads


def modules_of(stage):
    """onscreen modules that a stage imports, directly or through others, without the core."""
    todo, seen = [f"onscreen.stages.{stage}"], {}
    while todo:
        name = todo.pop()
        spec = find_spec(name)
        if name in seen or name.removeprefix("onscreen.") in CORE or spec is None or spec.origin is None:
            continue
        seen[name] = Path(spec.origin)
        beside = BESIDE.get(name.removeprefix("onscreen."))
        if beside:
            seen[beside] = REPO / "src" / "onscreen" / beside
        todo += _imports(seen[name].read_text(encoding="utf-8"))
    return {path.relative_to(REPO) for path in seen.values() if path.name != "__init__.py"}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_all_code_it_runs(stage):
    deps = [Path(dep) for dep in YAML_STAGES[stage]["deps"]]
    missing = {str(path) for path in modules_of(stage) if not any(path == dep or dep in path.parents for dep in deps)}
    assert missing == set()


def test_params_are_checked_again_when_the_code_that_knows_thresholds_changes():
    knows = {Path(threshold_of.__code__.co_filename) for threshold_of in (dedupe.threshold_of, thresholds.threshold_of)}
    assert {path.relative_to(REPO).as_posix() for path in knows} <= set(YAML_STAGES["check"]["deps"])


def test_corrections_of_identities_are_checked_again_when_they_change():
    assert {"data/identity_overrides.yaml", "src/onscreen/overrides.py"} <= set(YAML_STAGES["check"]["deps"])


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_has_a_description_metrics_and_plots(stage):
    entry = YAML_STAGES[stage]
    assert entry["desc"]
    assert {f"reports/metrics/{stage}.json": {"cache": False}} in [*entry["metrics"], *entry["outs"]]
    assert all(about == {"cache": False} for metric in entry["metrics"] for about in metric.values())
    assert f"reports/plots/{stage}" in entry["outs"]
    assert "plots" not in entry  # every file would be drawn, by DVC's guess at its columns, beside what dvc.yaml names
    assert entry["cmd"] == f"PYTHONPATH=src python -m onscreen {stage}"


def test_every_file_and_parameter_that_is_named_exists():
    known = Params().model_dump()
    for stage, entry in YAML_STAGES.items():
        for dep in entry["deps"]:
            assert not dep.startswith(("src", "params")) or (REPO / dep).exists(), (stage, dep)
        for name in entry.get("params", []):
            section, _, key = name.partition(".")
            assert section in known, (stage, name)
            assert not key or key in known[section], (stage, name)


def test_nothing_persists_through_a_run():
    assert "persist" not in (REPO / "dvc.yaml").read_text(encoding="utf-8")
