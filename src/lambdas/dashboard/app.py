"""The dashboard's own web application: health, the API, and the page. Everything that it needs is handed in."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, FastAPI, Header, Query
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import HTMLResponse, JSONResponse, Response

from dashboard.guard import Guard, problem
from dashboard.items import is_cursor, page
from dashboard.site import site
from sentiment import clock as time_of
from sentiment.articles import Label
from sentiment.errors import Unavailable
from sentiment.keys import HEADER
from sentiment.summary import summary

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aws_lambda_powertools import Logger
    from starlette.requests import Request

    from dashboard.settings import Settings
    from sentiment.keys import Keys
    from sentiment.source import Source

FOREVER = "public, max-age=31536000, immutable"
ASK_EACH_TIME = "no-cache"
DATA = {"cache-control": "no-store"}
MOST_ITEMS = 100
MOST_HOURS = 168


class _NotFittingKeyError(Exception):
    pass


class _WrongParameterError(Exception):
    def __init__(self, name: str, status: int) -> None:
        super().__init__(name)
        self.name = name
        self.status = status


class Dashboard:
    def __init__(
        self,
        *,
        settings: Settings,
        source: Source,
        keys: Keys,
        asks: Mapping[str, Callable[[], object]],
        log: Logger,
        clock: time_of.Clock = time_of.now,
    ) -> None:
        """`asks`: by name, what health asks; what does not answer raises Unavailable."""
        self._settings = settings
        self._source = source
        self._keys = keys
        self._asks = asks
        self._log = log
        self._clock = clock
        self._site = site(settings)
        self._allowed = {
            "cursor": "the cursor of an earlier answer",
            "hours": f"a whole number from 1 to {MOST_HOURS}",
            "label": ", ".join(Label),
            "limit": f"a whole number from 1 to {MOST_ITEMS}",
            "topic": ", ".join(settings.topics),
        }

    def app(self) -> FastAPI:
        app = FastAPI(title="dashboard", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
        data = partial(app.add_api_route, methods=["GET"], dependencies=[Depends(self._key)])
        data("/api/items", self.items)
        data("/api/summary", self.summary)
        public = partial(app.add_api_route, methods=["GET", "HEAD"])
        public("/health", self.health)
        public("/static/{name}", self.file)
        public("/static/{version}/{name}", self.file)
        public("/", self.page)
        self._explain(app)
        app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=6)
        app.add_middleware(Guard, stream_url=self._settings.stream_url, log=self._log)
        return app

    def health(self) -> JSONResponse:
        """No key is asked for: nothing here is worth hiding, and reasons for a failure go to the log alone."""
        dependencies = {name: self._answers(name, ask) for name, ask in self._asks.items()}
        ok = all(dependencies.values())
        said = {
            "status": "ok" if ok else "degraded",
            "environment": self._settings.environment,
            "version": self._settings.version,
            "digest": self._settings.digest,
            "dependencies": {name: "ok" if well else "failing" for name, well in dependencies.items()},
        }
        return JSONResponse(said, 200 if ok else 503, headers=DATA)

    def items(
        self,
        topic: str = "",
        label: Label | None = None,
        cursor: str = "",
        limit: Annotated[int, Query(ge=1, le=MOST_ITEMS)] = 50,
    ) -> JSONResponse:
        if topic and topic not in self._settings.topics:
            raise _WrongParameterError("topic", 422)
        if cursor and not is_cursor(cursor):
            raise _WrongParameterError("cursor", 400)
        found = page(self._source, limit=limit, topic=topic, label=label, cursor=cursor)
        said = {"items": [item.public() for item in found.items], "cursor": found.cursor}
        return JSONResponse(said, headers=DATA)

    def summary(self, hours: Annotated[int, Query(ge=1, le=MOST_HOURS)] = 24) -> JSONResponse:
        said = summary(self._source, self._settings.topics, hours, self._clock())
        return JSONResponse(said, headers=DATA)

    async def page(self) -> HTMLResponse:
        return HTMLResponse(self._site.page, headers={"cache-control": ASK_EACH_TIME})

    async def file(self, name: str, version: str = "") -> Response:
        """A page of an earlier release may ask for another version: it gets this one, and keeps it for no time."""
        if name not in self._site.files:
            raise HTTPException(404)
        file = self._site.files[name]
        kept = FOREVER if version == self._site.version else ASK_EACH_TIME
        return Response(file.body, media_type=file.kind, headers={"cache-control": kept})

    def _key(self, given: Annotated[str | None, Header(alias=HEADER)] = None) -> None:
        if not self._keys.fits(given):
            raise _NotFittingKeyError

    def _answers(self, name: str, ask: Callable[[], object]) -> bool:
        try:
            ask()
        except Unavailable as error:
            self._log.error("%s is failing: %s", name, error)
            return False
        return True

    def _explain(self, app: FastAPI) -> None:
        """What can go wrong, as JSON. What is not in here is the guard's."""

        def explain[E: Exception](kind: type[E], said: Callable[[E], JSONResponse]) -> None:
            async def handler(_request: Request, error: Exception) -> JSONResponse:
                if not isinstance(error, kind):  # never: it is how the framework asks
                    raise error
                return said(error)

            app.add_exception_handler(kind, handler)

        explain(_NotFittingKeyError, lambda _: _no_key())
        explain(_WrongParameterError, lambda error: self._wrong([error.name], error.status))
        explain(RequestValidationError, lambda error: self._wrong([str(each["loc"][-1]) for each in error.errors()]))
        explain(Unavailable, self._unavailable)
        explain(HTTPException, _no_such)

    def _wrong(self, names: list[str], status: int = 422) -> JSONResponse:
        sentences = [f"{name} must be {_one_of(self._allowed[name])}." for name in dict.fromkeys(names)]
        return problem(status, "parameter", " ".join(sentences))

    def _unavailable(self, error: Unavailable) -> JSONResponse:
        self._log.error("an answer is not possible now: %s", error)
        return problem(503, "unavailable", "The data cannot be read right now. Try again in a minute.")


def _no_key() -> JSONResponse:
    """`www-authenticate` is owed with a 401; a scheme of our own keeps browsers from asking for a password."""
    said = f"Send this environment's API key in the header {HEADER}."
    return problem(401, "key", said, headers={"www-authenticate": "ApiKey"})


def _no_such(error: HTTPException) -> JSONResponse:
    if error.status_code == 405:
        return problem(405, "method", "This only answers to GET.", headers=dict(error.headers or {}))
    return problem(404, "path", "There is nothing here. See /, /health, /api/items and /api/summary.")


def _one_of(allowed: str) -> str:
    return f"one of {allowed}" if ", " in allowed else allowed
