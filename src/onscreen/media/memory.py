"""Memory of pictures that come and go by the hundred."""

from __future__ import annotations

import ctypes
from functools import cache

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of mallopt(3)
_LARGEST, _KEPT = 32 << 20, 64 << 20  # bytes


@cache
def keep_memory() -> None:
    """Let this process keep up to 64 MB that it has freed, where its C library is glibc.

    glibc takes the 6 MB of a full-HD picture from the kernel and gives them back, time and again, and the kernel clears each page: that
    takes longer than what is done with the picture. For worker processes.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGEST)
        mallopt(_M_TRIM_THRESHOLD, _KEPT)
