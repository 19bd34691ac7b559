from __future__ import annotations

import json
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_streaming import framing
from sse_streaming.feed import compact
from tests.src.lambdas.sse_streaming.wire import Parser

ANY_TEXT = st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from("\r\n\0\u2028\u2029\u0085\ufeff\v\f: ")))
ON_ONE_LINE = ANY_TEXT.map(lambda text: re.sub(r"[\r\n\0]", "", text))


def read(body: bytes, cuts: list[int] | None = None) -> Parser:
    parser = Parser()
    places = [0, *sorted(cut % (len(body) + 1) for cut in cuts or []), len(body)]
    for start, stop in pairwise(places):
        parser.feed(body[start:stop])
    return parser


@given(text=ANY_TEXT, id=ON_ONE_LINE, name=ON_ONE_LINE, cuts=st.lists(st.integers(min_value=0)))
def test_any_text_survives_the_wire_however_it_is_cut(text: str, id: str, name: str, cuts: list[int]) -> None:
    [said] = read(framing.event(text, name=name, id=id), cuts).events
    assert said.data == text.replace("\r\n", "\n").replace("\r", "\n")
    assert (said.name, said.id) == (name or "message", id)


@given(text=st.text(), cuts=st.lists(st.integers(min_value=0)))
def test_in_json_every_character_survives_line_ends_and_halves_of_pairs_too(text: str, cuts: list[int]) -> None:
    [said] = read(framing.event(compact({"title": text})), cuts).events
    assert json.loads(said.data) == {"title": text}


@given(texts=st.lists(ANY_TEXT, max_size=6))
def test_events_one_after_the_other_are_those_events(texts: list[str]) -> None:
    parser = read(b"".join(framing.event(text, id=str(number)) for number, text in enumerate(texts)))
    assert [said.id for said in parser.events] == [str(number) for number in range(len(texts))]


@given(text=ANY_TEXT)
def test_a_comment_is_never_an_event(text: str) -> None:
    parser = read(framing.comment(text))
    assert parser.events == []
    assert "\n".join(parser.comments) == text.replace("\r\n", "\n").replace("\r", "\n")


def test_the_opening_tells_when_and_where_to_go_on_and_is_no_event() -> None:
    parser = read(framing.opening(retry=3000, id="here"))
    assert (parser.retry, parser.id, parser.events) == (3000, "here", [])


@pytest.mark.parametrize("field", ["a\nb", "a\rb", "a\0b", "\r\n"])
def test_what_fits_on_no_line_is_no_id_and_no_name(field: str) -> None:
    with pytest.raises(ValueError, match="does not fit on one line"):
        framing.event("data", id=field)
    with pytest.raises(ValueError, match="does not fit on one line"):
        framing.event("data", name=field)
