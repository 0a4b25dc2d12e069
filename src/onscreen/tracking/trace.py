"""`onscreen trace`: from a model back to the videos it came from, and from a video, clip, face or person on to the models.

Everything is told from what runs recorded (md5s) and from tables with these md5s, in the checkout or in DVC's cache.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rich.console import Console

from onscreen.errors import InputError
from onscreen.tracking.registry import MODELS, version_of
from onscreen.tracking.store import connect
from onscreen.tracking.trace_back import lines_of_model, lines_of_run
from onscreen.tracking.trace_forth import lines_of_subject, subject_of
from onscreen.tracking.trace_known import Known, known
from onscreen.tracking.trace_runs import run_facts
from onscreen.workspace import Workspace

_RUN_ID = re.compile(r"[0-9a-f]{32}")


def print_trace(workspace: Workspace, name: str) -> None:
    """Print the chain of a registered model, a run, or a clip, face, person or video: one clip a line, all of them.

    Raises InputError for a name that none of these has, naming what is near.
    """
    client, experiment = connect(workspace.home)
    screen = Console(soft_wrap=True, highlight=False, markup=False)
    with known(workspace, client, experiment) as store:
        for line in _lines(store, name):
            screen.print(line)


def _lines(store: Known, name: str) -> Iterator[str]:
    if _is_model(name):
        yield from lines_of_model(store, version_of(store.client, name))
        if _is_subject(store, name):
            yield f"\nA clip, face or person here is called {name} too: name its video's path to trace that."
    elif _RUN_ID.fullmatch(name) and not _is_subject(store, name):
        yield from lines_of_run(store, run_facts(store.client, name))
    else:
        try:
            subject, state, place = subject_of(store, name)
        except InputError as error:
            raise InputError(f"{str(error).rstrip('.')}. {_other_names(store)}") from error
        yield from lines_of_subject(store, subject, state, place)


def _is_model(name: str) -> bool:
    return re.split("[@/]", name.removeprefix("models:/"))[0] in MODELS.values()


def _is_subject(store: Known, name: str) -> bool:
    try:
        subject_of(store, name)
    except InputError:
        return False
    return True


def _other_names(store: Known) -> str:
    models = [f"{version.name}/{version.version}" for version in store.versions]
    return f"Registered models: {', '.join(models) or 'none'}. A run's id has 32 digits 0-9 and a-f."
