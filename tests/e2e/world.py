"""A checkout of this repository whose first stages plant a world of made-up people (plant.py); all that follows is real.

split, train_face_voice and evaluate are run by their own entries of dvc.yaml, on voices that are heard as spectrograms. hq, m2p and
train_hq have nothing to do and are left out, so that a pass takes seconds.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from ruamel.yaml import YAML

REPO = Path(__file__).parents[2]
SILENT = 5  # every fifth person has a third video, in which nothing is said
KEPT = ("split", "train_face_voice", "evaluate")
PLANT = {
    "desc": "Plant made-up people: tables and files as prepare, extract_faces, dedupe and voices leave them",
    "cmd": "PYTHONPATH=src python plant.py",
    "deps": ["data/raw", "plant.py"],
    "outs": ["data/prepared", "data/faces", "data/identities", "data/voices", "data/hq", "data/m2p", "models/hq"],
    "metrics": [{"reports/metrics/plant.json": {"cache": False}}],
}
# Voices of a second, in the windows and bands that plant.py draws them for; small heads, which seconds train.
PARAMS = {
    "engine": {"workers": 1},
    "hq": {"n_mels": 16, "win_ms": 50.0, "hop_ms": 50.0},
    "train_face_voice": {"voice_tower": "flatten", "audio_duration_sec": 0.95, "embedding_dim": 32, "num_epochs": 20},
}


def environment(**changes):
    """This process's, with its own programs first on PATH and no tracking server but the one named."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DVC_NO_ANALYTICS": "true", "COLUMNS": "200"}
    quiet["OMP_NUM_THREADS"] = "1"  # threads that wait for each other on busy cores make steps of milliseconds ten times as long
    left_out = {"MLFLOW_TRACKING_URI", "DVC_ROOT", "DVC_EXP_NAME", "DVC_EXP_BASELINE_REV"}
    return {**{key: value for key, value in os.environ.items() if key not in left_out}, "PATH": path, **quiet, **changes}


def ended(root, *command, timeout_s=240, **changes):
    """A program's end in root."""
    words = [str(part) for part in command]
    return subprocess.run(words, cwd=root, env=environment(**changes), capture_output=True, text=True, timeout=timeout_s)


def call(root, *command, **changes):
    """What a program prints that ends well."""
    end = ended(root, *command, **changes)
    assert end.returncode == 0, f"{command}\n{end.stdout[-3000:]}\n{end.stderr[-3000:]}"
    return end.stdout


def copied(root):
    """What git tracks of this repository, as the working tree has it, in root; a git repository without a commit."""
    for name in call(REPO, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0"):
        if name and not name.startswith(("tests/", "docs/", "benchmarks/")) and (REPO / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPO / name, root / name)  # with its time, by which Python knows what it has compiled
    for compiled in (REPO / "src").rglob("__pycache__"):
        shutil.copytree(compiled, root / compiled.relative_to(REPO))
    call(root, "git", "init", "-q", "-b", "main")
    call(root, "git", "config", "user.email", "nobody@example.com")
    call(root, "git", "config", "user.name", "nobody")


def plant(root, people):
    """A checkout in which `dvc repro` can run, not committed. Two videos a person; some have a third one without a voice."""
    root.mkdir(parents=True)
    copied(root)
    shutil.copy(Path(__file__).with_name("plant.py"), root / "plant.py")
    _only_what_follows(root / "dvc.yaml")
    _only_gates_of_evaluate(root / "gates.yaml")
    _set(root / "params.yaml", PARAMS)
    raw = root / "data/raw"
    raw.mkdir()
    for person in range(people):
        for clip in range(3 if person % SILENT == 0 else 2):
            planted = {"planted": "nobody real", "person": person, "clip": clip, "heard": clip < 2}
            (raw / f"vid_{person}_{clip}.mp4").write_text(json.dumps(planted))
    call(root, "dvc", "add", "-q", "data/raw")


def _only_what_follows(path):
    """dvc.yaml with plant in place of the stages before split, and without those that have nothing to do."""
    yaml = YAML()
    known = yaml.load(path.read_text(encoding="utf-8"))
    known["stages"] = {"plant": PLANT, **{name: known["stages"][name] for name in KEPT}}
    here = tuple(f"reports/plots/{name}/" for name in KEPT)
    known["plots"] = [plot for plot in known.get("plots", []) if all(name.startswith(here) for name in _sources(plot))]
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(known, file)


def _only_gates_of_evaluate(path):
    """gates.yaml without those on the numbers of stages that are not there."""
    yaml = YAML()
    known = yaml.load(path.read_text(encoding="utf-8"))
    for name in [name for name in known["gates"] if not name.startswith("evaluate.")]:
        del known["gates"][name]
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(known, file)


def _sources(plot):
    """The files that a plot of dvc.yaml's list draws."""
    if isinstance(plot, str):
        return [plot]
    ((name, about),) = plot.items()
    drawn = about.get("y", {}) if about else {}
    return list(drawn) if isinstance(drawn, dict) else [name]


def _set(path, changes):
    """Values of params.yaml, its comments kept."""
    yaml = YAML()
    known = yaml.load(path.read_text(encoding="utf-8"))
    for section, values in changes.items():
        known[section].update(values)
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(known, file)
