from __future__ import annotations

import json
import tomllib
from itertools import count
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ferry.toml_lines import key_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ferry.shape import Path

FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SCALARS = (
    "1_000", "-1.5e3", "true", "1979-05-27 07:32:00.5Z", "'#]}\\'", '"#]}\\"\\\\"', '""', "''",
    '"""\n"quoted" \\""" = [x]\n# no comment"""', "'''\n[no.table]\nkey = 1''''", '"""a""""',
)  # fmt: skip


class Writer:
    """Writes a random valid document, and notes where everything went."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.numbers = count()
        self.text = ""
        self.lines: dict[Path, int] = {}

    def pick(self, *choices: str) -> str:
        return self.draw(st.sampled_from(choices))

    def mark(self, path: Path) -> None:
        self.lines[path] = self.text.count("\n") + 1

    def document(self) -> None:
        for _ in range(self.draw(st.integers(0, 3))):
            self.pair(())
        for _ in range(self.draw(st.integers(0, 3))):
            self.draw(st.sampled_from([self.table, self.tables]))()

    def table(self) -> None:
        self.gap()
        parent, path = (self.key(),), (self.key(),)
        self.mark(parent)
        self.mark((*parent, *path))
        self.text += f"[ {self.written(parent[0])} . {self.written(path[0])} ] # ]\n"
        self.pairs((*parent, *path))
        self.mark(parent)
        self.text += f"[{self.written(parent[0])}]\n"
        self.pairs(parent)

    def tables(self) -> None:
        self.gap()
        key = self.key()
        self.mark((key,))
        for index in range(self.draw(st.integers(1, 3))):
            self.mark((key, index))
            self.text += f"[[{self.written(key)}]]\n"
            self.pairs((key, index))
            self.mark((key, index, "below"))
            self.text += f"[{self.written(key)}.below]\n"
            self.pairs((key, index, "below"))

    def gap(self) -> None:
        self.text += self.pick("", "\n", "# [comment]\n\n", "  \t\r\n")

    def pairs(self, table: Path) -> None:
        for _ in range(self.draw(st.integers(0, 2))):
            self.pair(table)

    def pair(self, table: Path) -> None:
        self.gap()
        self.assignment(table, depth=0)
        self.text += self.pick("\n", " # } ] =\n", "\r\n")

    def assignment(self, table: Path, depth: int) -> None:
        for key in (keys := [self.key() for _ in range(self.draw(st.integers(1, 2)))]):
            table = (*table, key)
            self.mark(table)
        self.text += self.pick(".", " . ").join(map(self.written, keys)) + self.pick("=", " = ")
        self.value(table, depth)

    def value(self, path: Path, depth: int) -> None:
        writers = [self.items, self.inline] if depth < 3 else []
        self.draw(st.sampled_from([*writers, lambda *_: self.say(self.pick(*SCALARS))]))(path, depth + 1)

    def say(self, text: str) -> None:
        self.text += text

    def items(self, path: Path, depth: int) -> None:
        self.text += "["
        for index in range(self.draw(st.integers(0, 3))):
            self.text += self.pick("", " ", "\n", " # ]\n\t")
            self.mark((*path, index))
            self.value((*path, index), depth)
            self.text += self.pick(",", "\n,", " , # ,\n")
        self.text += "]"

    def inline(self, path: Path, depth: int) -> None:
        self.text += "{"
        for index in range(self.draw(st.integers(0, 2))):
            self.text += ", " if index else " "
            self.assignment(path, depth)
        self.text += "}"

    def key(self) -> str:
        return self.pick("k", "-", "two words", "dot.ted", 'quo"te', "[x]", "#", "ü", "\\", "\t") + str(
            next(self.numbers)
        )

    def written(self, key: str) -> str:
        return key if set(key) <= set("k-0123456789") else json.dumps(key, ensure_ascii=False)


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, dict[Path, int]]:
    writer = Writer(draw)
    writer.document()
    return writer.text, writer.lines


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from paths(item, (*path, key))


@FUZZ
@given(documents())
def test_every_key_of_a_valid_document_has_its_line(document: tuple[str, dict[Path, int]]) -> None:
    text, lines = document

    assert key_lines(text) == lines
    assert set(paths(tomllib.loads(text))) == set(lines)


def test_a_table_that_is_named_after_its_children_has_the_line_of_its_own_header() -> None:
    lines = key_lines("[a.b.c]\n[a.b]\n")

    assert lines == {("a",): 1, ("a", "b"): 2, ("a", "b", "c"): 1}
