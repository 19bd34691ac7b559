"""What the service is told by its environment variables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from sentiment import source
from sentiment.settings import DEV, Reader

if TYPE_CHECKING:
    from collections.abc import Mapping

LAMBDA_LIMIT = 900
"""Seconds after which Lambda ends any function, in the middle of a word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    environment: str
    version: str
    digest: str
    table: str
    """Empty in dev: made-up news."""
    topics: tuple[str, ...]
    api_key_secret: str
    """Empty in dev: everybody may ask."""
    heartbeat_seconds: float = 15
    """No stream is silent for longer."""
    stream_seconds: float = 840
    """A stream ends by itself before Lambda ends it."""
    poll_seconds: float = 2
    settle_seconds: float = 2
    """How old an item is when it is sent: an index may show a newer one first."""
    stall_seconds: float = 30
    """A reader that takes nothing for this long is cut off."""
    host: str = "127.0.0.1"
    port: int = 8080

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> Self:
        reader = Reader(variables)
        environment = reader.environment()
        default = "" if environment == DEV else None
        return cls(
            environment=environment,
            version=reader.text("AWS_LAMBDA_FUNCTION_VERSION", "local"),
            digest=reader.text("DIGEST", ""),
            table=reader.text("TABLE", default),
            topics=source.topics(reader),
            api_key_secret=reader.text("API_KEY_SECRET", default),
            heartbeat_seconds=reader.number("HEARTBEAT_SECONDS", 15, least=0.05, most=60),
            stream_seconds=reader.number("STREAM_SECONDS", 840, least=0.1, most=LAMBDA_LIMIT - 15),
            poll_seconds=reader.number("POLL_SECONDS", 2, least=0.01, most=60),
            settle_seconds=reader.number("SETTLE_SECONDS", 2, most=60),
            stall_seconds=reader.number("STALL_SECONDS", 30, least=0.1, most=300),
            host=reader.text("HOST", "0.0.0.0"),  # noqa: S104 - inside a function's sandbox
            port=reader.whole("PORT", 8080, most=65535),
        )
