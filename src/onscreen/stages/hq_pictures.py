"""Whether the pictures of an adopted tree can be read."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from onscreen.cache import Item
from onscreen.errors import InputError
from onscreen.storage import StoredFile


def measure_pictures(files: tuple[StoredFile, ...]) -> Item:
    """meta: "lost", {index: code, detail, numbers} of those files that hold no readable picture."""
    cv2.setNumThreads(1)
    lost: dict[str, Any] = {}
    for at, file in enumerate(files):
        if not _is_picture(file):
            lost[str(at)] = {"code": "unreadable_image", "detail": f"{file.name} is not a readable image", "numbers": {}}
    return Item({"lost": lost})


def _is_picture(file: StoredFile) -> bool:
    try:
        data = np.frombuffer(file.read(), np.uint8)
        return data.size > 0 and cv2.imdecode(data, cv2.IMREAD_COLOR) is not None
    except (InputError, cv2.error):
        return False
