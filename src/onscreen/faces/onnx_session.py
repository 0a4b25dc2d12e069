"""ONNX Runtime for face models: one thread a worker, the GPU where there is one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from onscreen.errors import WeightsError


def open_session(model: Path | bytes) -> Any:
    """An onnxruntime.InferenceSession of a model file or of a serialised model.

    One thread: the engine runs a process a core. CUDA comes first when the installed ONNX Runtime offers it.
    Raises WeightsError when the model cannot be loaded.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    offered = onnxruntime.get_available_providers()
    providers = [name for name in ("CUDAExecutionProvider", "CPUExecutionProvider") if name in offered]
    try:
        return onnxruntime.InferenceSession(model if isinstance(model, bytes) else str(model), options, providers=providers)
    except _refusals() as error:
        name = "the model" if isinstance(model, bytes) else model
        raise WeightsError(f"ONNX Runtime cannot load {name}: {error}") from error


def _refusals() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises for a file that is no model, or one that it cannot run."""
    from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, InvalidGraph, InvalidProtobuf, NoSuchFile
    from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as NotThere

    return Fail, InvalidArgument, InvalidGraph, InvalidProtobuf, NoSuchFile, NotThere
