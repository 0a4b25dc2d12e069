"""The verbs of the ledger. Nothing heavy is imported before one runs."""

from __future__ import annotations

import typer
from rich.console import Console
from rich.table import Table

from onscreen.console import console
from onscreen.help import Group

app = typer.Typer(cls=Group, no_args_is_help=True, help="The memory of who is who and on which side (data/ledger.csv).")


@app.command()
def freeze() -> None:
    """Append the faces and the dances that the ledger does not know yet; commit the file afterwards."""
    from onscreen.ledger import freeze as grow
    from onscreen.ledger import freeze_dances, read_dances, read_ledger, write_ledger
    from onscreen.records import Identity, SplitRow
    from onscreen.store import read_json, read_table
    from onscreen.workspace import Workspace

    workspace = Workspace.open()
    identities = read_table(workspace.identities / "identities.parquet", Identity)
    splits = read_table(workspace.splits / "splits.parquet", SplitRow)
    known = read_ledger(workspace.ledger)
    grown = grow(known, identities, splits)
    dances = read_dances(workspace.ledger)
    described = workspace.m2p / "metadata.json"
    with_new = freeze_dances(dances, read_json(described)["clips"] if described.is_file() else [])
    write_ledger(workspace.ledger, {**grown, **with_new})
    added = f"{len(grown) - len(known)} faces"
    if with_new:
        added += f" and {len(with_new) - len(dances)} dances"
    console.print(f"{added} added, {len(grown) + len(with_new)} in data/ledger.csv. Commit it to keep them where they are.")


@app.command()
def show() -> None:
    """List the people of the ledger, their sides, their faces and their dances."""
    from onscreen.ledger import read_dances, read_ledger
    from onscreen.workspace import Workspace

    ledger = Workspace.open().ledger
    people: dict[tuple[str, str], tuple[list[str], list[str]]] = {}
    for kind, rows in enumerate((read_ledger(ledger), read_dances(ledger))):
        for row in rows.values():
            people.setdefault((row.identity_id, row.split), ([], []))[kind].append(row.face_id)
    table = Table("identity_id", "side", "faces", "dances", "as")
    for (identity_id, side), (faces, dances) in sorted(people.items()):
        table.add_row(identity_id, side, str(len(faces)), str(len(dances)), ", ".join(sorted({*faces, *dances})[:4]))
    Console().print(table)
