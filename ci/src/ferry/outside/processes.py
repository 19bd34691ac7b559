"""Programs on this machine, started from lists, and never left behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
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
    """How a program ended. Both streams are kept whole, for the classifiers of errors, and may hold secrets."""

    args: tuple[str, ...]
    code: int
    out: str = field(repr=False)
    err: str = field(repr=False)


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
    grace: float = GRACE_SECONDS,
) -> Done:
    """Run to the end and say how it went.

    When we are cancelled the program gets SIGINT, once, and its time: a terraform that is killed leaves
    orphans and a lock behind. It has a session of its own, so that a Ctrl-C on the terminal reaches us alone.
    """
    process = await _started(args, cwd, dict(os.environ if env is None else env))
    out: list[str] = []
    err: list[str] = []
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_collect, process.stdout, out, on_line)
            tasks.start_soon(_collect, process.stderr, err, None)
            await _ended(process, grace)
    finally:
        with anyio.CancelScope(shield=True):
            await process.aclose()
    return Done(tuple(args), await process.wait(), "".join(out), "".join(err))


async def _started(args: Sequence[str], cwd: Path | None, env: dict[str, str]) -> Process:
    try:
        return await anyio.open_process(list(args), cwd=cwd, env=env, start_new_session=True, stdin=subprocess.DEVNULL)
    except OSError as error:
        raise ToolError(
            f"{args[0]} does not start",
            where=str(cwd or "this machine"),
            why=error.strerror or str(error),
            next=f"check that this works: {args[0]} --version",
        ) from error


async def _collect(stream: ByteReceiveStream | None, into: list[str], on_line: Callable[[str], None] | None) -> None:
    """Read to the end, also while we are cancelled: a program whose output nobody reads cannot end."""
    from anyio.streams.text import TextReceiveStream  # noqa: PLC0415 - only where a program runs

    if stream is None:
        return
    rest = ""
    with anyio.CancelScope(shield=True):
        async for text in TextReceiveStream(stream, errors="replace"):
            into.append(text)
            *lines, rest = (rest + text).split("\n")
            if on_line:
                for line in lines:
                    on_line(line)
        if on_line and rest:
            on_line(rest)


async def _ended(process: Process, grace: float) -> None:
    """Wait for the program itself, then end whatever it has started: that would keep the streams open."""
    try:
        await _gone(process)
    except BaseException:
        with anyio.move_on_after(grace, shield=True), suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
            await _gone(process)
        raise
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


async def _gone(process: Process) -> None:
    # `wait` also waits for the streams to be closed, which those that the program has started may keep open.
    while process.returncode is None:  # noqa: ASYNC110 - nothing else tells of it
        await anyio.sleep(0.02)
