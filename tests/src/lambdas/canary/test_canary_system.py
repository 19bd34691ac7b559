"""The canary and what it is for: both services as a developer starts them, judged by a process of its own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.req("R-07", "B-07"), pytest.mark.slow]
SOURCE = Path(__file__).parents[4] / "src"


@contextmanager
def running(module: str, **settings: str) -> Iterator[str]:
    """The URL of a service that answers."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    said = {"PYTHONPATH": f"{SOURCE}:{SOURCE / 'lambdas'}", "HOST": "127.0.0.1", "PORT": str(port)}
    said |= {"ENVIRONMENT": "dev", "TOPICS": "energy,markets"} | settings
    process = subprocess.Popen([sys.executable, "-m", module], env=os.environ | said, stdout=subprocess.DEVNULL)
    try:
        while not _answers(url):
            assert process.poll() is None, f"{module} ended by itself"
            Event().wait(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=20)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def test_the_real_services_are_healthy() -> None:
    with ExitStack() as stack:
        stream = stack.enter_context(running("sse_streaming"))
        dashboard = stack.enter_context(running("dashboard", STREAM_URL=stream))
        command = [sys.executable, "-m", "canary", stream, dashboard, "--environment", "dev", "--json"]
        command += ["--streams", "20", "--seconds", "1"]
        environment = os.environ | {"PYTHONPATH": str(SOURCE / "lambdas")}
        run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    said = json.loads(run.stdout)
    assert (run.returncode, said["verdict"], run.stderr) == (0, "healthy", ""), run.stdout
    assert said["measured"]["resumed"] >= 3
    assert {"page", "items", "stream", "spread", "resume", "load"} <= {check["name"] for check in said["checks"]}
