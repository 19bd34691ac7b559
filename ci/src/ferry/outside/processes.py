"""Programs on this machine, started from lists, and never left behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from ferry.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from anyio.abc import ByteReceiveStream, Process

GRACE_SECONDS = 120
"""How long a program that was asked to stop may take: terraform saves its state in this time."""


@dataclass(frozen=True, slots=True)
class Done:
    """How a program ended. Both streams are kept whole: the classifiers of errors read them."""

    args: tuple[str, ...]
    code: int
    out: str
    err: str


def find(program: str, *, next: str) -> str:
    """The program's path, or an error that says how to get it."""
    path = shutil.which(program)
    if path is None:
        raise ToolError(f"{program} is not on PATH", where="this machine", next=next)
    return path


async def run(
    args: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] | None = None,
) -> Done:
    """Run to the end and say how it went.

    When we are cancelled the program gets SIGINT, once, and its time: a terraform that is killed leaves
    orphans and a lock behind. It has a session of its own, so that a Ctrl-C on the terminal reaches us alone.
    """
    full = dict(os.environ if env is None else env)
    process = await anyio.open_process(list(args), cwd=cwd, env=full, start_new_session=True, stdin=subprocess.DEVNULL)
    out: list[str] = []
    err: list[str] = []
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_collect, process.stdout, out, on_line)
            tasks.start_soon(_collect, process.stderr, err, None)
        code = await process.wait()
    except BaseException:
        await _stop(process)
        raise
    return Done(tuple(args), code, "".join(out), "".join(err))


async def _collect(stream: ByteReceiveStream | None, into: list[str], on_line: Callable[[str], None] | None) -> None:
    from anyio.streams.text import TextReceiveStream  # noqa: PLC0415 - only where a program runs

    if stream is None:
        return
    rest = ""
    async for text in TextReceiveStream(stream, errors="replace"):
        into.append(text)
        if on_line is not None:
            *lines, rest = (rest + text).split("\n")
            for line in lines:
                on_line(line)


async def _stop(process: Process) -> None:
    with anyio.CancelScope(shield=True):
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
            with anyio.move_on_after(GRACE_SECONDS):
                await process.wait()
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
        await process.aclose()
