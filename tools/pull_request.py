"""What a pull request changes, for its comment: `python tools/pull_request.py --output metrics`.

Calls `onscreen diff`, then runs the cheap stages again and says whether dvc.lock has told the truth about them, or why it could not
be seen. Leaves diff.md, diff.json, pictures and reproduced.md in the folder. Exit code: 0, or 1 when a gate failed, a stage gave
something else than dvc.lock says, or the comparison itself could not be made.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

CHEAP = ("check", "dedupe", "split")  # they apply parameters to what was measured before; seconds for thousands of clips
MOST_BYTES = 2_000_000_000  # fetched for one stage; more takes longer than a pull request should wait
PATIENCE_S = 1200.0  # for one program

Stage = Mapping[str, Any]


def main() -> int:
    """Compare, reproduce, write; 0 when both are well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True)
    output = parser.parse_args().output
    output.mkdir(parents=True, exist_ok=True)
    if not Path("dvc.lock").is_file():
        (output / "diff.md").write_text("No `dvc.lock` is committed here: there is nothing to compare.\n", encoding="utf-8")
        return 0
    compared = compare(output)
    right, lines = reproduce(stages_of(Path("dvc.lock")))
    (output / "reproduced.md").write_text("\n".join(["### Run again here", "", *lines, ""]), encoding="utf-8")
    sys.stdout.write((output / "reproduced.md").read_text(encoding="utf-8"))
    return 0 if compared and right else 1


def compare(output: Path) -> bool:
    """`onscreen diff`; where it stops with an error, the error is the comparison."""
    code, text = call(["onscreen", "diff", "--output", str(output)])
    sys.stdout.write(text)
    if not (output / "diff.md").is_file():
        (output / "diff.md").write_text(f"`onscreen diff` could not compare:\n\n```\n{text[-2000:]}\n```\n", encoding="utf-8")
    return code == 0


def reproduce(lock: Mapping[str, Stage]) -> tuple[bool, list[str]]:
    """Run each cheap stage again. Whether none gave anything else than dvc.lock says, and a line for each."""
    verdicts = {stage: again(stage, lock[stage]) for stage in CHEAP if stage in lock}
    lines = [f"- `{stage}`: {text}" for stage, (_, text) in verdicts.items()]
    others = sorted(set(lock) - set(verdicts))
    lines.append(
        f"- not run again: {', '.join(f'`{name}`' for name in others) or 'nothing'}; their figures are those of `dvc.lock`"
    )
    return all(right for right, _ in verdicts.values()), lines


def again(stage: str, locked: Stage) -> tuple[bool, str]:
    """Whether a stage's outputs are not other than the lock's, and what to say of it."""
    missing = [dep for dep in locked.get("deps", []) if not Path(dep["path"]).exists()]
    size = sum(dep.get("size", 0) for dep in missing)
    if size > MOST_BYTES:
        return True, f"not run again: its inputs are {size / 1e9:.1f} GB, and {MOST_BYTES / 1e9:.0f} GB are fetched at most"
    if missing and call(["dvc", "pull", "--quiet", *(dep["path"] for dep in missing)])[0]:
        return True, "not run again: its inputs lie neither in the cache nor could they be pulled"
    code, text = call(["dvc", "repro", "--force", "--single-item", "--no-run-cache", stage])
    if code:
        return False, f"**failed**: {(text.strip().splitlines() or ['no message'])[-1][:200]}"
    now = {out["path"]: out.get("md5") for out in stages_of(Path("dvc.lock"))[stage].get("outs", [])}
    differing = [out["path"] for out in locked.get("outs", []) if now.get(out["path"]) != out.get("md5")]
    if differing:
        return False, f"**gives something else than `dvc.lock` says**: {', '.join(f'`{path}`' for path in differing)}"
    return True, f"every md5 is as in `dvc.lock` ({len(now)} outputs)"


def stages_of(path: Path) -> dict[str, Stage]:
    """The stages of a dvc.lock."""
    stages: dict[str, Stage] = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))["stages"]
    return stages


def call(command: list[str]) -> tuple[int, str]:
    """Exit code and output of a program; one that takes too long or is not there counts as failed."""
    if shutil.which(command[0]) is None:
        return 127, f"{command[0]} is not on PATH"
    try:
        ended = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE_S, check=False
        )
    except subprocess.TimeoutExpired:
        return 124, f"{command[0]} took more than {PATIENCE_S:.0f} s"
    return ended.returncode, ended.stdout


if __name__ == "__main__":
    sys.exit(main())
