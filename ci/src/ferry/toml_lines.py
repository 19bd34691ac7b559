"""Where each key of a TOML document stands: tomllib reads values but forgets their lines."""

from __future__ import annotations

import re
import tomllib
from bisect import bisect
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ferry.shape import Path

_BLANK = re.compile(r"(?:[\s,]+|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}\n#]*")
_STRING = re.compile(
    r'"""(?:[^\\]|\\[\s\S])*?"{3,5}'
    r"|'''[\s\S]*?'{3,5}"
    r'|"(?:[^"\\]|\\.)*"'
    r"|'[^']*'"
)


def key_lines(text: str) -> dict[Path, int]:
    """The line of every table, key and list item in a document that tomllib accepts.

    A key that is named more than once (a table and the tables in it) has the line of its own header, if it has one.
    """
    return _Scanner(text).document()


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.newlines = [match.start() for match in re.finditer("\n", text)]
        self.lines: dict[Path, int] = {}
        self.last_index: dict[Path, int] = {}

    def document(self) -> dict[Path, int]:
        table: Path = ()
        while self.take(_BLANK) is not None and self.at < len(self.text):
            if self.peek() == "[":
                table = self.header()
            else:
                self.pair(table)
        return self.lines

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def take(self, pattern: re.Pattern[str]) -> str | None:
        match = pattern.match(self.text, self.at)
        if match is None:
            return None
        self.at = match.end()
        return match[0]

    def line(self) -> int:
        return bisect(self.newlines, self.at) + 1

    def header(self) -> Path:
        line, brackets = self.line(), 2 if self.text.startswith("[[", self.at) else 1
        self.at += brackets
        *parents, last = self.dotted_key()
        self.at += brackets
        path: Path = ()
        for key in parents:
            path = self.current((*path, key))
            self.lines.setdefault(path, line)
        path = (*path, last)
        if brackets == 2:
            self.last_index[path] = self.last_index.get(path, -1) + 1
            self.lines.setdefault(path, line)
            path = self.current(path)
        self.lines[path] = line
        return path

    def current(self, path: Path) -> Path:
        """In a list of tables, a header means the table that was opened last."""
        return (*path, self.last_index[path]) if path in self.last_index else path

    def pair(self, table: Path) -> None:
        line, path = self.line(), table
        for key in self.dotted_key():
            path = (*path, key)
            self.lines.setdefault(path, line)
        self.at += 1  # the equals sign
        self.take(_SPACE)
        self.value(path)

    def dotted_key(self) -> list[str]:
        keys = [self.key()]
        while self.peek() == ".":
            self.at += 1
            keys.append(self.key())
        return keys

    def key(self) -> str:
        self.take(_SPACE)
        key = self.take(_BARE)
        if key is None:
            key = str(tomllib.loads(f"key = {self.take(_STRING)}")["key"])
        self.take(_SPACE)
        return key

    def value(self, path: Path) -> None:
        if self.peek() == "[":
            self.items(path)
        elif self.peek() == "{":
            self.at += 1
            while self.take(_BLANK) is not None and self.peek() != "}":
                self.pair(path)
            self.at += 1
        elif self.take(_STRING) is None:
            self.take(_SCALAR)

    def items(self, path: Path) -> None:
        self.at += 1
        index = 0
        while self.take(_BLANK) is not None and self.peek() != "]":
            self.lines[(*path, index)] = self.line()
            self.value((*path, index))
            index += 1
        self.at += 1
