"""Reads text/event-stream bytes as they come, strictly: what a browser forgives is noted as a problem."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

LINE = re.compile(r"\r\n|\n|\r")
LARGEST = 4 * 1024 * 1024
"""Bytes of one stream: far more than a canary needs to hear, and it listens for seconds."""


class Unreadable(Exception):
    """There is no way to go on reading."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    type: str
    data: str
    id: str | None
    """None: it has none of its own."""


@dataclass(frozen=True, slots=True)
class Comment:
    """A heartbeat, whatever its text."""


@dataclass(frozen=True, slots=True)
class Mark:
    """An id that belongs to no event: from here a reader goes on."""

    id: str


class Parser:
    def __init__(self) -> None:
        self.problems: list[str] = []
        self._decode = codecs.getincrementaldecoder("utf-8-sig")("strict").decode
        self._read = 0
        self._rest = ""
        self._after_return = False
        self._fields: dict[str, list[str]] = {}

    def feed(self, chunk: bytes) -> list[Event | Comment | Mark]:
        """What these bytes complete."""
        self._read += len(chunk)
        if self._read > LARGEST:
            raise Unreadable(f"more than {LARGEST} bytes came, and no end")
        try:
            text = self._decode(chunk)
        except UnicodeDecodeError as error:
            raise Unreadable(f"it is not UTF-8: {error.reason}") from error
        # A line may end in CR LF, and the chunk between the two.
        text = text.removeprefix("\n") if self._after_return else text
        self._after_return = text.endswith("\r") or (self._after_return and not text)
        *lines, self._rest = LINE.split(self._rest + text)
        return [block for line in lines if (block := self._line(line)) is not None]

    def unfinished(self) -> bool:
        """Whether it ended within an event."""
        return bool(self._rest or self._fields)

    def _line(self, line: str) -> Event | Comment | Mark | None:
        if not line:
            return self._event()
        if line.startswith(":"):
            return Comment()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name not in {"data", "event", "id", "retry"}:
            self._problem(f"a line is no field: {line[:60]!r}")
        elif name == "retry" and not (value.isascii() and value.isdigit()):
            self._problem(f"retry is no number: {value[:60]!r}")
        elif name == "id" and "\0" in value:
            self._problem("an id has a NUL")
        else:
            self._fields.setdefault(name, []).append(value)
        return None

    def _event(self) -> Event | Mark | None:
        said, self._fields = self._fields, {}
        if "data" not in said:
            if "event" in said:
                self._problem(f"an event has no data, so that nobody gets it: {said['event'][-1][:60]!r}")
            return Mark(said["id"][-1]) if "id" in said else None
        return Event(
            type=said.get("event", ["message"])[-1], data="\n".join(said["data"]), id=said.get("id", [None])[-1]
        )

    def _problem(self, text: str) -> None:
        if text not in self.problems and len(self.problems) < 10:
            self.problems.append(text)
