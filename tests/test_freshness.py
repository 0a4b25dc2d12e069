"""A lock that tells of something else than git holds, and data that nobody else can have."""

import json
import shutil

import pytest
from ruamel.yaml import YAML

from diff_cases import call, commit, dvc, project
from onscreen.versions import freshness
from onscreen.versions.freshness import data_is_pushed, lock_is_fresh
from onscreen.versions.sides import here


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return project(tmp_path_factory.mktemp("fresh") / "project")


@pytest.fixture
def clone(world, tmp_path):
    """A clone without any data, whose remote can be broken."""
    call(tmp_path, "git", "clone", "-q", world, "clone")
    shutil.copytree(world.parent / "store", tmp_path / "store")
    dvc(tmp_path / "clone", "remote", "modify", "--local", "store", "url", tmp_path / "store")
    return tmp_path / "clone"


def fresh(root):
    return lock_is_fresh(root, here(root).lock)


def pushed(root):
    return data_is_pushed(root, here(root).lock)


def lock_of(root):
    return YAML(typ="safe").load(root / "dvc.lock")["stages"]


def object_of(root, md5):
    return root.parent / "store" / "files" / "md5" / md5[:2] / md5[2:]


def test_a_checkout_with_its_data_and_a_clone_without_any_are_both_up_to_date(world, clone):
    assert fresh(world).state == fresh(clone).state == "ok"
    assert not (clone / "data" / "raw").exists()
    assert not (clone / ".dvc" / "cache").exists()


def test_whatever_git_holds_and_the_lock_does_not_tell_is_named(clone):
    (clone / "params.yaml").write_text((clone / "params.yaml").read_text().replace("seed: 0", "seed: 5"))
    (clone / "make.py").write_text((clone / "make.py").read_text() + "# changed\n")
    (clone / "src" / "new.py").write_text("")
    (clone / "reports" / "metrics" / "prepare.json").unlink()
    (clone / "reports" / "metrics" / "evaluate.json").write_text("{}")
    pipeline = (clone / "dvc.yaml").read_text().replace('evaluate.py"\n', 'evaluate.py --more"\n')
    (clone / "dvc.yaml").write_text(
        pipeline + "  last:\n    cmd: echo last\n    deps: [models/face_voice]\n    outs: [data/last]\n"
    )
    found = fresh(clone)
    assert found.state == "FAIL"
    for told in (
        "stage make: parameters changed: seed",
        "stage make: make.py is modified",
        "stage evaluate: src is modified",
        "stage evaluate: its command is another in dvc.yaml",
        "stage evaluate: reports/metrics/evaluate.json is modified",
        "stage evaluate: reports/metrics/prepare.json is deleted",
        "stage last is in dvc.yaml and not in dvc.lock",
        "`dvc repro` brings it up to date; commit dvc.lock with it",
    ):
        assert told in found.why, (told, found.why)


def test_what_dvc_does_not_ask_about_is_asked(clone):
    (clone / "reports" / "resamples.json").unlink()
    call(clone, "git", "rm", "-q", "make.py")
    (clone / "reports" / "metrics" / "anna.kim.json").write_text("{}")
    (clone / "dvc.yaml").write_text((clone / "dvc.yaml").read_text().replace("  evaluate:\n", "  evaluate:\n    frozen: true\n"))
    (clone / "dvc.lock").write_text((clone / "dvc.lock").read_text() + "  old:\n    cmd: echo old\n    outs: []\n")
    found = fresh(clone)
    for told in (
        "stage evaluate: reports/resamples.json is deleted",
        "stage make: an input is deleted",
        "a file of reports/metrics is no output of a stage of dvc.yaml",
        "stage evaluate is frozen in dvc.yaml, so that nobody knows whether it is up to date; `dvc unfreeze` it",
        "stage old is in dvc.lock and not in dvc.yaml; take it out of dvc.lock too",
    ):
        assert told in found.why, (told, found.why)


def test_a_dependency_that_the_lock_does_not_know_is_stale_also_where_its_data_is_not_here(clone):
    (clone / "dvc.yaml").write_text(
        (clone / "dvc.yaml").read_text().replace("deps: [data/made, src]", "deps: [data/made, src, data/raw]")
    )
    assert "stage evaluate: data/raw is not in dvc.lock" in fresh(clone).why


