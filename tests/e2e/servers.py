"""Real servers on loopback for the tests: sshd, OpenStack Swift with its S3 API, PostgreSQL, MLflow.

sshd and Swift come out of Debian's packages, which are unpacked into a folder of their own and not installed: no service starts, no
user, no file of the system is touched, and root is not needed. Every server has its own configuration, keys, ports and data in one
temporary folder, runs in a process group of its own, and ends with the block that started it, or with the tests' process.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from filelock import FileLock

PACKAGES = ("openssh-server", "libnss-wrapper", "memcached", "python3-swift")
DEBIANS_PYTHON = "/usr/bin/python3"  # the one that Swift's compiled modules are made for
NOBODY = 65534
_STARTS_WITHIN_S = 90.0  # MLflow's server takes 10-25 s, more beside other tests


def unpacked() -> Path:
    """The folder into which PACKAGES and what they need are unpacked, once a machine; skips the test where that cannot be."""
    if not all(shutil.which(name) for name in ("apt-get", "dpkg-deb", "setpriv", DEBIANS_PYTHON)):
        pytest.skip("the servers come out of Debian's packages, and apt-get, dpkg-deb, setpriv or /usr/bin/python3 is missing")
    folder = Path(tempfile.gettempdir()) / f"onscreen-servers-{os.getuid()}"  # not in a home: servers run as nobody
    folder.mkdir(mode=0o755, exist_ok=True)
    assert folder.stat().st_uid == os.getuid(), f"{folder} is somebody else's"
    with FileLock(folder / "lock"):
        if not (folder / "done").exists():
            _unpack(folder)
    return folder / "root"


def _unpack(folder: Path) -> None:
    for name in ("lists/partial", "archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    options = [f"Dir::State::lists={folder}/lists", f"Dir::Cache={folder}", "Debug::NoLocking=1", "APT::Sandbox::User="]
    apt = ["apt-get", "-qq", *(part for option in options for part in ("-o", option))]
    for command in (["update"], ["install", "--download-only", "--yes", "--no-install-recommends", *PACKAGES]):
        done = subprocess.run([*apt, *command], capture_output=True, text=True, timeout=300)
        if done.returncode:
            pytest.skip(f"apt-get {command[0]} failed: {done.stderr.strip()[-300:]}")
    for package in sorted((folder / "archives").glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", package, folder / "root"], check=True, timeout=60)
    compiling = [DEBIANS_PYTHON, "-m", "compileall", "-q", "-j", "0", folder / "root/usr/lib/python3/dist-packages"]
    subprocess.run(compiling, check=False, capture_output=True, timeout=300)  # Swift's servers start in a second, not in four
    (folder / "done").touch()


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that nobody listens on now."""
    with ExitStack() as stack:
        taken = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in taken:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in taken]


