"""One batch shared by several processes: each embeds its rows, all compute the loss of the whole batch, gradients are summed.

So the loss and the gradients are those of one process with the whole batch. Processes are started here, or by torchrun.
"""

from __future__ import annotations

import multiprocessing
import os
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from onscreen.errors import OnscreenError, ToolError

BUCKET = 1 << 24  # gradient values that are summed in one call, 64 MB


@dataclass(frozen=True)
class Share:
    """Which rows of every batch are this process's. rank: its number. processes: how many there are."""

    rank: int
    processes: int

    def rows(self, count: int) -> np.ndarray:
        """This process's rows of a batch of `count`; row 0, whose result nobody uses, where there are more processes than rows."""
        if self.processes == 1:
            return np.arange(count)
        own = np.array_split(np.arange(count), self.processes)[self.rank]
        return own if len(own) else np.arange(1)

    def gather(self, own: Tensor, count: int) -> Tensor:
        """(count, D): the rows of all processes in their order; the gradient goes to this process's own.

        own: (len(rows(count)), D). Every process computes the whole loss of what this gives, so the gradient that its own rows
        get is the whole one; summed over processes, the gradients of the parameters before it are exact.
        """
        if self.processes == 1:
            return own
        sizes = [len(part) for part in np.array_split(np.arange(count), self.processes)]
        padded = own.new_zeros(max(sizes), own.shape[1])
        padded[: len(own)] = own.detach()
        everyone = [torch.empty_like(padded) for _ in sizes]
        torch.distributed.all_gather(everyone, padded)
        parts = [rows[:size] for rows, size in zip(everyone, sizes, strict=True)]
        parts[self.rank] = own[: sizes[self.rank]]
        return torch.cat(parts)

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Replace every gradient by its sum over processes. A parameter that no process used keeps none."""
        if self.processes == 1:
            return
        used = torch.tensor([value.grad is not None for value in parameters], dtype=torch.int32, device=parameters[0].device)
        torch.distributed.all_reduce(used)
        bucket: list[nn.Parameter] = []
        for value, count in zip(parameters, used.tolist(), strict=True):
            if count:
                value.grad = torch.zeros_like(value) if value.grad is None else value.grad
                bucket.append(value)
            if sum(one.numel() for one in bucket) >= BUCKET:
                _sum(bucket)
                bucket = []
        _sum(bucket)


def _sum(parameters: Sequence[nn.Parameter]) -> None:
    gradients = [value.grad for value in parameters if value.grad is not None]
    if gradients:
        total = torch.cat([gradient.reshape(-1) for gradient in gradients])
        torch.distributed.all_reduce(total)
        parts = torch.split(total, [gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))


ALONE = Share(0, 1)


def under_torchrun() -> bool:
    """Whether somebody else started this process as one of several (torchrun's environment)."""
    return "RANK" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1


def is_first() -> bool:
    """Whether this process is the one that writes files and logs."""
    return not under_torchrun() or os.environ["RANK"] == "0"


def local_processes() -> tuple[int, int]:
    """How many processes train on this machine, and on all."""
    if not under_torchrun():
        return 1, 1
    every = int(os.environ["WORLD_SIZE"])
    return int(os.environ.get("LOCAL_WORLD_SIZE", every)), every


Send = Callable[[Any], None]


class Work(Protocol):
    """What every process does; send(message) reaches whoever started them. Picklable, and so are the messages."""

    def __call__(self, send: Send) -> None: ...


def launch(work: Work, processes: int, receive: Send) -> None:
    """Run work in fresh processes that know each other as torchrun's do; receive gets the first one's messages as they come.

    An OnscreenError of a process is raised here. A process that fails otherwise or dies ends all, with ToolError; so does
    whatever receive raises. When this process dies, they end as well.
    """
    script = getattr(sys.modules["__main__"], "__file__", None)
    if script is not None and sys.modules["__main__"].__spec__ is None and not Path(script).exists():
        raise ToolError(f"several processes import the script that starts them, and {script} is no file: save it as one")
    context = multiprocessing.get_context("spawn")  # torch does not survive a fork
    ours, theirs = zip(*(context.Pipe(duplex=False) for _ in range(processes)), strict=True)
    port = _free_port()
    started = []
    try:
        for rank, end in enumerate(theirs):
            started.append(context.Process(target=_run, args=(work, rank, processes, port, end), name=f"training process {rank}"))
            started[-1].start()
            end.close()
        _listen(list(ours), receive)
        for one in started:
            one.join()
    finally:
        for one in started:
            one.kill()
            one.join()


def _listen(ends: list[Connection], receive: Send) -> None:
    """Pass messages on until all processes have said that they are done."""
    ranks = {id(end): rank for rank, end in enumerate(ends)}
    while ends:
        for end in [end for end in ends if end in wait(ends)]:
            rank = ranks[id(end)]
            try:
                kind, content = end.recv()
            except EOFError:
                raise ToolError(f"training process {rank} of {len(ranks)} died; was it memory? Start again: it goes on") from None
            if kind == "done":
                ends.remove(end)
            elif kind == "failed":
                raise content if isinstance(content, OnscreenError) else ToolError(f"training process {rank}: {content}")
            elif rank == 0:
                receive(content)


def _run(work: Work, rank: int, processes: int, port: int, end: Connection) -> None:
    """The whole life of one process."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ.update(
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        GROUP_RANK="0",
        WORLD_SIZE=str(processes),
        LOCAL_WORLD_SIZE=str(processes),
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
    )
    try:
        work(lambda message: end.send(("message", message)))
    except OnscreenError as error:
        end.send(("failed", error))
    except Exception:  # noqa: BLE001  # its text is all that can travel; the process that started this one raises it
        end.send(("failed", traceback.format_exc()))
    else:
        end.send(("done", None))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
