"""What a run read, as MLflow's dataset inputs: the digest is DVC's md5, the source says where it lies; no data is loaded."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow.data.dataset_source import DatasetSource

from onscreen import git
from onscreen.errors import ToolError
from onscreen.lineage import Pass
from onscreen.tracking.shown import shown_path, without_login

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

_REMOTE = ("https://", "http://", "ssh://", "git@")  # an address, not a folder of this machine


@dataclass(frozen=True)
class DvcSource(DatasetSource):
    """A path that DVC holds at a revision of a repository: `dvc get <repo> <path> --rev <rev>` brings it.

    repo: git's origin where that is an address, else empty.
    """

    path: str
    rev: str
    repo: str

    @staticmethod
    def _get_source_type() -> str:
        return "dvc"

    def load(self) -> Any:
        """MLflow's way to bring data; it is DVC's work, and only what is asked for is to be moved."""
        raise ToolError(f"run `dvc get {self.repo or '<repository>'} {self.path} --rev {self.rev}`")

    @staticmethod
    def _can_resolve(raw_source: Any) -> bool:
        return False

    @classmethod
    def _resolve(cls, raw_source: Any) -> DvcSource:
        raise ToolError(f"{raw_source} is not resolved: MLflow asks only where _can_resolve says yes, and it never does")

    def to_dict(self) -> dict[str, Any]:
        """As MLflow stores it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, source_dict: dict[Any, Any]) -> DvcSource:
        """Of what MLflow stored."""
        return cls(**source_dict)


def inputs_of(found: Pass, stage: str, repo: str) -> list[DatasetInput]:
    """The data that a stage read: its dependencies that are neither code nor parameters. repo: of origin_of."""
    from mlflow.data.meta_dataset import MetaDataset
    from mlflow.entities import Dataset, DatasetInput, InputTag

    inputs = []
    for path, md5 in found.files(stage, "deps"):
        if _is_code(path):
            continue
        name = shown_path(path)
        source = DvcSource(name, found.commit, repo)
        data = MetaDataset(source, name=name, digest=md5)  # type: ignore[abstract]  # MLflow declares profile and does without it
        dataset = Dataset(data.name, data.digest, data.source._get_source_type(), data.source.to_json())
        inputs.append(DatasetInput(dataset, [InputTag("mlflow.data.context", stage)]))
    return inputs


def _is_code(path: str) -> bool:
    return path.startswith(("src/", "reports/")) or path.endswith(".py") or path == "params.yaml"


def origin_of(root: Path) -> str:
    """git's origin, without a login; empty where there is none or where it is a folder."""
    try:
        url = git.call(["git", "config", "--get", "remote.origin.url"], root).strip()
    except ToolError:
        return ""
    return without_login(url) if url.startswith(_REMOTE) else ""