@contextmanager
def own_folder() -> Iterator[Path]:
    """A temporary folder that servers of another user can reach into; pytest's own are closed to them."""
    with tempfile.TemporaryDirectory(prefix="onscreen-servers-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@dataclass
class Program:
    """A server's process, with its children. port: where it answers. log: what it says. as_nobody: where we are root."""

    command: Sequence[str | Path]
    port: int
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    as_nobody: bool = False
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and do not wait."""
        user = _as_nobody() if self.as_nobody else []
        command = ["setpriv", "--pdeathsig=KILL", *user, *map(str, self.command)]
        environment = {**os.environ, **self.environment}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)

    def wait(self) -> None:
        """Wait until it takes connections; raises AssertionError with what it said when it ends before."""
        process = self._process
        assert process is not None
        until(lambda: process.poll() is not None or _answers(self.port), f"{self.command[0]} does not answer")
        assert process.poll() is None, self.log.read_text(errors="replace")[-2000:]

    def stop(self) -> None:
        """End the process and its descendants at once, sessions of their own included (sshd's); nothing is left behind."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            parent = psutil.Process(process.pid)
            everyone = [parent, *parent.children(recursive=True)]
            for one in everyone:
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()
            psutil.wait_procs(everyone, timeout=10)
        process.wait(10)

    def __enter__(self) -> Program:
        self.start()
        try:
            self.wait()
        except AssertionError:
            self.stop()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()


def until(holds: Callable[[], object], otherwise: str, within_s: float = _STARTS_WITHIN_S) -> None:
    """Wait until something holds; raises AssertionError."""
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end, f"{otherwise} within {within_s:g} s"
        time.sleep(0.02)


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def _as_nobody() -> list[str]:
    return ["--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"] if os.getuid() == 0 else []


def _give(*paths: Path) -> None:
    """To the user that a server runs as."""
    if os.getuid() == 0:
        for path in paths:
            os.chown(path, NOBODY, NOBODY)


@dataclass
class Ssh:
    """An sshd that lets one key in, to files only. home: the folder on the server."""

    program: Program
    key: Path
    wrong_key: Path
    home: Path
    user = "onscreen"

    @property
    def url(self) -> str:
        return f"ssh://{self.user}@127.0.0.1:{self.program.port}{self.home}"


_SSHD = """Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/key.pub
PidFile none
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
StrictModes no
Subsystem sftp internal-sftp
ForceCommand internal-sftp
"""


@contextmanager
def sshd(base: Path) -> Iterator[Ssh]:
    """A running sshd with keys of its own. The user exists only for it (libnss_wrapper), so no account of the system is used."""
    root, folder, (port,) = unpacked(), base / "ssh", free_ports(1)
    libraries = next(root.glob("usr/lib/*/libnss_wrapper.so")).parent
    home = folder / "home"
    home.mkdir(parents=True)
    for key in ("host", "key", "wrong_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key], check=True, timeout=30)
    uid, gid = (NOBODY, NOBODY) if os.getuid() == 0 else (os.getuid(), os.getgid())
    (folder / "config").write_text(_SSHD.format(port=port, folder=folder))
    (folder / "passwd").write_text(f"{Ssh.user}:x:{uid}:{gid}::{home}:/bin/sh\n")
    (folder / "shadow").write_text(f"{Ssh.user}:NP:19000:0:99999:7:::\n")
    (folder / "group").write_text(f"{Ssh.user}:x:{gid}:\n")
    _give(folder / "host", home)
    environment = {"LD_LIBRARY_PATH": str(libraries), "LD_PRELOAD": str(libraries / "libnss_wrapper.so")}
    environment |= {f"NSS_WRAPPER_{name.upper()}": str(folder / name) for name in ("passwd", "shadow", "group")}
    command = [root / "usr/sbin/sshd", "-D", "-e", "-f", folder / "config"]
    with Program(command, port, folder / "log", environment, as_nobody=True) as program:
        yield Ssh(program, folder / "key", folder / "wrong_key", home)


@dataclass
class S3:
    """A Swift that speaks S3. program: the proxy, the only one that clients talk to. devices: where its objects lie."""

    program: Program
    devices: Path
    access_key: str
    secret: str

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.program.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What boto3 and MLflow read."""
        keys = {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret}
        return {**keys, "AWS_DEFAULT_REGION": "us-east-1", "MLFLOW_S3_ENDPOINT_URL": self.endpoint}

    def client(self):
        import boto3

        keys = {"aws_access_key_id": self.access_key, "aws_secret_access_key": self.secret}
        return boto3.client("s3", endpoint_url=self.endpoint, region_name="us-east-1", **keys)


_RINGS = """import sys
from swift.common.ring import RingBuilder
folder, *servers = sys.argv[1:]
for name, port in (server.split(":") for server in servers):
    builder = RingBuilder(4, 1, 1)
    builder.add_dev(dict(id=0, region=1, zone=1, ip="127.0.0.1", port=int(port), device="disk", weight=1.0))
    builder.rebalance()
    builder.get_ring().save(f"{folder}/{name}.ring.gz")
"""
_SERVE = """import sys
from swift.common import utils
utils.set_swift_dir(sys.argv[3])
from swift.common.wsgi import run_wsgi
sys.exit(run_wsgi(*sys.argv[1:3]))
"""
_SWIFT = """[DEFAULT]
swift_dir = {folder}
devices = {folder}/devices
mount_check = false
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
log_level = ERROR
[pipeline:main]
pipeline = {filters}{name}-server
[app:{name}-server]
use = egg:swift#{name}
"""
_PROXY = """account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:proxy-logging]
use = egg:swift#proxy_logging
[filter:copy]
use = egg:swift#copy
[filter:slo]
use = egg:swift#slo
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:{memcached}
[filter:s3api]
use = egg:swift#s3api
[filter:tempauth]
use = egg:swift#tempauth
user_onscreen_team = {secret} .admin
"""


@contextmanager
def swift(base: Path) -> Iterator[S3]:
    """A running Swift of one replica in a plain folder, which must know extended attributes, as /tmp on a disk does."""
    import pwd

    root, folder, (memcached, *ports) = unpacked(), base / "swift", free_ports(5)
    (folder / "devices" / "disk").mkdir(parents=True)
    names, secret, user = ("account", "container", "object", "proxy"), secrets.token_hex(16), pwd.getpwuid(os.getuid()).pw_name
    libraries = next(root.glob("usr/lib/*/libnss_wrapper.so")).parent
    environment = {"PYTHONPATH": str(root / "usr/lib/python3/dist-packages"), "LD_LIBRARY_PATH": str(libraries)}
    (folder / "swift.conf").write_text(f"[swift-hash]\nswift_hash_path_suffix = {secrets.token_hex(8)}\n")
    for name, port in zip(names, ports, strict=True):
        filters = "catch_errors proxy-logging cache s3api tempauth copy slo " if name == "proxy" else ""
        text = _SWIFT.format(folder=folder, port=port, user=user, filters=filters, name=name)
        text += _PROXY.format(memcached=memcached, secret=secret) if name == "proxy" else ""
        (folder / f"{name}.conf").write_text(text)
    rings = [f"{name}:{port}" for name, port in zip(names[:3], ports, strict=False)]
    made = {**os.environ, **environment}
    subprocess.run([DEBIANS_PYTHON, "-c", _RINGS, folder, *rings], env=made, check=True, capture_output=True, timeout=60)
    programs = [
        Program(
            [DEBIANS_PYTHON, "-c", _SERVE, folder / f"{name}.conf", f"{name}-server", folder],
            port,
            folder / f"{name}.log",
            environment,
        )
        for name, port in zip(names, ports, strict=True)
    ]
    cache = [root / "usr/bin/memcached", "-u", user, "-l", "127.0.0.1", "-p", str(memcached)]
    programs = [Program(cache, memcached, folder / "memcached.log", environment), *programs]
    with ExitStack() as stack:
        for program in programs:
            stack.callback(program.stop)
            program.start()  # all at once, and each takes a second
        for program in programs:
            program.wait()
        yield S3(programs[-1], folder / "devices", "onscreen:team", secret)


@contextmanager
def postgres(base: Path) -> Iterator[str]:
    """A running PostgreSQL with a database `mlflow`; yields its URL, password included. Skips the test where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("PostgreSQL is not installed (/usr/lib/postgresql/*/bin)")
    programs, folder, (port,) = found[-1].parent, base / "postgres", free_ports(1)
    folder.mkdir()
    _give(folder)
    password, (handle, written) = secrets.token_hex(16), tempfile.mkstemp(dir=folder)
    os.write(handle, password.encode())
    os.close(handle)
    _give(Path(written))
    user = ["setpriv", *_as_nobody()] if _as_nobody() else []
    login = ["--username=mlflow", f"--pwfile={written}", "--auth=scram-sha-256"]
    initdb = [*user, programs / "initdb", *login, "--no-sync", "--no-locale", "--encoding=UTF8", folder / "data"]
    subprocess.run(initdb, check=True, capture_output=True, timeout=120, cwd=folder)
    command = [programs / "postgres", "-D", folder / "data", "-h", "127.0.0.1", "-p", str(port), "-k", folder, "-F"]
    with Program(command, port, folder.parent / "postgres.log", as_nobody=True):
        import psycopg2

        with contextlib.closing(
            psycopg2.connect(host="127.0.0.1", port=port, user="mlflow", password=password, dbname="postgres")
        ) as db:
            db.autocommit = True
            db.cursor().execute("CREATE DATABASE mlflow")
        yield f"postgresql+psycopg2://mlflow:{password}@127.0.0.1:{port}/mlflow"


@contextmanager
def mlflow_server(base: Path, database: str, s3: S3, bucket: str) -> Iterator[str]:
    """A running MLflow server that keeps runs in the database and hands artifacts through to S3; yields its URL."""
    (port,) = free_ports(1)
    places = {"MLFLOW_BACKEND_STORE_URI": database, "MLFLOW_ARTIFACTS_DESTINATION": f"s3://{bucket}"}
    environment = {**s3.environment, **places, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    with Program(command, port, base / "mlflow.log", environment):
        yield f"http://127.0.0.1:{port}"
