"""Run an image's command on this machine: what the emulator cannot do without a container engine.

The layers are unpacked into a folder; the command runs with the image's environment. `python` is this
interpreter without the packages that are installed beside it, and absolute places in PYTHONPATH are looked for
in the folder. The image's own base is not used.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import zlib
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

import anyio

from awsbox.box import BoxFailed
from awsbox.emulator import HOST

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from anyio.abc import Process

START_SECONDS = 30
PYTHON = [sys.executable, "-S"]
"""What the image lacks must not be found on this machine."""


@asynccontextmanager
async def running(config: bytes, layers: Iterable[Path], environment: Mapping[str, str]) -> AsyncIterator[str]:
    """Answer the address at which the image's command serves, for as long as the block lasts."""
    said = json.loads(config)["config"]
    # A file, not a pipe: nobody reads while the command runs, and a full pipe would stop it.
    with tempfile.TemporaryDirectory(prefix="awsbox-image-") as folder, tempfile.TemporaryFile() as log:
        root = Path(folder)
        _unpack(layers, root)
        port = _free_port()
        variables = {name: value for name, _, value in (pair.partition("=") for pair in said.get("Env") or [])}
        variables |= environment
        variables |= {"PORT": str(port), "HOST": HOST, "PYTHONPATH": _inside(root, variables.get("PYTHONPATH", ""))}
        variables |= {"PATH": os.environ.get("PATH", ""), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [*(said.get("Entrypoint") or []), *(said.get("Cmd") or [])]
        if not command:
            raise BoxFailed("the image says nothing of what it runs")
        command[:1] = PYTHON if command[0] == "python" else command[:1]
        where = root / said.get("WorkingDir", "/").lstrip("/")
        process = await _started(command, where, variables, log)
        try:
            await _listening(process, port, log)
            yield f"http://{HOST}:{port}"
        finally:
            await _stop(process)


def _unpack(layers: Iterable[Path], root: Path) -> None:
    try:
        for layer in layers:
            with tarfile.open(layer, mode="r:gz") as archive:
                archive.extractall(root, filter="tar")
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise BoxFailed(f"a layer of the image cannot be unpacked: {error}") from error


async def _started(command: list[str], where: Path, variables: dict[str, str], log: IO[bytes]) -> Process:
    try:
        # A session of its own: whatever the command starts is stopped with it.
        return await anyio.open_process(
            command,
            cwd=where,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    except OSError as error:
        raise BoxFailed(f"the image's command {command} does not start: {error}") from error


def _inside(root: Path, paths: str) -> str:
    return ":".join(str(root / path.lstrip("/")) for path in paths.split(":") if path)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


async def _listening(process: Process, port: int, log: IO[bytes]) -> None:
    with anyio.move_on_after(START_SECONDS):
        while process.returncode is None:
            try:
                async with await anyio.connect_tcp(HOST, port):
                    return
            except OSError:
                await anyio.sleep(0.02)
    log.seek(0)
    said = log.read().decode(errors="replace")[-2000:]
    how = "does not serve on its port" if process.returncode is None else f"ended with {process.returncode}"
    raise BoxFailed(f"the image's command {how}\n{said}")


async def _stop(process: Process) -> None:
    with anyio.CancelScope(shield=True):
        if process.returncode is None:
            process.terminate()
            with anyio.move_on_after(5):
                await process.wait()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.aclose()
