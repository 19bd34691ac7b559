"""A client for the OCI distribution protocol: ask, pull, push. Errors become Ferry's at this one boundary."""

from __future__ import annotations

import json
import tempfile
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Self

import anyio
import httpx

from ferry.errors import BuildFailed, FerryError, RegistryDenied, RegistryRefused
from ferry.outside.blobs import Blob, Store, digest_of
from ferry.outside.builder.assemble import DIGEST, DOCKER_LAYER, DOCUMENT_LIMIT, LAYER, MANIFEST, Base
from ferry.outside.registry import download
from ferry.outside.registry.line import Line
from ferry.outside.registry.upload import Payload, Upload

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from ferry.outside.builder.assemble import Image
    from ferry.outside.registry.auth import Logins
    from ferry.outside.registry.patience import Pause

DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
ACCEPT = {"accept": ", ".join((MANIFEST, DOCKER, *INDEXES))}
AT_ONCE = 4
"""Blobs that travel side by side."""
LOCK = "lock another version of it with `ferry lock`"


@dataclass(frozen=True, slots=True)
class Manifest:
    data: bytes
    media_type: str
    digest: str


@dataclass(frozen=True, slots=True)
class Sent:
    """What of an image was not there yet and had to travel."""

    blobs: int
    bytes: int


