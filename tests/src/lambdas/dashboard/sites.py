"""The dashboard and the stream as developers start them: processes that serve on ports of this machine."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SRC = Path(__file__).parents[4] / "src"
PATIENCE = 30.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


@dataclass
class Server:
    """`python -m <module>`; it keeps its port when it is stopped and started again."""

    module: str
    environment: Mapping[str, str]
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        paths = os.pathsep.join([str(SRC), str(SRC / "lambdas")])
        said = {"PYTHONPATH": paths, "HOST": "127.0.0.1", "PORT": str(self.port), **self.environment}
        told = {"PATH": os.environ["PATH"], **said}
        self.process = subprocess.Popen([sys.executable, "-m", self.module], env=told, stdout=subprocess.DEVNULL)
        end = time.monotonic() + PATIENCE
        while self.process.poll() is None and time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
            except ConnectionRefusedError:
                time.sleep(0.02)
            else:
                return
        raise AssertionError(f"{self.module} does not serve")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@dataclass
class Site:
    dashboard: Server
    stream: Server

    @property
    def url(self) -> str:
        return self.dashboard.url


@contextmanager
def serving(environment: Mapping[str, str]) -> Iterator[Site]:
    stream = Server("sse_streaming", environment, free_port())
    dashboard = Server("dashboard", {**environment, "STREAM_URL": stream.url}, free_port())
    site = Site(dashboard, stream)
    try:
        stream.start()
        dashboard.start()
        yield site
    finally:
        dashboard.kill()
        stream.kill()
