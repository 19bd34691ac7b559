"""An AWS of scripted answers on a loopback port: operation to (status, body), or one after the other of a list.

Remembers what it was asked.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from ferry.outside.aws import Access, Credentials

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.awsbox.people import Account

type Scripted = tuple[int, Any] | list[tuple[int, Any]]

SECRET = "planted-secret-key"
NOBODY = Credentials(key="AKIDEXAMPLE", secret=SECRET)


def as_root(account: Account) -> Access:
    """A box instead, seen by its root."""
    root = account.root
    return Access(region="us-east-1", endpoint=root.endpoint, credentials=Credentials(key=root.key, secret=root.secret))


@dataclass
class SmallAws:
    answers: dict[str, Scripted]
    history: list[str] = field(default_factory=list)
    endpoint: str = ""

    def access(self) -> Access:
        return Access(region="us-east-1", credentials=NOBODY, endpoint=self.endpoint)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def __init__(self, aws: SmallAws, *given: Any) -> None:
        self.aws = aws
        super().__init__(*given)

    def do_GET(self) -> None:
        """Of the services asked here only Lambda's is REST."""
        self._answer("GetFunction")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        target = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        self._answer(target or parse_qs(body)["Action"][0])

    def _answer(self, operation: str) -> None:
        self.aws.history.append(operation)
        scripted = self.aws.answers[operation]
        status, said = scripted.pop(0) if isinstance(scripted, list) else scripted
        body = (said if isinstance(said, str) else json.dumps(said)).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if status >= 400 and not isinstance(said, str):
            self.send_header("X-Amzn-ErrorType", said["__type"])
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def small_aws(**answers: Scripted) -> Iterator[SmallAws]:
    aws = SmallAws(answers)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, aws)) as server:
        server.block_on_close = False
        aws.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield aws
        finally:
            server.shutdown()
            thread.join()
