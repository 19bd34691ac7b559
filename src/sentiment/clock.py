"""Time, always in UTC; as text it has milliseconds, so that texts sort as the moments do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]


def now() -> datetime:
    return datetime.now(UTC)


def stamp(moment: datetime) -> str:
    """Such as 2026-11-21T15:09:42.123Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment(text: str) -> datetime:
    """A time of day without a zone is UTC; what is no time is a ValueError."""
    read = datetime.fromisoformat(text)
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)


def hour(at: datetime) -> str:
    """The hour that a moment is in, such as 2026-11-21T15Z: texts sort as the hours do."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%HZ")


def hours_until(end: datetime, count: int) -> tuple[str, ...]:
    """The last `count` hours, oldest first; the one that `end` is in is the last."""
    return tuple(hour(end - timedelta(hours=back)) for back in reversed(range(count)))
