"""Make .venv with everything onscreen needs: `python3 tools/install.py` (standard library only; `make setup` calls it).

pip's own settings (index, find-links, certificate) are handed on to uv, which reads none of them. Only uv can leave out the
cv2 wheels that dependencies ask for beside ours (overrides.txt): two of them in one environment overwrite each other's files.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PIP_TO_UV = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "cert": "SSL_CERT_FILE",
}


def main() -> None:
    """Create the environment, install, and stamp it; each step says what it does."""
    if sys.version_info < (3, 11):
        sys.exit(
            f"error: onscreen needs Python 3.11 or newer; {sys.executable} is {sys.version.split()[0]}. "
            "Name another one: make setup PYTHON=python3.12"
        )
    started = time.monotonic()
    say("1/3 making .venv")
    if subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=False).returncode:
        sys.exit("error: python3 cannot make a virtual environment here (Debian: install python3-venv)")
    run(
        "2/3 fetching the installer", [BIN / "python", "-m", "pip", "install", "--quiet", "--constraint", "constraints.txt", "uv"]
    )
    command = [BIN / "uv", "pip", "install", "--python", BIN / "python", "--constraint", "constraints.txt"]
    run(
        "3/3 installing onscreen and its packages (about 3 GB, a few minutes the first time)",
        [*command, "--override", "overrides.txt", "--editable", ".[dev]"],
        {**uv_settings(), "UV_COMPILE_BYTECODE": "1"},
    )
    (VENV / ".ready").touch()
    say(f"ready after {time.monotonic() - started:.0f} s")


def uv_settings() -> dict[str, str]:
    """pip's settings, from its files and PIP_* variables, as uv's variables; what uv is already told stays."""
    found: dict[str, str] = {}
    for name, target in PIP_TO_UV.items():
        value = os.environ.get("PIP_" + name.upper().replace("-", "_")) or pip_config(name)
        parts = [part for part in value.split() if not part.startswith("file://") or Path(part[7:]).is_dir()]
        if parts and target not in os.environ:
            found[target] = (" " if target == "UV_INDEX" else ",").join(parts)
    if "UV_INDEX" in found:
        found["UV_INDEX_STRATEGY"] = "unsafe-best-match"  # pip looks in all indexes; uv would stop at the first with the name
    return found


def pip_config(name: str) -> str:
    """A value of pip's configuration files, "" when it is not set."""
    command = [str(BIN / "python"), "-m", "pip", "config", "get", f"global.{name}"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def run(what: str, command: list[Path | str], extra: dict[str, str] | None = None) -> None:
    """Run one step from the repository's folder; stop with its exit code when it fails."""
    say(what)
    code = subprocess.run([str(part) for part in command], cwd=ROOT, env={**os.environ, **(extra or {})}, check=False).returncode
    if code:
        sys.exit(f"error: this step failed with exit code {code}; its message stands above. It is safe to repeat.")


def say(text: str) -> None:
    sys.stderr.write(f"setup: {text}\n")


if __name__ == "__main__":
    main()
