"""One story is one article, and no text of the world makes one that cannot be kept, sent or shown."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.announcing import LARGEST, MOST, batches
from ingestion.articles import (
    LONGEST_DESCRIPTION,
    LONGEST_SOURCE,
    LONGEST_TITLE,
    LONGEST_URL,
    TRACKING,
    Skipped,
    canonical,
    identity,
    link,
    normal,
    normalized,
    plain,
)
from sentiment import clock
from sentiment.articles import Announcement, Article

TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
ITEM_LIMIT = 400 * 1024
"""Bytes: DynamoDB's."""

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
odd = st.sampled_from("<>/!-&;#xab \u00e9\u4e1c\U0001f389\x00\u202e\ud800\"'=")
words = st.text(odd | st.characters(), max_size=80)
sources = st.tuples(st.sampled_from([*sorted(TRACKING), "utm_source", "utm_x"]), st.text("aZ9-_"))
hosts = st.from_regex(r"[a-z0-9]{1,10}(\.[a-z]{2,5}){1,2}", fullmatch=True)
paths = st.lists(st.text(max_size=8), max_size=4).map(lambda parts: "".join(f"/{part}" for part in parts))
queries = st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5)), max_size=4)


@st.composite
def urls(draw: st.DrawFn) -> str:
    """Addresses as they come: of any characters, also those that should have been escaped."""
    scheme = draw(st.sampled_from(["http", "https", "HTTPS", "ftp"]))
    port = draw(st.sampled_from(["", ":443", ":80", ":8080", ":x"]))
    query = "&".join(f"{name}={value}" for name, value in draw(queries))
    end = draw(st.sampled_from(["", "?", f"?{query}", f"?{query}#f", "/", "//", "/?a=%zz&b=%c3%A4", "/%7e%2F%"]))
    return f"{scheme}://{draw(hosts)}{port}{draw(paths)}{end}"


