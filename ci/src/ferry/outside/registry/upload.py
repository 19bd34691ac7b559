"""A blob on its way into a registry: in chunks, from where it lies, and on from where it stopped.

The protocol has a session tell how much of the blob it holds. Real registries differ, ECR among them: it does not tell
when asked, its answers to chunks name a length that stands still, and only what it says of a chunk that does not fit is
true. So the position is our own count; it is corrected when the connection broke or the registry says that it is wrong.
What is in the registry in the end is the blob whatever happened: the last request names the digest.
"""

from __future__ import annotations

import io
import re
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import httpx

from ferry.errors import BuildFailed, InternalError, RegistryRefused
from ferry.outside.blobs import digest_of
from ferry.outside.registry import refusals
from ferry.outside.registry.refusals import Failed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from typing import BinaryIO

    from ferry.outside.blobs import Blob
    from ferry.outside.registry.line import Line

CHUNK = 16 * 1024 * 1024
"""ECR takes parts of 5 to 20 MiB."""
BLOCK = 256 * 1024
SESSIONS = 3
"""So often an upload begins anew before the registry's refusal counts."""
GONE = {"BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID", "DIGEST_INVALID", "SIZE_INVALID"}
"""What a registry says of a session that it no longer has, or that holds other bytes: a new one may do better."""
RANGE = re.compile(r"(?:bytes=)?0-(\d+)")
EXPECTED = re.compile(r"instead of (\d+)")
BYTES = {"content-type": "application/octet-stream"}


@dataclass(frozen=True, slots=True)
class Payload:
    """A blob and where its bytes are read."""

    digest: str
    size: int
    open: Callable[[], BinaryIO]

    @classmethod
    def of(cls, blob: Blob) -> Payload:
        path = blob.path
        if path is None:
            raise InternalError("a blob without a file cannot be uploaded", where=blob.digest)
        return cls(blob.digest, blob.size, lambda: path.open("rb"))

    @classmethod
    def document(cls, data: bytes) -> Payload:
        return cls(digest_of(data), len(data), lambda: io.BytesIO(data))


@dataclass(frozen=True, slots=True)
class _Body:
    """A request's, which can be sent again: the registry may first ask who we are, or send us to another place."""

    read: Callable[[], AsyncIterator[bytes]]

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self.read()


