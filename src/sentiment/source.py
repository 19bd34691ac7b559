"""Where those who only read get their items: the table, or made-up news where there is none."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from sentiment.demo import Demo
from sentiment.errors import SettingsError
from sentiment.settings import DEV, Reader

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sentiment.articles import Hour, Item

DEV_TOPICS = ("energy", "markets", "technology")


class Source(Protocol):
    """What sentiment.table.Table offers to readers, and says more about. What cannot answer raises Unavailable."""

    def newest(self, limit: int, *, topic: str = "", before: str = "") -> list[Item]: ...

    def after(self, position: str, until: datetime, limit: int) -> list[Item]: ...

    def hours(self, topic: str, hours: Sequence[str]) -> list[Hour]: ...

    def ask(self) -> None: ...


def topics(reader: Reader) -> tuple[str, ...]:
    """TOPICS; dev has some of its own."""
    default = ",".join(DEV_TOPICS) if reader.environment() == DEV else None
    return Reader({"TOPICS": reader.text("TOPICS", default)}).words("TOPICS")


def open_source(*, environment: str, table: str, topics: tuple[str, ...]) -> Source:
    """SettingsError: no table, and this is not dev."""
    if table:
        return _table(table)
    if environment != DEV:
        raise SettingsError(f"TABLE is not set: only {DEV} can do without; see infrastructure/terraform")
    return Demo(topics)


def _table(name: str) -> Source:
    # The SDK is slow to import: only who has a table pays for it.
    from sentiment.aws import client  # noqa: PLC0415
    from sentiment.table import Table  # noqa: PLC0415

    return Table(client("dynamodb"), name, keep=timedelta())  # `keep` is for what is written
