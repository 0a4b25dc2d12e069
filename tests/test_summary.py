"""`onscreen show` on a terminal of 80 columns."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from onscreen.config import Params
from onscreen.store import write_json
from onscreen.summary import places, summary
from onscreen.workspace import Workspace


def _figure(value: float | None, reason: str = "", interval_reason: str = "") -> dict:
    return {"value": value, "reason": reason, "chance": 0.5, "interval_reason": interval_reason}


def test_names_stay_with_their_values_and_a_reason_is_told_once(tmp_path: Path) -> None:
    folder = tmp_path / "reports" / "metrics"
    counts = {f"a_number_of_a_rather_long_name_{number}": number for number in range(6)}
    write_json(folder / "split.json", {"status": "ok", **counts, "rejects": {"voice.several_people": 3}})
    signs = {"lips_do_not_move": 48, "several_people": 2}
    write_json(folder / "voices.json", {"status": "ok", "voices": 48, "flags": signs, "rejects": {}})
    write_json(folder / "train_hq.json", {"status": "ok", "epochs": 100, "best_epoch": 68})
    few = "3 people; an interval needs 10"
    way = {"gallery": 9, "top1": _figure(0.444, interval_reason=few), "top5": _figure(None, "chance alone finds it")}
    model = {"face_to_voice": way, "voice_to_face": way, "verification": {"auc": _figure(0.7, interval_reason=few)}}
    write_json(folder / "evaluate.json", {"status": "ok", "face_voice": {"all": model}})
    text = io.StringIO()
    Console(width=80, file=text).print(*summary(Workspace(tmp_path, tmp_path, Params(), tmp_path)), sep="\n")
    shown = text.getvalue()
    assert all(f"{name}={value}" in shown for name, value in counts.items())
    assert "epoch 69 of 100" in shown
    assert "best_epoch" not in shown, "it counts from 0"
    assert "rejects: voice.several_people=3" in shown
    assert (shown.count(few), shown.count("chance alone finds it"), shown.count("(1)")) == (1, 1, 4)
    assert "flags: lips_do_not_move=48 (nothing is lost by these)" in shown
    assert "…" not in shown


def test_where_mlflow_is_follows_the_environment_and_tells_no_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def told(uri: str) -> str:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        return places(Workspace(tmp_path, tmp_path, Params(), tmp_path))[-1]

    assert told("").endswith(f"--backend-store-uri sqlite:///{tmp_path}/mlflow.db")
    assert told("http://anna:secret@mlflow.example.com:5000").endswith(" http://mlflow.example.com:5000")
    assert told("postgresql://anna:secret@db/mlflow").endswith('--backend-store-uri "$MLFLOW_TRACKING_URI"')
