"""`python -m awsbox` as other programs use it: one line of JSON, and away without a trace."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config

from tests.living import saying

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def box(tmp_path: Path, *, without: str = "") -> Iterator[subprocess.Popen[str]]:
    """A box whose every temporary file and process is known: by the folder, and by its name in the environment."""
    (tmp_path / "tmp").mkdir()
    environment = {**os.environ, "TMPDIR": str(tmp_path / "tmp"), "HOME": str(tmp_path)}
    start = f"import runpy, sys; sys.modules[{without!r}] = None; runpy.run_module('awsbox', run_name='__main__')"
    process = subprocess.Popen(
        [sys.executable, "-c", start], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    try:
        yield process
        assert saying(str(tmp_path / "tmp")) == set()
        assert [path.name for path in (tmp_path / "tmp").iterdir()] == []
    finally:
        process.kill()
        process.communicate()


def client(said: dict[str, str], service: str) -> Any:
    return boto3.Session(said["key"], said["secret"], region_name="us-east-1").client(
        service,  # type: ignore[call-overload] # the name is not a literal here
        endpoint_url=said["endpoint"],
        config=Config(proxies={}, s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
    )


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_box_keeps_what_it_gets_until_it_is_stopped(tmp_path: Path, stop: signal.Signals) -> None:
    with box(tmp_path) as process:
        assert process.stdout
        said = json.loads(process.stdout.readline())
        assert said["endpoint"].startswith("http://127.0.0.1:")
        assert client(said, "sts").get_caller_identity()["Account"] == said["account"] == "111122223333"
        s3 = client(said, "s3")
        s3.create_bucket(Bucket="page")
        s3.put_object(Bucket="page", Key="index.html", Body=b"<html>")
        assert s3.get_object(Bucket="page", Key="index.html")["Body"].read() == b"<html>"
        process.send_signal(stop)
        _, err = process.communicate(timeout=10)
        assert (process.returncode, err) == (0, "")


def test_a_box_that_is_stopped_as_soon_as_it_speaks_ends_well(tmp_path: Path) -> None:
    with box(tmp_path) as process:
        assert process.stdout
        process.stdout.readline()
        process.terminate()
        assert (process.wait(timeout=10), process.communicate()[1]) == (0, "")


def test_a_box_that_is_not_installed_says_how_it_gets_there(tmp_path: Path) -> None:
    with box(tmp_path, without="ministack") as process:
        out, err = process.communicate(timeout=10)
        assert (process.returncode, out) == (1, "")
        assert err == "awsbox: the box is not installed: uv sync --extra box\n"