SAME = [
    ("https://example.com/a", "https://example.com/a/"),
    ("https://example.com/a", "HTTPS://EXAMPLE.com/a"),
    ("https://example.com/a", "https://example.com:443/a"),
    ("http://example.com/a", "http://example.com:80/a"),
    ("https://example.com/a", "https://example.com./a"),
    ("https://example.com/a", "https://example.com/a#comments"),
    ("https://example.com/a", "https://example.com/a?"),
    ("https://example.com/a", "https://example.com/a?utm_source=feed&utm_medium=rss&fbclid=1"),
    ("https://example.com/a", "https://example.com/a?UTM_Campaign=x"),
    ("https://example.com/a?x=1&y=2", "https://example.com/a?y=2&x=1"),
    ("https://example.com/a?x=1+2", "https://example.com/a?x=1%202"),
    ("https://example.com", "https://example.com/"),
    ("https://example.com/~a", "https://example.com/%7Ea"),
    ("https://example.com/ä", "https://example.com/%c3%a4"),
    ("https://münchen.example/a", "https://xn--mnchen-3ya.example/a"),
    ("https://example.com/a b", "https://example.com/a%20b"),
    ("https://[2001:db8::1]/a", "https://[2001:DB8:0:0:0:0:0:1]/a"),
]
ANOTHER = [
    ("https://example.com/a", "http://example.com/a"),
    ("https://example.com/a", "https://www.example.com/a"),
    ("https://example.com/a", "https://example.com/A"),
    ("https://example.com/a", "https://example.com:8443/a"),
    ("https://example.com/a", "https://example.com/a?id=1"),
    ("https://example.com/a?id=1", "https://example.com/a?id=2"),
    ("https://example.com/a/b", "https://example.com/a%2Fb"),
    ("https://example.com/a?x=%FF", "https://example.com/a?x=%FE"),
    ("https://example.com/a?x=1&x=2", "https://example.com/a?x=1"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_the_same_story(one: str, other: str) -> None:
    assert canonical(one)
    assert canonical(one) == canonical(other)
    assert identity(one) == identity(other)


@pytest.mark.parametrize(("one", "other"), ANOTHER)
def test_another_story(one: str, other: str) -> None:
    assert canonical(one)
    assert canonical(other)
    assert identity(one) != identity(other)


def test_an_id_is_what_it_was() -> None:
    """Another one for the same address would announce all news again."""
    assert identity("https://news.example.com/energy/same?b=2&a=1") == "bd5ad649a1d9770d021c5207d0b4a62d"


@given(urls())
def test_what_is_canonical_stays_as_it_is(url: str) -> None:
    once = canonical(url)
    assert canonical(once) == once
    assert once.isascii()


@given(urls(), st.lists(sources), st.data())
def test_where_a_reader_came_from_never_matters(url: str, tracking: list[tuple[str, str]], data: st.DataObject) -> None:
    before, _, query = url.partition("#")[0].partition("?")
    parts = [part for part in query.split("&") if part]
    for name, value in tracking:
        parts.insert(data.draw(st.integers(0, len(parts))), f"{name}={value}")
    assert canonical(f"{before}?{'&'.join(parts)}") == canonical(url)


@given(urls(), st.randoms())
def test_the_order_of_a_query_never_matters(url: str, chance: Any) -> None:
    before, mark, query = url.partition("#")[0].partition("?")
    parts = query.split("&")
    chance.shuffle(parts)
    assert canonical(f"{before}{mark}{'&'.join(parts)}") == canonical(url.partition("#")[0])


@given(urls())
def test_what_a_query_asks_for_is_kept(url: str) -> None:
    asked = parse_qsl(urlsplit(url).query, keep_blank_values=True, errors="surrogateescape")
    if known := canonical(url):
        kept = parse_qsl(urlsplit(known).query, keep_blank_values=True, errors="surrogateescape")
        assert sorted(asked) == kept


@given(urls() | words | st.text(st.characters(codec=None)))
def test_a_link_is_an_address_that_is_safe_on_a_page(text: str) -> None:
    kept = link(text)
    assert len(kept) <= LONGEST_URL
    if kept:
        assert kept.lower().startswith(("http://", "https://"))
        assert not re.search(r"[\s\"'<>\\`\x00-\x1f\x7f]", kept)
        assert kept.encode()
        assert link(kept) == kept
        assert identity(kept) == identity(link(kept))


@pytest.mark.parametrize(
    "url",
    [None, 17, "", " ", "example.com", "/a", "ftp://example.com/", "javascript:alert(1)", "data:text/html,x", "https://",
     "https:///a", "https://[::1/", "https://example.com:x/", "https://example.com:99999/", "https://u:p@example.com/",
     "https://example.com@evil.example/", "https://ex ample.com/", "https://<b>.example/", "https://[fe80::1%25eth0]/",
     "https://example.com\\@evil.example/", "https://example.com/" + "a" * LONGEST_URL, "https://.../"],
)  # fmt: skip
def test_addresses_that_nobody_can_read_at(url: object) -> None:
    assert link(url) == ""
    assert normal({"title": "A title", "url": url}, "energy") is Skipped.NO_URL


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  a\n b\t c ", "a b c"),
        ("<p>one</p><p>two</p>", "one two"),
        ("<b>W</b>ind", "Wind"),
        ("AT&amp;T", "AT&T"),
        ("AT&amp;amp;T", "AT&T"),
        ("&lt;em&gt;x&lt;/em&gt;", "x"),
        ("3 < 5 and 7 > 2", "3 < 5 and 7 > 2"),
        ("I <3 this", "I <3 this"),
        ("a<script>alert('<b>')</script>b", "a b"),
        ("a<style>p{}</style >b", "a b"),
        ("a<!-- <b> -->b", "a b"),
        ("a<br/>b", "a b"),
        ("<<b>b>bold", "bold"),
        ("&nbsp;a&nbsp;", "a"),
        ("bell\x07\x00\x7f\x9f", "bell"),
        ("\u202eturned\u202c", "turned"),
        ("&#x202e;turned", "turned"),
        ("&amp;#x202e;turned", "turned"),
        ("half \ud83d", "half"),
        ("\ufffe\uffff", ""),
        ("👩\u200d🚀 نمی\u200cشود", "👩\u200d🚀 نمی\u200cشود"),
        ("a" * 50, "a" * 50),
        ("a" * 51, "a" * 49 + "…"),
        (None, ""),
        (5, ""),
    ],
)
def test_text_is_plain(text: object, expected: str) -> None:
    assert plain(text, 50) == expected


