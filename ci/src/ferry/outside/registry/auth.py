"""Who we are to a registry: a login, or a token that its token server gives for one. Either may expire on the way."""

from __future__ import annotations

import base64
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio
import httpx

from ferry.errors import RegistryDenied
from ferry.outside.registry import refusals

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
REPOSITORY = re.compile(r"/v2/(.+)/(?:blobs|manifests|tags)/")


@dataclass(frozen=True, slots=True)
class Login:
    user: str
    password: str = field(repr=False)

    @property
    def header(self) -> str:
        return f"Basic {base64.b64encode(f'{self.user}:{self.password}'.encode()).decode()}"


type Logins = Login | Callable[[], Awaitable[Login]]
"""A login, or what asks for one: before the first request, and again when the registry says that it has expired."""


class Auth(httpx.Auth):
    """Basic where we have a login; a bearer token, one for each repository, where the registry asks for one.

    No other host sees either, wherever the registry sends us; the login goes to the token server that it names.
    """

    def __init__(self, registry: httpx.URL, login: Logins | None) -> None:
        self._registry = registry
        self._login = login if isinstance(login, Login) else None
        self._renew = None if isinstance(login, Login) else login
        self._tokens: dict[str, str] = {}
        # Requests run side by side: what has expired for all of them is asked for once.
        self._lock = anyio.Lock()

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Bodies stay unread, but for those of refusals: they may be larger than the memory."""
        if not self._ours(request.url):
            yield request
            return
        if self._renew and self._login is None:
            await self._log_in(instead_of=None)
        place, login = _repository(request.url), self._login
        token = self._tokens.get(place, "")
        self._sign(request, place)
        response = yield request
        if not self._ours(response.url):
            return
        if asked := _challenged(response):
            async with self._lock:
                if self._tokens.get(place, "") == token:
                    grant = yield self._asking(asked)
                    self._tokens[place] = await _granted(grant)
        elif self._renew and await _stale(response):
            await self._log_in(instead_of=login)
        else:
            return
        self._sign(request, place)
        yield request

    async def _log_in(self, *, instead_of: Login | None) -> None:
        async with self._lock:
            if self._renew and self._login is instead_of:
                self._login = await self._renew()

    def _sign(self, request: httpx.Request, place: str) -> None:
        if token := self._tokens.get(place):
            request.headers["authorization"] = f"Bearer {token}"
        elif self._login:
            request.headers["authorization"] = self._login.header

    def _asking(self, asked: Mapping[str, str]) -> httpx.Request:
        scope = {name: asked[name] for name in ("service", "scope") if name in asked}
        ask = httpx.Request("GET", httpx.URL(asked["realm"]).copy_merge_params(scope))
        if self._login and (ask.url.scheme == "https" or self._registry.scheme == "http"):
            ask.headers["authorization"] = self._login.header
        return ask

    def _ours(self, url: httpx.URL) -> bool:
        return (url.scheme, url.netloc) == (self._registry.scheme, self._registry.netloc)


def _repository(url: httpx.URL) -> str:
    found = REPOSITORY.match(url.path)
    return found[1] if found else ""


def _challenged(response: httpx.Response) -> dict[str, str]:
    """What the registry wants of a token server; nothing where it wants something else."""
    challenge = response.headers.get("www-authenticate", "")
    if response.status_code != httpx.codes.UNAUTHORIZED or not challenge.lower().startswith("bearer"):
        return {}
    asked = dict(CHALLENGE.findall(challenge))
    return asked if asked.get("realm") else {}


async def _stale(response: httpx.Response) -> bool:
    """ECR refuses an expired token as it refuses an action that is not allowed: by 403, and other words."""
    if response.status_code == httpx.codes.FORBIDDEN:
        await response.aread()
    return response.status_code == httpx.codes.UNAUTHORIZED or refusals.expired(response)


async def _granted(grant: httpx.Response) -> str:
    await grant.aread()
    if grant.status_code in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
        raise RegistryDenied(
            "the registry's token server does not accept our credentials",
            where=grant.url.host,
            why=f"{grant.status_code}: {grant.text[:500]}",
            next="check the login, and that it may use this repository",
        )
    if refusals.passing(grant):
        raise refusals.Failed(refusals.no_token(grant), refusals.asked_to_wait(grant))
    try:
        said = grant.raise_for_status().json()
        return str(said.get("token") or said["access_token"])
    except (httpx.HTTPStatusError, ValueError, KeyError, AttributeError) as error:
        raise refusals.no_token(grant) from error
