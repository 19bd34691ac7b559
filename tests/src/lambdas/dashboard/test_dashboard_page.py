"""The page in a real browser, with the real dashboard and the real stream behind it."""

from __future__ import annotations

import json
import re
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page, expect, sync_playwright

from sentiment.articles import Article, Label, Sentiment
from sentiment.table import Table
from sse_streaming import framing
from tests.src.lambdas.dashboard.sites import Site, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import ConsoleMessage, Locator, Request

    from tests.awsbox.people import Account

pytestmark = pytest.mark.slow

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
KEY = "the-right-key"
AGAIN = 30_000
"""Milliseconds: longer than the page waits before it tries again after a few failures, on a busy machine too."""
FAST = {"POLL_SECONDS": "0.1", "SETTLE_SECONDS": "0.1"}
LOADING_FAILED = "Failed to load resource"
_NUMBERS = count(1)


@dataclass
class Window:
    """A page, and what it did that nobody sees."""

    page: Page
    errors: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def _request(self, request: Request) -> None:
        self.asked.append(request.url)

    def connection(self, text: str | re.Pattern[str]) -> None:
        expect(self.page.locator("#connection")).to_have_text(text)

    @property
    def items(self) -> Locator:
        return self.page.locator("#feed > li")

    def titles(self) -> list[str]:
        return self.page.locator("#feed h3").all_inner_texts()

    def enter(self, key: str) -> None:
        self.page.get_by_label("API key", exact=True).fill(key)
        self.page.get_by_role("button", name="Open").click()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("there is no chromium or google-chrome on this machine's PATH")
    expect.set_options(timeout=AGAIN)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def looking(browser: Browser, url: str, **how: Any) -> Iterator[Window]:
    """Whatever a test looks at: no foreign host is asked, the policy is kept, and nothing fails in the page."""
    context = browser.new_context(**how)
    try:
        window = Window(context.new_page())
        window.page.goto(url)
        yield window
        hosts = {urlsplit(address).hostname for address in window.asked}
        assert hosts == {"127.0.0.1"}
        assert not [address for address in window.asked if KEY in address]
        assert not [error for error in window.errors if LOADING_FAILED not in error]
    finally:
        context.close()


@pytest.fixture(scope="module")
def dev(browser: Browser) -> Iterator[Site]:  # noqa: ARG001 - no server where there is no browser
    """Made-up news, about one item each second."""
    with serving({"ENVIRONMENT": "dev", **FAST}) as site:
        yield site


@dataclass
class World:
    """An environment with a table and a key of its own."""

    site: Site
    table: Table
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def analyzed(self, title: str, *, topic: str = "energy", score: float = 0.5, url: str = "") -> None:
        id = f"{next(self.numbers):032x}"
        label = Label.POSITIVE if score > 0 else Label.NEGATIVE
        self.table.put_new(
            Article(id=id, topic=topic, title=title, url=url or f"https://example.com/{id}", source="Gazette")
        )
        self.table.record(id, Sentiment(label=label, score=score, model="mock-1"))


@pytest.fixture
def world(account: Account, table_name: str, browser: Browser) -> Iterator[World]:  # noqa: ARG001 - as `dev`
    root = account.root
    secret = f"{table_name}-{next(_NUMBERS)}-page-key"
    root.client("secretsmanager").create_secret(Name=secret, SecretString=KEY)
    environment = {
        "ENVIRONMENT": "preprod", "TABLE": table_name, "API_KEY_SECRET": secret, "TOPICS": "energy,markets", **FAST,
        "AWS_ENDPOINT_URL": root.endpoint, "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": root.key, "AWS_SECRET_ACCESS_KEY": root.secret,
    }  # fmt: skip
    with serving(environment) as site:
        yield World(site, Table(root.client("dynamodb"), table_name, keep=timedelta(days=30)))


