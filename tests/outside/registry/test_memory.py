"""However large a layer is, it is never in memory: a process of its own carries one through a real HTTP server."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SIZE = 300 * 1024 * 1024
BLOCK = bytes(1024 * 1024)
MOST = 60 * 1024 * 1024

PROGRAM = """
import asyncio, json, resource, sys
from pathlib import Path
from ferry.outside.blobs import Blob, Store
from ferry.outside.registry import Registry

def peak():
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024

async def main(url, path, digest, store):
    async with Registry("memory", url=url) as registry:
        await registry.upload("app", Store(Path(store)).keep(b"small"))  # all that is imported late
        before = peak()
        sent = await registry.upload("app", Blob(digest, Path(path).stat().st_size, Path(path)))
        up = peak()
        blob = await registry.download("app", digest, Store(Path(store)))
        print(json.dumps({"sent": sent, "got": blob.size, "up": up - before, "down": peak() - up}))

asyncio.run(main(*sys.argv[1:]))
"""


class Zeros(BaseHTTPRequestHandler):
    """Takes whatever comes, and hands out nothing but zeros."""

    protocol_version = "HTTP/1.1"
    taken: Any

    def do_POST(self) -> None:
        self._answer(202, Location="/session")

    def do_PATCH(self) -> None:
        self._take()
        self._answer(202)

    def do_PUT(self) -> None:
        self._take()
        self._answer(201)

    def do_GET(self) -> None:
        self._answer(200, size=SIZE)
        for _ in range(SIZE // len(BLOCK)):
            self.wfile.write(BLOCK)

    def _take(self) -> None:
        left = int(self.headers["Content-Length"])
        while left:
            data = self.rfile.read(min(len(BLOCK), left))
            left -= len(data)
            self.taken.update(data)

    def _answer(self, status: int, size: int = 0, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(size), **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def zeros(taken: Any) -> Iterator[str]:
    handler = type("Fresh", (Zeros,), {"taken": taken})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.block_on_close = False
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def digest_of_zeros(after: bytes = b"") -> str:
    whole = hashlib.sha256(after)
    for _ in range(SIZE // len(BLOCK)):
        whole.update(BLOCK)
    return whole.hexdigest()


@pytest.mark.slow
def test_a_layer_of_300_mb_goes_up_and_comes_down_through_little_memory(tmp_path: Path) -> None:
    layer, taken = tmp_path / "layer", hashlib.sha256()
    with layer.open("wb") as file:
        file.truncate(SIZE)
    with zeros(taken) as url:
        # The shell in between: a process begins with the peak of the one that it was split off from.
        carrying = [sys.executable, "-c", PROGRAM, url, str(layer), f"sha256:{digest_of_zeros()}", str(tmp_path)]
        done = subprocess.run(
            ["sh", "-c", '"$@"; exit $?', "sh", *carrying], check=False, capture_output=True, text=True, timeout=120
        )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["sent"], said["got"]) == (SIZE, SIZE)
    assert taken.hexdigest() == digest_of_zeros(after=b"small")
    assert said["up"] < MOST
    assert said["down"] < MOST