def test_text_that_is_made_to_be_slow_is_not() -> None:
    """Who looks for an end from each of these beginnings is still at it when the suite is given up."""
    for piece in ("<!--", "<script>", "<a ", "&lt;", "<", "&amp;" * 3):
        plain(piece * 300_000, 250_000)


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("2026-11-21T15:09:42Z", "2026-11-21T15:09:42.000Z"),
        ("2026-11-21T15:09:42+01:00", "2026-11-21T14:09:42.000Z"),
        ("2026-11-21T15:09:42.1234567Z", "2026-11-21T15:09:42.123Z"),
        (" 2026-11-21 ", "2026-11-21T00:00:00.000Z"),
        ("0001-01-01T00:00:00Z", ""),
        ("0001-01-01T00:00:00+23:00", ""),
        ("9999-12-31T23:59:59-23:00", ""),
        ("2026-02-30T00:00:00Z", ""),
        ("yesterday", ""),
        ("", ""),
        (None, ""),
        (1763721600, ""),
    ],
)
def test_dates(date: object, expected: str) -> None:
    made = normal({"title": "A title", "url": "https://example.com", "publishedAt": date}, "energy")
    assert isinstance(made, Article)
    assert made.published_at == expected


@pytest.mark.parametrize("title", ["[Removed]", " [removed] ", "<b>[Removed]</b>"])
def test_what_a_publisher_took_back_is_counted_as_such(title: str) -> None:
    assert normal({"title": title, "url": "https://removed.com"}, "energy") is Skipped.REMOVED


def check(article: Article) -> None:
    """What everybody after us relies on."""
    assert re.fullmatch("[0-9a-f]{32}", article.id)
    assert article.title
    for text, longest in (
        (article.title, LONGEST_TITLE),
        (article.description, LONGEST_DESCRIPTION),
        (article.source, LONGEST_SOURCE),
    ):
        assert len(text) <= longest
        assert text == " ".join(text.split())
        assert not TAG.search(text)
        assert not re.search(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069\ufffe\uffff]", text)
    if article.published_at:
        assert clock.stamp(clock.moment(article.published_at)) == article.published_at
    assert len(json.dumps([*vars_of(article)], ensure_ascii=False).encode()) < ITEM_LIMIT
    assert Announcement.from_json(Announcement.of(article).to_json()) == Announcement.of(article)


def vars_of(article: Article) -> list[str]:
    return [getattr(article, name) for name in Article.__dataclass_fields__]


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "title": words | anything,
            "url": urls() | anything,
            "description": words | anything,
            "source": st.fixed_dictionaries({"name": words | anything}) | anything,
            "publishedAt": st.datetimes().map(str) | anything,
        },
    )
    | anything
)
def test_anything_is_an_article_that_is_fit_to_keep_or_is_skipped(found: object) -> None:
    made = normal(found, "energy")
    if isinstance(made, Article):
        check(made)
    else:
        assert isinstance(made, Skipped)


@given(st.sampled_from(["x", "é", "東", "🎉", '"', "\\", "&lt;", "<b>", "\x00", " "]), st.integers(1, 40_000))
def test_the_longest_texts_fit_ten_to_a_batch(piece: str, times: int) -> None:
    long = piece * times
    found = [
        {"title": f"t{long}", "description": long, "source": {"name": long}, "url": f"https://example.com/{number}"}
        for number in range(MOST)
    ]
    made = normalized(found, "energy")
    for article in made.articles:
        check(article)
    [batch] = batches(made.articles)
    assert sum(len(text.encode()) for _, text in batch) <= LARGEST


@given(st.lists(st.sampled_from([url for pair in SAME for url in pair]), max_size=20))
def test_each_story_is_there_once_and_the_first_stays(found: list[str]) -> None:
    made = normalized([{"title": f"{number}", "url": url} for number, url in enumerate(found)], "energy")
    first = {identity(url): number for number, url in reversed([*enumerate(found)])}
    assert [(one.id, one.title) for one in made.articles] == sorted(
        ((id, f"{number}") for id, number in first.items()), key=lambda one: int(one[1])
    )
    assert made.doubled == len(found) - len(first)
