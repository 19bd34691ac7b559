"""ministack in this process: its settings, what it keeps of the machine from functions, and its server.

It is settled when it is imported, and keeps its state in module globals: one box at a time in a process.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import anyio
from anyio import to_thread

from awsbox.seams import replaced

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator, Mapping
    from types import ModuleType

    from awsbox.household import Household

HOST = "127.0.0.1"
START_SECONDS = 20
IDLE_SECONDS = 60
"""A worker that no call came for in this time is let go: it is a whole interpreter."""
PACKAGE = "ministack"


def settings(port: int, account: str, folder: Path) -> dict[str, str]:
    return {
        "STATE_DIR": str(folder / "state"),
        "S3_DATA_DIR": str(folder / "s3"),
        "GATEWAY_PORT": str(port),
        "AUTH": "true",
        "BIND_HOST": HOST,
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "MINISTACK_ACCOUNT_ID": account,
        "MINISTACK_REGION": "us-east-1",
        "LAMBDA_EXECUTOR": "local",
        "LOG_LEVEL": "ERROR",
        # Nothing of what the user has set for the real AWS may reach the emulator: it would take the key for root's.
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }


def load() -> Any:
    """The emulator's ASGI app. Raises ImportError where it is not installed."""
    again = "ministack.app" in sys.modules
    from ministack.app import app  # noqa: PLC0415 - it reads its settings when it is imported

    if again:
        _settle_again()
    return app


def modules() -> Iterator[ModuleType]:
    """The emulator's own modules, as far as calls have loaded them."""
    for name, module in sorted(sys.modules.items()):
        if name.startswith(f"{PACKAGE}."):
            yield module


def _settle_again() -> None:
    """A second box in this process: its port and folder differ from those that the modules' constants remember."""
    from ministack import app  # noqa: PLC0415 - as above
    from ministack.core import persistence  # noqa: PLC0415 - as above

    port, folder = app._MINISTACK_PORT, str(Path(persistence.STATE_DIR).parent)  # noqa: SLF001 - as every constant
    remembered = re.compile(rf"\b{port}\b|{re.escape(folder)}")
    now = {port: os.environ["GATEWAY_PORT"], folder: str(Path(os.environ["STATE_DIR"]).parent)}
    for module in modules():
        constants = [(name, value) for name, value in vars(module).items() if name.isupper() and isinstance(value, str)]
        for name, value in constants:
            setattr(module, name, remembered.sub(lambda found: now[found[0]], value))


def wipe() -> None:
    from ministack import app  # noqa: PLC0415

    app._reset_all_state()  # noqa: SLF001 - its only public face is an HTTP call that everybody may make


@contextmanager
def shielded(household: Household) -> Iterator[None]:
    """Functions' processes get a folder of the box, its process group, and no environment of the host."""
    from ministack.core import lambda_runtime  # noqa: PLC0415 - it reads its settings when it is imported
    from ministack.services import lambda_svc  # noqa: PLC0415 - as above

    visible = household.environment(GATEWAY_PORT=os.environ["GATEWAY_PORT"], PYTHONDONTWRITEBYTECODE="1")
    instead = {
        "os": _Instead(os, environ=visible),
        "tempfile": _Instead(tempfile, mkdtemp=partial(tempfile.mkdtemp, dir=household.folder)),
        "subprocess": _Instead(subprocess, Popen=partial(_Worker, process_group=household.group)),
    }
    caches = {name: str(household.folder / name) for name in ("_PROVIDED_CODE_CACHE", "_DOCKER_EXTRACT_CACHE")}
    with replaced(lambda_runtime, **instead), replaced(lambda_svc, **caches):
        try:
            yield
        finally:
            drop_workers()


class _Worker(subprocess.Popen[str]):
    """The emulator collects its workers and forgets their pipes: they are closed with the process."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if self.stderr:
            self.stderr = cast("IO[str]", _UntilItsEnd(self.stderr))

    def wait(self, timeout: float | None = None) -> int:
        code = super().wait(timeout)
        for pipe in (self.stdin, self.stdout):
            if pipe:
                with suppress(OSError, ValueError):
                    pipe.close()
        return code


class _UntilItsEnd:
    """A file that a thread of the emulator reads line by line: nobody else may close it under the thread."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def __iter__(self) -> Iterator[str]:
        with self._file:
            yield from self._file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class _Instead:
    """A module of which some names are other things."""

    def __init__(self, module: ModuleType, **instead: Any) -> None:
        self.__dict__.update(instead)
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


def drop_workers() -> None:
    """End the processes of functions: the next call starts cold."""
    if runtime := sys.modules.get("ministack.core.lambda_runtime"):
        runtime.reset()


async def let_idle_workers_go() -> None:
    """The emulator keeps one worker per function version for ever."""
    from ministack.core import lambda_runtime  # noqa: PLC0415

    while True:
        await anyio.sleep(IDLE_SECONDS / 4)
        await to_thread.run_sync(lambda_runtime.kill_workers, _idle(lambda_runtime, time.time() - IDLE_SECONDS))


def _idle(runtime: Any, since: float) -> list[Any]:
    with runtime._lock:  # noqa: SLF001 - what its own reaper does, for the workers that it spares
        pool: Mapping[str, list[Any]] = runtime._workers  # noqa: SLF001
        found = [worker for workers in pool.values() for worker in workers if _is_idle(worker, since)]
        for workers in pool.values():
            workers[:] = [worker for worker in workers if worker not in found]
    return found


def _is_idle(worker: Any, since: float) -> bool:
    return not worker.in_use and worker.last_used < since


async def serve(app: Any, listener: socket.socket, *, stop: anyio.Event, ready: anyio.Event) -> None:
    import hypercorn.asyncio  # noqa: PLC0415 - comes with the emulator
    from hypercorn.config import Config  # noqa: PLC0415

    async def announced(scope: Any, receive: Any, send: Any) -> None:
        async def heard(message: Mapping[str, Any]) -> None:
            await send(message)
            if message["type"] == "lifespan.startup.complete":
                ready.set()

        await app(scope, receive, heard if scope["type"] == "lifespan" else send)

    config = Config()
    # The server closes what it is handed: the socket is no longer ours.
    config.bind = [f"fd://{listener.detach()}"]
    config.loglevel = "ERROR"
    config.graceful_timeout = 1
    # Clients behind a Dagger tunnel never hear that an idle connection was closed, and wait on it for ever.
    config.keep_alive_timeout = 3600
    await hypercorn.asyncio.serve(announced, config, shutdown_trigger=stop.wait)
