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

_URL = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9_.-]+)*")
"""No character in it that means something else in the Content-Security-Policy, of which it becomes a word."""


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
    """Without a slash at its end. Empty: the page says that it is not live."""

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
            stream_url=_base("STREAM_URL", reader.text("STREAM_URL", "")),
        )


def _base(name: str, url: str) -> str:
    base = url.rstrip("/")
    if base and not _URL.fullmatch(base):
        raise SettingsError(f"{name} is {url!r}: it must be a plain URL, such as https://stream.example.com")
    return base
