"""A streaming service on a loopback port, and every way it can be broken."""

from __future__ import annotations

from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

EVENT = b"id: 1\nevent: tick\ndata: {}\n\n"


class Good(BaseHTTPRequestHandler):
    """Healthy, and sends five events a moment apart. A broken target overrides what it breaks."""

    health = (200, "application/json", b'{"status": "ok", "environment": "preprod"}')
    stream = (200, "text/event-stream; charset=utf-8")
    events: tuple[bytes, ...] = (EVENT,) * 5
    pause = 0.03
    stopped: Event

    def do_GET(self) -> None:
        match self.path.partition("?")[0]:
            case "/health":
                self.head(*self.health[:2])
                self.wfile.write(self.health[2])
            case "/stream":
                self.head(*self.stream)
                self.send()
            case _:
                self.send_error(404)

    def head(self, status: int, kind: str) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.end_headers()

    def send(self) -> None:
        for event in self.events:
            self.wfile.write(event)
            self.stopped.wait(self.pause)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class Steady(Good):
    """At the pace that a canary expects of itself, when nobody tells it another."""

    pause = 0.15


class SaysNo(Good):
    health = (200, "application/json", b'{"status": "starting"}')


class SaysNothingOfItself(Good):
    health = (200, "application/json", b'["ok"]')


class HealthIsAPage(Good):
    health = (200, "text/html", b"<html>ok</html>")


class HealthIsCut(Good):
    health = (200, "application/json", b'{"status": "ok"')


class HealthIsNotText(Good):
    health = (200, "application/json; charset=utf-8", b"\xff\xfe\x00")


class HealthFails(Good):
    health = (500, "application/json", b'{"status": "ok"}')


class HealthIsElsewhere(Good):
    health = (301, "application/json", b'{"status": "ok"}')


class Buffered(Good):
    """What a proxy makes of a stream that it collects first."""

    def send(self) -> None:
        self.stopped.wait(self.pause * len(self.events))
        self.wfile.write(b"".join(self.events))


class WrongType(Good):
    stream = (200, "application/json")


class Page(Good):
    stream = (200, "text/html")


class Fails(Good):
    stream = (500, "text/event-stream")


class TooFew(Good):
    events = (EVENT,) * 4


class TooMany(Good):
    events = (EVENT,) * 6


class NoEvents(Good):
    events = (b": ping\n\n",) * 5


class CutInAnEvent(Good):
    """The last event has begun when the connection ends."""

    events = (*(EVENT,) * 4, b"data: {}\n")


class CutHalfWay(Good):
    """The connection ends before what was promised has come."""

    def head(self, status: int, kind: str) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(EVENT) * 50))
        self.end_headers()


class NeverAnswers(Good):
    def head(self, status: int, kind: str) -> None:  # noqa: ARG002 - this is the point
        self.stopped.wait()


class NeverEnds(Good):
    """Lively, and without an end: no silence is ever long."""

    def send(self) -> None:
        while not self.stopped.wait(0.01):
            self.wfile.write(b": ping\n\n")


class HangsUp(Good):
    def do_GET(self) -> None:
        self.connection.close()


@contextmanager
def serving(target: type[Good]) -> Iterator[str]:
    stopped = Event()
    handler = type("Served", (target,), {"stopped": stopped})
    with Quiet(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            stopped.set()
            server.shutdown()
            thread.join()


class Quiet(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """A target that is given up on half way breaks its pipe: that is what is tested."""
