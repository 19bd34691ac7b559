"""Two questions to a streaming service: are you well, and do your events arrive one by one?"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from ferry.errors import ProofFailed

if TYPE_CHECKING:
    from collections.abc import Callable

NEXT = "look at the function's logs; what was deployed stays as it is until the next deploy or rollback"


@dataclass(frozen=True, slots=True)
class Stream:
    """When each event arrived, in seconds since the request was sent."""

    arrivals: tuple[float, ...]

    @property
    def first(self) -> float:
        return self.arrivals[0]

    @property
    def spread(self) -> float:
        return self.arrivals[-1] - self.arrivals[0]


async def health(url: str, *, within: float = 10) -> dict[str, Any]:
    """The service's own word, which must be JSON and say that it is well."""
    async with httpx.AsyncClient(timeout=within, trust_env=False) as http:
        response = await _get(http, f"{url}/health")
    kind = response.headers.get("content-type", "")
    if response.status_code != httpx.codes.OK or not kind.startswith("application/json"):
        raise _failed("health is not what it must be", url, f"{response.status_code} {kind}: {response.text[:200]}")
    said = response.json()
    if not isinstance(said, dict) or said.get("status") != "ok":
        raise _failed("the service says that it is not well", url, response.text[:200])
    return said


async def stream(
    url: str,
    *,
    events: int = 5,
    interval: float = 0.2,
    within: float = 20,
    clock: Callable[[], float] = time.monotonic,
) -> Stream:
    """Read a stream of `events` that are sent `interval` apart, and refuse one that was held back and sent at once."""
    started = clock()
    arrivals: list[float] = []
    query = {"events": events, "interval": interval}
    async with httpx.AsyncClient(timeout=within, trust_env=False) as http:
        try:
            async with http.stream("GET", f"{url}/stream", params=query) as response:
                kind = response.headers.get("content-type", "")
                if response.status_code != httpx.codes.OK or not kind.startswith("text/event-stream"):
                    raise _failed("the stream is not an event stream", url, f"{response.status_code} {kind}")
                async for line in response.aiter_lines():
                    if line.startswith("data:"):
                        arrivals.append(clock() - started)  # noqa: PERF401 - what came before a break is told too
        except httpx.HTTPError as error:
            raise _failed("the stream broke", url, f"after {len(arrivals)} events: {error!r}") from error
    return _judged(Stream(tuple(arrivals)), url, events, interval)


def _judged(seen: Stream, url: str, events: int, interval: float) -> Stream:
    if len(seen.arrivals) != events:
        raise _failed("the stream ended early", url, f"{len(seen.arrivals)} of {events} events arrived")
    # Half of the time that a live stream takes at the least: a buffered one arrives within a moment.
    least = interval * (events - 1) / 2
    if seen.spread < least:
        why = f"{events} events arrived within {seen.spread:.2f} s; sent {interval} s apart they take {2 * least:.2f} s"
        raise _failed("the stream is buffered: its events arrive all at once", url, why)
    return seen


async def _get(http: httpx.AsyncClient, url: str) -> httpx.Response:
    try:
        return await http.get(url)
    except httpx.HTTPError as error:
        raise _failed("the service does not answer", url, repr(error)) from error


def _failed(what: str, url: str, why: str) -> ProofFailed:
    return ProofFailed(what, where=url, why=why, next=NEXT)
