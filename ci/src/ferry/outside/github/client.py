"""GitHub's API for one repository. Nothing here fails: an answer that does not come is unknown, with the reason."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

import anyio
import httpx

from ferry.gate.facts import Unknown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from ferry.gate.facts import Fact

API = "https://api.github.com"
TIMES = 4
"""How often one thing is asked for."""
PATIENCE_SECONDS = 300
"""How long all waiting together may take: a job is paid by the minute, and unknown is an answer too."""
WHEN_NOT_TOLD_SECONDS = 60
"""What GitHub asks for where it says only that there were too many requests."""
MOST_PAGES = 100
JSON = "application/vnd.github+json"
RAW = "application/vnd.github.raw+json"


@dataclass(frozen=True, slots=True)
class Pages:
    """All items of a list, and the first page as it came: it may hold how many there are."""

    items: list[Any]
    first: Any


class GitHub:
    """`repository` is OWNER/NAME. The token is shown to `api` alone."""

    def __init__(
        self,
        repository: str,
        *,
        token: str,
        api: str = API,
        transport: httpx.AsyncBaseTransport | None = None,
        pause: Callable[[float], Awaitable[object]] = anyio.sleep,
    ) -> None:
        self.repository = repository
        self._api = httpx.URL(api.rstrip("/"))
        self._token = token
        self._pause = pause
        self._left = float(PATIENCE_SECONDS)
        self._http = httpx.AsyncClient(
            headers={"x-github-api-version": "2022-11-28", "user-agent": "ferry"},
            timeout=httpx.Timeout(10, read=30),
            transport=transport,
            # A stand-in is near: the proxy of this machine leads away from it.
            trust_env=self._api.scheme == "https",
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def get(self, path: str, **params: str | int) -> Fact[Any]:
        """`path` is below the repository's own; empty for the repository itself."""
        answer = await self._ask("GET", self._url(path, params))
        return answer if isinstance(answer, Unknown) else _read(answer)

    async def pages(self, path: str, key: str = "", **params: str | int) -> Fact[Pages]:
        """A list that comes in pages, each a list itself or an object that holds one under `key`."""
        url = self._url(path, {"per_page": 100, **params})
        items: list[Any] = []
        first: Any = None
        for _ in range(MOST_PAGES):
            answer = await self._ask("GET", url)
            page = answer if isinstance(answer, Unknown) else _read(answer)
            if isinstance(page, Unknown) or isinstance(answer, Unknown):
                return page
            listed = page.get(key) if key and isinstance(page, dict) else page
            if not isinstance(listed, list):
                return Unknown(f"{_named(url)} did not answer with a list")
            items += listed
            first = page if first is None else first
            following = answer.links.get("next", {}).get("url")
            if not following:
                return Pages(items, first)
            url = url.join(following)
            if (url.scheme, url.netloc) != (self._api.scheme, self._api.netloc):
                return Unknown(f"the next page is said to be at {url.host}")
        return Unknown(f"{_named(url)} has more than {MOST_PAGES} pages")

    async def text(self, path: str, ref: str) -> Fact[str]:
        """A file of the repository at a commit."""
        url = self._url(f"/contents/{quote(path)}", {"ref": ref})
        answer = await self._ask("GET", url, accept=RAW)
        if isinstance(answer, Unknown):
            return answer
        if "json" in answer.headers.get("content-type", "") and "raw" not in answer.headers["content-type"]:
            return Unknown(f"{path} is no file at {ref[:12]}")
        try:
            return answer.content.decode("utf-8")
        except UnicodeDecodeError:
            return Unknown(f"{path} is no text at {ref[:12]}")

    async def graphql(self, query: str, variables: Mapping[str, Any]) -> Fact[Any]:
        """GraphQL answers 200 to what it refuses, and beside a refusal what it holds is not complete."""
        place = self._api.path.removesuffix("/").removesuffix("/v3") + "/graphql"
        content = json.dumps({"query": query, "variables": variables})
        answer = await self._ask("POST", self._api.copy_with(path=place), content=content)
        said = answer if isinstance(answer, Unknown) else _read(answer)
        if isinstance(said, Unknown):
            return said
        if not isinstance(said, dict) or said.get("errors") or "data" not in said:
            return Unknown(f"GraphQL: {_told(said)}")
        return said["data"]

    def _url(self, path: str, params: Mapping[str, str | int]) -> httpx.URL:
        place = f"{self._api.path.rstrip('/')}/repos/{self.repository}{path}"
        return self._api.copy_with(raw_path=place.encode()).copy_merge_params({k: str(v) for k, v in params.items()})

    async def _ask(
        self, method: str, url: httpx.URL, *, accept: str = JSON, content: str | None = None
    ) -> Fact[httpx.Response]:
        headers = {"accept": accept, "authorization": f"Bearer {self._token}"}
        why = ""
        wait: float | None
        for tried in range(TIMES):
            try:
                answer = await self._http.request(method, url, headers=headers, content=content)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                why = f"{_named(url)}: {type(error).__name__}"
                wait = _backoff(tried)
            else:
                if answer.is_success:
                    return answer
                why = f"{_named(url)}: {answer.status_code}: {_told(_json(answer))}"
                wait = _wait(answer, tried)
            if wait is None or wait > self._left or tried == TIMES - 1:
                break
            self._left -= wait
            await self._pause(wait)
        return Unknown(why)


def _wait(answer: httpx.Response, tried: int) -> float | None:
    """Nothing where asking again would not help: it is not there, or not for us."""
    if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
        return _asked_for(answer) or _backoff(tried)
    if answer.status_code not in {httpx.codes.TOO_MANY_REQUESTS, httpx.codes.FORBIDDEN}:
        return None
    if asked := _asked_for(answer):
        return asked
    if answer.status_code == httpx.codes.TOO_MANY_REQUESTS or "rate limit" in _told(_json(answer)).lower():
        return WHEN_NOT_TOLD_SECONDS
    return None


def _asked_for(answer: httpx.Response) -> float | None:
    """Retry-After; or, where nothing remains, when there will be more, by GitHub's own clock."""
    headers = answer.headers
    if headers.get("retry-after", "").isdecimal():
        return float(headers["retry-after"]) or 1.0
    if headers.get("x-ratelimit-remaining") == "0" and headers.get("x-ratelimit-reset", "").isdecimal():
        try:
            now = parsedate_to_datetime(headers["date"]).timestamp()
        except (KeyError, ValueError):
            return WHEN_NOT_TOLD_SECONDS
        return max(float(headers["x-ratelimit-reset"]) - now, 1.0)
    return None


def _backoff(tried: int) -> float:
    """Runs that fail together shall not come back together."""
    return float(random.uniform(0.5, 1) * 2**tried)  # noqa: S311


def _read(answer: httpx.Response) -> Fact[Any]:
    data = _json(answer)
    return Unknown(f"{_named(answer.url)} did not answer with JSON") if data is None else data


def _json(answer: httpx.Response) -> Any:
    try:
        return json.loads(answer.content)
    except (ValueError, RecursionError):
        return None


def _told(said: Any) -> str:
    """GitHub's own words, as far as there are any."""
    errors = said.get("errors") if isinstance(said, dict) else None
    first = errors[0] if isinstance(errors, list) and errors else said
    message = first.get("message") if isinstance(first, dict) else None
    return str(message)[:200] if message else "no reason is given"


def _named(url: httpx.URL) -> str:
    return url.path
