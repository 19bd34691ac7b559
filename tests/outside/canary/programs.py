"""Canaries of one file each: what a project's own could do, and what it must not."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMAND = ("python", "-m", "probe")

GOOD = {
    "verdict": "healthy",
    "checks": [{"name": "health", "target": "http://x", "ok": True, "what": "answers"}],
}
BAD = {
    "verdict": "unhealthy",
    "checks": [
        {"name": "health", "target": "http://x", "ok": True, "what": "answers"},
        {"name": "stream", "target": "http://x", "ok": False, "what": "is buffered", "why": "all events came at once"},
    ],
}
UNSURE = {
    "verdict": "undecided",
    "checks": [{"name": "health", "target": "http://x", "ok": None, "what": "was not asked"}],
}


def zipped(program: str) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("probe.py", program)
    return data.getvalue()


def saying(verdict: object, code: int) -> bytes:
    return zipped(f"print({json.dumps(verdict)!r}); raise SystemExit({code})")


@contextmanager
def file_of(package: bytes) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "canary.zip"
        file.write_bytes(package)
        yield file
