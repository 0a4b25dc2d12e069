"""Photos: files of many kinds and qualities, read as what a person sees in them.

What is converted, and how: EXIF orientation is undone; CMYK (Adobe's inverted kind too) becomes RGB without colour management;
16-bit grey is scaled to 8; what is transparent lies on white, as viewers show it; a picture with a longer side than 4096 px is made
smaller. Of a file of several photos (MPO, TIFF) the first counts. An animation is no photo: which of its frames would be meant,
nobody said.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from onscreen.errors import Rejected

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".jp2", ".avif", ".heic", ".heif")
"""What a photo's file name ends in, lower case; those that cannot be read are rejected by name rather than left out."""

MAX_SIDE_PX = 4096  # as fine as the finest common video; 40 megapixels become 13
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "JPEG2000", "AVIF")  # and no EPS, which would run a program
_ANIMATIONS = ("GIF", "PNG", "WEBP", "AVIF")
_SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N")
_ORIENTATION = 0x0112  # EXIF tag
_HEADER_BYTES = 16
# What Pillow's decoders raise about a damaged file, besides OSError
_DAMAGE = (
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    RuntimeError,
    struct.error,
    zlib.error,
)


def read_image(path: Path) -> np.ndarray:
    """A photo as (H, W, 3) uint8 RGB, upright, its longer side at most MAX_SIDE_PX.

    Raises Rejected: empty_file, not_an_image (no picture by its bytes), unsupported (a picture that cannot be read here, and why),
    too_many_pixels (above Pillow's own limit, 89 megapixels), animated, truncated, corrupt. Raises OSError for a file that
    cannot be read at all, which may pass.
    """
    head = _head(path)
    if not head:
        raise Rejected("empty_file", "it holds no bytes", {"bytes": 0.0})
    with _opened(path, head) as image:
        _refuse_animation(image)
        return _pixels(image)


def size_of(data: bytes) -> tuple[int, int]:
    """Width and height in pixels that a photo's header tells; nothing is decoded. Raises Rejected as read_image does."""
    if not data:
        raise Rejected("empty_file", "it holds no bytes", {"bytes": 0.0})
    with _opened(io.BytesIO(data), data[:_HEADER_BYTES]) as image:
        return image.width, image.height


@contextmanager
def _opened(source: Path | io.BytesIO, head: bytes) -> Iterator[Image]:
    """The photo as Pillow opens it. Whatever it raises then or while it is read is a Rejected. head: its first bytes."""
    from PIL import Image, UnidentifiedImageError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's remarks on odd metadata
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(source, formats=_FORMATS) as image:
                yield image
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            limit = float(Image.MAX_IMAGE_PIXELS or 0)
            raise Rejected("too_many_pixels", str(error), {"max_pixels": limit}) from error
        except UnidentifiedImageError as error:
            raise _unidentified(head) from error
        except (OSError, *_DAMAGE) as error:
            raise _damaged(error) from error


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEADER_BYTES)


def _unidentified(head: bytes) -> Rejected:
    brand = head[8:12]
    if head[4:8] == b"ftyp" and brand in (b"heic", b"heix", b"mif1", b"msf1", b"hevc"):
        return Rejected("unsupported", "HEIC, which no decoder here reads; export it as JPEG")
    return Rejected("not_an_image", f"no picture that is known here; it begins with {head!r}")


def _damaged(error: Exception) -> Rejected:
    message = " ".join(str(error).split())[:200] or type(error).__name__
    cut_off = "truncated" in message.lower() or isinstance(error, EOFError)
    return Rejected("truncated" if cut_off else "corrupt", message)


def _refuse_animation(image: Image) -> None:
    frames = getattr(image, "n_frames", 1)
    if image.format in _ANIMATIONS and frames > 1:
        raise Rejected("animated", f"an animation of {frames} frames is no photo", {"frames": float(frames)})


def _pixels(image: Image) -> np.ndarray:
    turn = _orientation(image)
    image.draft(None, _target(image))  # None keeps the mode; JPEG then decodes no finer than needed
    early = image.mode in ("RGB", "RGBA", "L") and "transparency" not in image.info  # of others a mean says nothing
    rgb = _smaller(_as_rgb(_smaller(image) if early else image))
    return np.ascontiguousarray(_upright(np.asarray(rgb), turn))


def _smaller(image: Image) -> Image:
    from PIL.Image import Resampling

    return image if max(image.size) <= MAX_SIDE_PX else image.resize(_target(image), Resampling.BOX)


def _target(image: Image) -> tuple[int, int]:
    ratio = min(1.0, MAX_SIDE_PX / max(image.size))
    return max(1, round(image.width * ratio)), max(1, round(image.height * ratio))


def _orientation(image: Image) -> int:
    """EXIF orientation, 1-8; 1 where there is none or its block cannot be read."""
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except (OSError, *_DAMAGE):
        return 1


def _as_rgb(image: Image) -> Image:
    from PIL import ImageChops

    if image.mode in _SIXTEEN_BIT:
        return _eight_bit(image).convert("RGB")
    if image.mode in ("I", "F"):
        raise Rejected("unsupported", f"pixels of 32 bits (mode {image.mode}), whose black and white the file does not tell")
    if image.mode in ("LAB", "HSV"):
        raise Rejected("unsupported", f"colours in {image.mode}, which nothing here converts")
    if image.mode == "CMYK" and image.format in ("JPEG", "MPO") and "adobe" not in image.info:
        return ImageChops.invert(image).convert("RGB")  # Pillow takes every JPEG for Adobe's kind, which stores the opposite
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        return _on_white(image)
    return image if image.mode == "RGB" else image.convert("RGB")


def _eight_bit(image: Image) -> Image:
    from PIL import Image as pillow

    values = np.asarray(image).astype(np.uint32)
    return pillow.fromarray(((values + 128) // 257).astype(np.uint8))


def _on_white(image: Image) -> Image:
    from PIL import Image as pillow

    coloured = image.convert("RGBA")
    white: Any = pillow.new("RGBA", coloured.size, "white")
    white.alpha_composite(coloured)
    return pillow.Image.convert(white, "RGB")


def _upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Undo EXIF's orientation: 2, 4, 5, 7 are mirrored; 3, 4 upside down; 5-8 lie on a side."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels
