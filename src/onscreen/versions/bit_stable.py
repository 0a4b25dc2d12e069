"""Outputs that are not the same bits in every rebuild, each with the reason. Everything else is, whatever the path or the time.

`onscreen verify` and `onscreen rerun` tell these and do not fail by them. A test keeps the list short: whoever adds to it has
measured that the difference cannot be avoided.
"""

from __future__ import annotations

_THREADS = (
    "networks train on all CPU cores, and the order in which threads add numbers up is part of the bits: the same with as many "
    "cores, other last digits with more or fewer"
)

NOT_BIT_STABLE = {
    "models/hq": _THREADS,
    "reports/metrics/train_hq.json": _THREADS,
    "reports/plots/train_hq": _THREADS,
}
