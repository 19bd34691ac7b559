"""A client for the OCI distribution protocol: ask, pull, push. Errors become Ferry's at this one boundary."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import httpx

from ferry.errors import RegistryDenied, RegistryRefused, RegistryUnavailable
from ferry.outside.builder.assemble import CONFIG, MANIFEST, Blob, Image, digest_of

if TYPE_CHECKING:
    from collections.abc import Generator

DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
ACCEPT = ", ".join((MANIFEST, DOCKER, *INDEXES))
CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Login:
    user: str
    password: str = field(repr=False)


class _Auth(httpx.Auth):
    """Basic where we have a login; a bearer token fetched once where the registry asks for one."""

    def __init__(self, login: Login | None) -> None:
        self._basic = httpx.BasicAuth(login.user, login.password) if login else None
        self._token = ""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        if self._token:
            request.headers["authorization"] = f"Bearer {self._token}"
        elif self._basic:
            request = next(self._basic.auth_flow(request))
        response = yield request
        challenge = response.headers.get("www-authenticate", "")
        if response.status_code != httpx.codes.UNAUTHORIZED or not challenge.lower().startswith("bearer"):
            return
        asked = dict(CHALLENGE.findall(challenge))
        realm = httpx.URL(asked.pop("realm"), params=asked)
        grant = (
            yield next(self._basic.auth_flow(httpx.Request("GET", realm)))
            if self._basic
            else httpx.Request("GET", realm)
        )
        if grant.is_success:
            said = json.loads(grant.read())
            self._token = said.get("token") or said.get("access_token", "")
            request.headers["authorization"] = f"Bearer {self._token}"
            yield request


class Registry:
    """One registry. `name` is what image references say; `url` is where it is dialled, which may be a stand-in."""

    def __init__(
        self,
        name: str,
        *,
        url: str = "",
        login: Login | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.name = name
        self._http = httpx.AsyncClient(
            base_url=url or f"https://{name}",
            auth=_Auth(login),
            timeout=httpx.Timeout(20, read=60),
            follow_redirects=True,
            transport=transport,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def digest(self, repository: str, reference: str) -> str | None:
        """What a tag or digest names in the registry right now; None when it names nothing."""
        manifest = await self._manifest(repository, reference)
        return manifest.digest if manifest else None

    async def pull(self, repository: str, reference: str) -> Image:
        """The image of our one platform, each blob checked against its digest."""
        manifest = await self._manifest(repository, reference)
        if manifest is None:
            raise self._refused("the image does not exist", f"{repository}@{reference}")
        said = json.loads(manifest.data)
        if manifest.media_type in INDEXES:
            return await self.pull(repository, _ours(said, where=f"{self.name}/{repository}"))
        config = Blob(CONFIG, await self._blob(repository, said["config"]["digest"]))
        layers = [Blob(part["mediaType"], await self._blob(repository, part["digest"])) for part in said["layers"]]
        return Image(manifest, config, tuple(layers))

    async def push(self, repository: str, image: Image, tags: tuple[str, ...]) -> int:
        """Put what is missing, then the manifest under each tag. Answers how many blobs had to travel."""
        sent = 0
        for blob in (*image.layers, image.config):
            if not await self._has(repository, blob.digest):
                await self._upload(repository, blob)
                sent += 1
        for reference in tags:
            response = await self._ask(
                "PUT",
                f"/v2/{repository}/manifests/{reference}",
                content=image.manifest.data,
                headers={"content-type": image.manifest.media_type},
            )
            self._check(response, f"{repository}:{reference}")
        return sent

    async def _manifest(self, repository: str, reference: str) -> Blob | None:
        response = await self._ask("GET", f"/v2/{repository}/manifests/{reference}", headers={"accept": ACCEPT})
        if response.status_code == httpx.codes.NOT_FOUND:
            return None
        self._check(response, f"{repository}:{reference}")
        manifest = Blob(response.headers.get("content-type", MANIFEST).split(";")[0], response.content)
        if reference.startswith("sha256:") and manifest.digest != reference:
            raise self._refused("the registry answered other bytes than were asked for", f"{repository}@{reference}")
        return manifest

    async def _blob(self, repository: str, digest: str) -> bytes:
        response = await self._ask("GET", f"/v2/{repository}/blobs/{digest}")
        self._check(response, f"{repository}@{digest}")
        if digest_of(response.content) != digest:
            raise self._refused("a blob arrived damaged", f"{repository}@{digest}")
        return response.content

    async def _has(self, repository: str, digest: str) -> bool:
        return (await self._ask("HEAD", f"/v2/{repository}/blobs/{digest}")).is_success

    async def _upload(self, repository: str, blob: Blob) -> None:
        opened = await self._ask("POST", f"/v2/{repository}/blobs/uploads/")
        self._check(opened, repository)
        # The place to put it may carry a query of its own, which must stay.
        place = (
            httpx.URL(str(self._http.base_url))
            .join(opened.headers["location"])
            .copy_merge_params({"digest": blob.digest})
        )
        done = await self._ask("PUT", place, content=blob.data, headers={"content-type": "application/octet-stream"})
        self._check(done, f"{repository}@{blob.digest}")

    async def _ask(self, method: str, url: str | httpx.URL, **said: Any) -> httpx.Response:
        try:
            return await self._http.request(method, url, **said)
        except httpx.HTTPError as error:
            raise RegistryUnavailable(
                "the image registry cannot be reached",
                where=f"{self.name} ({method} {url})",
                why=str(error) or type(error).__name__,
                next="check the network and the registry's name, then run the same command again",
            ) from error

    def _check(self, response: httpx.Response, what: str) -> None:
        if response.status_code in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
            raise RegistryDenied(
                "the image registry does not accept our credentials for this",
                where=f"{self.name}/{what}",
                why=f"{response.status_code}: {response.text[:500]}",
                next="check with `aws sts get-caller-identity` who you are, and that its policy allows this repository",
            )
        if not response.is_success:
            raise self._refused(f"the image registry answered {response.status_code}", what, response.text[:500])

    def _refused(self, what: str, where: str, why: str = "") -> RegistryRefused:
        return RegistryRefused(what, where=f"{self.name}/{where}", why=why, next="check the repository and the tag")


def _ours(index: dict[str, Any], *, where: str) -> str:
    """The manifest of the one platform that we build for."""
    for entry in index.get("manifests", []):
        platform = entry.get("platform", {})
        if (platform.get("os"), platform.get("architecture")) == ("linux", "amd64"):
            return str(entry["digest"])
    raise RegistryRefused("the image has no linux/amd64 variant", where=where, next="name an image that has one")
