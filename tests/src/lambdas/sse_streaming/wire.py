"""Server-Sent Events read as the specification tells browsers to: written without a look at how they are framed."""

from __future__ import annotations

import codecs
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Said:
    name: str
    data: str
    id: str
    """The last one so far, as a browser has it."""


@dataclass
class Parser:
    events: list[Said] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    retry: int | None = None
    id: str = ""

    def __post_init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("strict")
        self._line = ""
        self._after_cr = False
        self._name = ""
        self._data = ""

    def feed(self, chunk: bytes) -> None:
        for letter in self._decoder.decode(chunk):
            if letter == "\n" and self._after_cr:
                self._after_cr = False
                continue
            self._after_cr = letter == "\r"
            if letter in "\r\n":
                line, self._line = self._line, ""
                self._read(line)
            else:
                self._line += letter

    def _read(self, line: str) -> None:
        if not line:
            self._dispatch()
            return
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "":
                self.comments.append(value)
            case "event":
                self._name = value
            case "data":
                self._data += value + "\n"
            case "id" if "\0" not in value:
                self.id = value
            case "retry" if value.isascii() and value.isdigit():
                self.retry = int(value)
            case _:
                pass

    def _dispatch(self) -> None:
        name, data, self._name, self._data = self._name, self._data, "", ""
        if data:
            self.events.append(Said(name=name or "message", data=data[:-1], id=self.id))
