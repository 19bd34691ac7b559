"""A client for the OCI distribution protocol: ask, pull, push. Errors become Ferry's at this one boundary."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn, Self

import httpx

from ferry.errors import RegistryDenied, RegistryRefused, RegistryUnavailable
from ferry.outside.builder.assemble import CONFIG, MANIFEST, Blob, Image, digest_of

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
ACCEPT = ", ".join((MANIFEST, DOCKER, *INDEXES))
CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Login:
    user: str
    password: str = field(repr=False)


class _Auth(httpx.Auth):
    """Basic where we have a login; a bearer token fetched once where the registry asks for one.

    No other host sees either, wherever the registry sends us; the login goes to the token server that it names.
    """

    requires_response_body = True

    def __init__(self, registry: httpx.URL, login: Login | None) -> None:
        self._registry = registry.netloc
        self._basic = httpx.BasicAuth(login.user, login.password) if login else None
        self._token = ""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        if request.url.netloc == self._registry:
            self._sign(request)
        response = yield request
        challenge = response.headers.get("www-authenticate", "")
        asked = dict(CHALLENGE.findall(challenge)) if challenge.lower().startswith("bearer") else {}
        if (
            response.status_code == httpx.codes.UNAUTHORIZED
            and response.url.netloc == self._registry
            and (realm := asked.get("realm"))
        ):
            scope = {name: asked[name] for name in ("service", "scope") if name in asked}
            ask = httpx.Request("GET", httpx.URL(realm).copy_merge_params(scope))
            if self._basic:
                next(self._basic.auth_flow(ask))
            self._token = _token((yield ask))
            self._sign(request)
            yield request

    def _sign(self, request: httpx.Request) -> None:
        if self._token:
            request.headers["authorization"] = f"Bearer {self._token}"
        elif self._basic:
            next(self._basic.auth_flow(request))


def _token(grant: httpx.Response) -> str:
    if grant.status_code in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
        raise RegistryDenied(
            "the registry's token server does not accept our credentials",
            where=grant.url.host,
            why=f"{grant.status_code}: {grant.text[:500]}",
            next="check the login, and that it may use this repository",
        )
    try:
        said = grant.raise_for_status().json()
        return str(said.get("token") or said["access_token"])
    except (httpx.HTTPStatusError, ValueError, KeyError, AttributeError) as error:
        # The answer itself may hold a token: say what it is not.
        raise RegistryUnavailable(
            "the registry's token server gives no token",
            where=grant.url.host,
            why=f"it answered {grant.status_code}, not JSON with a token",
            next="run the same command again; if it stays so, check the registry's name",
        ) from error


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
        address = httpx.URL(url or f"https://{name}")
        self._http = httpx.AsyncClient(
            base_url=address,
            auth=_Auth(address, login),
            # Digests are of the bytes as they are stored: nobody may pack them for the journey.
            headers={"accept-encoding": "identity"},
            timeout=httpx.Timeout(20, read=25),
            follow_redirects=True,
            # A stand-in is near: the proxy of this machine leads away from it.
            trust_env=not url,
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
        where = f"{repository}@{reference}"
        try:
            said = json.loads(manifest.data)
            if manifest.media_type in INDEXES:
                ours = [entry["digest"] for entry in said["manifests"] if _is_ours(entry.get("platform") or {})]
                return await self.pull(repository, ours[0] if ours else self._foreign(where))
            config = Blob(CONFIG, await self._blob(repository, said["config"]["digest"]))
            if not _is_ours(json.loads(config.data)):
                self._foreign(where)
            layers = [Blob(part["mediaType"], await self._blob(repository, part["digest"])) for part in said["layers"]]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise self._refused("this is not an image", where, f"{type(error).__name__}: {error}") from error
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
        try:
            # The place to put it may carry a query of its own, which must stay.
            place = opened.url.join(opened.headers["location"]).copy_merge_params({"digest": blob.digest})
        except (KeyError, httpx.InvalidURL) as error:
            raise self._refused("the registry does not say where a blob goes", repository, repr(error)) from error
        done = await self._ask("PUT", place, content=blob.data, headers={"content-type": "application/octet-stream"})
        self._check(done, f"{repository}@{blob.digest}")

    async def _ask(self, method: str, url: str | httpx.URL, **said: Any) -> httpx.Response:
        try:
            return await self._http.request(method, url, **said)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise RegistryUnavailable(
                "the image registry cannot be reached",
                # Without the query: that of an upload lets whoever has it go on with it.
                where=f"{self.name} ({method} {httpx.URL(url).path})",
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
        if response.is_server_error or response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            raise RegistryUnavailable(
                f"the image registry answered {response.status_code}",
                where=f"{self.name}/{what}",
                why=response.text[:500],
                next="run the same command again in a while",
            )
        if not response.is_success:
            raise self._refused(f"the image registry answered {response.status_code}", what, response.text[:500])

    def _refused(self, what: str, where: str, why: str = "") -> RegistryRefused:
        return RegistryRefused(what, where=f"{self.name}/{where}", why=why, next="check the repository and the tag")

    def _foreign(self, where: str) -> NoReturn:
        raise self._refused("the image has no linux/amd64 variant", where)


def _is_ours(platform: Mapping[str, Any]) -> bool:
    """The one platform that we build for."""
    return (platform.get("os"), platform.get("architecture")) == ("linux", "amd64")
