"""Pictures and sounds as a client sends them: base64 text, and no more of it than a server can hold.

A server answers within 60 s (MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT) or not at all, so the costliest request must end in that time: one
that was given up is worked off all the same, and others wait for it. On one core a row of a 250 px face and 5 s of speech takes 0.12 s;
a photo of 49 megapixels takes 0.75 s more, 59 s of stereo at 48 kHz 1 s. MLflow limits no request's size: a proxy before it can.

    IMAGE_BYTES   10 MiB: a telephone's photo has 2 to 8.
    IMAGE_PIXELS  50 million, 150 MB when decoded; the file's header tells them, before anything is decoded.
    AUDIO_S       60, as long as prepare.max_clip_s lets a clip be that a model learns from. Counted while decoding: headers may lie.
    AUDIO_BYTES   20 MiB: AUDIO_S of stereo at 48 kHz and 24 bits has 17.
    ROWS          32 a request, of 1.9 s each at worst. A picture or a sound that stands in several rows costs once.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from onscreen.errors import Rejected
from onscreen.media.images import size_of

IMAGE_BYTES = 10 * 2**20
IMAGE_PIXELS = 50_000_000
AUDIO_S = 60.0
AUDIO_BYTES = 20 * 2**20
ROWS = 32


def picture_of(cell: Any) -> bytes:
    """A cell's picture. Raises Rejected as decoded and media.images.size_of do ("not_an_image", "too_many_pixels", ...)."""
    data = decoded(cell, IMAGE_BYTES)
    width, height = size_of(data)
    if width * height > IMAGE_PIXELS:
        numbers = {"pixels": float(width * height), "max_pixels": float(IMAGE_PIXELS)}
        raise Rejected("too_many_pixels", f"{width} x {height} pixels, of at most {IMAGE_PIXELS}", numbers)
    return data


def sound_of(cell: Any) -> bytes:
    """A cell's sound. Raises Rejected as decoded does; its length shows when it is decoded (AUDIO_S)."""
    return decoded(cell, AUDIO_BYTES)


def decoded(cell: Any, most_bytes: int) -> bytes:
    """The bytes of a cell: standard base64, line breaks allowed, with or without `data:<type>;base64,` before it, as browsers give it.

    Raises Rejected "missing" (null, not a text, empty), "too_large", "not_base64".
    """
    if not isinstance(cell, str) or not cell:
        raise Rejected("missing", "a base64 text is needed")
    text = cell.partition(",")[2] if cell.startswith("data:") else cell
    size = len(text) * 3 // 4
    if size > most_bytes + most_bytes // 16:  # line breaks; what is left of them is counted below
        raise _too_large(size, most_bytes)
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Rejected("not_base64", f"it is not base64: {error}") from error
    if len(data) > most_bytes:
        raise _too_large(len(data), most_bytes)
    return data


def _too_large(size: int, most: int) -> Rejected:
    return Rejected("too_large", f"{size} bytes, of at most {most}", {"bytes": float(size), "max_bytes": float(most)})
