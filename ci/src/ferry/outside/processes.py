"""Programs on this machine, started from lists, and never left behind."""

from __future__ import annotations

import codecs
import os
import shutil
import signal
import subprocess
import threading
import time
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from ferry.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
    from types import FrameType

    from anyio.abc import ByteReceiveStream, Process

    type OnLine = Callable[[str], None]

GRACE_SECONDS = 120
"""How long a program that was asked to stop may take: terraform saves its state in this time."""
REPEAT_SECONDS = 5
"""Runners and terminals send a signal more than once: in this time it is the same wish, not a stronger one."""
POLL_SECONDS = 0.02
WATCHER = 'read -r _; kill -INT "$1"'
"""Its standard input ends with us, however we end."""


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
    on_line: OnLine | None = None,
    on_err: OnLine | None = None,
    say: OnLine | None = None,
    record: Path | None = None,
    grace: float = GRACE_SECONDS,
) -> Done:
    """Run to the end and say how it went.

    When we are cancelled the program gets SIGINT, once, and its time: a terraform that is killed leaves
    orphans and a lock behind, and so does one that is interrupted twice. It has a session of its own, so that a
    Ctrl-C on the terminal reaches us alone; `say` tells what further signals do while we wait.

    With a `record`, what it says goes through a file there, and it outlives us by what it needs to stop: a program
    that writes to the pipe of a dead reader dies of SIGPIPE, and terraform then leaves its lock behind.
    """
    env = dict(os.environ if env is None else env)
    out: list[str] = []
    err: list[str] = []
    async with AsyncExitStack() as stack:
        running = await _started(args, cwd, env, record)
        stack.push_async_callback(_closed, running)
        turn = _Turn(program=Path(args[0]).name, say=say or (lambda _: None), pid=running.pid, grace=grace)
        stack.enter_context(_heeding(turn))
        watcher = await stack.enter_async_context(_watched(running.pid)) if record else None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_collect, running, running.stdout or _path(record, "out"), out, on_line)
            tasks.start_soon(_collect, running, running.stderr or _path(record, "err"), err, on_err)
            await _ended(running, turn, watcher)
    return Done(tuple(args), await running.wait(), "".join(out), "".join(err))


async def _started(args: Sequence[str], cwd: Path | None, env: dict[str, str], record: Path | None) -> Process:
    said: dict[str, Any] = {"cwd": cwd, "env": env, "start_new_session": True, "stdin": subprocess.DEVNULL}
    try:
        if record is None:
            return await anyio.open_process(list(args), **said)
        with _private(_path(record, "out")) as out, _private(_path(record, "err")) as err:
            return await anyio.open_process(list(args), stdout=out, stderr=err, **said)
    except OSError as error:
        raise ToolError(
            f"{args[0]} does not start",
            where=str(cwd or "this machine"),
            why=error.strerror or str(error),
            next=f"check that this works: {args[0]} --version",
        ) from error


def _path(record: Path | None, stream: str) -> Path:
    assert record is not None  # noqa: S101 - a program without a record has pipes
    return record.with_suffix(f".{stream}")


@contextmanager
def _private(path: Path) -> Iterator[int]:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        yield file
    finally:
        os.close(file)


async def _closed(process: Process) -> None:
    with anyio.CancelScope(shield=True):
        await process.aclose()


