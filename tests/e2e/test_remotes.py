"""What is pushed to a real S3 or SSH remote comes back, byte for byte, in a clone that has nothing; and what goes wrong says so."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from dvc.cli import main, parse_args
from servers import Program, own_folder, sshd, swift, until

SOURCE = Path(__file__).parents[2] / "src"
PAGE = Path(__file__).parents[2] / "docs" / "storage.md"
DVC = [sys.executable, "-m", "dvc"]
ENVIRONMENT = {**os.environ, "DVC_NO_ANALYTICS": "true"}
BIG = 24  # files of a megabyte, enough to be in the middle of
STAGES = """stages:
  faces:
    cmd: PYTHONPATH={source} {python} faces.py
    deps: [faces.py]
    params: [people, layout]
    outs: [data/faces]
  count:
    cmd: PYTHONPATH={source} {python} count.py
    deps: [count.py, data/faces]
    metrics: [{{count.json: {{cache: false}}}}]
"""
FACES = """import random
from pathlib import Path
from ruamel.yaml import YAML
from onscreen.storage import storing
from onscreen.store import atomic_folder
params = YAML(typ="safe").load(Path("params.yaml"))
with atomic_folder(Path("data/faces")) as folder, storing(folder, params["layout"]) as save:
    for person in range(params["people"]):
        save(f"extracted_faces/vid_{person}.jpg", random.Random(person).randbytes(3000))
"""
COUNT = """from pathlib import Path
from onscreen.storage import Stored
from onscreen.store import write_json
faces = Stored(Path("data/faces"))
sizes = [len(faces.read(name)) for name in faces.names("extracted_faces/")]
write_json(Path("count.json"), {"faces": len(sizes), "bytes": sum(sizes)})
"""


@dataclass
class Remote:
    """A server that DVC pushes to. options: of `dvc remote modify`, login: of `dvc remote modify --local`, refused: a stranger's.

    says: what DVC tells a stranger. program: what answers clients. objects: where its files lie, to look at them from behind.
    """

    url: str
    options: dict[str, str]
    login: dict[str, str]
    refused: dict[str, str]
    says: str
    program: Program
    objects: Path
    lose: Callable[[str], object]


@contextmanager
def ssh_remote(base):
    with sshd(base) as server:
        login, refused = ({"keyfile": str(key)} for key in (server.key, server.wrong_key))
        yield Remote(
            server.url,
            {},
            login,
            refused,
            "Permission denied",
            server.program,
            server.home,
            lambda name: (server.home / name).unlink(),
        )


def _lose(server, name):
    server.client().delete_object(Bucket="data", Key=f"onscreen/{name}")


@contextmanager
def s3_remote(base):
    with swift(base) as server:
        server.client().create_bucket(Bucket="data")
        login = {"access_key_id": server.access_key, "secret_access_key": server.secret}
        options, refused = {"endpointurl": server.endpoint}, login | {"secret_access_key": "guessed"}
        yield Remote(
            "s3://data/onscreen", options, login, refused, "Forbidden", server.program, server.devices, partial(_lose, server)
        )


@pytest.fixture(scope="module", params=[ssh_remote, s3_remote], ids=["ssh", "s3"])
def remote(request):
    with own_folder() as base, request.param(base) as found:
        yield found


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A project that was run, with a commit for each layout; the later one is shards."""
    root = tmp_path_factory.mktemp("finished")
    (root / "dvc.yaml").write_text(STAGES.format(source=SOURCE, python=sys.executable))
    (root / "faces.py").write_text(FACES)
    (root / "count.py").write_text(COUNT)
    call(root, "git", "init", "-q")
    call(root, "git", "config", "user.email", "nobody@example.com")
    call(root, "git", "config", "user.name", "nobody")
    call(root, *DVC, "init", "-q")
    for layout in ("folders", "shards"):
        set_layout(root, layout)
        call(root, *DVC, "repro", "-q")
        call(root, "git", "add", "-A")
        call(root, "git", "commit", "-qm", layout)
    return root


@pytest.fixture(scope="module")
def project(finished, remote, tmp_path_factory):
    """The project, pushed to the remote."""
    root = tmp_path_factory.mktemp("project") / "project"
    shutil.copytree(finished, root)
    dvc(root, "remote", "add", "--default", "store", remote.url)
    for name, value in remote.options.items():
        dvc(root, "remote", "modify", "store", name, value)
    local = remote.login | remote.options | {"url": remote.url}  # the older commits know no remote; --local counts for them all
    for name, value in local.items():
        dvc(root, "remote", "modify", "--local", "store", name, value)
    call(root, "git", "commit", "-qam", "A remote")
    call(root, *DVC, "push", "--all-commits", "--remote", "store")
    return root


