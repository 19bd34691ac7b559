"""The emulator, in this process, for as long as a `with` block lasts."""

from __future__ import annotations

import os
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio

from awsbox.gate import Gate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from anyio.abc import TaskStatus

    from awsbox.calls import Layer

ACCOUNT = "111122223333"
HOST = "127.0.0.1"
START_SECONDS = 20


class BoxFailed(Exception):
    """The box could not start."""


@dataclass(frozen=True, slots=True)
class Box:
    """Where the box answers, and the keys of its root user."""

    endpoint: str
    account: str
    key: str = "test"
    secret: str = "test"  # noqa: S105 - the emulator's root user is called that

    @staticmethod
    @asynccontextmanager
    async def started(account: str = ACCOUNT, layers: Sequence[Layer] = ()) -> AsyncIterator[Box]:
        """One box a process: the emulator keeps its state in module globals."""
        # The port is ours before the emulator hears of it, so that nobody can take it in between.
        listener = socket.create_server((HOST, 0))
        endpoint = f"http://{HOST}:{listener.getsockname()[1]}"
        stop = anyio.Event()
        async with anyio.create_task_group() as tasks:
            await tasks.start(_serve, listener, account, layers, stop)
            try:
                yield Box(endpoint=endpoint, account=account)
            finally:
                stop.set()


async def _serve(
    listener: socket.socket,
    account: str,
    layers: Sequence[Layer],
    stop: anyio.Event,
    *,
    task_status: TaskStatus[None],
) -> None:
    port = listener.getsockname()[1]
    # Read by the emulator when it is imported.
    os.environ |= {
        "GATEWAY_PORT": str(port),
        "AUTH": "true",
        "BIND_HOST": HOST,
        "IOT_MTLS_ENABLED": "0",
        "MINISTACK_ACCOUNT_ID": account,
        "LOG_LEVEL": "ERROR",
    }
    try:
        import hypercorn.asyncio  # noqa: PLC0415
        from hypercorn.config import Config  # noqa: PLC0415
        from ministack.app import app  # noqa: PLC0415
    except ImportError as error:
        raise BoxFailed("the box is not installed: uv sync --extra box") from error
    config = Config()
    # The server closes what it is handed: the socket is no longer ours.
    config.bind = [f"fd://{listener.detach()}"]
    config.loglevel = "ERROR"
    config.graceful_timeout = 1
    # Clients behind a Dagger tunnel never hear that an idle connection was closed, and wait on it for ever.
    config.keep_alive_timeout = 3600
    async with anyio.create_task_group() as tasks:
        gate: Any = Gate(app, layers)
        tasks.start_soon(lambda: hypercorn.asyncio.serve(gate, config, shutdown_trigger=stop.wait))
        with anyio.move_on_after(START_SECONDS) as limit:
            await _healthy(port)
        if limit.cancelled_caught:
            raise BoxFailed(f"the emulator did not answer within {START_SECONDS} s")
        task_status.started()


async def _healthy(port: int) -> None:
    """Wait until the emulator itself answers; the listening socket alone accepts before that."""
    async with await anyio.connect_tcp(HOST, port) as stream:
        await stream.send(b"GET /_ministack/health HTTP/1.1\r\nhost: box\r\nconnection: close\r\n\r\n")
        await stream.receive()