@asynccontextmanager
async def _watched(pid: int) -> AsyncIterator[Process]:
    """Interrupts the program when we are gone without having done so ourselves: killed, or out of memory."""
    with anyio.CancelScope(shield=True):  # who is cancelled here would leave before it is asked to stop
        watcher = await anyio.open_process(
            ["/bin/sh", "-c", WATCHER, "sh", str(pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={},
            start_new_session=True,
        )
    try:
        yield watcher
    finally:
        _kill(watcher)
        await _closed(watcher)


def _kill(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()


async def _collect(process: Process, source: ByteReceiveStream | Path, into: list[str], on_line: OnLine | None) -> None:
    """Read to the end, also while we are cancelled: a program whose output nobody reads cannot end."""
    rest: list[str] = []  # a plan is one line, and comes in thousands of pieces
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    with anyio.CancelScope(shield=True):
        async for chunk in _followed(process, source) if isinstance(source, Path) else source:
            text = decoder.decode(chunk)
            into.append(text)
            if on_line is None:
                continue
            first, *more = text.split("\n")
            rest.append(first)
            for following in more:
                on_line("".join(rest))
                rest = [following]
        last = decoder.decode(b"", final=True)
        into.append(last)
        if on_line and (left := "".join([*rest, last])):
            on_line(left)


async def _followed(process: Process, path: Path) -> AsyncIterator[bytes]:
    """What is written to a file until its writer is gone."""
    async with await anyio.open_file(path, "rb", buffering=0) as file:
        while True:
            gone = process.returncode is not None
            while chunk := await file.read(65536):
                yield chunk
            if gone:
                return
            await anyio.sleep(POLL_SECONDS)


async def _ended(process: Process, turn: _Turn, watcher: Process | None) -> None:
    """Wait for the program itself, then end whatever it has started: that would keep the streams open."""
    try:
        await _gone(process, turn)
    except BaseException:
        turn.stopping = True
        if watcher:  # a second interrupt would make terraform drop its state
            _kill(watcher)
        with anyio.move_on_after(turn.grace, shield=True), suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
            await _gone(process, turn)
        raise
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


async def _gone(process: Process, turn: _Turn) -> None:
    # `wait` also waits for the streams to be closed, which those that the program has started may keep open.
    while process.returncode is None:
        turn.speak()
        await anyio.sleep(POLL_SECONDS)


@dataclass(slots=True, kw_only=True)
class _Turn:
    """A program of ours while it runs. A signal's handler only writes down here: it may have come in mid-print."""

    program: str
    say: OnLine
    pid: int
    grace: float
    stopping: bool = False
    unsaid: list[str] = field(default_factory=list)

    def speak(self) -> None:
        while self.unsaid:
            self.say(self.unsaid.pop(0))

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


class _Signals:
    """SIGINT and SIGTERM while programs of ours run.

    The first of them stops us, as it would without programs. Everything after it finds us waiting for a program that
    saves what it did, and must not cut that short: GitHub cancels a job with SIGINT, then SIGTERM 7.5 seconds later.
    A person is told what one more Ctrl-C does before it does that.
    """

    def __init__(self) -> None:
        self.turns: list[_Turn] = []
        self.before: dict[int, Any] = {}
        self.first: float | None = None
        self.warned: float | None = None
        self.owed = False
        """A signal came while we were stopping for another reason: it is passed on when that is done."""

    def enter(self, turn: _Turn) -> None:
        if not self.turns and threading.current_thread() is threading.main_thread():
            self.first = self.warned = None
            self.owed = False
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) is not signal.SIG_IGN:  # who starts us in the background wants that
                    self.before[number] = signal.signal(number, self.heard)
        self.turns.append(turn)

    def leave(self, turn: _Turn) -> None:
        self.turns.remove(turn)
        if self.turns or not self.before:
            return
        before, self.before = self.before, {}
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        if self.owed:
            self.stop(before, None)

    def heard(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.first is None:
            self.first = now
            self.owed = any(turn.stopping for turn in self.turns)
            if not self.owed:
                self.stop(self.before, frame)
        elif self.warned is None:
            self.warned = now
            self.tell("{program} was asked to stop and saves what it did, which takes up to {grace:.0f} s more; ")
        elif number == signal.SIGINT and now - self.warned >= REPEAT_SECONDS:
            for turn in self.turns:
                turn.kill()

    def tell(self, text: str) -> None:
        more = f"Ctrl-C after {REPEAT_SECONDS} s kills it, and what it is making is then known to no state"
        for turn in self.turns:
            turn.unsaid.append(text.format(program=turn.program, grace=turn.grace) + more)

    @staticmethod
    def stop(before: Mapping[int, Any], frame: FrameType | None) -> None:
        """As SIGINT does: event loops cancel their main task for it, and know no SIGTERM."""
        handler = before.get(signal.SIGINT)
        if not callable(handler):
            raise KeyboardInterrupt
        handler(signal.SIGINT, frame)


_signals = _Signals()


@contextmanager
def _heeding(turn: _Turn) -> Iterator[None]:
    _signals.enter(turn)
    try:
        yield
    finally:
        turn.speak()
        _signals.leave(turn)
