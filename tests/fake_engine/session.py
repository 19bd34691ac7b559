"""The wire: the fake engine behind HTTP, and the SDK's one shared connection to it."""

from __future__ import annotations

import json
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

from anyio.from_thread import BlockingPortal, start_blocking_portal
from dagger import dag
from dagger.client._connection import _shared
from dagger.client._session import ConnectParams
from dagger.client.base import Type

from tests.fake_engine.engine import FakeEngine

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator


class Endpoint(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # One packet an answer: with two, Nagle's algorithm and delayed acknowledgement make every query wait 40 ms.
    wbufsize = -1

    def __init__(self, engine: FakeEngine, *args: Any) -> None:
        self._engine = engine
        super().__init__(*args)

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = json.dumps(self._engine.query(asked["query"], asked.get("variables"))).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the engine writes down what was asked."""


class ConnectedEngine(FakeEngine):
    """Code that uses `dagger.dag` reaches this engine when it is started by `run`."""

    def __init__(self, portal: BlockingPortal) -> None:
        super().__init__()
        self._portal = portal

    def run[T](self, function: Callable[..., Awaitable[T]], *args: Any) -> T:
        return self._portal.call(function, *args)

    def load[T: Type](self, client: type[T], id: str) -> T:
        """The client's object for an id, to hand to code that takes objects."""
        return client(dag._ctx.select_id(client.__name__, id))


@contextmanager
def connected() -> Iterator[ConnectedEngine]:
    """Connecting costs 0.3 s, so one connection, with the event loop that it lives in, serves all tests."""
    with start_blocking_portal() as portal:
        engine = ConnectedEngine(portal)
        with _serving(engine) as port:
            _shared.with_params(ConnectParams(port=port, session_token="none"))
            engine.run(_shared.connect)
            try:
                yield engine
            finally:
                engine.run(_shared.close)
                _shared._params = None


@contextmanager
def _serving(engine: FakeEngine) -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Endpoint, engine)) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