def test_a_live_item_appears_at_the_top_without_a_reload(browser: Browser, world: World) -> None:
    world.analyzed("An older story")
    with looking(browser, world.site.url) as window:
        window.enter(KEY)
        window.connection("Live")
        expect(window.items).to_have_count(1)
        window.page.evaluate("window.same = true")
        world.analyzed("Wind power beats every forecast", score=0.82)
        top = window.items.first
        expect(top).to_contain_text("Wind power beats every forecast")
        expect(top).to_contain_text("positive")
        expect(top).to_contain_text("+0.82")
        expect(top.get_by_text("New")).to_be_visible()
        expect(window.page.get_by_role("status")).to_have_text("1 new item. positive: Wind power beats every forecast")
        # The chart moves with it.
        energy = window.page.get_by_role("article", name="energy")
        expect(energy.locator(".counts")).to_contain_text("2")
        expect(energy.locator(".mean-score")).to_have_text("+0.66")
        assert window.page.evaluate("window.same")
        assert window.errors == []


def test_a_stream_that_dies_is_shown_and_nothing_is_missed_when_it_is_back(browser: Browser, world: World) -> None:
    world.analyzed("Before")
    with looking(browser, world.site.url) as window:
        window.enter(KEY)
        window.connection("Live")
        world.site.stream.kill()
        window.connection(re.compile(r"Reconnecting in \d+ s"))
        expect(window.page.get_by_role("status")).to_contain_text("The live connection is lost")
        expect(window.page.get_by_role("button", name="Retry now")).to_be_visible()
        world.analyzed("While it was away, one")
        world.analyzed("While it was away, two")
        world.site.stream.start()
        window.connection("Live")
        expect(window.items).to_have_count(3)
        world.analyzed("After")
        expect(window.items).to_have_count(4)
        assert window.titles() == ["After", "While it was away, two", "While it was away, one", "Before"]
        expect(window.page.get_by_role("button", name="Retry now")).to_be_hidden()


def test_a_retry_need_not_be_waited_for(browser: Browser, world: World) -> None:
    with looking(browser, world.site.url) as window:
        window.enter(KEY)
        window.connection("Live")
        world.site.stream.kill()
        window.connection(re.compile("Reconnecting"))
        world.site.stream.start()
        window.page.get_by_role("button", name="Retry now").click()
        window.connection("Live")


def test_a_dashboard_that_dies_is_said_with_what_to_do(browser: Browser, world: World) -> None:
    world.analyzed("Still here")
    with looking(browser, world.site.url) as window:
        window.enter(KEY)
        expect(window.items).to_have_count(1)
        world.site.dashboard.kill()
        window.page.get_by_role("button", name="Refresh").click()
        notice = window.page.locator("#items-problem")
        expect(notice).to_contain_text("The dashboard does not answer")
        expect(notice).to_contain_text("It tries again by itself")
        # What was loaded stays to be read.
        assert window.titles() == ["Still here"]
        world.site.dashboard.start()
        expect(notice).to_be_hidden()


def test_a_wrong_key_is_told_and_a_right_one_opens_and_can_be_forgotten(browser: Browser, world: World) -> None:
    world.analyzed("For readers alone")
    with looking(browser, world.site.url) as window:
        field = window.page.get_by_label("API key", exact=True)
        expect(field).to_be_focused()
        expect(window.page.locator("#items")).to_be_hidden()
        window.connection("Waiting for a key")
        window.enter("wrong")
        expect(window.page.get_by_role("alert")).to_contain_text("This key is not accepted")
        expect(field).to_be_focused()
        window.enter(KEY)
        expect(window.items).to_have_count(1)
        window.page.reload()
        expect(window.items).to_have_count(1)
        window.page.get_by_role("button", name="Forget key").click()
        expect(field).to_be_visible()
        expect(window.items).to_have_count(0)
        assert window.page.evaluate("sessionStorage.length + localStorage.length + document.cookie.length") == 0


def test_an_empty_environment_says_what_to_expect_until_something_comes(browser: Browser, world: World) -> None:
    with looking(browser, world.site.url) as window:
        window.enter(KEY)
        empty = window.page.locator("#items-empty")
        expect(empty).to_contain_text("No items yet")
        expect(window.page.locator("#overall")).to_contain_text("Nothing was analyzed in the last 24 hours")
        window.connection("Live")
        world.analyzed("The very first")
        expect(window.items).to_have_count(1)
        expect(empty).to_be_hidden()


