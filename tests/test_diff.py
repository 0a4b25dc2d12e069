"""A checkout against a commit: two branches of a real project, in clones that have no data."""

import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from diff_cases import branch, call, drawn, evaluation, project, write_params
from onscreen.errors import InputError
from onscreen.lineage import workspace_pass
from onscreen.matching import metrics
from onscreen.versions import shown
from onscreen.versions.compare import CHIEF, compare
from onscreen.versions.diff import Difference, difference, print_diff
from onscreen.versions.gates import read_gates
from onscreen.versions.links import mlflow_links
from onscreen.versions.markdown import LIMIT, Said
from onscreen.versions.numbers import direction_of, numbers_of
from onscreen.versions.revision import find_base
from onscreen.versions.sides import at, here

AUC = "evaluate.face_voice.all.verification.auc"
NAMES = ("Anna", "anna_kim", "vid_0", "nobody@example")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A project whose branch "better" is checked out, and its data pushed."""
    return branch(project(tmp_path_factory.mktemp("diff") / "project"))


@pytest.fixture
def clone(world, tmp_path):
    """A clone without any data."""
    call(tmp_path, "git", "clone", "-q", world, "clone")
    call(tmp_path / "clone", "git", "branch", "-q", "--track", "main", "origin/main")
    call(tmp_path / "clone", "git", "remote", "set-head", "origin", "main")
    return tmp_path / "clone"


def verdicts(root, revision="main"):
    old, new = at(root, call(root, "git", "rev-parse", revision)), here(root)
    gates = read_gates(new.gates, numbers_of(old).keys() | numbers_of(new).keys(), new.metrics)
    return {row.change.name: row.verdict for row in compare(old, new, gates).gated}


def rewrite(root, path, change):
    data = json.loads((root / path).read_text())
    change(data)
    (root / path).write_text(json.dumps(data))


def model(root, **of):
    """Write what a model would have scored."""
    rewrite(root, "reports/metrics/evaluate.json", lambda data: data.update(face_voice=evaluation(**of)))
    rewrite(root, "reports/resamples.json", lambda data: data.update(face_voice=drawn(**of)))


def test_the_command_in_a_clone_without_data_says_what_is_better_and_names_nobody(clone):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "src"), "COLUMNS": "60"}
    done = subprocess.run([sys.executable, "-m", "onscreen", "diff"], cwd=clone, env=environment, capture_output=True, text=True)
    base = call(clone, "git", "rev-parse", "main")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"against commit `{base[:10]}`, where this branch left the main one" in done.stdout
    row = next(line for line in done.stdout.splitlines() if AUC in line)
    assert row.startswith(f"| `{AUC}` | higher | 0.7 | 0.8 | +0.1 | +0.09")
    assert row.endswith("| **better** |")
    assert "| `seed` | `0` | `1` |" in done.stdout
    assert "| `prepare.rejects.clip.no_picture` | 1 | 2 | +1 |" in done.stdout
    assert "| `data/made` | changed | 3 | 3 |" in done.stdout
    assert "dvc.lock is up to date: yes" in done.stdout
    assert "data is on the remote: yes" in done.stdout
    assert not [name for name in (*NAMES, str(clone)) if name in done.stdout]
    assert not (clone / ".dvc" / "cache").exists()


def test_the_folder_holds_markdown_json_and_pictures_on_white_and_no_name(world, tmp_path, capsys):
    assert print_diff(world, "main", tmp_path / "out")
    text, data = (tmp_path / "out" / "diff.md").read_text(), json.loads((tmp_path / "out" / "diff.json").read_text())
    assert capsys.readouterr().out.strip() == text.strip()
    assert (data["passed"], data["first"], data["gated"][0]["verdict"]["word"]) == (True, False, "better")
    assert data["pictures"] == ["changes.png", "roc.png"]
    for name in data["pictures"]:
        with Image.open(tmp_path / "out" / name) as picture:
            pixels = np.array(picture.convert("RGBA"))
        assert pixels[0, 0].tolist() == [255, 255, 255, 255]
        assert (pixels[..., 3] == 255).all()
        assert len(np.unique(pixels.reshape(-1, 4), axis=0)) > 20
    assert not [name for name in (*NAMES, str(world)) if name in text + json.dumps(data)]


def test_without_the_other_commits_plots_the_command_that_brings_them_is_named(clone, tmp_path):
    print_diff(clone, "main", tmp_path / "out")
    text = (tmp_path / "out" / "diff.md").read_text()
    assert "`dvc fetch reports/plots/evaluate` brings them" in text
    assert not (tmp_path / "out" / "roc.png").exists()


def test_a_wrong_commit_is_an_error_of_one_line_and_exit_code_2(clone):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "src")}
    command = [sys.executable, "-m", "onscreen", "diff", "nowhere"]
    done = subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: nowhere: no such commit")


def test_a_file_where_the_folder_should_be_stays_and_is_named(clone):
    (clone / "mine").write_text("mine")
    with pytest.raises(InputError, match="mine cannot be a folder for the comparison: File exists"):
        print_diff(clone, "main", clone / "mine")
    assert (clone / "mine").read_text() == "mine"


def test_a_worse_model_fails_and_one_that_differs_by_luck_does_not(clone):
    model(clone, skill=0.6)
    found = verdicts(clone)
    assert (found[AUC].word, found[AUC].why) == ("FAIL", "worse by 14.3%; 2.0% may be lost")
    model(clone, skill=0.699)
    assert verdicts(clone)[AUC].word == "within noise"


def test_another_test_set_is_not_comparable_and_no_difference_is_shown(clone):
    model(clone, skill=0.2, people=22, test_set="people two")
    compared = compare(at(clone, call(clone, "git", "rev-parse", "main")), here(clone), {})
    row = next(row for row in compared.chief if row.change.name == AUC)
    assert row.change.not_comparable == "the test set changed: 20 people before, 22 people now"
    assert verdicts(clone)[AUC].word == "not comparable"


def test_other_draws_of_people_give_no_interval(clone):
    rewrite(clone, "reports/resamples.json", lambda data: data["face_voice"].update(seed=1))
    assert "not resampled alike" in verdicts(clone)[AUC].why
    rewrite(clone, "reports/resamples.json", lambda data: data.update(face_voice={"reason": "9 people; an interval needs 10"}))
    assert "9 people; an interval needs 10" in verdicts(clone)[AUC].why


def test_a_worse_model_is_not_let_through_by_resamples_that_are_gone_edited_or_of_another_seed(clone):
    model(clone, skill=0.6)
    path = clone / "reports/resamples.json"
    kept = path.read_text()
    rewrite(clone, "reports/resamples.json", lambda data: data["face_voice"].update(seed=1))
    assert verdicts(clone)[AUC].word == "FAIL"
    for odd in ("a lot", 5, [1e400], ["a"] * 100):
        path.write_text(kept)
        rewrite(clone, "reports/resamples.json", lambda data, odd=odd: data["face_voice"]["figures"].update({AUC[20:]: odd}))
        assert verdicts(clone)[AUC].word == "FAIL", odd
    path.unlink()
    assert verdicts(clone)[AUC].word == "FAIL"


def test_other_videos_make_only_what_is_of_the_same_videos_not_comparable(clone):
    lock = (clone / "dvc.lock").read_text()
    raw = call(clone, "git", "show", "HEAD:data/raw.dvc").split("md5: ")[1].split()[0]
    (clone / "dvc.lock").write_text(lock.replace(raw, "0" * 32 + ".dir"))
    found = verdicts(clone)
    assert found["prepare.rejected_share"].why == "the folder of videos changed: 3 files before, 3 files now"
    assert found[AUC].word == "better"


def test_videos_in_a_folder_that_is_called_after_a_person_are_data_raw(clone):
    for name in ("params.yaml", "dvc.lock"):
        (clone / name).write_text((clone / name).read_text().replace("data/raw", "/home/anna_kim/videos"))
    found = difference(clone, "main")
    text = found.markdown() + json.dumps(found.as_json())
    assert "| `data.raw` | `data/raw` | `(not shown)` |" in text
    assert "anna" not in text
    assert found.compared.data == tuple(row for row in found.compared.data if row.path != "data.raw")  # the same videos
    assert found.passed


def test_a_number_that_is_gone_fails_and_nan_is_named_and_fails(clone):
    rewrite(clone, "reports/metrics/evaluate.json", lambda data: data["face_voice"]["all"]["verification"].pop("auc"))
    rewrite(clone, "reports/metrics/prepare.json", lambda data: data.update(hours=math.nan))
    with (clone / "gates.yaml").open("a") as file:
        file.write("# another\n")
    found = difference(clone, "main")
    assert not found.passed
    assert found.compared.failed[0].change.name == AUC
    text = found.markdown()
    assert "**FAIL** reports/metrics/prepare.json holds nan at hours" in text
    assert "it was 0.7 and is missing now" in text
    assert f"What fails: `{AUC}`, `dvc.lock is up to date`, `NaN or Infinity in metrics`." in text
    assert "`gates.yaml` itself is another than in that commit" in text
    assert found.as_json()["passed"] is False


def test_who_deletes_a_gate_is_told_what_it_would_have_said(clone):
    rewrite(clone, "reports/metrics/evaluate.json", lambda data: data["face_voice"]["all"]["verification"].pop("auc"))
    (clone / "gates.yaml").write_text("gates: {}\n")
    found = difference(clone, "main")
    assert found.compared.failed == ()
    assert found.said.old_gates_fail == (AUC,)
    assert f"By that commit's gates `{AUC}` would fail." in found.markdown()


def test_a_commit_without_a_pass_makes_everything_new_and_says_so(world, tmp_path):
    root = shutil.copytree(world, tmp_path / "copy", symlinks=True)
    call(root, "git", "rm", "-q", "--cached", "dvc.lock")
    empty = commit_tree(root)
    found = difference(root, empty)
    assert "That commit has no `dvc.lock`" in found.markdown()
    assert {row.state for row in found.compared.data} == {"new"}
    assert found.passed


def commit_tree(root):
    """A commit without dvc.lock, beside the branch."""
    tree = call(root, "git", "write-tree")
    call(root, "git", "reset", "-q")
    return call(root, "git", "commit-tree", tree, "-m", "nothing")


def test_markdown_is_cut_by_whole_rows_and_json_is_not(clone):
    many = {f"number_{place:05d}": place + 0.5 for place in range(4000)}
    rewrite(clone, "reports/metrics/evaluate.json", lambda data: data["face_voice"].update(many))
    with (clone / "params.yaml").open("a") as file:
        file.writelines(f"key_{place:03d}_{'x' * 50}: {place}\n" for place in range(900))
    base = find_base(clone, "main")
    old, new = at(clone, base.sha), here(clone)
    said = Said(base, first=False, gates_changed=False, old_gates_fail=(), no_gates=False, no_numbers=(), checks=())
    found = Difference(base, old, new, compare(old, new, {}), said, passed=False)
    text = found.markdown()
    assert len(text) <= LIMIT < 65_536
    assert text.count("more rows are in `diff.json`") == 2
    assert AUC in text
    assert "</details>" in text
    assert all(line.endswith("|") for line in text.splitlines() if line.startswith("|"))
    data = found.as_json()
    assert len(data["others"]) >= 4000
    assert len(data["params"]) >= 900


def test_the_main_branch_is_compared_with_the_commit_before_and_a_changed_checkout_with_its_last(clone):
    call(clone, "git", "switch", "-q", "main")
    with pytest.raises(InputError, match="none before it"):
        find_base(clone, None)
    write_params(clone, 9)
    assert find_base(clone, None).how == "the last one, for what is not committed yet"
    first = call(clone, "git", "rev-parse", "HEAD")
    call(clone, "git", "-c", "user.name=n", "-c", "user.email=n@example.com", "commit", "-qam", "more")
    call(clone, "git", "update-ref", "refs/remotes/origin/main", "HEAD")
    base = find_base(clone, None)
    assert (base.sha, "main branch holds" in base.how) == (first, True)


def test_commits_of_the_own_main_branch_that_nobody_pushed_are_no_work_of_the_branch(clone):
    pushed = call(clone, "git", "rev-parse", "origin/main")
    call(clone, "git", "switch", "-q", "main")
    write_params(clone, 9)
    call(clone, "git", "-c", "user.name=n", "-c", "user.email=n@example.com", "commit", "-qam", "not pushed")
    assert find_base(clone, None).sha == pushed
    main = call(clone, "git", "rev-parse", "HEAD")
    call(clone, "git", "switch", "-qc", "topic")
    write_params(clone, 10)
    call(clone, "git", "-c", "user.name=n", "-c", "user.email=n@example.com", "commit", "-qam", "topic")
    assert find_base(clone, None).sha == main


def test_a_detached_head_and_the_target_of_a_pull_request_are_known(clone, monkeypatch):
    main = call(clone, "git", "rev-parse", "main")
    call(clone, "git", "checkout", "-q", "--detach")
    assert find_base(clone, None).sha == main
    call(clone, "git", "update-ref", "refs/remotes/origin/release", "HEAD~1")
    call(clone, "git", "remote", "set-head", "origin", "--delete")
    call(clone, "git", "update-ref", "-d", "refs/remotes/origin/main")
    call(clone, "git", "branch", "-qD", "main")
    with pytest.raises(InputError, match="no main branch is known"):
        find_base(clone, None)
    monkeypatch.setenv("GITHUB_BASE_REF", "release")
    assert find_base(clone, None).sha == main


def test_a_shallow_clone_is_told_to_fetch_the_rest(world, tmp_path):
    call(tmp_path, "git", "clone", "-q", "--depth", "1", "--no-single-branch", f"file://{world}", "shallow")
    with pytest.raises(InputError, match="fetch --unshallow"):
        find_base(tmp_path / "shallow", None)
    with pytest.raises(InputError, match="fetch-depth: 0"):
        find_base(tmp_path / "shallow", "HEAD~1")


def test_bad_revisions_and_folders_without_history_are_named(clone, tmp_path):
    for wrong in ("nowhere", "--output=x", "HEAD:params.yaml"):
        with pytest.raises(InputError, match="no such commit"):
            find_base(clone, wrong)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match="git"):
        find_base(empty, None)
    call(empty, "git", "init", "-q")
    with pytest.raises(InputError, match="no commit yet"):
        find_base(empty, None)


def test_conflict_markers_and_broken_files_are_named(clone):
    lock = (clone / "dvc.lock").read_text()
    (clone / "dvc.lock").write_text(f"<<<<<<< HEAD\n{lock}=======\n{lock}>>>>>>> other\n")
    with pytest.raises(InputError, match=r"dvc\.lock holds conflict markers"):
        difference(clone, "main")
    (clone / "dvc.lock").write_text(lock)
    (clone / "reports" / "metrics" / "prepare.json").write_text("{")
    with pytest.raises(InputError, match=r"prepare\.json is not JSON"):
        here(clone)
    (clone / "dvc.lock").unlink()
    with pytest.raises(InputError, match="dvc repro"):
        here(clone)


def test_a_lock_that_is_none_of_dvcs_and_a_number_beyond_all_floats_are_told_in_a_line(clone):
    rewrite(clone, "reports/metrics/prepare.json", lambda data: data.update(clips=10**400))
    assert not difference(clone, "main").passed
    for text in ("stages: {a: 3}", "stages: {a: {outs: 5}}", "stages: {a: {deps: [5]}}", "stages: {a: {outs: [{md5: x}]}}"):
        (clone / "dvc.lock").write_text(text)
        with pytest.raises(InputError, match=r"dvc\.lock holds no stages as DVC writes them"):
            difference(clone, "main")


def test_links_go_to_the_server_without_its_password_and_only_for_this_pass(clone):
    digest = workspace_pass(clone).digest
    run = {"pass": digest, "run_id": "abc1", "experiment_id": "1", "stages": {"evaluate": "def2"}}
    run["models"] = {"face_voice": {"version": "3", "run_id": "abc1"}, "../x": {"version": "1"}, "hq": None}
    server = {**run, "tracking_uri": "https://anna:secret@mlflow.example.com:5000/team/"}
    assert mlflow_links(clone, server) == (
        "- pass: [abc1](<https://mlflow.example.com:5000/team/#/experiments/1/runs/abc1>)",
        "- evaluate: [def2](<https://mlflow.example.com:5000/team/#/experiments/1/runs/def2>)",
        "- model face_voice: [version 3](<https://mlflow.example.com:5000/team/#/models/face_voice/versions/3>)",
    )
    assert mlflow_links(clone, run) == ("- pass: run `abc1`", "- evaluate: run `def2`", "- model face_voice: version 3")
    assert "another pass" in mlflow_links(clone, {**run, "pass": "0"})[0]
    assert "onscreen track" in mlflow_links(clone, {})[0]


def test_only_numbers_and_onscreens_own_words_are_shown():
    values = (4, 1e-4, True, None, "average_link", "data/raw", "hf:google/vit-base-patch16-224", [1, ".mp4"])
    assert [shown.param(value) for value in values] == [
        "4", "0.0001", "true", "null", "average_link", "data/raw", "hf:google/vit-base-patch16-224", "[1, .mp4]",
    ]  # fmt: skip
    secret = ("/home/anna/videos", "data/anna", "hf:/home/anna/model", "hf:../anna/x", "hf:data/anna", "Anna Kim", ["Anna"])
    assert all(shown.param(value) in (shown.HIDDEN, f"[{shown.HIDDEN}]") for value in secret)
    assert shown.reason("3 people; an interval needs 10") == "3 people; an interval needs 10"
    told = ("anna.mp4 is broken", "no voice in vid_123", "Anna is alone", "/data/anna", "data\\anna", None)
    assert not [text for text in told if "anna" in shown.reason(text).lower() or "vid" in shown.reason(text)]
    assert shown.path("/home/anna/out") == shown.path("../anna") == shown.HIDDEN


def test_directions_are_known_by_what_a_figure_is():
    assert [direction_of(name) for name in (AUC, "dedupe.labels.pairwise_f1", "prepare.rejected_share", "prepare.clips")] == [
        "higher", "higher", "lower", None,
    ]  # fmt: skip
    assert direction_of("evaluate.face_voice.permuted_labels.auc") is None


def test_the_chief_figures_are_those_that_are_resampled():
    assert tuple(f"evaluate.{model}.{name}" for model in ("face_voice", "hq") for name in metrics.CHIEF) == CHIEF
