"""A system as the canary sees it: stream and dashboard on a loopback port, and every way in which it can be broken.

Time runs fast here: there is an item each 40 ms, and what would take 20 s in AWS takes less than one.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KEY = "the-key-of-preprod"
DIGEST = "sha256:" + "a" * 64
PACE = 0.04
OLD = 5
"""Items that were there before anybody asked."""
PAGE = b"<!doctype html><html lang=en><head><title>News sentiment</title></head><body></body></html>"
POLICY = "default-src 'none'; script-src 'self'; frame-ancestors 'none'"


def position(number: int) -> str:
    seconds, milliseconds = divmod(number * 40, 1000)
    return f"2026-11-21T15:{seconds // 60:02}:{seconds % 60:02}.{milliseconds:03}Z~{number:032x}"


def item(number: int) -> dict[str, Any]:
    said: dict[str, Any] = {
        "id": f"{number:032x}",
        "topic": "energy",
        "title": f"News {number}",
        "label": "neutral",
        "score": 0.0,
    }
    return said | {"position": position(number)}


def event(name: str, data: object, id: str = "") -> bytes:
    return ((f"id: {id}\n" if id else "") + f"event: {name}\ndata: {json.dumps(data)}\n\n").encode()


SUMMARY = {
    "window": {"hours": 24, "from": "2026-11-20T16:00:00.000Z", "to": "2026-11-21T15:10:00.000Z"},
    "topics": {"energy": {"count": 5, "positive": 0, "neutral": 5, "negative": 0, "mean_score": 0.0, "hours": []}},
}


class Served(ThreadingHTTPServer):
    """Knows since when it is there, and what it was asked."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.started = time.monotonic()
        self.stopped = Event()
        self.asked_for_stream = Event()
        self.streams = count(1)
        self.seen: list[tuple[str, Mapping[str, str]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: object) -> None:
        """Who leaves half way breaks the pipe: that is what a canary does."""


class Good(BaseHTTPRequestHandler):
    """A healthy system with news. What is broken overrides what it breaks."""

    protocol_version = "HTTP/1.1"
    pace = PACE
    beat = 0.15
    server: Served

    status = 200
    said: ClassVar[dict[str, Any]] = {
        "status": "ok",
        "environment": "preprod",
        "version": "7",
        "digest": DIGEST,
        "dependencies": {"table": "ok", "key": "ok"},
    }
    page_headers: ClassVar[dict[str, str]] = {"content-security-policy": POLICY, "x-content-type-options": "nosniff"}
    stream_headers: ClassVar[dict[str, str]] = {
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-cache",
    }

    def do_GET(self) -> None:
        path, self.close_connection = self.path.partition("?")[0], True
        self.server.seen.append((path, dict(self.headers.items())))
        match path:
            case "/health":
                self.health()
            case "/":
                self.page()
            case "/api/items" | "/api/summary" | "/api/stream" if not self.key_fits(self.headers.get("x-api-key", "")):
                self.answer(401, "application/json", b'{"error": "key"}')
            case "/api/items":
                self.items()
            case "/api/summary":
                self.summary()
            case "/api/stream":
                self.server.asked_for_stream.set()
                self.stream()
            case _:
                self.answer(404, "application/json", b"{}")

    def key_fits(self, key: str) -> bool:
        return key == KEY

    def health(self) -> None:
        self.answer(self.status, "application/json", json.dumps(self.said).encode())

    def page(self) -> None:
        self.answer(200, "text/html; charset=utf-8", PAGE, self.page_headers)

    def items(self) -> None:
        newest = [item(number) for number in range(self.newest(), self.newest() - 5, -1)]
        self.answer(200, "application/json", json.dumps({"items": newest, "cursor": None}).encode())

    def summary(self) -> None:
        self.answer(200, "application/json", json.dumps(SUMMARY).encode())

    def stream(self) -> None:
        self.open()
        last = self.resumed() or self.newest()
        self.send(b"retry: 3000\n" + (b"" if self.resumed() else f"id: {position(last)}\n".encode()) + b"\n")
        self.send(event("summary", SUMMARY))
        self.go_on(last)

    def go_on(self, last: int) -> None:
        """Items as they come, and heartbeats while there is none."""
        silent_since = time.monotonic()
        while self.waited(0.01):
            if last < self.newest():
                last += 1
                self.send_item(last)
                silent_since = time.monotonic()
            elif time.monotonic() - silent_since > self.beat:
                self.heartbeat()
                silent_since = time.monotonic()

    def send_item(self, number: int) -> None:
        self.send(event("item", item(number), position(number)))

    def heartbeat(self) -> None:
        self.send(b": \n\n")

    def newest(self) -> int:
        return OLD + int((time.monotonic() - self.server.started) / self.pace)

    def resumed(self) -> int:
        """The number of the item after which this reader goes on, or 0."""
        return int(self.headers.get("last-event-id", "").rpartition("~")[2] or "0", 16)

    def answer(self, status: int, kind: str, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in ({"content-type": kind, "content-length": str(len(body))} | dict(headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def open(self) -> None:
        self.send_response(200)
        for name, value in self.stream_headers.items():
            self.send_header(name, value)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()

    def send(self, text: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))

    def end(self) -> None:
        self.wfile.write(b"0\r\n\r\n")

    def waited(self, seconds: float) -> bool:
        """False: the server is stopped."""
        return not self.server.stopped.wait(seconds)

    def hang(self) -> None:
        self.server.stopped.wait()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class Quiet(Good):
    """Healthy, and there is no news: it keeps its old items."""

    pace = 1e9


class Empty(Quiet):
    """Healthy, and there never was any news."""

    def items(self) -> None:
        self.answer(200, "application/json", b'{"items": [], "cursor": null}')

    def stream(self) -> None:
        self.open()
        self.send(b"retry: 3000\n\n")
        self.send(event("summary", {"window": {}, "topics": {}}))
        self.go_on(self.newest())


class Dev(Good):
    """Everybody may ask."""

    said: ClassVar = Good.said | {"environment": "dev", "digest": ""}

    def key_fits(self, key: str) -> bool:  # noqa: ARG002 - whatever it is
        return True


class SaysGoodbye(Good):
    """Ends as a stream must before its function's time is over."""

    def go_on(self, last: int) -> None:
        for number in (last + 1, last + 2):
            self.waited(0.2)
            self.send_item(number)
        self.send(event("reconnect", {"after": 0}))
        self.end()


# Health


class HealthIsNotJson(Good):
    def health(self) -> None:
        self.answer(200, "application/json", b'{"status": "ok"')


class HealthIsAList(Good):
    def health(self) -> None:
        self.answer(200, "application/json", b'["ok"]')


class HealthIsNested(Good):
    def health(self) -> None:
        self.answer(200, "application/json", b"[" * 100_000)


class HealthIsNotText(Good):
    def health(self) -> None:
        self.answer(200, "application/json", b"\xff\xfe\x00\x1b[31m")


class HealthLacks(Good):
    said: ClassVar = {"status": "ok", "environment": "preprod"}


class HealthIsAPage(Good):
    """What a web server in front of a service that is gone may do: HTML with 200, whatever is asked."""

    def do_GET(self) -> None:
        self.close_connection = True
        self.answer(200, "text/html", b"<html>Welcome to nginx!</html>")


class SaysDegraded(Good):
    status = 503
    said: ClassVar = Good.said | {"status": "degraded", "dependencies": {"table": "failing", "key": "ok"}}


class SaysOkWithoutItsTable(Good):
    said: ClassVar = Good.said | {"dependencies": {"table": "failing"}}


class HealthFails(Good):
    status = 500


class HealthIsElsewhere(Good):
    status = 301


class Hangs(Good):
    """Takes every connection, and answers none."""

    def do_GET(self) -> None:
        self.hang()


class HealthDrips(Good):
    """Lively, and never whole."""

    def health(self) -> None:
        self.open()
        while self.waited(0.01):
            self.send(b" ")


class HealthHasNoEnd(Good):
    def health(self) -> None:
        self.open()
        while self.waited(0):
            self.send(b" " * 100_000)


class HangsUp(Good):
    def do_GET(self) -> None:
        self.close_connection = True


class Resets(Good):
    def do_GET(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


class Garbage(Good):
    def do_GET(self) -> None:
        self.close_connection = True
        self.wfile.write(b"SSH-2.0-OpenSSH\r\n\r\n")


# Who may ask


class OpenToAll(Good):
    def key_fits(self, key: str) -> bool:  # noqa: ARG002 - whatever it is
        return True


class TakesAnyKey(Good):
    def key_fits(self, key: str) -> bool:
        return bool(key)


class FailsForStrangers(Good):
    """An error is no refusal."""

    def key_fits(self, key: str) -> bool:
        if key != KEY:
            self.answer(500, "application/json", b"{}")
            raise ConnectionAbortedError
        return True


class AnotherKey(Good):
    """It says what it was given, too, which nobody may print."""

    def key_fits(self, key: str) -> bool:
        if key == KEY:
            self.answer(403, "application/json", json.dumps({"error": f"bad key {key}"}).encode())
            raise ConnectionAbortedError
        return False


# The dashboard


class AnotherPage(Good):
    def page(self) -> None:
        self.answer(200, "text/html", b"<title>Welcome to nginx!</title>", self.page_headers)


class PageFails(Good):
    def page(self) -> None:
        self.answer(502, "text/html", PAGE, self.page_headers)


class PageUnprotected(Good):
    page_headers: ClassVar = {}


class PageRunsAnything(Good):
    page_headers: ClassVar = Good.page_headers | {
        "content-security-policy": "script-src 'self' 'unsafe-inline'; frame-ancestors *"
    }


class ItemsFail(Good):
    def items(self) -> None:
        self.answer(500, "application/json", b'{"error": "internal"}')


class ItemsAreNone(Good):
    def items(self) -> None:
        self.answer(200, "application/json", b'{"items": [{"id": "1"}]}')


class ItemsOldestFirst(Good):
    def items(self) -> None:
        said = {"items": [item(1), item(2)], "cursor": None}
        self.answer(200, "application/json", json.dumps(said).encode())


class SummaryIsEmpty(Good):
    def summary(self) -> None:
        self.answer(200, "application/json", b"{}")


# The stream


class StreamHangs(Good):
    def stream(self) -> None:
        self.hang()


class StreamFails(Good):
    def stream(self) -> None:
        self.answer(500, "application/json", b'{"error": "internal"}')


class StreamIsAPage(Good):
    stream_headers: ClassVar = {"content-type": "text/html", "cache-control": "no-cache"}


class Compressed(Good):
    stream_headers: ClassVar = Good.stream_headers | {"content-encoding": "gzip"}


class Cacheable(Good):
    stream_headers: ClassVar = {"content-type": "text/event-stream"}


class Buffered(Good):
    """What a proxy does, or a function URL that does not stream: collect until the end, then send it all."""

    def collected(self) -> bytes:
        first = (self.resumed() or self.newest()) + 1
        self.waited(0.3)
        news = b"".join(event("item", item(number), position(number)) for number in range(first, first + 5))
        return event("summary", SUMMARY) + news + event("reconnect", {})

    def stream(self) -> None:
        text = self.collected()
        self.open()
        self.send(text)
        self.end()


class BufferedWithLength(Buffered):
    def stream(self) -> None:
        self.answer(200, "text/event-stream", self.collected(), {"cache-control": "no-cache"})


class HeldBack(Good):
    """The head is let through, and the body is kept."""

    def stream(self) -> None:
        self.open()
        self.hang()


class NoHeartbeat(Quiet):
    def heartbeat(self) -> None:
        """It forgets to."""


class HeartbeatAlone(Quiet):
    def stream(self) -> None:
        self.open()
        self.go_on(self.newest())


class SlowFirstEvent(Good):
    def stream(self) -> None:
        self.open()
        self.send(b"retry: 3000\n\n")
        self.waited(1)
        self.send(event("summary", SUMMARY))
        self.go_on(self.newest())


class EndsEmpty(Good):
    def stream(self) -> None:
        self.open()
        self.end()


class EndsEarly(Good):
    def go_on(self, last: int) -> None:
        self.waited(0.3)
        self.send_item(last + 1)
        self.end()


class EndsWithinAnEvent(SaysGoodbye):
    def end(self) -> None:
        self.send(b"data: half")
        super().end()


class Cut(Good):
    """The connection ends before the stream does."""

    def go_on(self, last: int) -> None:
        self.send_item(last + 1)
        self.waited(0.3)
        self.send_item(last + 2)


class CutAtOnce(Good):
    def stream(self) -> None:
        self.open()
        self.wfile.write(b"10\r\ndata")


class Doubled(Good):
    def send_item(self, number: int) -> None:
        super().send_item(number)
        super().send_item(number)


class Backwards(Good):
    def go_on(self, last: int) -> None:
        for number in (last + 2, last + 1, last + 3):
            self.waited(0.1)
            self.send_item(number)
        super().go_on(last + 3)


class WithoutIds(Good):
    def send_item(self, number: int) -> None:
        self.send(event("item", item(number) | {"position": None}))


class AnotherId(Good):
    def send_item(self, number: int) -> None:
        self.send(event("item", item(number), f"{position(number)}x"))


class EventsAreNotJson(Good):
    def send_item(self, number: int) -> None:
        self.send(f"id: {position(number)}\nevent: item\ndata: <b>news</b>\n\n".encode())


class Unframed(Good):
    def send_item(self, number: int) -> None:
        self.send(f"id: {position(number)}\nitem {number}\ndata: {{}}\n\n".encode())


class NotText(Good):
    def send_item(self, number: int) -> None:
        self.send(b"data: \xff\xfe %d\n\n" % number)


class NoEndOfLine(Good):
    def go_on(self, last: int) -> None:  # noqa: ARG002 - there is no next item
        while self.waited(0):
            self.send(b"x" * 100_000)


class ResumesDoubled(Good):
    """Sends again what the reader says that it has."""

    def go_on(self, last: int) -> None:
        super().go_on(last - 1 if self.resumed() else last)


class ResumesTwice(Good):
    """What came since is sent from the store, and again by the live feed that starts a moment before."""

    def go_on(self, last: int) -> None:
        if self.resumed():
            for number in range(last + 1, self.newest() + 1):
                self.send_item(number)
        super().go_on(last)


class DoesNotResume(Good):
    def resumed(self) -> int:
        return 0


class QuietDoesNotResume(Quiet):
    def resumed(self) -> int:
        return 0


class ResumesWithAHole(Good):
    def go_on(self, last: int) -> None:
        super().go_on(last + 2 if self.resumed() else last)


class ResumesWithAnError(Good):
    def stream(self) -> None:
        if self.resumed():
            self.answer(500, "application/json", b"{}")
        else:
            super().stream()


class EveryThirdFails(Good):
    """Under load; one reader after the other is served."""

    def stream(self) -> None:
        if next(self.server.streams) % 3 == 0:
            self.answer(503, "application/json", b'{"error": "busy"}')
        else:
            super().stream()


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[Served]:
    with Served(handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.stopped.set()
            server.shutdown()
            thread.join()


def nobody() -> str:
    """A URL where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        return f"http://127.0.0.1:{closed.getsockname()[1]}"
