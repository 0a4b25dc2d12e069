"""ONNX Runtime for face models: one thread a worker, the GPU where there is one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from onscreen.errors import WeightsError


def open_session(model: Path | bytes, sizes: tuple[int, ...], dim: int) -> Any:
    """An onnxruntime.InferenceSession of a model file or of a serialised model: images in, one vector each out.

    sizes: of one image, in the model's order. dim: length of the vector.
    One thread: the engine runs a process a core. CUDA comes first when the installed ONNX Runtime offers it.
    Raises WeightsError when the model cannot be loaded or says that it takes or gives something else.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    offered = onnxruntime.get_available_providers()
    providers = [name for name in ("CUDAExecutionProvider", "CPUExecutionProvider") if name in offered]
    name = "the model" if isinstance(model, bytes) else model
    try:
        session = onnxruntime.InferenceSession(model if isinstance(model, bytes) else str(model), options, providers=providers)
    except _refusals() as error:
        raise WeightsError(f"ONNX Runtime cannot load {name}: {error}") from error
    takes, gives = session.get_inputs()[0].shape, session.get_outputs()[0].shape
    if not _fits(takes, (1, *sizes)) or not _fits(gives, (1, dim)):
        raise WeightsError(f"{name} takes {takes} and gives {gives}, not images of {sizes} and vectors of {dim} values")
    return session


def _fits(shape: list[int | str | None], wanted: tuple[int, ...]) -> bool:
    """Whether data of that shape can pass. A dimension with a name, or without one, takes any size; no shape at all says nothing."""
    sizes = zip(shape, wanted, strict=False)
    return not shape or (len(shape) == len(wanted) and all(size == want for size, want in sizes if isinstance(size, int)))


def _refusals() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises for a file that is no model, or one that it cannot run."""
    from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, InvalidGraph, InvalidProtobuf, NoSuchFile
    from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as NotThere

    return Fail, InvalidArgument, InvalidGraph, InvalidProtobuf, NoSuchFile, NotThere
