"""A registry in memory, handed to the client as its transport: keeps what it gets, remembers what it was asked."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from ferry.outside.blobs import Store, digest_of
from ferry.outside.builder.assemble import MANIFEST, Image, Layer, assemble
from ferry.outside.registry import Registry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from ferry.outside.registry.auth import Logins

NAME = "registry.test"


def image_of(folder: Path, *layers: bytes) -> Image:
    """An image whose layers are these bytes, in files."""
    store = Store(folder)
    stack = [Layer(store.keep(data), digest_of(data)) for data in layers]
    return assemble(stack, base=None, command=("python",), environment={}, workdir="/", port=8080)


def variant(image: Image, config: bytes) -> Image:
    """The same image with another config."""
    said = json.loads(image.manifest)
    said["config"] |= {"digest": digest_of(config), "size": len(config)}
    return Image(json.dumps(said).encode(), config, image.layers)


@dataclass(frozen=True)
class Broken:
    """The connection breaks when so many bytes of a body have passed. `lost`: the call is done, its answer lost."""

    after: int = 0
    lost: bool = False


type Answer = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


class Wire(httpx.AsyncByteStream):
    """A body that is still to be read, and cannot be read without waiting."""

    def __init__(self, body: bytes, breaks: Broken | None) -> None:
        self._body = body
        self._breaks = breaks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._breaks is None:
            yield self._body
            return
        yield self._body[: self._breaks.after]
        raise httpx.ReadError("planted: the connection broke")


class SmallRegistry:
    """`script` answers before the registry does: "METHOD /path" to a response, or to what makes one of the request.

    `faults` are by method, each for one request. `like_ecr`: sessions do not say what they hold, only what they expect.
    """

    def __init__(self, *, like_ecr: bool = False, ranges: bool = True) -> None:
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, tuple[str, bytes]] = {}
        self.sessions: dict[str, bytearray] = {}
        self.mountable: set[tuple[str, str]] = set()
        self.history: list[httpx.Request] = []
        self.paused: list[float] = []
        self.script: dict[str, Answer] = {}
        self.faults: defaultdict[str, list[Broken | httpx.Response | Exception]] = defaultdict(list)
        self._like_ecr = like_ecr
        self._ranges = ranges

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.history.append(request)
        fault = self.faults[request.method].pop(0) if self.faults[request.method] else None
        match fault:
            case Exception():
                raise fault
            case httpx.Response():
                said, breaks = fault, None
            case Broken() if request.method in {"PATCH", "PUT"} and self._in_step(request):
                self._take(request, None if fault.lost else fault.after)
                raise httpx.WriteError("planted: the connection broke")
            case _:
                said, breaks = self._scripted(request), fault if request.method == "GET" else None
        return httpx.Response(said.status_code, headers=said.headers, stream=Wire(said.content, breaks))

    def _take(self, request: httpx.Request, size: int | None) -> None:
        if size is None:
            self._scripted(request)
        else:
            self.sessions[request.url.path].extend(request.content[:size])

    def _scripted(self, request: httpx.Request) -> httpx.Response:
        match self.script.get(f"{request.method} {request.url.path}"):
            case None if request.url.host != NAME:
                raise httpx.ConnectError("no such host")
            case None if request.url.path in self.sessions:
                return self._session(request, self.sessions[request.url.path])
            case None:
                return self._answer(request, *request.url.path.removeprefix("/v2/").rsplit("/", 2))
            case Exception() as error:
                raise error
            case httpx.Response() as response:
                return response
            case make:
                return make(request)

    def _answer(self, request: httpx.Request, repository: str, kind: str, reference: str) -> httpx.Response:
        match request.method, kind:
            case "PUT", "manifests":
                for name in (reference, digest_of(request.content)):
                    self.hold(f"{repository}:{name}", request.content, request.headers["content-type"])
                return httpx.Response(201)
            case "GET" | "HEAD", "manifests" if found := self.manifests.get(f"{repository}:{reference}"):
                about = {"content-type": found[0], "docker-content-digest": digest_of(found[1])}
                return httpx.Response(200, headers=about, content=b"" if request.method == "HEAD" else found[1])
            case "POST", "uploads":
                return self._opened(request)
            case "GET" | "HEAD", "blobs" if reference in self.blobs:
                return self._blob(request, self.blobs[reference])
            case _:
                return httpx.Response(404)

    def _opened(self, request: httpx.Request) -> httpx.Response:
        asked = request.url.params
        if (asked.get("from", ""), asked.get("mount", "")) in self.mountable:
            self.blobs[asked["mount"]] = b"taken over"
            return httpx.Response(201)
        place = f"/upload/{len(self.sessions) + 1}"
        self.sessions[place] = bytearray()
        return httpx.Response(202, headers={"location": f"{place}?state=a%2Bb"})

    def _session(self, request: httpx.Request, held: bytearray) -> httpx.Response:
        about = {"location": str(request.url.copy_with(query=b"state=a%2Bb")), "range": f"0-{max(len(held) - 1, 0)}"}
        if request.method == "GET":
            return httpx.Response(404) if self._like_ecr else httpx.Response(204, headers=about)
        if not self._in_step(request):
            return self._expecting(_begins(request), len(held), about)
        held.extend(request.content)
        if request.method == "PATCH" and self._like_ecr:
            return httpx.Response(201, headers=about | {"range": "0-10485759"})
        if request.method == "PATCH":
            return httpx.Response(202, headers=about | {"range": f"0-{len(held) - 1}"})
        if digest_of(bytes(held)) != (named := request.url.params["digest"]):
            return refusing(400, "DIGEST_INVALID", "other bytes")
        self.blobs[named] = bytes(held)
        del self.sessions[request.url.path]
        return httpx.Response(201)

    def _in_step(self, request: httpx.Request) -> bool:
        return not request.content or _begins(request) == len(self.sessions[request.url.path])

    def _expecting(self, said: int, held: int, about: dict[str, str]) -> httpx.Response:
        if self._like_ecr:
            return refusing(416, "BLOB_UPLOAD_INVALID", f"First byte of the layer part is {said} instead of {held}")
        return httpx.Response(416, headers=about)

    def _blob(self, request: httpx.Request, data: bytes) -> httpx.Response:
        if request.method == "HEAD":
            return httpx.Response(200, headers={"content-length": str(len(data))})
        start = int(request.headers.get("range", "bytes=0-")[len("bytes=") : -1])
        if not start or not self._ranges:
            return httpx.Response(200, content=data)
        if start >= len(data):
            return httpx.Response(416)
        about = {"content-range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
        return httpx.Response(206, headers=about, content=data[start:])

    def hold(self, name: str, manifest: bytes, media_type: str = MANIFEST) -> None:
        self.manifests[name] = (media_type, manifest)

    def hold_image(self, repository: str, image: Image, tag: str = "latest") -> None:
        for name in (tag, image.digest):
            self.hold(f"{repository}:{name}", image.manifest)
        self.blobs[digest_of(image.config)] = image.config
        self.blobs |= {blob.digest: blob.path.read_bytes() for blob in image.layers if blob.path}

    @property
    def asked(self) -> list[str]:
        return [f"{request.method} {request.url.path}" for request in self.history]

    def bodies(self, method: str) -> list[int]:
        """How much each request of this kind carried."""
        return [len(request.content) for request in self.history if request.method == method]

    def client(self, login: Logins | None = None) -> Registry:
        return Registry(NAME, login=login, transport=httpx.MockTransport(self), pause=self._pause)

    async def _pause(self, seconds: float) -> None:
        self.paused.append(seconds)


def _begins(request: httpx.Request) -> int:
    return int(request.headers.get("content-range", "0-").partition("-")[0])


def refusing(status: int, code: str, message: str) -> httpx.Response:
    return httpx.Response(status, json={"errors": [{"code": code, "message": message}]})
