"""What the dashboard is told by its environment."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from sentiment import source
from sentiment.errors import SettingsError
from sentiment.settings import DEV, Reader

if TYPE_CHECKING:
    from collections.abc import Mapping

_URL = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?")
"""An origin and nothing else: it becomes a word of the Content-Security-Policy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    environment: str
    version: str
    digest: str
    topics: tuple[str, ...]
    table: str
    """Empty in dev alone: the news is made up then."""
    api_key_secret: str
    """Empty in dev alone: everybody may read then."""
    stream_url: str
    """Without a path. Empty: the page says that it is not live."""

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        reader = Reader(environment)
        name = reader.environment()
        needed = "" if name == DEV else None
        return cls(
            environment=name,
            version=reader.text("AWS_LAMBDA_FUNCTION_VERSION", "local"),
            digest=reader.text("DIGEST", ""),
            topics=source.topics(reader),
            table=reader.text("TABLE", needed),
            api_key_secret=reader.text("API_KEY_SECRET", needed),
            stream_url=_origin("STREAM_URL", reader.text("STREAM_URL", "")),
        )


def _origin(name: str, url: str) -> str:
    origin = url.rstrip("/")
    if origin and not _URL.fullmatch(origin):
        raise SettingsError(f"{name} is {url!r}: it must be a URL without a path, such as https://stream.example.com")
    return origin
