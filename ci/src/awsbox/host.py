"""Run an image's command on this machine: what the emulator cannot do without a container engine.

The layers are unpacked into a folder; the command runs with the image's environment. `python` is this
interpreter, and absolute places in PYTHONPATH are looked for in the folder. The image's own base is not used.
"""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
import tarfile
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import anyio

from awsbox.box import BoxFailed
from awsbox.emulator import HOST

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from anyio.abc import Process

START_SECONDS = 30


@asynccontextmanager
async def running(config: bytes, layers: Iterable[bytes], environment: Mapping[str, str]) -> AsyncIterator[str]:
    """Answer the address at which the image's command serves, for as long as the block lasts."""
    said = json.loads(config)["config"]
    # A file, not a pipe: nobody reads while the command runs, and a full pipe would stop it.
    with tempfile.TemporaryDirectory(prefix="awsbox-image-") as folder, tempfile.TemporaryFile() as log:
        root = Path(folder)
        for layer in layers:
            with tarfile.open(fileobj=io.BytesIO(layer), mode="r:gz") as archive:
                archive.extractall(root, filter="tar")
        port = _free_port()
        variables = dict(pair.split("=", 1) for pair in said.get("Env", [])) | dict(environment)
        variables |= {"PORT": str(port), "HOST": HOST, "PYTHONPATH": _inside(root, variables.get("PYTHONPATH", ""))}
        variables |= {"PATH": os.environ.get("PATH", ""), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable if word == "python" else word for word in said["Cmd"]]
        where = root / said.get("WorkingDir", "/").lstrip("/")
        process = await anyio.open_process(
            command, cwd=where, env=variables, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            await _listening(process, port, log)
            yield f"http://{HOST}:{port}"
        finally:
            await _stop(process)


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
        if process.returncode is None:
            process.kill()
        await process.aclose()
