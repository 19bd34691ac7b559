"""Several things at once, and one error to tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio

from ferry.errors import FerryError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable


async def together[T](call: Callable[[T], Coroutine[Any, Any, None]], each: Iterable[T]) -> None:
    """The first failure stops the others, and it alone is to be told: they failed because of it."""
    first: FerryError | None = None
    try:
        async with anyio.create_task_group() as tasks:
            for one in each:
                tasks.start_soon(call, one)
    except* FerryError as failed:
        first = next(error for error in failed.exceptions if isinstance(error, FerryError))
    if first:
        raise first  # out here it keeps the cause that it came with
