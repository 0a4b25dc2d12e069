"""Rows for tests, with only what a test is about spelled out."""

from dataclasses import fields
from typing import Any, TypeVar

import numpy as np

Row = TypeVar("Row")
_BLANKS: dict[str, Any] = {"str": "", "int": 0, "float": 0.0, "bool": False, "np.ndarray": np.zeros(2, np.float32)}


def row(record: type[Row], **given: Any) -> Row:
    """A record whose other columns are blank: 0, "", (), None."""
    blanks = {column.name: _BLANKS.get(str(column.type), None if "None" in str(column.type) else ()) for column in fields(record)}
    return record(**{**blanks, **given})
