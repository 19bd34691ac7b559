"""What a box owns on this machine: one folder, and one group of processes. Neither outlives it, however it ends.

A small process of its own holds the read end of a pipe. The write end is ours alone, so the pipe ends when we do:
by leaving, by a signal, or by SIGKILL. Then it kills the group and removes the folder.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SWEEP_SECONDS = 10

# It leads the group, so it cannot kill it and live: a child outside of the group does the work. What is dying may
# still be writing.
REAPER = """
import os, shutil, signal, sys, time
for name in ("SIGINT", "SIGTERM", "SIGHUP"):
    signal.signal(getattr(signal, name), signal.SIG_IGN)
sys.stdin.buffer.read()
group = os.getpgrp()
if os.fork():
    signal.pause()
os.setpgid(0, 0)
os.killpg(group, signal.SIGKILL)
for _ in range(100):
    shutil.rmtree(sys.argv[1], ignore_errors=True)
    if not os.path.exists(sys.argv[1]):
        break
    time.sleep(0.02)
"""


@dataclass(frozen=True, slots=True)
class Household:
    """Start children with `process_group=household.group`, and keep files in `household.folder`."""

    folder: Path
    group: int

    def new_folder(self, name: str) -> Path:
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.folder))

    def environment(self, **more: str) -> dict[str, str]:
        """What a child may know of this machine: where programs are, and nothing of whose machine it is."""
        return {"PATH": os.defpath, "LANG": "C.UTF-8", "TZ": "UTC", "TMPDIR": str(self.folder)} | more


@contextmanager
def kept() -> Iterator[Household]:
    folder = Path(tempfile.mkdtemp(prefix="awsbox-"))
    reaper = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", REAPER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={},
        process_group=0,
    )
    try:
        yield Household(folder, reaper.pid)
    finally:
        # Whoever sweeps holds the output open: when it ends, nothing is left.
        try:
            reaper.communicate(timeout=SWEEP_SECONDS)
        finally:
            reaper.kill()
            reaper.wait()
            # Where somebody killed the reaper itself.
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def environment(changes: Mapping[str, str]) -> Iterator[None]:
    """This process's environment, changed for as long as the block lasts."""
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
