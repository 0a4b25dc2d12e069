"""Whether one model is better than another: the difference of their figures with the same people drawn for both.

People differ more than models do. In a paired bootstrap the same draw counts for both models, so what makes people easy or hard
falls out of the difference (Efron and Tibshirani 1993; for retrieval, Sakai 2006).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from onscreen.matching.bootstrap import interval

FEWEST_DRAWS = 100  # with a value for both; a 2.5 % tail of fewer is two values


def paired_interval(ours: Sequence[float | None], others: Sequence[float | None]) -> tuple[float, float] | str:
    """95 % percentile interval of ours - others, draw by draw; or the reason why there is none.

    ours, others: (B,) values of one figure of two models in the same draws of the same people; None or NaN in a draw without a
    value, which then counts for neither. Equal values give (0.0, 0.0).
    """
    if len(ours) != len(others):
        return f"{len(ours)} and {len(others)} resamples: they are not of the same draws"
    difference = np.array(ours, np.float64) - np.array(others, np.float64)
    there = int(np.isfinite(difference).sum())
    if there < FEWEST_DRAWS:
        return f"{there} of {len(ours)} resamples have a value for both; {FEWEST_DRAWS} are needed"
    return interval(difference)
