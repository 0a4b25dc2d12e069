"""OpenMP's variables on macOS: one thread, and only then a second copy of the runtime."""

import os
import subprocess
import sys

import pytest

from onscreen.openmp import settle


@pytest.mark.parametrize(
    ("platform", "before", "after"),
    [
        ("darwin", {}, {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "KMP_DUPLICATE_LIB_OK": "TRUE"}),
        ("darwin", {"OMP_NUM_THREADS": "8"}, {"OMP_NUM_THREADS": "8", "MKL_NUM_THREADS": "1"}),
        (
            "darwin",
            {"KMP_DUPLICATE_LIB_OK": "FALSE"},
            {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "KMP_DUPLICATE_LIB_OK": "FALSE"},
        ),
        ("linux", {}, {}),
        ("win32", {"OMP_NUM_THREADS": "4"}, {"OMP_NUM_THREADS": "4"}),
    ],
)
def test_what_is_set(platform: str, before: dict[str, str], after: dict[str, str]) -> None:
    environment = dict(before)
    settle(platform, environment)
    assert environment == after


def test_the_command_line_sets_it_before_anything_heavy_is_loaded() -> None:
    script = (
        "import os, sys, types\n"
        "from onscreen import cli\n"
        "assert not {'numpy', 'torch', 'cv2'} & set(sys.modules), 'too late'\n"
        "sys.argv = ['onscreen', '--version']\n"
        "cli.sys = types.SimpleNamespace(platform='darwin', exit=sys.exit)  # and no other module: this is no Mac\n"
        "try: cli.main()\n"
        "except SystemExit: pass\n"
        "print(os.environ['OMP_NUM_THREADS'], os.environ['KMP_DUPLICATE_LIB_OK'])"
    )
    unset = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "KMP_", "MKL_"))}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=unset, check=True)
    assert done.stdout.splitlines()[-1] == "1 TRUE"