def test_what_an_article_says_is_text_and_its_link_leads_to_a_page(browser: Browser, world: World) -> None:
    world.analyzed("<img src=x onerror=alert(1)><b>Bold</b>", url="javascript:alert(1)")
    world.analyzed("X" * 400, url="https://example.com/plain")
    with looking(browser, world.site.url, viewport={"width": 390, "height": 844}) as window:
        window.enter(KEY)
        expect(window.items).to_have_count(2)
        assert window.titles()[1] == "<img src=x onerror=alert(1)><b>Bold</b>"
        expect(window.items.nth(1).get_by_role("link")).to_have_count(0)
        link = window.items.first.get_by_role("link")
        expect(link).to_have_attribute("href", "https://example.com/plain")
        expect(link).to_have_attribute("rel", re.compile("noopener"))
        assert window.page.evaluate("document.documentElement.scrollWidth") == 390


def test_filters_choose_and_are_in_the_address(browser: Browser, world: World) -> None:
    for number in range(40):
        world.analyzed(
            f"Story {number}", topic="markets" if number % 2 else "energy", score=0.5 if number % 4 else -0.5
        )
    with looking(browser, world.site.url) as window:
        window.enter(KEY)
        expect(window.items).to_have_count(30)
        window.page.get_by_role("button", name="Load more").click()
        expect(window.items).to_have_count(40)
        expect(window.page.get_by_role("button", name="Load more")).to_be_hidden()
        assert window.titles() == [f"Story {number}" for number in reversed(range(40))]
        window.page.get_by_role("combobox", name="Topic").select_option("energy")
        expect(window.items).to_have_count(20)
        window.page.get_by_role("radio", name="Negative").check(force=True)
        expect(window.items).to_have_count(10)
        assert urlsplit(window.page.url).query == "topic=energy&label=negative"
        window.connection("Live")
        world.analyzed("Not of this topic", topic="markets", score=-0.5)
        world.analyzed("This fits", topic="energy", score=-0.5)
        expect(window.items.first).to_contain_text("This fits")
        expect(window.items).to_have_count(11)
        window.page.reload()
        expect(window.items).to_have_count(11)
        window.page.get_by_role("combobox", name="Topic").select_option("markets")
        notice = window.page.locator("#items-empty")
        expect(window.items).to_have_count(1)
        window.page.get_by_role("radio", name="Neutral").check(force=True)
        expect(notice).to_contain_text("Nothing fits the filter")
        notice.get_by_role("button", name="Show all items").click()
        expect(window.items).to_have_count(30)


def test_it_can_be_used_by_keyboard_alone(browser: Browser, dev: Site) -> None:
    with looking(browser, dev.url) as window:
        expect(window.items.first).to_be_visible()
        press = window.page.keyboard.press
        press("Tab")
        skip = window.page.get_by_role("link", name="Skip to the newest items")
        expect(skip).to_be_focused()
        expect(skip).to_be_in_viewport()
        press("Tab")
        expect(window.page.get_by_role("radio", name="24 hours")).to_be_focused()
        press("ArrowRight")
        expect(window.page.get_by_role("radio", name="3 days")).to_be_checked()
        expect(window.page.locator("#overall")).to_contain_text("in the last 3 days")
        press("Tab")
        scrub = window.page.get_by_role("slider", name="Hour to read in the chart of energy")
        expect(scrub).to_be_focused()
        before = scrub.get_attribute("aria-valuetext")
        press("ArrowLeft")
        expect(scrub).not_to_have_attribute("aria-valuetext", before or "")
        expect(window.page.get_by_role("article", name="energy").locator(".readout")).to_contain_text("items")
        press("Tab")
        press("Enter")
        expect(window.page.get_by_role("region", name="Hours of energy").get_by_role("row")).to_have_count(73)
        skip.focus()
        press("Enter")
        press("Tab")
        expect(window.page.get_by_role("combobox", name="Topic")).to_be_focused()
        press("m")  # a select takes its choice by the first letter
        expect(window.items.first).to_contain_text("markets", ignore_case=True)
        press("Tab")
        press("ArrowRight")
        expect(window.page.get_by_role("radio", name="Positive")).to_be_checked()
        # Back to all: made-up moods come and go by the hour, and there may be nothing positive of late.
        press("ArrowLeft")
        expect(window.page.get_by_role("radio", name="All")).to_be_checked()
        expect(window.items.nth(19)).to_be_attached()
        expect(window.page.locator("#feed")).to_have_attribute("aria-busy", "false")
        more = window.page.get_by_role("button", name="Load more")
        expect(more).to_be_visible()
        seen = window.items.count()
        more.focus()
        press("Enter")
        expect(window.items.nth(seen + 20)).to_be_attached()
        # Focus goes on with what was loaded, and is not lost.
        assert window.page.evaluate("document.activeElement.closest('#feed') !== null")
        assert window.errors == []


