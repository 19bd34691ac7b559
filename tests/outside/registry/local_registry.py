"""A registry that is really dialled: read-only, on a port of its own, asked without a login."""

from __future__ import annotations

import json
import socket
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

from ferry.outside.blobs import digest_of
from ferry.outside.builder.assemble import CONFIG, LAYER, MANIFEST

if TYPE_CHECKING:
    from collections.abc import Iterator

INDEX = "application/vnd.oci.image.index.v1+json"
AMD64 = {"os": "linux", "architecture": "amd64"}


@dataclass
class LocalRegistry:
    """`answers` are bodies with their types, by path. `down`, or a status in `refuses`: it refuses everybody."""

    url: str = ""
    down: bool = False
    refuses: int = 0
    answers: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def image(self, repository: str, *tags: str, content: str = "one", env: tuple[str, ...] = ()) -> str:
        """An image of one small layer; the digest of its manifest."""
        layer = content.encode()
        settings = AMD64 | {"config": {"Env": list(env)}, "rootfs": {"type": "layers", "diff_ids": [digest_of(layer)]}}
        config = json.dumps(settings).encode()
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self._blob(repository, CONFIG, config),
            "layers": [self._blob(repository, LAYER, layer)],
        }
        return self._manifest(repository, MANIFEST, manifest, tags)

    def index(self, repository: str, tag: str, digest: str) -> str:
        """What official images are: our platform's manifest, and others."""
        arm = {"digest": f"sha256:{'2' * 64}", "platform": {"os": "linux", "architecture": "arm64"}}
        variants = [arm, {"mediaType": MANIFEST, "digest": digest, "platform": AMD64}]
        return self._manifest(
            repository, INDEX, {"schemaVersion": 2, "mediaType": INDEX, "manifests": variants}, (tag,)
        )

    def forget(self, repository: str, digest: str) -> None:
        del self.answers[f"/v2/{repository}/manifests/{digest}"]

    def _blob(self, repository: str, media_type: str, data: bytes) -> dict[str, Any]:
        self.answers[f"/v2/{repository}/blobs/{digest_of(data)}"] = ("application/octet-stream", data)
        return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}

    def _manifest(self, repository: str, media_type: str, said: dict[str, Any], tags: tuple[str, ...]) -> str:
        data = json.dumps(said).encode()
        for reference in (*tags, digest_of(data)):
            self.answers[f"/v2/{repository}/manifests/{reference}"] = (media_type, data)
        return digest_of(data)


@contextmanager
def serving() -> Iterator[LocalRegistry]:
    registry = LocalRegistry()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            registry.asked.append(f"{self.command} {self.path}")
            kind, body = registry.answers.get(self.path, ("text/plain", b""))
            found = 200 if self.path in registry.answers else 404
            self.send_response(registry.refuses or (503 if registry.down else found))
            self.send_header("Content-Type", kind)
            self.send_header("Docker-Content-Digest", digest_of(body))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.block_on_close = False
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        registry.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield registry
        finally:
            server.shutdown()
            thread.join()


def nobody() -> str:
    """An address at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        return f"http://127.0.0.1:{closed.getsockname()[1]}"


async def at_once(_: float) -> None:
    """A pause for tests."""
