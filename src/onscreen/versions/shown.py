"""What of a value may be shown to anybody: numbers, and words that onscreen itself defines. Never a path, a name or a label."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from onscreen.config import Params

HIDDEN = "(not shown)"
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,59}")
_MODEL = re.compile(r"hf:[\w.-]{1,60}/[\w.-]{1,80}", re.ASCII)  # a published model's id; a path has more parts, or a dot first
_EXTENSION = re.compile(r"\.[a-z0-9]{1,8}")
_REASON = re.compile(r"[a-z0-9 ,;:.%()'=<>+-]{1,160}|figures are not numbers", re.ASCII)
_OWN_WORDS = re.compile(r"\b(NaN|Infinity|AUC|EER|Top-[K0-9]+|DVC|HQ|VoxCeleb)\b")
_FILE = re.compile(r"\.(?!\d+\b)[a-z0-9]{1,8}\b|\.{2}")  # a file's ending; not a decimal


def key(name: str) -> bool:
    """Whether a dotted name is made of onscreen's own kind of names; a clip's or a person's is not spelt so."""
    return all(_KEY.fullmatch(part) for part in name.split("."))


def param(value: Any) -> str:
    """A parameter's value: numbers, switches, words of its list of choices, published models. Everything else is hidden."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return f"{value:.10g}" if isinstance(value, float) else str(value)
    if isinstance(value, list):
        return f"[{', '.join(param(entry) for entry in value)}]"
    if isinstance(value, str) and (value in _words() or _EXTENSION.fullmatch(value) or _model(value)):
        return value
    return HIDDEN


def reason(text: object) -> str:
    """Why there is no number, as onscreen's own code says it; a sentence that could name a file or a person is not passed on."""
    if not isinstance(text, str):
        return "no reason is given"
    plain = _OWN_WORDS.sub("", text)
    return text if _REASON.fullmatch(plain) and not _FILE.search(plain) else "its metrics file says why"


def path(name: str) -> str:
    """An output's path, where it is one of the checkout's own."""
    return name if re.fullmatch(r"(data|models|reports)(/[\w.-]+)*", name) and ".." not in name else HIDDEN


def _model(value: str) -> bool:
    return bool(_MODEL.fullmatch(value)) and not value.startswith(("hf:.", "hf:data/", "hf:models/", "hf:src/"))


@cache
def _words() -> frozenset[str]:
    """Every choice and default of params.yaml."""
    return frozenset(_strings(Params.model_json_schema())) | frozenset(_defaults(Params().model_dump(mode="json")))


def _strings(node: Any) -> list[str]:
    if isinstance(node, list):
        return [word for entry in node for word in _strings(entry)]
    if not isinstance(node, dict):
        return []
    own = [word for word in [*node.get("enum", []), node.get("const")] if isinstance(word, str)]
    return own + [word for entry in node.values() for word in _strings(entry)]


def _defaults(node: Any) -> list[str]:
    if isinstance(node, dict):
        return [word for entry in node.values() for word in _defaults(entry)]
    return [node] if isinstance(node, str) else []
