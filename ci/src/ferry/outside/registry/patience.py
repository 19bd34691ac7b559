"""How long a thing is tried again: an outage is told within half a minute, a hiccup is not told at all."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ferry.outside.registry.refusals import Failed

LIMIT_SECONDS = 20
FIRST_SECONDS = 0.5
LONGEST_SECONDS = 5

type Pause = Callable[[float], Awaitable[object]]


class Patience:
    """For one request, or for one blob that travels in many: it starts anew whenever the blob gets on."""

    def __init__(self, pause: Pause) -> None:
        self._pause = pause
        self.moved()

    def moved(self) -> None:
        """Something is done that need not be done again."""
        self._tries, self._waited = 0, 0.0
        self.alive()

    def alive(self) -> None:
        """Bytes flow, whether or not they will arrive: the other side is there."""
        self._since = time.monotonic()

    async def again(self, failed: Failed) -> None:
        """Waits; or raises what is to be told, where waiting would take too long."""
        # Runs that fail together shall not come back together.
        backoff = random.uniform(0.5, 1) * min(FIRST_SECONDS * 2**self._tries, LONGEST_SECONDS)  # noqa: S311
        wait = max(failed.wait, backoff)
        if max(time.monotonic() - self._since, self._waited) + wait > LIMIT_SECONDS:
            raise failed.told from failed
        self._tries += 1
        self._waited += wait
        await self._pause(wait)
