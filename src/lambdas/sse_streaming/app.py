"""Health and a live stream. Part 3 gives the stream its news; its shape on the wire is already the final one."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING, Annotated

from fastapi import FastAPI, Query
from fastapi.responses import StreamingResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

app = FastAPI(title="sse-streaming", openapi_url=None)


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok", "environment": os.environ.get("ENVIRONMENT", "dev")}


@app.get("/stream")
async def stream(
    events: Annotated[int, Query(ge=1, le=100)] = 5,
    interval: Annotated[float, Query(gt=0, le=30)] = 0.2,
) -> StreamingResponse:
    return StreamingResponse(
        ticks(events, interval),
        media_type="text/event-stream",
        headers={"cache-control": "no-cache", "x-accel-buffering": "no"},
    )


async def ticks(events: int, interval: float) -> AsyncIterator[str]:
    """A numbered event each interval: a reader can tell a live stream from a buffered one."""
    for number in range(1, events + 1):
        yield f"id: {number}\nevent: tick\ndata: {json.dumps({'number': number})}\n\n"
        if number < events:
            await asyncio.sleep(interval)
