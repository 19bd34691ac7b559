"""Whether what the service depends on answers; asked rarely, however often somebody asks us."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aws_lambda_powertools import Logger

KEPT = 5.0
"""Seconds that an answer is good for."""
PATIENCE = 3.0
"""Seconds: who has not answered by then is failing, or the health check itself would hang."""


class Health:
    def __init__(
        self,
        checks: Mapping[str, Callable[[], object]],
        log: Logger,
        *,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Each check raises where its dependency does not answer."""
        self._checks = checks
        self._log = log
        self._patience = patience
        self._clock = clock
        self._asking = asyncio.Lock()
        self._asked_at = -KEPT
        self._found: dict[str, str] = {}

    async def dependencies(self) -> dict[str, str]:
        async with self._asking:
            if self._clock() - self._asked_at >= KEPT:
                found = await asyncio.gather(*(self._ask(name, check) for name, check in self._checks.items()))
                self._found, self._asked_at = dict(found), self._clock()
            return self._found

    async def _ask(self, name: str, check: Callable[[], object]) -> tuple[str, str]:
        try:
            async with asyncio.timeout(self._patience):
                await asyncio.to_thread(check)
        except Exception as error:  # noqa: BLE001 - whatever it is, this dependency does not answer as it should
            self._log.error("%s is failing: %s", name, str(error) or type(error).__name__)
            return name, "failing"
        return name, "ok"
