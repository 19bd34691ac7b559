"""Boxes in processes of their own, started as a terminal or another program starts them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.awsbox.people import Caller

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SOURCE = Path(__file__).parents[2] / "ci/src"
SECONDS = 20


def until(holds: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + SECONDS
    while not (found := holds()):
        assert time.monotonic() < deadline, f"not within {SECONDS} s: {what}"
        time.sleep(0.02)
    return found


def environment(folder: Path) -> dict[str, str]:
    """A host whose temporary folder is the test's, and who has secrets."""
    planted = {"HOME": "/nowhere/somebody", "GITHUB_TOKEN": "planted", "AWS_PROFILE": "planted"}
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCE), "TMPDIR": str(folder), **planted}


@contextmanager
def process(folder: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """In a group of its own, as a terminal starts it; ended with the test at the latest."""
    started = subprocess.Popen(
        [sys.executable, *words],
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with started:
        try:
            yield started
        finally:
            started.kill()


@contextmanager
def box(folder: Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], Caller]]:
    with process(folder, "-m", "awsbox", "--json", *words) as started:
        yield started, root(started)


def root(started: subprocess.Popen[str]) -> Caller:
    assert started.stdout is not None
    line = started.stdout.readline()
    assert line, started.communicate()[1]
    said = json.loads(line)
    return Caller(said["endpoint"], said["users"][0]["key"], said["users"][0]["secret"])
