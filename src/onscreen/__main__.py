"""`python -m onscreen <verb>`: what dvc.yaml calls, so that a worktree runs its own code."""

import sys

try:
    from onscreen.cli import main
except ModuleNotFoundError as error:
    if error.name and error.name.split(".")[0] == "onscreen":
        raise
    sys.exit(
        f"error: {sys.executable} has no package {error.name!r}. "
        "Run `make setup` once, then `source .venv/bin/activate` (or put .venv/bin first on PATH) and repeat the command."
    )

if __name__ == "__main__":
    main()
