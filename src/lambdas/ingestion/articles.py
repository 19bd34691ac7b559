"""From what NewsAPI says of an article to what we keep. Pure; whatever comes, nothing here raises.

An article is known by its canonical URL, so that one story is one item however it was linked to:

- scheme and host in lower case, the host in ASCII (IDNA) and without a last dot, no default port;
- no fragment, and no query parameter that only says where a reader came from;
- query parameters in order of name and value, percent-encoded in one way;
- no slash at the end of a path, except of the root's.

Two URLs that a server could tell apart stay apart: http and https, letter case of a path, `www.`. What is kept for
readers is the link as the publisher gave it, because a server may insist on its own spelling.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from ipaddress import IPv6Address
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import idna

from sentiment import clock
from sentiment.articles import Article

if TYPE_CHECKING:
    from collections.abc import Iterable
    from urllib.parse import SplitResult

LONGEST_URL = 2048
LONGEST_TITLE = 500
LONGEST_DESCRIPTION = 5000
LONGEST_SOURCE = 200
"""Characters. At 4 bytes each an item stays far below DynamoDB's 400 KB, and ten announcements below SNS's 256 KB."""

FIRST_YEAR = 1970
"""NewsAPI says 0001-01-01 of what it does not know."""
REMOVED = "[removed]"
"""NewsAPI's title of what a publisher took back."""

TRACKING = frozenset({
    "_ga", "_gl", "_hsenc", "_hsmi", "dclid", "fbclid", "gbraid", "gclid", "gclsrc", "igshid", "mc_cid", "mc_eid",
    "mkt_tok", "msclkid", "srsltid", "ttclid", "twclid", "wbraid", "yclid",
})  # fmt: skip
TRACKING_PREFIX = "utm_"
PORTS = {"http": 80, "https": 443}

_HOST = re.compile(r"[a-z0-9._-]{1,253}")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})?")
_BREAK = re.compile(r"[\t\r\n]")
"""Browsers leave them out of an address."""
_UNSAFE = frozenset("\"'<>\\^`{|}")
_PATH_SAFE = "/:@!$&'()*+,;=~-._%"
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")

# Controls, halves of surrogate pairs, what is no character, and what turns the direction of all the text that follows.
_UNWANTED = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069\ufffe\uffff]")
_HIDDEN = tuple(
    (re.compile(opening, re.IGNORECASE), re.compile(closing, re.IGNORECASE))
    for opening, closing in (
        (r"<!--", r"-->"),
        (r"<script\b[^<>]*>", r"</script\s*>"),
        (r"<style\b[^<>]*>", r"</style\s*>"),
    )
)
_INLINE = re.compile(r"</?(?:a|abbr|b|em|font|i|mark|small|span|strong|sub|sup|u)(?:\s[^<>]*)?/?>", re.IGNORECASE)
_TAG = re.compile(r"<[/!?]?[a-zA-Z][^<>]*>")


class Skipped(StrEnum):
    """Why nothing can be made of an article."""

    NOT_AN_OBJECT = "not an object"
    NO_URL = "no usable url"
    NO_TITLE = "no title"
    REMOVED = "removed by its publisher"


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalized:
    articles: tuple[Article, ...]
    """Each once, in the order in which they came."""
    skipped: Counter[Skipped]
    doubled: int
    """So many were there before, under another spelling of their URL."""


def normalized(found: Iterable[object], topic: str) -> Normalized:
    made = [normal(one, topic) for one in found]
    articles = [one for one in made if isinstance(one, Article)]
    each: dict[str, Article] = {}
    for article in articles:
        each.setdefault(article.id, article)
    return Normalized(
        articles=tuple(each.values()),
        skipped=Counter(one for one in made if isinstance(one, Skipped)),
        doubled=len(articles) - len(each),
    )


def normal(found: object, topic: str) -> Article | Skipped:
    if not isinstance(found, dict):
        return Skipped.NOT_AN_OBJECT
    title = plain(found.get("title"), LONGEST_TITLE)
    if title.casefold() == REMOVED:
        return Skipped.REMOVED
    url = link(found.get("url"))
    if not url:
        return Skipped.NO_URL
    if not title:
        return Skipped.NO_TITLE
    source = found.get("source")
    return Article(
        id=identity(url),
        topic=topic,
        title=title,
        url=url,
        description=plain(found.get("description"), LONGEST_DESCRIPTION),
        source=plain(source.get("name"), LONGEST_SOURCE) if isinstance(source, dict) else "",
        published_at=_published(found.get("publishedAt")),
    )