class Registry:
    """One registry. `name` is what image references say; `url` is where it is dialled, which may be a stand-in."""

    def __init__(
        self,
        name: str,
        *,
        url: str = "",
        login: Logins | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        pause: Pause = anyio.sleep,
    ) -> None:
        self.name = name
        self._line = Line(name, url=url, login=login, transport=transport, pause=pause)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._line.close()

    async def digest(self, repository: str, reference: str) -> str | None:
        """What a tag or digest names in the registry right now; None when it names nothing."""
        answer = await self._line.ask("HEAD", _manifest(repository, reference), repository, headers=ACCEPT)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        told = answer.headers.get("docker-content-digest", "")
        if answer.is_success and DIGEST.fullmatch(told):
            self._same(repository, reference, told)
            return str(told)
        # Some do not tell, and a refusal without a body does not say why.
        manifest = await self.manifest(repository, reference)
        return manifest.digest if manifest else None

    async def manifest(self, repository: str, reference: str) -> Manifest | None:
        answer = await self._line.ask("GET", _manifest(repository, reference), repository, headers=ACCEPT)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        self._check(answer, _named(repository, reference))
        digest = digest_of(answer.content)
        self._same(repository, reference, digest)
        return Manifest(answer.content, answer.headers.get("content-type", MANIFEST).split(";")[0], digest)

    def _same(self, repository: str, reference: str, digest: str) -> None:
        if reference.startswith("sha256:") and reference != digest:
            raise self._refused(
                "the registry answered other bytes than were asked for", _named(repository, reference), digest
            )

    async def document(self, repository: str, digest: str) -> bytes:
        """A small blob: an image's config."""
        where = _named(repository, digest)
        page = download.Page(DOCUMENT_LIMIT, f"{self.name}/{where}")
        await download.fetch(self._line, repository, digest, page)
        self._whole(where, digest, digest_of(page.data))
        return page.data

    async def download(self, repository: str, digest: str, store: Store) -> Blob:
        """Nothing travels when the store has it."""
        if (known := store.find(digest)) is not None:
            return known
        where = _named(repository, digest)
        try:
            with store.writing() as writer:
                await download.fetch(self._line, repository, digest, writer)
                self._whole(where, digest, writer.digest)
        except BuildFailed as error:
            if isinstance(error.__cause__, OSError):
                raise _no_room(error, f"{self.name}/{where}") from error
            raise
        return store.written(writer)

    def _whole(self, where: str, digest: str, found: str) -> None:
        if found != digest:
            raise self._refused(
                "a blob arrived damaged",
                where,
                why=f"it is {found}",
                next="run the same command again; if it stays so, look at what stands between here and the registry",
            )

    async def has(self, repository: str, digest: str) -> bool:
        answer = await self._line.ask("HEAD", f"/v2/{repository}/blobs/{digest}", _named(repository, digest))
        if answer.status_code != httpx.codes.NOT_FOUND:
            self._check(answer, _named(repository, digest))
        return answer.is_success

    async def mount(self, repository: str, digest: str, source: str) -> bool:
        """Take a blob over from another repository of this registry; True when it is now there."""
        return (await self._mounted(repository, digest, source)).status_code == httpx.codes.CREATED

    async def _mounted(self, repository: str, digest: str, source: str) -> httpx.Response:
        query = httpx.QueryParams({"mount": digest, "from": source})
        return await self._line.ask("POST", f"/v2/{repository}/blobs/uploads/?{query}", _named(repository, digest))

    async def upload(self, repository: str, blob: Blob) -> int:
        """Answers how many bytes travelled."""
        return await Upload(self._line, repository, Payload.of(blob)).run()

    async def put_manifest(self, repository: str, reference: str, data: bytes, media_type: str) -> None:
        """A tag that names these bytes already is a success, also where tags cannot be moved."""
        headers = {"content-type": media_type}
        what = _named(repository, reference)
        answer = await self._line.ask("PUT", _manifest(repository, reference), what, headers=headers, content=data)
        if answer.is_success or (
            answer.status_code in {httpx.codes.BAD_REQUEST, httpx.codes.CONFLICT}
            and await self.digest(repository, reference) == digest_of(data)
        ):
            return
        self._check(answer, what)

    async def base(self, repository: str, reference: str) -> Base:
        """The image of our one platform, without its layers' bytes."""
        manifest = await self.manifest(repository, reference)
        where = _named(repository, reference)
        if manifest is None:
            raise self._absent(where, reference)
        try:
            said = json.loads(manifest.data)
            if manifest.media_type in INDEXES:
                ours = [entry["digest"] for entry in said["manifests"] if _is_ours(entry.get("platform") or {})]
                return await self.base(repository, _sound(ours[0]) if ours else self._foreign(where))
            config = await self.document(repository, _sound(said["config"]["digest"]))
            if not _is_ours(json.loads(config)):
                self._foreign(where)
            layers = tuple(self._layer(part, where) for part in said["layers"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise self._refused("this is not an image", where, f"{type(error).__name__}: {error}") from error
        return Base(manifest.digest, config, layers, self.name, repository)

    def _layer(self, part: Mapping[str, Any], where: str) -> Blob:
        if part["mediaType"] not in {LAYER, DOCKER_LAYER}:
            raise self._refused(
                "the image has a layer of a kind that Lambda does not take",
                where,
                why=f"{part['digest']} is {part['mediaType']}, not gzip",
                next="choose another version of the image",
            )
        return Blob(_sound(part["digest"]), int(part["size"]))

    async def push(
        self,
        repository: str,
        image: Image,
        tags: Sequence[str],
        *,
        mounts: Sequence[str] = (),
        others: Mapping[str, tuple[Registry, str]] | None = None,
    ) -> Sent:
        """Every blob, then the manifest under each tag.

        A blob that is not there is taken over from one of the repositories in `mounts`, uploaded from its file, or
        fetched where `others` says that its digest is.
        """
        travelled: list[int] = []
        failed: list[FerryError] = []
        lanes = anyio.Semaphore(AT_ONCE)

        async def carry(blob: Blob | bytes) -> None:
            try:
                async with lanes:
                    sent = await self._carry(repository, blob, mounts, others or {})
                travelled.extend(() if sent is None else (sent,))
            except FerryError as error:
                failed.append(error)
                blobs.cancel_scope.cancel()

        async with anyio.create_task_group() as blobs:
            travelling: list[Blob | bytes] = [*{it.digest: it for it in image.layers}.values(), image.config]
            for blob in travelling:
                blobs.start_soon(carry, blob)
        if failed:
            raise failed[0]
        for tag in tags:
            await self.put_manifest(repository, tag, image.manifest, image.media_type)
        return Sent(len(travelled), sum(travelled))

    async def _carry(
        self,
        repository: str,
        blob: Blob | bytes,
        mounts: Sequence[str],
        others: Mapping[str, tuple[Registry, str]],
    ) -> int | None:
        """Bytes that travelled; None where none had to."""
        digest = digest_of(blob) if isinstance(blob, bytes) else blob.digest
        try:
            if await self.has(repository, digest):
                return None
        except RegistryDenied:
            pass  # to look may be forbidden where to push is not; and its refusal has no body that says why
        session: httpx.Response | None = None
        for source in mounts:
            answer = await self._mounted(repository, digest, source)
            if answer.status_code == httpx.codes.CREATED:
                return None
            # Instead of taking it over, registries open an upload.
            session = answer if answer.is_success and "location" in answer.headers else session
        async with _at_hand(blob, others) as payload:
            return await Upload(self._line, repository, payload, session).run()

    def _check(self, answer: httpx.Response, what: str) -> None:
        if not answer.is_success:
            raise self._line.refusal(answer, what)

    def _refused(
        self, what: str, where: str, why: str = "", next: str = "check the repository and the tag"
    ) -> RegistryRefused:
        return RegistryRefused(what, where=f"{self.name}/{where}", why=why, next=next)

    def _absent(self, where: str, reference: str) -> RegistryRefused:
        if not reference.startswith("sha256:"):
            return self._refused("the image does not exist", where)
        return self._refused(
            "the image that is locked is gone",
            where,
            why="its registry has no manifest of this digest: whoever publishes it has taken it away",
            next=LOCK,
        )

    def _foreign(self, where: str) -> NoReturn:
        raise self._refused("the image has no linux/amd64 variant", where)


@asynccontextmanager
async def _at_hand(blob: Blob | bytes, others: Mapping[str, tuple[Registry, str]]) -> AsyncIterator[Payload]:
    """The bytes, which may first have to be fetched: into a file, for a push that breaks begins in its middle."""
    if isinstance(blob, bytes):
        yield Payload.document(blob)
    elif blob.path or blob.digest not in others:
        yield Payload.of(blob)
    else:
        registry, repository = others[blob.digest]
        with tempfile.TemporaryDirectory(prefix="ferry-blob-") as folder:
            yield Payload.of(await registry.download(repository, blob.digest, Store(Path(folder))))


def _manifest(repository: str, reference: str) -> str:
    return f"/v2/{repository}/manifests/{reference}"


def _named(repository: str, reference: str) -> str:
    return f"{repository}{'@' if reference.startswith('sha256:') else ':'}{reference}"


def _is_ours(platform: Mapping[str, Any]) -> bool:
    """The one platform that we build for."""
    return (platform.get("os"), platform.get("architecture")) == ("linux", "amd64")


def _sound(digest: str) -> str:
    """Others name it, and we make paths of it."""
    if not DIGEST.fullmatch(digest):
        raise ValueError(f"{digest!r} is no SHA-256 digest")
    return digest


def _no_room(error: BuildFailed, blob: str) -> BuildFailed:
    return BuildFailed(
        "what is downloaded cannot be written down",
        where=error.where,
        why=f"{error.why}, on the way: {blob}",
        next=error.next,
    )
