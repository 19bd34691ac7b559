from __future__ import annotations

import socket

import pytest

from ferry.outside.registry import external
from tests.module.small_world import aws


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("python", ("registry-1.docker.io", "library/python", "latest")),
        ("python:3.13-slim", ("registry-1.docker.io", "library/python", "3.13-slim")),
        ("grafana/k6:1.0", ("registry-1.docker.io", "grafana/k6", "1.0")),
        ("docker.io/python:3.13", ("registry-1.docker.io", "library/python", "3.13")),
        ("index.docker.io/grafana/k6:1.0", ("registry-1.docker.io", "grafana/k6", "1.0")),
        ("public.ecr.aws/awsguru/adapter:0.9.1", ("public.ecr.aws", "awsguru/adapter", "0.9.1")),
        ("localhost:5000/app:1", ("localhost:5000", "app", "1")),
        ("localhost/app", ("localhost", "app", "latest")),
        (f"python:3.13@sha256:{'a' * 64}", ("registry-1.docker.io", "library/python", f"sha256:{'a' * 64}")),
    ],
)
def test_a_name_means_what_people_mean_by_it(name: str, parts: tuple[str, str, str]) -> None:
    assert external.parse(name) == parts


@pytest.mark.anyio
async def test_where_no_registry_answers_there_is_no_image() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert await external.pull("python:3.13-slim", mirror=f"http://127.0.0.1:{port}") is None


@pytest.mark.anyio
async def test_a_mirror_is_asked_directly_whatever_proxy_the_machine_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    with aws() as mirror:
        found = await external.pull("python:3.13-slim", mirror=mirror)
    assert found is not None
