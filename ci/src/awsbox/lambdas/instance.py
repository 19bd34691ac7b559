"""One execution environment: the image's processes beside a Runtime API of their own, one invocation at a time."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from awsbox.emulator import HOST
from awsbox.lambdas import records
from awsbox.lambdas.invocation import Failure
from awsbox.lambdas.launch import Launch, launch
from awsbox.lambdas.runtime_api import EXITED, RuntimeApi
from awsbox.lambdas.stand_in import adapt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anyio.abc import TaskStatus

    from awsbox.household import Household
    from awsbox.lambdas.functions import Function
    from awsbox.lambdas.image import Image
    from awsbox.lambdas.invocation import Invocation

ADAPTER = "adapter"
"""Runtime API, the adapter's own binary, the application: as in Lambda."""
APPLICATION = "application"
"""The application is asked over HTTP by a stand-in for the adapter."""
RUNTIME = "runtime"
"""The image speaks the Runtime API itself."""
LINES_LATE_SECONDS = 0.005


class InitFailed(Exception):
    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class Instance:
    def __init__(self, function: Function, image: Image, house: Household, adapter: Path | None) -> None:
        self.function, self.idle_since = function, time.monotonic()
        self.mode = ADAPTER if adapter else APPLICATION
        self.init_ms = 0.0
        self.dead = False
        self._image, self._house, self._adapter = image, house, adapter
        self._api = RuntimeApi()
        self._end, self._settled = anyio.Event(), anyio.Event()
        self._stream = records.stream_name(function.version)
        self._processes: list[asyncio.subprocess.Process] = []
        self._invocation: Invocation | None = None

    async def live(self, given: Mapping[str, str], limit: float, *, task_status: TaskStatus[None]) -> None:
        """From the first process to the last. InitFailed before it is started, and nothing after."""
        folder, began = self._house.new_folder("instance"), time.perf_counter()
        try:
            async with self._api.served() as address, anyio.create_task_group() as tasks:
                with anyio.move_on_after(limit):
                    await self._start(tasks, folder, {**given, "AWS_LAMBDA_RUNTIME_API": address})
                self.init_ms = (time.perf_counter() - began) * 1000
                started = self._api.asked.is_set() and not self.dead
                if started:
                    task_status.started()
                    await self._end.wait()
                tasks.cancel_scope.cancel()
        finally:
            self._kill()
            shutil.rmtree(folder, ignore_errors=True)
        if not started:
            late = Failure("Runtime.InitTimeout", f"Init did not complete within {limit:g} seconds")
            raise InitFailed(self._api.init_failure or (Failure(EXITED, self._exited()) if self.dead else late))

    async def run(self, invocation: Invocation) -> None:
        self._wake()
        self._invocation = invocation
        try:
            await self._api.run(invocation)
            # What was written before the answer may still be in the pipe.
            await anyio.sleep(LINES_LATE_SECONDS)
        finally:
            self._invocation = None
            self.idle_since = time.monotonic()

    def say(self, invocation: Invocation | None, *lines: str) -> None:
        """Into its log stream; what belongs to an invocation, also into that one's own tail."""
        records.write_log(self.function, self._stream, lines)
        if invocation:
            invocation.log.extend(lines)

    def freeze(self) -> None:
        """Between two invocations nothing of it runs, as in Lambda."""
        self._signal(signal.SIGSTOP)

    def _wake(self) -> None:
        self._signal(signal.SIGCONT)

    def fail(self, failure: Failure) -> None:
        """It is gone, and what it was doing with it."""
        if self._invocation:
            self._invocation.finish(failure)
        self._settled.set()
        self.stop()

    def stop(self) -> None:
        self.dead = True
        self._end.set()

    @property
    def memory_used(self) -> int:
        """The most that its processes had at any time, in MB."""
        return sum(_peak(process.pid) for process in self._processes) // 1024

    async def _start(self, tasks: anyio.abc.TaskGroup, folder: Path, given: Mapping[str, str]) -> None:
        port = _free_port()
        own = {"PORT": str(port), "AWS_LWA_PORT": str(port), "HOST": HOST, "HOME": str(folder), "TMPDIR": str(folder)}
        start = launch(self.function, self._image, {**given, **own, "AWS_LAMBDA_LOG_STREAM_NAME": self._stream})
        try:
            await self._spawn(tasks, start)
            if self._adapter:
                await self._spawn(tasks, Launch([str(self._adapter)], folder, start.environment))
        except (OSError, IndexError) as error:
            self._api.init_failure = Failure("Runtime.InvalidEntrypoint", f"{start.command}: {error}")
            return
        if not self._adapter:
            tasks.start_soon(self._stand_in, port, start.environment)
        tasks.start_soon(_forward, self._api.asked, self._settled)
        tasks.start_soon(_forward, self._api.broken, self._settled)
        await self._settled.wait()

    async def _stand_in(self, port: int, environment: Mapping[str, str]) -> None:
        """Until it turns out that the image speaks the Runtime API itself."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(adapt, self._api, port, environment)
            await self._api.spoken.wait()
            self.mode = RUNTIME
            tasks.cancel_scope.cancel()

    async def _spawn(self, tasks: anyio.abc.TaskGroup, start: Launch) -> None:
        process = await asyncio.create_subprocess_exec(
            *start.command,
            cwd=start.folder,
            env=start.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=self._house.group,
        )
        self._processes.append(process)
        tasks.start_soon(self._watch, process)

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        """Its lines, as they come; and its end, which is the end of all."""
        output, rest = process.stdout, b""
        while output and (data := await output.read(65536)):
            *lines, rest = (rest + data).split(b"\n")
            if lines:
                self.say(self._invocation, *(line.decode(errors="replace") for line in lines))
        if rest:
            self.say(self._invocation, rest.decode(errors="replace"))
        await process.wait()
        about = f"RequestId: {self._invocation.id} Error: " if self._invocation else ""
        self.fail(Failure(EXITED, about + self._exited()))

    def _exited(self) -> str:
        ended = next((code for p in self._processes if (code := p.returncode) is not None), None)
        if ended is not None and ended < 0:
            return f"Runtime exited with error: signal: {signal.Signals(-ended).name}"
        return (
            f"Runtime exited with error: exit status {ended}" if ended else "Runtime exited without providing a reason"
        )

    def _signal(self, number: signal.Signals) -> None:
        for process in self._processes:
            if process.returncode is None:
                for pid in [process.pid, *_descendants(process.pid)]:
                    with suppress(ProcessLookupError):
                        os.kill(pid, number)

    def _kill(self) -> None:
        self._signal(signal.SIGKILL)


async def _forward(one: anyio.Event, other: anyio.Event) -> None:
    await one.wait()
    other.set()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _descendants(pid: int) -> list[int]:
    """What a process started in its turn; none where the system does not say."""
    try:
        children = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return [found for child in children for found in (child, *_descendants(child))]


def _peak(pid: int) -> int:
    """In kB."""
    try:
        said = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in said.splitlines() if line.startswith("VmHWM:")), 0)
