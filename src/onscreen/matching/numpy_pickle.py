"""Pickles that hold numpy arrays of plain numbers, read without running anything that they name.

A pickle is a program: what it names (module and function) is called when it is loaded. Arrays need a handful of names, and each of
them gives a stand-in of this module here, which checks what it is handed and builds the array itself. numpy's own functions, which
trust a pickle, are never called by one. Anything else that a pickle names, `builtins.print` as much as `os.system`, refuses it.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import re
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

_PLAIN = re.compile(r"[<>=|]?[fiub](1|2|4|8)")  # floats, integers and bools; no objects, texts, records
_ARRAY_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")  # before and since numpy 2
_BUFFER_MODULES = ("numpy.core.numeric", "numpy._core.numeric")
_BROKEN = (  # what a pickle that is cut off or nonsense makes the standard library and numpy raise
    *(pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError, KeyError, IndexError),
    *(OverflowError, RecursionError, MemoryError),
)
_MEMO = {"BINPUT", "LONG_BINPUT", "PUT"}


class RefusedPickle(Exception):
    """The pickle names something else than numpy's plain arrays. Nothing of it was run."""


def loads(data: bytes) -> Any:
    """What a pickle of any protocol holds: arrays, numbers, texts, bytes, None, and lists, tuples, sets and dicts of them.

    Raises RefusedPickle when it names anything but what plain arrays need; ValueError when it is broken off or no pickle.
    """
    try:
        _check_memo(data)
        return _arrays_of(_Reader(io.BytesIO(data), encoding="latin1").load())  # texts of Python 2 are bytes: latin1 keeps them
    except RefusedPickle:
        raise
    except _BROKEN as error:
        raise ValueError(f"no readable pickle: {str(error) or type(error).__name__}") from error


def _check_memo(data: bytes) -> None:
    """A pickle may ask for a memo of 4 billion places and fill the memory with it; an honest one has fewer than bytes."""
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name in _MEMO and isinstance(argument, int) and argument > len(data):
            raise ValueError("its memo is larger than itself")


class _Dtype:
    """numpy.dtype of a pickle: the name first, then a state, of which only the order of bytes matters to plain numbers."""

    def __init__(self, name: object = "", align: object = False, copy: object = False) -> None:
        text = name.decode("latin1") if isinstance(name, bytes) else name
        if not isinstance(text, str) or not _PLAIN.fullmatch(text):
            raise RefusedPickle(f"an array of {text!r}, which is no plain number")
        self.value = np.dtype(text)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        order, *inside = state[1:5]
        if order not in ("<", ">", "=", "|") or any(part is not None for part in inside):
            raise RefusedPickle("an array of records")
        self.value = self.value.newbyteorder(order)


class _Array:
    """numpy.ndarray of a pickle: empty first, then filled by its state."""

    def __init__(self) -> None:
        self.value: np.ndarray | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        shape, dtype, by_columns, content = state[-4:]
        data = content.encode("latin1") if isinstance(content, str) else content
        self.value = _filled(data, dtype, shape, "F" if by_columns else "C")


def _filled(data: object, dtype: object, shape: Any, order: Literal["C", "F"]) -> np.ndarray:
    if not isinstance(dtype, _Dtype) or not isinstance(data, bytes | bytearray):
        raise RefusedPickle("an array whose content is no plain numbers")
    return np.frombuffer(data, dtype.value).reshape(shape, order=order)


def _reconstruct(kind: object, shape: object, code: object) -> _Array:
    if kind is not _Array:
        raise RefusedPickle("an array of a class of its own")
    return _Array()


def _scalar(dtype: object, content: object) -> Any:
    data = content.encode("latin1") if isinstance(content, str) else content
    return _filled(data, dtype, (), "C").item()


def _frombuffer(data: object, dtype: object, shape: object, order: Literal["C", "F"]) -> _Array:
    found = _Array()
    found.value = _filled(data, dtype, shape, order)
    return found


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """_codecs.encode, by which protocols 0 to 2 of Python 3 write bytes."""
    if encoding != "latin1" or not isinstance(text, str):
        raise RefusedPickle(f"a text in {encoding!r}")
    return text.encode("latin1")


def _bytes(text: object = b"", *rest: object) -> bytes:
    """builtins.bytes, by which protocols 0 to 2 write an empty one."""
    if rest or text not in ((), b""):
        raise RefusedPickle("bytes made of something else")
    return b""


_KNOWN: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): _bytes,
    ("builtins", "bytes"): _bytes,
    **{(module, "_reconstruct"): _reconstruct for module in _ARRAY_MODULES},
    **{(module, "scalar"): _scalar for module in _ARRAY_MODULES},
    **{(module, "_frombuffer"): _frombuffer for module in _BUFFER_MODULES},
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _KNOWN[module, name]
        except KeyError:
            raise RefusedPickle(f"it names {module}.{name}, and would run it") from None

    def persistent_load(self, _: object) -> Any:
        raise RefusedPickle("it refers to something outside of itself")


def _arrays_of(found: Any) -> Any:
    """The arrays in place of their stand-ins."""
    if isinstance(found, _Array):
        if found.value is None:
            raise ValueError("an array without content")
        return found.value
    if isinstance(found, dict):
        return {key: _arrays_of(value) for key, value in found.items()}
    if isinstance(found, list | tuple):
        return type(found)(_arrays_of(value) for value in found)
    return found
