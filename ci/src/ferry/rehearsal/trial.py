"""An image that runs on this machine without a container engine: its own layers, on this machine's Python."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import awsbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ferry.verbs.build import BuiltImage
    from ferry.verbs.hands import Fetch


@asynccontextmanager
async def run(built: BuiltImage, fetch: Fetch) -> AsyncIterator[str]:
    """The base stays where it is: this machine's Python is in its place."""
    below = {blob.digest for blob in built.base.layers} if built.base else set()
    layers = [await fetch(blob) for blob in built.image.layers if blob.digest not in below]
    async with awsbox.running(built.image.config, layers, {}) as url:
        yield url
