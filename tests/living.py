"""Which processes are there: for tests that nothing is left behind."""

from __future__ import annotations

import os
from pathlib import Path

import anyio


def alive(pid: int) -> bool:
    """A killed process that init has not yet reaped is dead."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except ProcessLookupError:
        return False
    except FileNotFoundError:
        return not Path("/proc/self").exists()  # no Linux: the signal has answered


async def until_gone(pid: int) -> None:
    with anyio.fail_after(5):
        while alive(pid):  # noqa: ASYNC110 - nothing tells of it
            await anyio.sleep(0.01)


def saying(text: str) -> set[int]:
    """The processes with this text in their command or their environment, which children inherit."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            known = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
        except OSError:
            continue
        if text.encode() in known:
            found.add(int(process.name))
    return found
