"""OpenMP on macOS, where several wheels each bring a copy of its runtime into one process.

The second copy stops the process (`OMP: Error #15`). KMP_DUPLICATE_LIB_OK=TRUE lets it live, but Intel warns that results may then be
wrong, because two pools of threads take each other's work. With one thread each there are no pools: that is what is set here, and
only then is a second copy let in. Whoever sets OMP_NUM_THREADS to more gets more threads and, where two copies meet, the runtime's
own message. What a person has set stays. Elsewhere wheels share one runtime or hide theirs, and nothing is set.
"""

from __future__ import annotations

from collections.abc import MutableMapping

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
SECOND_COPY = "KMP_DUPLICATE_LIB_OK"


def settle(platform: str, environment: MutableMapping[str, str]) -> None:
    """Set what is not set yet. To be called before numpy or torch loads. platform: sys.platform."""
    if platform != "darwin":
        return
    for name in THREADS:
        environment.setdefault(name, "1")
    if environment["OMP_NUM_THREADS"] == "1":
        environment.setdefault(SECOND_COPY, "TRUE")
