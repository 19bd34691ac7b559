"""A registry in memory, handed to the client as its transport: keeps what it gets, remembers what it was asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from ferry.outside.builder.assemble import MANIFEST, Image, digest_of
from ferry.outside.registry import Login, Registry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

NAME = "registry.test"


class Wire(httpx.AsyncByteStream):
    """A body that is still to be read, and cannot be read without waiting."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._body


class SmallRegistry:
    """`script` answers before the registry does: "METHOD /path" to a response, or to what makes one of the request."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, tuple[str, bytes]] = {}
        self.history: list[httpx.Request] = []
        self.script: dict[str, httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]] = {}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.history.append(request)
        said = self._scripted(request)
        return httpx.Response(said.status_code, headers=said.headers, stream=Wire(said.content))

    def _scripted(self, request: httpx.Request) -> httpx.Response:
        match self.script.get(f"{request.method} {request.url.path}"):
            case None if request.url.host != NAME:
                raise httpx.ConnectError("no such host")
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
            case "GET", "manifests" if found := self.manifests.get(f"{repository}:{reference}"):
                return httpx.Response(200, headers={"content-type": found[0]}, content=found[1])
            case "POST", "uploads":
                return httpx.Response(202, headers={"location": "/upload/1?state=a%2Bb"})
            case "PUT", _:
                self.blobs[request.url.params["digest"]] = request.content
                return httpx.Response(201)
            case "GET" | "HEAD", "blobs" if reference in self.blobs:
                return httpx.Response(200, content=self.blobs[reference])
            case _:
                return httpx.Response(404)

    def hold(self, name: str, manifest: bytes, media_type: str = MANIFEST) -> None:
        self.manifests[name] = (media_type, manifest)

    def hold_image(self, repository: str, image: Image, tag: str = "latest") -> None:
        for name in (tag, image.digest):
            self.hold(f"{repository}:{name}", image.manifest.data)
        self.blobs |= {blob.digest: blob.data for blob in (image.config, *image.layers)}

    @property
    def asked(self) -> list[str]:
        return [f"{request.method} {request.url.path}" for request in self.history]

    def client(self, login: Login | None = None) -> Registry:
        return Registry(NAME, login=login, transport=httpx.MockTransport(self))
