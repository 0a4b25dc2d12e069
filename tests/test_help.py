"""What --help prints can be read at 80 columns: nothing is cut, and every command is there."""

import pytest
import typer
from typer.testing import CliRunner

from onscreen import cli

COMMANDS = typer.main.get_command(cli.app).commands
GROUPS = {name: command.commands for name, command in COMMANDS.items() if hasattr(command, "commands")}
ALL = [(), *((name,) for name in COMMANDS), *((group, name) for group, inside in GROUPS.items() for name in inside)]


def shown(*words: str) -> str:
    result = CliRunner().invoke(cli.app, [*words, "--help"], env={"COLUMNS": "80", "TERMINAL_WIDTH": "80"})
    assert result.exit_code == 0
    return result.output


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_no_line_is_wider_than_80_columns_and_no_text_is_cut(words: tuple[str, ...]) -> None:
    text = shown(*words)
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "…" not in text
    assert "..." not in text.replace("[ARGS]...", "").replace("[names]...", "").replace("names...", "")


def test_options_are_spelt_out() -> None:
    text = shown("faces", "extract")
    for option in ("--detector_backend", "--video_extensions", "--no-enforce_detection"):
        assert option in text
    assert "<bool>" not in text
    assert "list[" not in text


def test_the_stages_stand_apart_from_the_other_commands_in_their_order() -> None:
    stages, others = shown().split("Stages:")[1].split("Commands:")
    assert [line.split()[0] for line in stages.splitlines() if line[2:3].strip()] == list(cli.STAGES)
    assert "weights" in others
    assert "dedupe.threshold is known." in " ".join(others.split()), "a whole paragraph, not its first line"
