"""The folder of data.raw: what is wrong with it is said."""

from pathlib import Path

import pytest

from onscreen.errors import InputError
from onscreen.workspace import Workspace


@pytest.mark.parametrize(
    ("raw", "said"),
    [("~/videos", "~ is not expanded"), ("gone", "there is no folder"), ("params.yaml", "is a file")],
)
def test_a_folder_that_is_not_there_is_named_with_the_reason(raw: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(f"data: {{raw: {raw}}}\n")
    with pytest.raises(InputError, match=said) as error:
        Workspace.open(tmp_path).require_raw()
    assert f"data.raw = {raw}" in str(error.value)


def test_what_is_lost_is_tried_again_by_dvc_in_a_checkout_and_by_the_same_command_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("{}\n")
    assert "The same command" in Workspace.open(tmp_path).engine.again
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    assert "dvc repro -f" in Workspace.open(tmp_path).engine.again
