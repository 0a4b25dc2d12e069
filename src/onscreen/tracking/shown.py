"""What of paths and addresses may leave this machine: nothing that names a folder, a user or a password of it."""

from __future__ import annotations

import hashlib
import re
from typing import Any
from urllib.parse import urlsplit, urlunsplit

_OUTSIDE = re.compile(r"(hf:)?(/|~|\.\./|[A-Za-z]:[\\/])")
_LOGIN = re.compile(r"//[^/@\s'\"]+@")


def shown_path(text: str) -> str:
    """A path within the checkout as it is. One outside of it (absolute, ~ or ../) becomes outside-<part of its sha256>: the same
    folder is told from another one, and no name of it is."""
    found = _OUTSIDE.match(text)
    return f"{found[1] or ''}outside-{hashlib.sha256(text.encode()).hexdigest()[:12]}" if found else text


def shown(data: Any) -> Any:
    """Parameters or dvc.lock's content with every path outside of the checkout replaced (see shown_path)."""
    if isinstance(data, dict):
        return {shown_path(str(key)): shown(value) for key, value in data.items()}
    if isinstance(data, list):
        return [shown(value) for value in data]
    return shown_path(data) if isinstance(data, str) else data


def without_login(text: str) -> str:
    """A message with user names and passwords taken out of the addresses in it."""
    return _LOGIN.sub("//", text)


def public_address(uri: str) -> str | None:
    """An http(s) address without login, query and fragment, in which tokens may stand; None of any other."""
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return urlunsplit((parts.scheme, f"{host}:{parts.port}" if parts.port else host, parts.path.rstrip("/"), "", ""))
