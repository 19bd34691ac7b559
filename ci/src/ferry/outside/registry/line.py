"""The way to one registry: asks, asks again while there is hope, and says what stands in the way."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import httpx

from ferry.outside.registry import refusals
from ferry.outside.registry.auth import Auth
from ferry.outside.registry.patience import Patience
from ferry.outside.registry.refusals import Failed

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Iterator, Mapping

    from ferry.errors import FerryError
    from ferry.outside.registry.auth import Logins
    from ferry.outside.registry.patience import Pause

READING = httpx.Timeout(5, read=10, write=20)
WRITING = httpx.Timeout(5, read=25, write=20)
"""A registry answers late where it has first to put away what it was sent."""


class Line:
    """`name` is what image references say; `url` is where it is dialled, which may be a stand-in."""

    def __init__(
        self,
        name: str,
        *,
        url: str,
        login: Logins | None,
        transport: httpx.AsyncBaseTransport | None,
        pause: Pause,
    ) -> None:
        self.name = name
        self._pause = pause
        address = httpx.URL(url or f"https://{name}")
        self._http = httpx.AsyncClient(
            base_url=address,
            auth=Auth(address, login),
            # Digests are of the bytes as they are stored: nobody may pack them for the journey.
            headers={"accept-encoding": "identity"},
            timeout=READING,
            follow_redirects=True,
            # A stand-in is near: the proxy of this machine leads away from it.
            trust_env=not url,
            transport=transport,
        )

    async def close(self) -> None:
        await self._http.aclose()

    def patience(self) -> Patience:
        return Patience(self._pause)

    async def ask(
        self,
        method: str,
        url: str | httpx.URL,
        what: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        patience: Patience | None = None,
    ) -> httpx.Response:
        """An answer, which may be a refusal. `what` is what it is about, for those who read of it."""
        patience = patience or self.patience()
        while True:
            try:
                return await self.once(method, url, what, headers=headers, content=content)
            except Failed as failed:
                await patience.again(failed)

    async def once(
        self,
        method: str,
        url: str | httpx.URL,
        what: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | AsyncIterable[bytes] | None = None,
    ) -> httpx.Response:
        """As `ask`, in one try."""
        timeout = READING if content is None else WRITING
        with self._told(method, url):
            response = await self._http.request(method, url, headers=headers, content=content, timeout=timeout)
        self._refuse_passing(response, what)
        return response

    @asynccontextmanager
    async def reading(self, url: str, what: str, headers: Mapping[str, str]) -> AsyncIterator[httpx.Response]:
        """As `once`, with a body that is still to be read, unless the answer is a refusal."""
        with self._told("GET", url):
            async with self._http.stream("GET", url, headers=headers) as response:
                if response.is_error:
                    await response.aread()
                    self._refuse_passing(response, what)
                yield response

    def refusal(self, response: httpx.Response, what: str) -> FerryError:
        return refusals.refusal(response, f"{self.name}/{what}")

    def _refuse_passing(self, response: httpx.Response, what: str) -> None:
        if refusals.passing(response):
            raise Failed(self.refusal(response, what), refusals.asked_to_wait(response))

    @contextmanager
    def _told(self, method: str, url: str | httpx.URL) -> Iterator[None]:
        # Without the query: that of an upload lets whoever has it go on with it.
        where = f"{self.name} ({method} {httpx.URL(url).path})"
        try:
            yield
        except (httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
            raise refusals.unreachable(error, where) from error
        except httpx.TransportError as error:
            raise Failed(refusals.unreachable(error, where)) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise refusals.unreachable(error, where) from error
