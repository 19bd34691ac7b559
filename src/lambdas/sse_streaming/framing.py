"""Server-Sent Events as bytes: https://html.spec.whatwg.org/multipage/server-sent-events.html.

Any text survives. Two things are not to be had: every kind of line end arrives as a line feed, and half a surrogate
pair, which UTF-8 cannot say, as a question mark.
"""

from __future__ import annotations

import re

_LINE_END = re.compile(r"\r\n|\r|\n")  # these alone: what else Python takes for one, such as U+2028, is text here
_NOT_IN_FIELD = re.compile(r"[\r\n\0]")


def event(data: str, *, name: str = "", id: str = "") -> bytes:
    """`id`: where a reader goes on, who was cut off after this event. ValueError: no name or id can be this."""
    lines = [f"{field}: {_line(value)}" for field, value in (("id", id), ("event", name)) if value]
    lines += [f"data: {line}" for line in _LINE_END.split(data)]
    return _block(lines)


def opening(*, retry: int, id: str = "") -> bytes:
    """No event: how many milliseconds a reader waits before it comes back, and where it goes on then."""
    return _block([f"retry: {retry}"] + ([f"id: {_line(id)}"] if id else []))


def comment(text: str) -> bytes:
    """No event either: it shows that the stream lives."""
    return _block([f": {line}" for line in _LINE_END.split(text)])


def _line(value: str) -> str:
    if _NOT_IN_FIELD.search(value):
        raise ValueError(f"{value!r} does not fit on one line of a stream")
    return value


def _block(lines: list[str]) -> bytes:
    return ("\n".join(lines) + "\n\n").encode("utf-8", "replace")
