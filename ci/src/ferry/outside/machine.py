"""Whether a run of this machine is over. A process is known by its number and its start: numbers are used again.

A run's terraform may outlive it, by what it takes to save a state: it carries the run's mark, and until it is gone the
run is not over. What /proc does not say here, nobody guesses.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path

MARK = "FERRY_STARTED_BY"
"""In the environment of a program: the run that started it, and may not be there any more."""
PROC = Path("/proc")
BOOT = PROC / "sys/kernel/random/boot_id"
DEAD = frozenset("ZX")


def where(pid: int | None = None) -> str:
    """A process of this machine (this one, if none is named) as nobody else is named; empty where /proc does not say.

    The host's name is in it because machines that wake up from one snapshot share the rest.
    """
    with suppress(OSError, IndexError):
        namespace = (PROC / "self/ns/pid").readlink()
        machine = f"{socket.gethostname()} {BOOT.read_text().strip()} {namespace} {os.getuid()}"
        state, start = _stat(pid or os.getpid())
        return "" if state in DEAD else f"{machine} {pid or os.getpid()} {start}"
    return ""


def over(named: str) -> bool | None:
    """Whether this process and all it marked are gone; None where this machine cannot know."""
    match named.rsplit(" ", 2), where().rsplit(" ", 2):
        case [machine, pid, start], [mine, _, _] if machine == mine and pid.isdigit():
            gone = _gone(int(pid), start)
            return not _marked(named) if gone else gone
    return None


def _gone(pid: int, start: str) -> bool | None:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    try:
        state, began = _stat(pid)
    except (OSError, IndexError):
        return None
    return state in DEAD or began != start


def _marked(named: str) -> bool:
    """Whether its terraform goes on. What a resource of that has started is not the run.

    Nor is a provider: without its terraform it can write no state, and one that was left behind stays for ever.
    """
    wanted = f"{MARK}={named}".encode()
    running = (one for one in PROC.iterdir() if one.name.isdigit())
    return any(_read(one / "comm") == b"terraform\n" and wanted in _environment(one) for one in running)


def _environment(process: Path) -> list[bytes]:
    return _read(process / "environ").split(b"\0")


def _read(path: Path) -> bytes:
    """Of a process that is gone by now, or is another user's, nothing: it is none of the run's."""
    with suppress(OSError):
        return path.read_bytes()
    return b""


def _stat(pid: int) -> tuple[str, str]:
    """State and start. The name before them may hold anything, brackets and spaces too."""
    said = (PROC / str(pid) / "stat").read_text(errors="replace").rpartition(") ")[2].split()
    return said[0], said[19]
