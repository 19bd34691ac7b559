from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.sse import Comment, Event, Mark, Parser, Unreadable

pytestmark = pytest.mark.req("R-07")
SAID = "\ufeffretry: 3000\r\nid: 0\r\n\r\n: beat\revent: item\ndata: {\ndata:ü}\nid: 7\n\ndata\n\n".encode()
BLOCKS = [
    Mark("0"),
    Comment(),
    Event(type="item", data="{\nü}", id="7"),
    Event(type="message", data="", id=None),
]


@given(st.lists(st.integers(0, len(SAID))))
def test_where_the_bytes_are_cut_makes_no_difference(cuts: list[int]) -> None:
    parser = Parser()
    edges = [0, *sorted(cuts), len(SAID)]
    blocks = [block for start, end in pairwise(edges) for block in parser.feed(SAID[start:end])]
    assert blocks == BLOCKS
    assert (parser.problems, parser.unfinished()) == ([], False)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"retry: soon\n\n", "retry is no number"),
        (b"id: a\0b\n\n", "an id has a NUL"),
        (b"event: item\n\n", "an event has no data"),
        (b"hello\n\n", "a line is no field"),
        (b" data: x\n\n", "a line is no field"),
    ],
)
def test_what_a_browser_forgives_is_noted(text: bytes, problem: str) -> None:
    parser = Parser()
    parser.feed(text)
    assert problem in parser.problems[0]


def test_problems_are_not_collected_without_end() -> None:
    parser = Parser()
    parser.feed(b"".join(b"%d\n" % number for number in range(1000)))
    assert len(parser.problems) == 10


def test_half_an_event_is_unfinished() -> None:
    for text in (b"data: x", b"data: x\n"):
        parser = Parser()
        parser.feed(text)
        assert parser.unfinished()


def test_half_a_character_is_waited_for_and_half_of_none_is_unreadable() -> None:
    parser = Parser()
    assert parser.feed("data: ü".encode()[:-1]) == []
    with pytest.raises(Unreadable, match="UTF-8"):
        parser.feed(b"\n")
