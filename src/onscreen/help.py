"""`--help` that reads at 80 columns: names are never cut, and every command shows its whole first paragraph."""

from __future__ import annotations

import inspect
from typing import Any

from typer.core import TyperGroup


class Group(TyperGroup):
    """A group of commands. Those with a rich_help_panel stand below its title, the others below "Commands".

    Typer's plain help would cut each command's text off at the end of its first line.
    """

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands, panel by panel, as typer calls it."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                panel = getattr(command, "rich_help_panel", None)
                rows = panels.setdefault(panel if isinstance(panel, str) else "Commands", [])
                rows.append((name, _first_paragraph(command.help or "")))
        for title, rows in panels.items():
            with formatter.section(title):
                formatter.write_dl(rows)


def _first_paragraph(text: str) -> str:
    return " ".join(inspect.cleandoc(text).split("\n\n")[0].split())