class Upload:
    """`session`: an answer of the registry that has already opened one."""

    def __init__(self, line: Line, repository: str, payload: Payload, session: httpx.Response | None = None) -> None:
        self._line = line
        self._repository = repository
        self._payload = payload
        self._patience = line.patience()
        self._place = self._where(session) if session else None
        self._sessions = 0
        self._there = self._best = 0
        self.sent = 0

    async def run(self) -> int:
        """Bytes that travelled, those included that came to nothing."""
        done = False
        while not done:
            try:
                done = await self._advance()
            except Failed as failed:
                await self._patience.again(failed)
                done = await self._look_again()
        return self.sent

    async def _advance(self) -> bool:
        """One request further; True when the registry has the blob."""
        place = self._place or await self._open()
        whole = not self._there and self._payload.size <= CHUNK
        closing = whole or self._there == self._payload.size
        size = min(CHUNK, self._payload.size - self._there)
        headers = BYTES | {"content-length": str(size)}
        if closing:
            # The place may carry a query of its own, which must stay.
            place = place.copy_merge_params({"digest": self._payload.digest})
        else:
            headers["content-range"] = f"{self._there}-{self._there + size - 1}"
        body = _Body(partial(self._part, self._there, size))
        method = "PUT" if closing else "PATCH"
        answer = await self._line.once(method, place, self._named, headers=headers, content=body)
        if not answer.is_success:
            return await self._refused(answer)
        if not closing:
            self._at(self._there + size)
            self._place = self._where(answer, otherwise=self._place)
        return closing

    async def _open(self) -> httpx.URL:
        path = f"/v2/{self._repository}/blobs/uploads/"
        answer = await self._line.ask("POST", path, self._repository, patience=self._patience)
        if not answer.is_success:
            raise self._line.refusal(answer, self._repository)
        self._place = self._where(answer)
        return self._place

    def _where(self, answer: httpx.Response, otherwise: httpx.URL | None = None) -> httpx.URL:
        try:
            if otherwise and "location" not in answer.headers:
                return otherwise
            return answer.url.join(answer.headers["location"])
        except (KeyError, httpx.InvalidURL) as error:
            raise RegistryRefused(
                "the registry does not say where a blob goes",
                where=f"{self._line.name}/{self._repository}",
                why=repr(error),
                next="check the registry's name, and what stands between it and this machine",
            ) from error

    async def _part(self, start: int, size: int) -> AsyncIterator[bytes]:
        with self._reading() as file:
            file.seek(start)
            while size:
                data = file.read(min(BLOCK, size))
                if not data:
                    raise OSError("the file ends before the blob does")
                size -= len(data)
                self.sent += len(data)
                yield data
                self._patience.alive()

    @contextmanager
    def _reading(self) -> Iterator[BinaryIO]:
        try:
            with self._payload.open() as file:
                yield file
        except OSError as error:
            raise BuildFailed(
                "what is to be pushed cannot be read",
                where=self._payload.digest,
                why=error.strerror or str(error),
                next="build it again",
            ) from error

    async def _refused(self, answer: httpx.Response) -> bool:
        """True: the registry has the blob all the same. Returns where it is worth going on, raises elsewhere."""
        if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            there = _expected(answer)
            if there not in {None, self._there} and self._at(there or 0):
                return False
        elif answer.status_code != httpx.codes.NOT_FOUND and refusals.code(answer) not in GONE:
            raise self._line.refusal(answer, self._named)
        elif await self._is_there():
            # The answer to our own last request was lost, or another run was faster.
            return True
        self._sessions += 1
        if self._sessions == SESSIONS:
            raise self._given_up(answer)
        self._place, self._there = None, 0
        return False

    def _given_up(self, answer: httpx.Response) -> Exception:
        if refusals.code(answer) not in {"DIGEST_INVALID", "BLOB_UPLOAD_INVALID"}:
            return self._line.refusal(answer, self._named)
        return RegistryRefused(
            "the registry got other bytes than the blob has",
            where=f"{self._line.name}/{self._named}",
            why=refusals.why(answer),
            next="build it again: what lies on this machine, or what stands between it and the registry, spoils it",
        )

    async def _look_again(self) -> bool:
        """After a break: what the registry holds by now."""
        if self._place is None:
            return False
        answer = await self._line.ask("GET", self._place, self._named, patience=self._patience)
        held = _held(answer)
        if answer.is_success and held is not None:
            self._place = self._where(answer, otherwise=self._place)
            self._at(held)
            return False
        # It does not tell. It may have all; otherwise its answer to the next chunk says what it has.
        return await self._is_there()

    def _at(self, there: int) -> bool:
        if there > self._payload.size:
            return False
        self._there = there
        if there > self._best:
            self._best = there
            self._patience.moved()
        return True

    async def _is_there(self) -> bool:
        path = f"/v2/{self._repository}/blobs/{self._payload.digest}"
        return (await self._line.ask("HEAD", path, self._named, patience=self._patience)).is_success

    @property
    def _named(self) -> str:
        return f"{self._repository}@{self._payload.digest}"


def _held(answer: httpx.Response) -> int | None:
    """How much a session says that it holds. One byte is nothing: some say 0-0 for an empty one."""
    found = RANGE.fullmatch(answer.headers.get("range", ""))
    last = int(found[1]) if found else None
    return last + 1 if last else last


def _expected(answer: httpx.Response) -> int | None:
    """Where a chunk would have had to begin: in ECR's words, or by the protocol."""
    found = EXPECTED.search(answer.text)
    return int(found[1]) if found else _held(answer)
