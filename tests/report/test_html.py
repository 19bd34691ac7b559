from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferry.errors import TerraformFailed
from ferry.model import Severity
from ferry.report import Report, html
from ferry.report.events import Changes, Row, Started

from .conftest import deploy, finding

if TYPE_CHECKING:
    from .conftest import Clock

VOID = {"meta", "link", "br", "img"}


class Page(HTMLParser):
    """The elements of a page; raises when one is closed that is not open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data.strip())


def page(text: str) -> Page:
    report = Report(clock=lambda: 0.0)
    with report.step("plan", text) as step:
        step.say(text)
        step.done(text)
    report.found(finding(Severity.BLOCK, text, what=text, why=text, next=text))
    report.changed(Changes(create=1), [Row("create", text, text)], diff=text)
    report.failed(TerraformFailed(text, where=text, why=text, next=text))
    return Page(html.render(report.events, title=text))


def test_the_page_is_well_formed_and_tells_the_whole_run(clock: Clock) -> None:
    report = Report(clock=clock)
    deploy(report, clock)
    told = Page(html.render(report.events, title="Deploy to preprod"))
    assert told.open == []
    words = [word for word in told.words if word]
    for said in (
        "Passed in 1 min 04 s",
        "Findings",
        "What changes",
        "Timeline",
        "Artifacts",
        "+1",
        "↓1",
        "preprod-sse",
    ):
        assert said in words
    assert "Deploy to preprod · 15 January 2027, 08:00:00 UTC · 1 min 04 s" in words


def test_the_timeline_shows_when_and_how_long(clock: Clock) -> None:
    report = Report(clock=clock)
    deploy(report, clock)
    bars = re.findall(r'<i style="left:([\d.]+)%;width:([\d.]+)%">', html.render(report.events))
    assert bars == [("0.00", "96.06"), ("0.00", "96.06"), ("96.06", "0.50"), ("96.06", "3.94")]


def test_the_page_needs_nothing_from_outside(clock: Clock) -> None:
    report = Report(clock=clock)
    deploy(report, clock)
    text = html.render(report.events)
    told = Page(text)
    assert not {tag for tag, _ in told.elements} & {"script", "link", "img", "iframe", "object", "form", "base"}
    assert not any(
        name in {"src", "href", "srcset"} or name.startswith("on") for _, attrs in told.elements for name in attrs
    )
    assert "://" not in text
    assert "url(" not in text
    assert "@import" not in text
    assert "default-src 'none'" in text


HARMLESS = page("harmless")


@pytest.mark.parametrize(
    "hostile", ["</pre><script>x</script>", '"><img src=x onerror=y>', "$body ${title} $$", "<!--", "]]>"]
)
def test_hostile_text_is_text(hostile: str) -> None:
    told = page(hostile)
    assert told.elements == HARMLESS.elements
    assert told.words.count(hostile) == HARMLESS.words.count("harmless")


@given(st.text(alphabet="<>&\"'/!-$={}\n ab", max_size=30))
def test_no_text_changes_the_elements(text: str) -> None:
    assert page(f"x{text}x").elements == HARMLESS.elements


def test_a_run_that_died_says_what_it_was_doing(clock: Clock) -> None:
    report = Report(clock=clock)
    report.emit(Started(step="apply", title="Apply the plan", at=clock.now))
    clock.tick(5)
    report.failed(KeyboardInterrupt())
    told = Page(html.render(report.events))
    assert "not finished" in told.words
    assert ("div", {"class": "step unfinished", "style": "--depth:0"}) in told.elements


def test_nothing_at_all_is_a_page_too() -> None:
    assert Page(html.render([])).open == []