def test_who_listens_finds_landmarks_names_and_the_chart_in_words(browser: Browser, dev: Site) -> None:
    with looking(browser, dev.url) as window:
        for landmark in ("banner", "main", "contentinfo"):
            expect(window.page.get_by_role(landmark)).to_have_count(1)
        expect(window.page.get_by_role("heading", level=1)).to_have_count(1)
        chart = window.page.get_by_role("img", name="Mean score of markets, hour by hour")
        expect(chart).to_have_accessible_description(re.compile(r"items, mean .* Highest .* lowest"))
        nameless = "[...document.querySelectorAll('input, select, button, a')].filter(e => !e.ariaLabel && "
        nameless += "!e.innerText?.trim() && !e.labels?.length).map(e => e.outerHTML)"
        assert window.page.evaluate(nameless) == []


def test_it_follows_the_systems_theme(browser: Browser, dev: Site) -> None:
    with looking(browser, dev.url, color_scheme="dark") as window:
        body = window.page.locator("body")
        expect(body).to_have_css("background-color", "rgb(16, 18, 22)")
        window.page.emulate_media(color_scheme="light")
        expect(body).to_have_css("background-color", "rgb(246, 245, 241)")


def test_nothing_moves_for_who_does_not_want_that(browser: Browser, dev: Site) -> None:
    with looking(browser, dev.url, reduced_motion="reduce") as window:
        expect(window.page.locator(".fresh").first).to_be_visible(timeout=AGAIN)
        moving = "document.getAnimations().filter(animation => animation.playState === 'running').length"
        assert window.page.evaluate(moving) == 0


def test_it_fits_a_phone(browser: Browser, dev: Site) -> None:
    with looking(browser, dev.url, viewport={"width": 390, "height": 844}) as window:
        expect(window.items.first).to_be_visible()
        window.connection("Live")
        assert window.page.evaluate("document.documentElement.scrollWidth") == 390


def test_it_says_something_before_any_script_runs(browser: Browser, dev: Site) -> None:
    with looking(browser, dev.url, java_script_enabled=False) as window:
        expect(window.page.get_by_role("heading", level=1)).to_have_text("How the news sounds")
        expect(window.page.get_by_text("Every article is read by a model")).to_be_visible()
        expect(window.page.get_by_role("heading", level=3)).to_have_text(["energy", "markets", "technology"])


def test_without_a_stream_it_says_that_it_is_not_live(browser: Browser, world: World) -> None:
    world.site.dashboard.kill()
    world.site.dashboard.environment = {**world.site.dashboard.environment, "STREAM_URL": ""}
    world.site.dashboard.start()
    with looking(browser, world.site.url) as window:
        window.enter(KEY)
        window.connection("No stream configured")
        expect(window.page.locator("#items-empty")).to_contain_text("Use Refresh")
        world.analyzed("Came in silence")
        window.page.get_by_role("button", name="Refresh").click()
        expect(window.items).to_have_count(1)


