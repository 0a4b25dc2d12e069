"""A real web server on this machine that can misbehave in named ways, and a small catalogue that points at it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from onscreen import weights
from onscreen.weights_http import Patience

QUICK = Patience(attempts=4, first_wait_s=0.01, read_s=0.5)
MODEL = bytes(range(256)) * 4000  # 1 MB


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass
class Site:
    """files: path -> content. faults: what goes wrong with the next requests, in this order.

    "drop": half of what was asked for, then the connection closes. "hang": half, then silence. "silent": no answer at all.
    "whole": the range that was asked for is ignored. A number: that status. asked: (path, Range or "") of every request.
    versions: path -> ETag; "" sends none. moved: path -> path that the request is sent on to, as GitHub does for releases.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    faults: list[str | int] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    root: str = ""
    over: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str) -> str:
        return f"{self.root}{path}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Site

    def do_GET(self) -> None:
        wanted = self.headers.get("Range", "")
        self.site.asked.append((self.path, wanted))
        if self.path in self.site.moved:
            self.send_response(302)
            self.send_header("Location", self.site.url(self.site.moved[self.path]))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        fault = self.site.faults.pop(0) if self.site.faults else None
        if fault == "silent":
            self.site.over.wait(20)
            return
        if isinstance(fault, int) or self.path not in self.site.files:
            self.send_error(fault if isinstance(fault, int) else 404)
            return
        self._send(self.site.files[self.path], wanted if fault != "whole" else "", fault)

    def _send(self, data: bytes, wanted: str, fault: str | None) -> None:
        version = self.site.versions.get(self.path, "")
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if self.headers.get("If-Range", version) != version:
            start = 0
        if wanted and start >= len(data):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(data)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        if version:
            self.send_header("ETag", version)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        body = data[start:]
        if fault not in ("drop", "hang"):
            self.wfile.write(body)
            return
        self.wfile.write(body[: len(body) // 2])
        self.wfile.flush()
        if fault == "hang":
            self.site.over.wait(20)
        self.close_connection = True

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serving() -> Iterator[Site]:
    site = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"site": site}))
    site.root = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield site
    finally:
        site.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


def use_catalogue(monkeypatch: pytest.MonkeyPatch, entries: Mapping[str, str]) -> None:
    """Let onscreen know these models only. entries: name -> the lines of its source and files, as in weights.toml."""
    about = 'about = "a model"\nused_for = "a test"\nlicence = "for tests only"\ntrained_on = "nothing"\n'
    known = weights.parse("\n".join(f"[{name}]\n{about}{lines}" for name, lines in entries.items()))
    monkeypatch.setattr(weights, "catalogue", lambda: known)
