"""The streaming service as its users meet it: started as the image starts it, asked over HTTP."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

LAMBDAS = Path(__file__).parents[3] / "src/lambdas"


@pytest.fixture(scope="module")
def service() -> Iterator[httpx.Client]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    said = {"PYTHONPATH": str(LAMBDAS), "HOST": "127.0.0.1", "PORT": str(port), "ENVIRONMENT": "preprod"}
    process = subprocess.Popen([sys.executable, "-m", "sse_streaming"], env=os.environ | said)
    try:
        while process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                time.sleep(0.02)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            yield client
    finally:
        process.terminate()
        process.wait(timeout=10)


def test_health_says_which_environment_it_is(service: httpx.Client) -> None:
    answer = service.get("/health")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"status": "ok", "environment": "preprod"}


@pytest.mark.req("B-01")
def test_a_stream_is_sent_event_by_event_and_cached_nowhere(service: httpx.Client) -> None:
    with service.stream("GET", "/stream", params={"events": 3, "interval": 0.1}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert (answer.headers["cache-control"], answer.headers["x-accel-buffering"]) == ("no-cache", "no")
        assert not {"content-length", "content-encoding"} & set(answer.headers)
        times = [time.monotonic() for line in answer.iter_lines() if line.startswith("data:")]
    assert all(later - earlier > 0.05 for earlier, later in pairwise(times))


def test_events_are_framed_and_numbered(service: httpx.Client) -> None:
    text = service.get("/stream", params={"events": 2, "interval": 0.01}).text
    assert text == 'id: 1\nevent: tick\ndata: {"number": 1}\n\nid: 2\nevent: tick\ndata: {"number": 2}\n\n'


def test_streams_run_side_by_side(service: httpx.Client) -> None:
    asked = {"events": 2, "interval": 0.2}
    with service.stream("GET", "/stream", params=asked) as one, service.stream("GET", "/stream", params=asked) as two:
        assert [next(stream.iter_lines()) for stream in (one, two)] == ["id: 1", "id: 1"]


@pytest.mark.parametrize(
    "query",
    [
        "events=0",
        "events=-1",
        "events=101",
        "events=many",
        "interval=0",
        "interval=-1",
        "interval=31",
        "interval=nan",
        "interval=inf",
    ],
)
def test_a_stream_that_would_be_too_long_or_none_is_an_error_not_a_stream(service: httpx.Client, query: str) -> None:
    answer = service.get(f"/stream?{query}")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/json"