@pytest.fixture
def clone(project, tmp_path):
    """A clone that may log in, and holds no data."""
    call(tmp_path, "git", "clone", "-q", project, "clone")
    shutil.copy(project / ".dvc/config.local", tmp_path / "clone/.dvc/config.local")
    return tmp_path / "clone"


def set_layout(root, layout):
    (root / "params.yaml").write_text(f"people: 12\nlayout: {layout}\n")


def run(root, *command, within_s=120):
    return subprocess.run(
        [str(part) for part in command], cwd=root, env=ENVIRONMENT, capture_output=True, text=True, timeout=within_s
    )


def call(root, *command):
    """Run a command that must succeed."""
    done = run(root, *command)
    assert done.returncode == 0, done.stderr
    return done.stdout


def dvc(root, *arguments):
    """A command of DVC that only writes its configuration, without another process."""
    with contextlib.chdir(root):
        assert main(list(arguments)) == 0


def files(folder):
    """Name and digest of every file below a folder."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def test_a_clone_pulls_the_same_bytes_and_has_nothing_to_run(project, clone):
    call(clone, *DVC, "pull")
    assert files(clone / "data/faces") == files(project / "data/faces")
    assert {"files.parquet", "extracted_faces/00000.tar"} == set(files(clone / "data/faces"))
    assert "up to date" in call(clone, *DVC, "repro")
    assert call(clone, "git", "status", "--porcelain") == ""
    call(clone, "git", "checkout", "-q", "HEAD~2")
    call(clone, *DVC, "pull", "--remote", "store")  # this commit is older than the remote and names none
    assert set(files(clone / "data/faces")) == {f"extracted_faces/vid_{number}.jpg" for number in range(12)}


def test_every_dvc_command_of_the_page_is_one_that_dvc_knows():
    blocks = re.findall(r"```bash\n(.*?)```", PAGE.read_text(), re.DOTALL)
    found = re.findall(r"\bdvc [^\n#&;`]*", "\n".join(blocks)) + re.findall(r"`(dvc [^`]*)`", PAGE.read_text())
    assert len(found) > 20
    for command in found:
        parse_args(shlex.split(command)[1:])  # SystemExit on what DVC does not know


def test_a_stranger_is_turned_away_within_seconds_and_told_so(clone, remote):
    config = clone / ".dvc/config.local"
    for name, value in remote.login.items():
        config.write_text(config.read_text().replace(value, remote.refused[name]))
    begin = time.monotonic()
    done = run(clone, *DVC, "pull")
    assert done.returncode != 0
    assert remote.says in done.stderr
    assert time.monotonic() - begin < 30
    assert not (clone / "data/faces").exists()


def test_an_object_that_the_remote_has_lost_is_named(project, clone, remote):
    (shard,) = project.glob("data/faces/extracted_faces/*.tar")
    md5 = hashlib.md5(shard.read_bytes(), usedforsecurity=False).hexdigest()
    remote.lose(f"files/md5/{md5[:2]}/{md5[2:]}")
    try:
        done = run(clone, *DVC, "pull")
        assert done.returncode != 0
        assert md5 in done.stderr
    finally:
        call(project, *DVC, "push")


def test_a_push_whose_server_goes_away_fails_and_the_next_one_completes_it(project, clone, remote):
    """The server dies when some of the files are there."""
    for number in range(BIG):
        (clone / f"big/{number}").parent.mkdir(exist_ok=True)
        (clone / f"big/{number}").write_bytes(os.urandom(2**20))
    call(clone, *DVC, "add", "-q", "big")
    pushing = subprocess.Popen(
        [*DVC, "push", "--jobs", "1", "big"],
        cwd=clone,
        env=ENVIRONMENT | {"AWS_MAX_ATTEMPTS": "1"},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    until(lambda: arrived(remote) >= 2 or pushing.poll() is not None, "nothing arrives")
    remote.program.stop()
    try:
        pushing.communicate(timeout=60)
        assert pushing.returncode != 0
        assert arrived(remote) < BIG
    finally:
        pushing.kill()
        remote.program.start()
        remote.program.wait()
    call(clone, *DVC, "push", "big")
    assert arrived(remote) >= BIG  # an upload that was cut off may lie beside them, under a name that nobody asks for
    wanted = files(clone / "big")
    shutil.rmtree(clone / "big")
    shutil.rmtree(clone / ".dvc/cache")
    call(clone, *DVC, "pull", "big")
    assert files(clone / "big") == wanted


def arrived(remote):
    """Files of a megabyte that lie on the server."""
    return sum(path.is_file() and path.stat().st_size == 2**20 for path in remote.objects.rglob("*"))
