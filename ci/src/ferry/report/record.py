"""The run as data: every event, in order, in one JSON document that carries its schema version."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any, Final, get_args

from ferry import shape
from ferry.errors import RecordError
from ferry.report.events import Event
from ferry.report.files import AtEnd, write_whole

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ferry.report.stream import Reader

SCHEMA: Final = "ferry.run/1"
_KINDS: Final[dict[str, type[Any]]] = {kind.__name__.lower(): kind for kind in get_args(Event.__value__)}


def reader(path: Path) -> Reader:
    return AtEnd(render, partial(write_whole, path))


def render(events: Iterable[Event]) -> str:
    """One event on each line, so that two records can be compared with diff."""
    told = ({"event": type(event).__name__.lower(), **shape.plain(event)} for event in events)
    lines = ",\n".join(json.dumps(event, ensure_ascii=False) for event in told)
    return f'{{"schema": "{SCHEMA}", "events": [\n{lines}\n]}}\n'


def read(path: Path) -> tuple[Event, ...]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _refusal(path, str(error)) from None
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        found = record.get("schema") if isinstance(record, dict) else record
        raise _refusal(path, f"its schema is {shape.show(found)}; this Ferry knows {SCHEMA!r}")
    if not isinstance(events := record.get("events"), list):
        raise _refusal(path, f"it holds no events, but {shape.show(events)}")
    return tuple(_event(path, told) for told in events)


def _event(path: Path, told: Any) -> Event:
    name = told.pop("event", None) if isinstance(told, dict) else None
    kind = _KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise _refusal(path, f"it holds an event that is not one of: {', '.join(_KINDS)}")
    try:
        event: Event = shape.read(kind, told)
    except shape.Misshapen as error:
        first = error.misfits[0]
        where = f"{kind.__name__.lower()}.{shape.dotted(first.path)}"
        raise _refusal(path, f"{where}: found {first.found}; allowed: {first.allowed}") from None
    return event


def _refusal(path: Path, why: str) -> RecordError:
    return RecordError("this run record cannot be read", where=str(path), why=why, next="run it again for a new one")