@pytest.mark.parametrize(
    ("status", "title"),
    [
        (429, "Too many requests right now"),
        (503, "The data cannot be read right now"),
        (502, "The dashboard answered with an error (502)"),
    ],
)
def test_each_failure_is_said_in_its_own_words_and_passes(browser: Browser, dev: Site, status: int, title: str) -> None:
    with looking(browser, dev.url) as window:
        window.page.route("**/api/items*", lambda route: route.fulfill(status=status, body="{}"))
        window.page.reload()
        notice = window.page.locator("#items-problem")
        expect(notice.get_by_role("heading")).to_have_text(title)
        expect(window.page.locator("#items-empty")).to_be_hidden()
        window.page.unroute("**/api/items*")
        expect(notice).to_be_hidden()
        expect(window.items.first).to_be_visible()


def test_who_does_not_want_to_wait_tries_again_at_once(browser: Browser, dev: Site) -> None:
    never = "const soon = setTimeout; window.setTimeout = (work, wait) => (wait < 1000 ? soon(work, wait) : 0);"
    with looking(browser, dev.url) as window:
        window.page.add_init_script(never)
        window.page.route("**/api/stream*", lambda route: route.abort())
        window.page.route("**/api/items*", lambda route: route.fulfill(status=503, body="{}"))
        window.page.reload()
        notice = window.page.locator("#items-problem")
        expect(notice).to_be_visible()
        window.page.unroute("**/api/items*")
        notice.get_by_role("button", name="Try again").click()
        expect(notice).to_be_hidden()
        expect(window.items.first).to_be_visible()


def test_a_network_that_is_away_is_shown_and_back_by_itself(browser: Browser, dev: Site) -> None:
    with looking(browser, dev.url) as window:
        window.connection("Live")
        window.page.context.set_offline(True)
        window.connection("Offline")
        window.page.context.set_offline(False)
        window.connection("Live")


def test_a_tab_that_nobody_looks_at_costs_no_stream(browser: Browser, dev: Site) -> None:
    see = "state => { Object.defineProperty(document, 'visibilityState', {value: state, configurable: true});"
    see += " document.dispatchEvent(new Event('visibilitychange')); }"
    with looking(browser, dev.url) as window:
        window.connection("Live")
        window.page.clock.install()
        window.page.evaluate(see, "hidden")
        window.page.clock.fast_forward(119_000)
        window.connection("Live")
        window.page.clock.fast_forward(2_000)
        window.connection("Paused")
        window.page.evaluate(see, "visible")
        window.connection("Live")


EVENTS = st.lists(
    st.tuples(
        st.text(max_size=20), st.sampled_from(["", "item", "summary"]), st.sampled_from(["", "2026~1", "2026~2"])
    ),
    max_size=5,
)
PARSE = """async ([text, cuts]) => {
  const { Parser } = await import("/static/sse.js");
  const seen = [];
  let id = "";
  const parser = new Parser({ emit: (said) => seen.push([said.data, said.event]), position: (at) => { id = at; } });
  let last = 0;
  for (const cut of [...cuts.map((at) => at % (text.length + 1)).sort((a, b) => a - b), text.length]) {
    parser.feed(text.slice(last, cut));
    last = cut;
  }
  return JSON.stringify([seen, id]);
}"""


def test_what_the_stream_frames_the_page_reads_in_pieces_of_any_size(browser: Browser, dev: Site) -> None:
    with looking(browser, dev.url) as window:
        expect(window.items.first).to_be_visible()

        @hypothesis(deadline=None, max_examples=60)
        @given(events=EVENTS, cuts=st.lists(st.integers(0, 500), max_size=8), end=st.sampled_from(["\n", "\r", "\r\n"]))
        def holds(events: list[tuple[str, str, str]], cuts: list[int], end: str) -> None:
            sent = b"".join(framing.event(data, name=name, id=id) for data, name, id in events).decode()
            # A stream that ends its lines with CR alone is not done with one before the next character.
            text = f"\ufeff: hello\n\n{sent}".replace("\n", end) + (": end" if end == "\r" else "")
            seen, last = json.loads(window.page.evaluate(PARSE, [text, cuts]))
            lines = [re.sub("\r\n|\r", "\n", data) for data, _, _ in events]
            assert seen == [[line, name or "message"] for line, (_, name, _) in zip(lines, events, strict=True)]
            assert last == next((id for _, _, id in reversed(events) if id), "")

        holds()
