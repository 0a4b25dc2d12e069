"""The workflows are sound by their linter, may do little, and what they call works here: on two branches, and on a server that
answers as GitHub does."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from ruamel.yaml import YAML

REPO = Path(__file__).parents[1]
FILES = sorted((REPO / ".github" / "workflows").glob("*.yml"))
WORKFLOWS = {path.stem: YAML(typ="safe").load(path.read_text(encoding="utf-8")) for path in FILES}
STEPS = [(name, step) for name, flow in WORKFLOWS.items() for job in flow["jobs"].values() for step in job["steps"]]
BIN = Path(sys.executable).parent
MARK = "<!-- onscreen diff -->"

CHECK = "import pathlib; pathlib.Path('checked.json').write_text('{}')"
SPLIT = """import json, pathlib
share = float(pathlib.Path("params.yaml").read_text().split("share:")[1])
pathlib.Path("data/splits").mkdir(parents=True, exist_ok=True)
pathlib.Path("data/splits/people.txt").write_text(f"{share:.2f} of the people")
pathlib.Path("reports/metrics").mkdir(parents=True, exist_ok=True)
pathlib.Path("reports/metrics/split.json").write_text(json.dumps({"status": "ok", "test_share": share}))
"""
STAGES = f"""stages:
  check:
    cmd: "{sys.executable} check.py"
    deps: [check.py, params.yaml]
    outs: [checked.json: {{cache: false}}]
  prepare:
    cmd: "cp -r data/raw data/prepared"
    deps: [data/raw]
    outs: [data/prepared]
  split:
    cmd: "{sys.executable} split.py"
    deps: [split.py, data/prepared]
    params: [split.share]
    outs: [data/splits]
    metrics: [reports/metrics/split.json: {{cache: false}}]
"""
GATES = "gates:\n  split.test_share: {direction: higher, same: nothing, relative: 0.1}\n"


def call(root, *command, code=0, **more):
    """A program's output; its exit code must be the one that is expected."""
    env = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "DVC_NO_ANALYTICS": "true", **more}
    ended = subprocess.run([str(part) for part in command], cwd=root, env=env, capture_output=True, text=True, timeout=300)
    assert ended.returncode == code, f"{command}\n{ended.stdout[-3000:]}\n{ended.stderr[-3000:]}"
    return ended.stdout


