"""What a run's numbers may depend on beside data and code: Python, system, cores, memory, GPU, versions of libraries.

Nothing that names a machine or its user.
"""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version

_LIBRARIES = ("onscreen", "numpy", "pyarrow", "torch", "transformers", "onnxruntime", "mediapipe", "av", "dvc", "mlflow")


def machine_facts(what: str) -> dict[str, str]:
    """Tags of this machine. what: "trained" or "recorded", because `onscreen track` may run elsewhere than the stages did."""
    facts = {
        "machine.did": what,
        "machine.python": platform.python_version(),
        "machine.os": f"{platform.system()} {platform.machine()}",
        "machine.cores": str(os.cpu_count()),
        **_memory(),
        **_gpu(),
    }
    return facts | {f"version.{name}": found for name in _LIBRARIES if (found := _version(name))}


def _memory() -> dict[str, str]:
    if not {"SC_PAGE_SIZE", "SC_PHYS_PAGES"} <= set(os.sysconf_names):
        return {}
    return {"machine.memory_gb": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9:.1f}"}


def _gpu() -> dict[str, str]:
    """Of torch, if it is in use here: importing it takes seconds."""
    torch = sys.modules.get("torch")
    if torch is None:
        return {}
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    names = sorted({torch.cuda.get_device_name(number) for number in range(there)})
    return {"machine.gpu": f"{there} x {', '.join(names)}" if there else "none", "machine.threads": str(torch.get_num_threads())}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
