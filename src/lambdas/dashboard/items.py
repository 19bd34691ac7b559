"""A page of items, newest first, and where the next one starts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sentiment.articles import Item, Label
    from sentiment.source import Source

BATCH = 100
READS = 10
"""Labels have no index: this many batches are looked through for one page, and no more, however rare the label is."""

_CURSOR = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z~[0-9A-Za-z_-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    items: tuple[Item, ...]
    cursor: str | None
    """None: there is nothing older. A page may be short, or empty, and yet have one."""


def is_cursor(text: str) -> bool:
    return _CURSOR.fullmatch(text) is not None


def page(source: Source, *, limit: int, topic: str = "", label: Label | None = None, cursor: str = "") -> Page:
    batch = BATCH if label else limit + 1
    found: list[Item] = []
    for _ in range(READS):
        rows = source.newest(batch, topic=topic, before=cursor)
        found += [row for row in rows if label in (None, row.sentiment.label)]
        if len(found) > limit:
            return Page(items=tuple(found[:limit]), cursor=found[limit - 1].position)
        if len(rows) < batch:
            return Page(items=tuple(found), cursor=None)
        cursor = rows[-1].position
    return Page(items=tuple(found), cursor=cursor)