def test_the_linter_of_workflows_finds_nothing():
    ended = subprocess.run([BIN / "zizmor", "--offline", "--no-progress", "--pedantic", *FILES], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout


@pytest.mark.skipif(shutil.which("actionlint") is None, reason="actionlint comes from no package registry; zizmor runs always")
def test_actionlint_finds_nothing():
    assert call(REPO, "actionlint", *FILES) == ""


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_may_do_nothing_but_what_its_jobs_name(name):
    flow = WORKFLOWS[name]
    assert flow["permissions"] == {}
    writing = {key for job in flow["jobs"].values() for key, value in job["permissions"].items() if value == "write"}
    assert writing == ({"pull-requests"} if name == "comment" else set())
    assert all(job["timeout-minutes"] <= 120 for job in flow["jobs"].values())


def test_every_action_is_pinned_to_a_commit_and_keeps_no_credentials():
    used = [step for _, step in STEPS if "uses" in step]
    assert used
    assert all(re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", step["uses"]) for step in used)
    assert all(step["with"]["persist-credentials"] is False for step in used if "checkout" in step["uses"])


def test_code_of_a_pull_request_never_runs_where_something_may_be_written():
    assert "pull_request_target" not in "".join(path.read_text(encoding="utf-8") for path in FILES)
    (checkout,) = (step for name, step in STEPS if name == "comment" and "checkout" in step.get("uses", ""))
    assert "ref" not in checkout["with"]  # of the default branch


def test_nothing_runs_but_commands_that_are_tested():
    assert {step["run"] for _, step in STEPS if "run" in step} == {
        ".ci/run",
        "make setup",
        ".venv/bin/python tools/pull_request.py --output metrics",
        'python3 tools/comment.py --folder "$RUNNER_TEMP/metrics"',
        ".venv/bin/python tools/nightly.py",
    }


@pytest.fixture(scope="module")
def branches(tmp_path_factory):
    """A repository whose branch has another parameter, cloned as GitHub does: main and the branch, no data, an empty cache."""
    root = tmp_path_factory.mktemp("branches") / "team"
    (root / "data" / "raw").mkdir(parents=True)
    (root / "data" / "raw" / "secret_name.mp4").write_text("a video")
    for name, text in {
        "check.py": CHECK,
        "split.py": SPLIT,
        "dvc.yaml": STAGES,
        "gates.yaml": GATES,
        "params.yaml": "split:\n  share: 0.25\n",
    }.items():
        (root / name).write_text(text)
    call(root, "git", "init", "-q", "-b", "main")
    for key, value in (("email", "nobody@example.com"), ("name", "nobody")):
        call(root, "git", "config", f"user.{key}", value)
    call(root, "dvc", "init", "-q")
    call(root, "dvc", "remote", "add", "-q", "-d", "store", root.parent / "remote")
    call(root, "dvc", "add", "-q", "data/raw")
    for branch, share in (("main", "0.25"), ("larger-test", "0.4")):
        if branch != "main":
            call(root, "git", "checkout", "-q", "-b", branch)
        (root / "params.yaml").write_text(f"split:\n  share: {share}\n")
        call(root, "dvc", "repro", "-q")
        call(root, "dvc", "push", "-q")
        call(root, "git", "add", "-A")
        call(root, "git", "commit", "-qm", branch)
    call(root.parent, "git", "clone", "-q", "--branch", "larger-test", root, "clone")
    return root.parent / "clone"


def metrics(clone, code=0, **more):
    """What metrics.yml runs, in that clone: its output and the comment's two texts."""
    (run,) = (step["run"] for name, step in STEPS if name == "metrics" and "pull_request.py" in step.get("run", ""))
    shutil.rmtree(clone / "metrics", ignore_errors=True)
    shutil.copytree(REPO / "tools", clone / "tools", dirs_exist_ok=True)
    _, *arguments = run.split()
    output = call(clone, sys.executable, *arguments, code=code, GITHUB_BASE_REF="main", **more)
    return output, *((clone / "metrics" / name).read_text(encoding="utf-8") for name in ("diff.md", "reproduced.md"))


def test_a_pull_request_is_compared_and_its_cheap_stages_run_again(branches):
    _, diff, again = metrics(branches)
    assert "split.share" in diff
    assert "secret_name" not in diff + again
    assert "`split`: every md5 is as in `dvc.lock`" in again
    assert "not run again: `prepare`" in again
    assert json.loads((branches / "metrics" / "diff.json").read_text(encoding="utf-8"))


def test_a_lock_that_does_not_tell_the_truth_fails(branches):
    """A figure that nobody's code gives, with a dvc.lock to fit it."""
    lock, metric = branches / "dvc.lock", branches / "reports" / "metrics" / "split.json"
    before = lock.read_text(encoding="utf-8"), metric.read_text(encoding="utf-8")
    metric.write_text(json.dumps({"status": "ok", "test_share": 0.9}))
    call(branches, "dvc", "commit", "-f", "-q", "split")
    _, _, again = metrics(branches, code=1)
    lock.write_text(before[0], encoding="utf-8")
    metric.write_text(before[1], encoding="utf-8")
    assert "`split`: **gives something else than `dvc.lock` says**: `reports/metrics/split.json`" in again


def test_without_its_data_a_stage_is_not_run_again_and_that_is_said(branches, tmp_path):
    call(tmp_path, "git", "clone", "-q", branches, "fork")
    (tmp_path / "fork" / ".dvc" / "config.local").write_text(f"['remote \"store\"']\n    url = {tmp_path / 'nowhere'}\n")
    _, diff, again = metrics(tmp_path / "fork")
    assert "split.share" in diff
    assert "`split`: not run again: its inputs lie neither in the cache nor could they be pulled" in again


class GitHub(BaseHTTPRequestHandler):
    """The parts of GitHub's API that the comment needs, over HTTP."""

    def do_GET(self):
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        if path == "/repos/team/onscreen/pulls":
            self.answer([one for one in self.server.pulls if query["head"] == [one["head"]["label"]]])
        else:
            page = int(query["page"][0])
            self.answer(self.server.comments[100 * (page - 1) : 100 * page])

    def do_POST(self):
        self.server.comments.append({"id": len(self.server.comments), "user": {"login": "github-actions[bot]"}, **self.body()})
        self.answer(self.server.comments[-1])

    def do_PATCH(self):
        self.server.comments[int(self.path.rsplit("/", 1)[1])] |= self.body()
        self.answer({})

    def body(self):
        assert self.headers["Authorization"] == "Bearer token"
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def answer(self, data):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(data).encode())

    def log_message(self, *parts):
        """Not among the tests' output."""


@pytest.fixture
def github():
    server = ThreadingHTTPServer(("127.0.0.1", 0), GitHub)
    server.pulls = [{"number": 7, "head": {"label": "someone:my-branch", "sha": "a" * 40}}]
    server.comments = [{"id": n, "user": {"login": "someone"}, "body": f"{MARK} not ours"} for n in range(120)]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def comment(github, folder, commit="a" * 40):
    """What comment.yml runs."""
    (step,) = (step for name, step in STEPS if name == "comment" and "run" in step)
    told = {"HEAD_REPOSITORY": "someone/onscreen", "HEAD_BRANCH": "my-branch", "HEAD_SHA": commit, "GITHUB_TOKEN": "token"}
    assert set(told) == set(step["env"])
    api = f"http://127.0.0.1:{github.server_port}"
    runner = {"GITHUB_API_URL": api, "GITHUB_REPOSITORY": "team/onscreen", "RUNNER_TEMP": str(folder)}
    return call(REPO, "bash", "-c", step["run"], **told, **runner)


def test_one_comment_is_written_and_then_changed(github, tmp_path):
    folder = tmp_path / "metrics"
    folder.mkdir()
    for text in ("first", "second"):
        (folder / "diff.md").write_text(text)
        (folder / "reproduced.md").write_text("run again")
        comment(github, tmp_path)
    assert len(github.comments) == 121
    assert (
        github.comments[120]["body"]
        == f"{MARK}\nOf aaaaaaa, as computed by the code of this pull request.\n\nsecond\n\nrun again"
    )
    assert all(one["body"] == f"{MARK} not ours" for one in github.comments[:120])


def test_a_long_or_sly_text_is_cut_and_mentions_nobody(github, tmp_path):
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "diff.md").write_text("@everyone <!-- " + "| row |\n" * 20_000)
    comment(github, tmp_path)
    body = github.comments[120]["body"]
    assert len(body) <= 65_536
    assert "Cut here" in body
    assert "@everyone" not in body
    assert body.count("<!--") == 1


def test_a_pull_request_that_has_moved_on_gets_no_comment(github, tmp_path):
    assert "no comment" in comment(github, tmp_path, commit="b" * 40)
    assert len(github.comments) == 120
