"""A blob on its way out of a registry: as it comes, and on from where the connection broke."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

import httpx

from ferry.errors import RegistryRefused
from ferry.outside.registry.refusals import Failed

if TYPE_CHECKING:
    from ferry.outside.registry.line import Line
    from ferry.outside.registry.patience import Patience

FROM = re.compile(r"bytes (\d+)-")


class Sink(Protocol):
    """`size` is how much it has got."""

    @property
    def size(self) -> int: ...

    def write(self, data: bytes) -> object: ...


class Page:
    """A document that is small by agreement; whoever sends more is not sending one."""

    def __init__(self, limit: int, where: str) -> None:
        self.data = b""
        self._limit = limit
        self._where = where

    @property
    def size(self) -> int:
        return len(self.data)

    def write(self, data: bytes) -> None:
        self.data += data
        if self.size > self._limit:
            raise RegistryRefused(
                "what should be a small document is a large one",
                where=self._where,
                why=f"more than {self._limit // 1024 // 1024} MB came",
                next="check that the name is that of an image",
            )


async def fetch(line: Line, repository: str, digest: str, sink: Sink) -> None:
    """Everything that the blob has goes into the sink; whether it is the blob, is for the caller to check."""
    patience = line.patience()
    whole = False
    while not whole:
        try:
            whole = await _read_on(line, repository, digest, sink, patience)
        except Failed as failed:
            await patience.again(failed)


async def _read_on(line: Line, repository: str, digest: str, sink: Sink, patience: Patience) -> bool:
    what, got = f"{repository}@{digest}", sink.size
    headers = {"range": f"bytes={got}-"} if got else {}
    async with line.reading(f"/v2/{repository}/blobs/{digest}", what, headers) as response:
        if got and response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            return True  # the connection broke after the last byte
        if response.status_code == httpx.codes.NOT_FOUND:
            raise _gone(line, what)
        if not response.is_success:
            raise line.refusal(response, what)
        behind = got - _start(response)
        async for data in response.aiter_raw():
            fresh = data[behind:] if behind > 0 else data
            behind -= len(data) - len(fresh)
            if fresh:
                sink.write(fresh)
                patience.moved()
    return True


def _start(response: httpx.Response) -> int:
    """Where the answer begins in the blob: some have no ear for ranges."""
    found = FROM.match(response.headers.get("content-range", ""))
    return int(found[1]) if found and response.status_code == httpx.codes.PARTIAL_CONTENT else 0


def _gone(line: Line, what: str) -> RegistryRefused:
    return RegistryRefused(
        "the registry no longer has a part of the image",
        where=f"{line.name}/{what}",
        why="404: the blob that the manifest names is not there",
        next="push the image again; if it is somebody else's, lock another version of it with `ferry lock`",
    )
