"""Several processes with one batch: the loss and the gradients are those of one process that has it whole."""

import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from matching_cases import planted
from onscreen.config import TrainFaceVoice
from onscreen.errors import ConfigError, ToolError
from onscreen.matching.distributed import ALONE, Send, Share, launch
from onscreen.matching.loss import Contrastive
from onscreen.matching.towers import TowerSpec
from onscreen.matching.train import Recipe, train

KINDS = ("infonce", "siglip")
PEOPLE = [[0, 1, 2, 3, 4], [0, 1, 0, 2, 1, 3, 3], [5]]  # an odd number of rows, the same person twice, fewer rows than processes


def gradients(kind: str, people: list[int], share: Share) -> list[torch.Tensor]:
    """The loss of two small towers on some made-up pairs, and the gradients of all that is learned."""
    torch.manual_seed(3)
    face, voice, skipped = nn.Linear(6, 4), nn.Linear(7, 4), nn.Linear(2, 2)
    faces, voices = torch.randn(len(people), 6), torch.randn(len(people), 7)
    loss = Contrastive(kind, 0.5, learn_temperature=True)
    own = share.rows(len(people))
    both = [nn.functional.normalize(tower(items[own])) for tower, items in ((face, faces), (voice, voices))]
    value = loss(*(share.gather(part, len(people)) for part in both), torch.tensor(people))
    value.backward()
    towers = [*face.parameters(), *voice.parameters(), *skipped.parameters()]
    share.sum_gradients(towers)
    assert all(one.grad is None for one in skipped.parameters())
    learned = [*towers[:4], *(one for one in loss.parameters() if one.requires_grad)]
    return [value.detach(), *(torch.zeros(1) if one.grad is None else one.grad for one in learned)]


def every_case(send: Send) -> None:
    """What each process of the test below does."""
    rank = int(os.environ["RANK"])
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo")
    for kind in KINDS:
        for people in PEOPLE:
            send([one.tolist() for one in gradients(kind, people, Share(rank, 2))])
    torch.distributed.destroy_process_group()


def fail(error: Exception, send: Send) -> None:
    """A process that ends badly; the other one waits for ever."""
    if os.environ["RANK"] == "1":
        raise error
    time.sleep(600)


def test_two_processes_get_the_loss_and_the_gradients_of_one() -> None:
    found: list[list] = []
    launch(every_case, 2, found.append)
    cases = [(kind, people) for kind in KINDS for people in PEOPLE]
    assert len(found) == len(cases)
    for values, (kind, people) in zip(found, cases, strict=True):
        for value, wanted in zip(values, gradients(kind, people, ALONE), strict=True):
            torch.testing.assert_close(torch.tensor(value), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("error", "raised"), [(ConfigError("lower it"), ConfigError), (ZeroDivisionError("x"), ToolError)])
def test_a_process_that_fails_ends_the_others_and_says_why(error: Exception, raised: type[Exception]) -> None:
    with pytest.raises(raised, match=str(error)):
        launch(partial(fail, error), 2, lambda message: None)


def test_a_script_from_standard_input_cannot_start_processes_and_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["__main__"], "__file__", "<stdin>", raising=False)  # one of several test processes has none
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)
    with pytest.raises(ToolError, match="<stdin> is no file"):
        launch(told, 1, lambda message: None)


def test_training_in_two_processes_is_training_in_one(tmp_path: Path) -> None:
    params = {"embedding_dim": 8, "num_epochs": 2, "batch_size": 5, "learning_rate": 1e-2, "learn_temperature": True}
    made = []
    for devices in (1, 2):
        what = TrainFaceVoice(**params, accelerator="cpu", devices=devices)
        recipe = Recipe(what, TowerSpec("embedding", 24), TowerSpec("embedding", 32), frames=1)
        rows: list[dict[str, float]] = []
        trained = train(
            recipe, planted(11), planted(4, seed=1), tmp_path / f"state{devices}", lambda _, row, rows=rows: rows.append(row)
        )
        made.append((rows, trained.matcher.state_dict()))
    (alone, one), (shared, two) = made
    assert [set(row) for row in alone] == [set(row) for row in shared]
    assert [list(row.values()) for row in shared] == [pytest.approx(list(row.values()), rel=1e-4) for row in alone]
    for name, weights in one.items():
        torch.testing.assert_close(two[name], weights, rtol=1e-3, atol=1e-5)


def test_rows_are_dealt_out_without_loss() -> None:
    for count in range(1, 9):
        parts = [Share(rank, 3).rows(count).tolist() for rank in range(3)]
        assert sorted({row for part in parts for row in part}) == list(range(count))
        assert all(parts)


def test_processes_end_with_the_one_that_started_them(tmp_path: Path) -> None:
    script = """
import os, signal, sys, time
from pathlib import Path
from onscreen.matching.distributed import launch
from test_distributed import told
if __name__ == "__main__":
    launch(told, 1, lambda pid: (Path(sys.argv[1]).write_text(str(pid)), os.kill(os.getpid(), signal.SIGKILL)))
"""
    (tmp_path / "script.py").write_text(script)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    subprocess.run([sys.executable, str(tmp_path / "script.py"), str(tmp_path / "pid")], env=environment, check=False)
    pid = int((tmp_path / "pid").read_text())
    assert ended(pid), f"process {pid} lives on"


def told(send: Send) -> None:
    """Says which process it is, and works on."""
    send(os.getpid())
    time.sleep(600)


def ended(pid: int) -> bool:
    """Whether the process is gone, or is within 10 s."""
    for _ in range(100):
        state = Path(f"/proc/{pid}/stat")
        if not state.exists() or state.read_text().split(")")[-1].split()[0] == "Z":
            return True
        time.sleep(0.1)
    return False
