"""Several things at once, and one error to tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio

from ferry.errors import FerryError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable


async def together[T](call: Callable[[T], Coroutine[Any, Any, None]], each: Iterable[T]) -> None:
    """The first failure stops the others, and it alone is to be told: they failed because of it."""
    try:
        async with anyio.create_task_group() as tasks:
            for one in each:
                tasks.start_soon(call, one)
    except* FerryError as failed:
        raise failed.exceptions[0] from None