def identity(url: str) -> str:
    return sha256(canonical(url).encode()).hexdigest()[:32]


def link(found: object) -> str:
    """An address on the web that can be kept and put on a page; empty where it is none.

    One with a user name in it is none: it is there to look like another host's.
    """
    if not isinstance(found, str):
        return ""
    url = _UNWANTED.sub("", _BREAK.sub("", found)).strip()
    if len(url) > LONGEST_URL or not canonical(url):
        return ""
    url = "".join(quote(char) if char in _UNSAFE or char.isspace() else char for char in url)
    return url if len(url) <= LONGEST_URL else ""


def canonical(url: str) -> str:
    """What the article is known by; empty where it is no address on the web."""
    try:
        parts = urlsplit(url)
        place = _place(parts)
        path = _ESCAPE.sub(_escape, quote(parts.path, safe=_PATH_SAFE)).rstrip("/") or "/"
        return urlunsplit((parts.scheme, place, path, _query(parts.query), "")) if place else ""
    except ValueError:
        return ""


def plain(found: object, longest: int) -> str:
    """Text without HTML, control characters or line breaks; what is no text is empty."""
    if not isinstance(found, str):
        return ""
    text = found[: 4 * longest]
    # Twice, because feeds escape what was escaped before.
    for _ in range(2):
        text = _UNWANTED.sub("", html.unescape(_without_tags(_UNWANTED.sub("", text))))
    text = " ".join(_without_tags(text).split())
    return text if len(text) <= longest else f"{text[: longest - 1].rstrip()}…"


def _place(parts: SplitResult) -> str:
    """Host and port; empty where they are none. So does a ValueError say, which urllib's own properties raise."""
    if parts.scheme not in PORTS or parts.username is not None or parts.password is not None:
        return ""
    host = _host(parts.hostname or "")
    port = "" if parts.port in (None, PORTS[parts.scheme]) else f":{parts.port}"
    return f"{host}{port}" if host else ""


def _host(name: str) -> str:
    if ":" in name:
        address = IPv6Address(name)
        return "" if address.scope_id else f"[{address}]"
    if not name.isascii():
        name = idna.encode(name, uts46=True).decode()  # its errors are ValueErrors
    name = name.rstrip(".").lower()
    return name if _HOST.fullmatch(name) else ""


def _query(query: str) -> str:
    # Bytes that are no UTF-8 stay what they are.
    pairs = parse_qsl(query, keep_blank_values=True, errors="surrogateescape")
    kept = sorted((name, value) for name, value in pairs if not _tracks(name))
    return urlencode(kept, quote_via=quote, safe="", encoding="utf-8", errors="surrogateescape")


def _tracks(name: str) -> bool:
    name = name.lower()
    return name in TRACKING or name.startswith(TRACKING_PREFIX)


def _escape(found: re.Match[str]) -> str:
    """Of the spellings of a character one: as itself where it needs no escape."""
    if not found[1]:
        return "%25"
    char = chr(int(found[1], 16))
    return char if char in _UNRESERVED else f"%{found[1].upper()}"


def _without_tags(text: str) -> str:
    """A tag leaves a space: words on both sides stay two, and what is left cannot join to another tag."""
    for opening, closing in _HIDDEN:
        text = _without(text, opening, closing)
    return _TAG.sub(" ", _INLINE.sub("", text))


def _without(text: str, opening: re.Pattern[str], closing: re.Pattern[str]) -> str:
    """Each part is looked at once, however many openings have no end."""
    kept, at = [], 0
    while (start := opening.search(text, at)) and (end := closing.search(text, start.end())):
        kept.append(text[at : start.start()])
        at = end.end()
    return " ".join([*kept, text[at:]])


def _published(found: object) -> str:
    if not isinstance(found, str):
        return ""
    try:
        moment = clock.moment(found.strip())
    except (ValueError, OverflowError):
        return ""
    return clock.stamp(moment) if moment.year >= FIRST_YEAR else ""