def test_what_a_stage_read_must_be_what_the_other_wrote_without_any_data(clone):
    made = next(out["md5"] for out in lock_of(clone)["make"]["outs"])
    text = (clone / "dvc.lock").read_text()
    assert text.count(made) == 2
    (clone / "dvc.lock").write_text(text.replace(made, "0" * 32 + ".dir", 1))
    assert any("evaluate has read another data/made than stage make has written" in why for why in fresh(clone).why)


def test_videos_that_were_added_without_a_pass_are_seen_by_the_dvc_file_alone(clone):
    file = clone / "data" / "raw.dvc"
    md5 = YAML(typ="safe").load(file)["outs"][0]["md5"]
    file.write_text(file.read_text().replace(md5, "1" * 32 + ".dir"))
    assert "stage make has read another data/raw than its .dvc file names" in fresh(clone).why


def test_pushed_data_is_found_by_a_clone_that_has_none(clone):
    assert pushed(clone).state == "ok"


def test_one_file_that_the_remote_lacks_fails_with_the_output_and_how_many(clone):
    md5 = next(out["md5"] for out in lock_of(clone)["make"]["outs"])
    listed = json.loads(object_of(clone, md5).read_text())
    object_of(clone, listed[0]["md5"]).unlink()
    found = pushed(clone)
    assert (found.state, found.why[0]) == ("FAIL", "data/made: 1 of 4 objects are missing there")
    object_of(clone, md5).unlink()  # then nobody can say how many files it lists
    assert pushed(clone).why[0] == "data/made: 1 of 1 objects are missing there"


def test_a_remote_that_is_not_here_is_not_checked_which_is_said(clone, monkeypatch):
    with monkeypatch.context() as patience:
        patience.setattr(freshness, "_REMOTE_S", 0.05)
        assert pushed(clone).why == ("the default remote did not answer within 0.05 s",)
    shutil.rmtree(clone.parent / "store")
    found = pushed(clone)
    assert (found.state, "not on this machine" in found.why[0]) == ("not checked", True)
    dvc(clone, "remote", "modify", "--local", "store", "url", "ssh://nobody@127.0.0.1:9/store")
    found = pushed(clone)
    assert (found.state, "could not be read" in found.why[0]) == ("not checked", True)
    (clone / ".dvc" / "config.local").unlink()
    (clone / ".dvc" / "config").write_text("[core]\n    analytics = false\n")
    assert "no default remote" in pushed(clone).why[0]


def test_data_that_lies_only_in_this_cache_is_not_pushed_though_the_remotes_folder_was_never_made(world, tmp_path):
    root = shutil.copytree(world, tmp_path / "copy", symlinks=True)
    dvc(root, "remote", "modify", "--local", "store", "url", tmp_path / "never")
    assert pushed(root).state == "FAIL"


def test_a_new_commit_that_was_not_pushed_fails(clone, world, tmp_path):
    dvc(clone, "pull", "-q")
    (clone / "data" / "raw" / "vid_9.mp4").write_text("another")
    dvc(clone, "add", "-q", "data/raw")
    dvc(clone, "repro", "-q")
    call(clone, "git", "config", "user.email", "nobody@example.com")
    call(clone, "git", "config", "user.name", "nobody")
    commit(clone, "more")
    assert fresh(clone).state == "ok"
    found = pushed(clone)
    assert found.state == "FAIL"
    assert any(why.startswith("data/raw: 2 of 5") for why in found.why)
    call(clone, "git", "mv", "data/raw.dvc", "data/anna.dvc")
    (clone / "data" / "anna.dvc").write_text((clone / "data" / "anna.dvc").read_text().replace("path: raw", "path: anna"))
    (clone / "params.yaml").write_text((clone / "params.yaml").read_text().replace("data/raw", "data/anna"))
    assert not [why for why in (*fresh(clone).why, *pushed(clone).why) if "anna" in why]
    call(clone, "git", "reset", "-q", "--hard")
    dvc(clone, "push", "-q")
    assert pushed(clone).state == "ok"
