"""What one `onscreen trace` reads from, each thing once: the store's passes and versions, and the tables that they came from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from onscreen.tracking.registry import MD5, MODELS, versions_of
from onscreen.tracking.trace_runs import RunFacts, passes, run_facts
from onscreen.tracking.trace_states import State, States, states
from onscreen.tracking.trace_uses import NEEDS, Uses, uses_of
from onscreen.workspace import Workspace

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

FOLDERS = {name: folder for folder, name in MODELS.items()}  # registered name -> folder


@dataclass(frozen=True)
class Known:
    """states: lays out the tables of a pass."""

    workspace: Workspace
    client: MlflowClient
    experiment: str
    states: States
    _uses: dict[tuple[str, ...], Uses] = field(default_factory=dict)

    @cached_property
    def versions(self) -> list[ModelVersion]:
        """All registered versions, by model."""
        return [version for model in FOLDERS for version in versions_of(self.client, model)]

    @cached_property
    def aliases(self) -> dict[tuple[str, str], list[str]]:
        """(model, version) -> its aliases; a list of versions does not tell them."""
        found: dict[tuple[str, str], list[str]] = {}
        for model in sorted({version.name for version in self.versions}):
            for alias, number in sorted(self.client.get_registered_model(model).aliases.items()):
                found.setdefault((model, str(number)), []).append(alias)
        return found

    def title(self, version: ModelVersion) -> str:
        """Name, number and aliases of a version."""
        number = str(version.version)
        return f"{version.name} version {number}" + "".join(
            f" @{alias}" for alias in self.aliases.get((version.name, number), [])
        )

    @cached_property
    def passes(self) -> list[RunFacts]:
        """All recorded passes, the oldest first."""
        return passes(self.client, self.experiment)

    def facts(self, version: ModelVersion) -> RunFacts:
        """The run that a version was registered in."""
        return run_facts(self.client, version.run_id or "")

    def version(self, model: str, md5: str) -> ModelVersion | None:
        """The version that holds a model's folder with this md5."""
        return next((found for found in self.versions if found.name == model and found.tags.get(MD5) == md5), None)

    def uses(self, state: State, model: str) -> Uses | None:
        """What the model of a state was made and scored from; None where tables that tell it are not here."""
        if state.lacks(*NEEDS[model]):
            return None
        key = (model, *(state.md5s.get(path, "") for path in (FOLDERS[model], "data/splits", "data/hq")))
        if key not in self._uses:
            self._uses[key] = uses_of(state, model)
        return self._uses[key]


@contextmanager
def known(workspace: Workspace, client: MlflowClient, experiment: str) -> Iterator[Known]:
    """What can be known of a checkout and its store."""
    with states(workspace) as laid_out:
        yield Known(workspace, client, experiment, laid_out)
