"""Two questions to a streaming service: are you well, and do your events arrive one by one?"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio
import httpx

from ferry.errors import ProofFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

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
    with _in_time(url, within):
        async with httpx.AsyncClient(timeout=within, trust_env=False) as http:
            response = await http.get(f"{url.rstrip('/')}/health")
    kind = response.headers.get("content-type", "")
    if response.status_code != httpx.codes.OK or not kind.startswith("application/json"):
        raise _failed("health is not what it must be", url, f"{response.status_code} {kind}: {response.text[:200]}")
    try:
        said = response.json()
    except ValueError as error:
        raise _failed("health is not JSON", url, f"{error}: {response.text[:200]}") from error
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
    address = f"{url.rstrip('/')}/stream"
    arrivals: list[float] = []
    async with httpx.AsyncClient(timeout=within, trust_env=False) as http:
        started = clock()
        with _in_time(url, within, arrivals):
            async with http.stream("GET", address, params={"events": events, "interval": interval}) as response:
                kind = response.headers.get("content-type", "")
                if response.status_code != httpx.codes.OK or not kind.startswith("text/event-stream"):
                    raise _failed("the stream is not an event stream", url, f"{response.status_code} {kind}")
                data = False
                async for line in response.aiter_lines():
                    data = data or line.startswith("data:")
                    # An event is over, and a reader gets it, at the empty line.
                    if data and not line:
                        arrivals.append(clock() - started)
                        data = False
    return _judged(Stream(tuple(arrivals)), url, events, interval)


def _judged(seen: Stream, url: str, events: int, interval: float) -> Stream:
    if len(seen.arrivals) != events:
        raise _failed("the stream brings too few or too many events", url, f"{len(seen.arrivals)} for {events}")
    # Half of the time that a live stream takes at the least: a buffered one arrives within a moment.
    least = interval * (events - 1) / 2
    if seen.spread < least:
        why = f"{events} events arrived within {seen.spread:.2f} s; sent {interval} s apart they take {2 * least:.2f} s"
        raise _failed("the stream is buffered: its events arrive all at once", url, why)
    return seen


@contextmanager
def _in_time(url: str, within: float, arrivals: Sequence[float] = ()) -> Iterator[None]:
    """All of it within the time, however lively the connection is; httpx alone limits the silence in between."""
    try:
        with anyio.fail_after(within):
            yield
    except TimeoutError as error:
        raise _failed(f"there is no whole answer within {within} s", url, _after(arrivals, error)) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _failed("the service does not answer", url, _after(arrivals, error)) from error


def _after(arrivals: Sequence[float], error: Exception) -> str:
    return f"after {len(arrivals)} events: {error!r}"


def _failed(what: str, url: str, why: str) -> ProofFailed:
    return ProofFailed(what, where=url, why=why, next=NEXT)
