"""The service's answers: who may ask, for what, and what a wrong question is told."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, FastAPI, Header, HTTPException, Query
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse

from sentiment import clock as time_of
from sentiment.errors import Rejected, Unavailable
from sentiment.keys import HEADER
from sse_streaming.stream import RETRY_AFTER, Direct, EventStream

if TYPE_CHECKING:
    from sentiment.keys import Keys
    from sse_streaming.feed import Feed
    from sse_streaming.health import Health
    from sse_streaming.settings import Settings

POSITION_LONGEST = 200
AHEAD = timedelta(minutes=1)
"""Clocks differ; by more than this, nobody was ever sent such a position."""


def create_app(settings: Settings, *, feed: Feed, keys: Keys, health: Health) -> FastAPI:
    app = FastAPI(title="sse-streaming", openapi_url=None)
    # Any page may ask: there are no cookies, and data needs the key.
    app.add_middleware(
        CORSMiddleware,
        allow_origins=["*"],
        allow_methods=["GET"],
        allow_headers=[HEADER, "last-event-id", "cache-control"],
        max_age=3600,
    )
    app.add_middleware(Direct)

    async def may_read(key: Annotated[str | None, Header(alias=HEADER)] = None) -> None:
        try:
            fits = await asyncio.to_thread(keys.fits, key)
        except Unavailable as error:
            raise HTTPException(503, "keys cannot be checked now: try again", RETRY_AFTER) from error
        if not fits:
            raise HTTPException(401, f"the header {HEADER} must hold this environment's API key")

    @app.get("/")
    async def here() -> dict[str, str]:
        """Lambda's web adapter asks this until it is answered."""
        return {"service": "sse-streaming", "health": "/health", "stream": "/api/stream"}

    @app.get("/health")
    async def healthy() -> JSONResponse:
        dependencies = await health.dependencies()
        well = all(found == "ok" for found in dependencies.values())
        said = {
            "status": "ok" if well else "degraded",
            "environment": settings.environment,
            "version": settings.version,
            "digest": settings.digest,
            "dependencies": dependencies,
        }
        return JSONResponse(said, 200 if well else 503, {"cache-control": "no-store"})

    @app.get("/api/stream", dependencies=[Depends(may_read)])
    async def stream(
        topic: Annotated[tuple[str, ...], Query()] = (),
        last_event_id: Annotated[str, Query()] = "",
        header: Annotated[str, Header(alias="last-event-id")] = "",
    ) -> EventStream:
        """The header says more than the address: a browser that comes back by itself asks the same address again."""
        unknown = sorted(set(topic) - set(settings.topics))
        if unknown:
            raise HTTPException(400, f"no such topic: {', '.join(unknown)}; there are {', '.join(settings.topics)}")
        try:
            position = read_position(header or last_event_id, feed.clock)
        except Rejected as error:
            raise HTTPException(400, str(error)) from None
        return EventStream(feed, topics=frozenset(topic), position=position, seconds=settings.stream_seconds)

    return app


def read_position(text: str, clock: time_of.Clock) -> str:
    """Empty stays empty; Rejected: no stream ever gave this as an id."""
    if not text:
        return ""
    stamp = text.partition("~")[0]
    try:
        moment = time_of.moment(stamp)
        given = time_of.stamp(moment) == stamp and moment < clock() + AHEAD
    except (ValueError, OverflowError):
        given = False
    if not given or len(text) > POSITION_LONGEST or not (text.isascii() and text.isprintable()):
        raise Rejected("the last event id is none that this stream gave: ask without one, and load the newest items")
    return text
