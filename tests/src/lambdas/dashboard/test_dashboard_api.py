"""The API as Lambda calls it: events of a function URL in, answers out; the table and the secret are the box's."""

from __future__ import annotations

import base64
import gzip
import json
import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from aws_lambda_powertools import Logger
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from dashboard import items
from dashboard.app import Dashboard
from dashboard.function_url import FunctionUrl, NotAnEventError
from dashboard.settings import Settings
from sentiment.articles import Article, Hour, Item, Label, Sentiment
from sentiment.demo import Demo
from sentiment.errors import SettingsError, Unavailable
from sentiment.keys import REREAD, Keys
from sentiment.secrets import Secret
from sentiment.table import Table
from tests.awsbox.people import allow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.awsbox.people import Account

PAGE = Path(__file__).parents[4] / "src/lambdas/dashboard/page"
STREAM = "https://stream.example.com"
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
SETTINGS = Settings.read({"TOPICS": "energy,markets", "STREAM_URL": STREAM})
_NAMES = count(1)
ANY_TEXT = st.text(st.characters(exclude_categories=[]))
"""Half surrogate pairs too: JSON can carry them."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Kept:
    """A source of items that are all the same but for what is listed."""

    labels: list[Label] = field(default_factory=list)
    reads: int = 0
    wrong: Exception | None = None

    def newest(self, limit: int, *, topic: str = "", before: str = "") -> list[Item]:
        self.reads += 1
        if self.wrong:
            raise self.wrong
        there = [_item(number, label) for number, label in enumerate(self.labels)]
        fitting = [
            item for item in there if topic in ("", item.article.topic) and (not before or item.position < before)
        ]
        return fitting[::-1][:limit]

    def after(self, position: str, until: datetime, limit: int) -> list[Item]:
        raise NotImplementedError

    def hours(self, topic: str, hours: Sequence[str]) -> list[Hour]:  # noqa: ARG002
        if self.wrong:
            raise self.wrong
        return []

    def ask(self) -> None:
        if self.wrong:
            raise self.wrong


def _item(number: int, label: Label) -> Item:
    article = Article(id=f"{number:032x}", topic="energy", title=f"Title {number}", url="https://example.com/")
    moment = (NOON + timedelta(seconds=number)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Item(
        article=article, sentiment=Sentiment(label=label, score=0.5, model="mock-1"), position=f"{moment}~{article.id}"
    )


def serving(source: Any, *, settings: Settings = SETTINGS, secret: Secret | None = None) -> FunctionUrl:
    asks: dict[str, Callable[[], object]] = {"table": source.ask} | ({"key": secret.value} if secret else {})
    log = Logger(service="test-dashboard", level="CRITICAL")
    dashboard = Dashboard(settings=settings, source=source, keys=Keys(secret), asks=asks, log=log, clock=lambda: NOON)
    return FunctionUrl(dashboard.app())


def event(path: str, headers: Mapping[str, str] | None = None, method: str = "GET", **query: object) -> dict[str, Any]:
    return {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": urlencode(query, errors="surrogatepass"),
        "headers": {"host": "abc.lambda-url.us-east-1.on.aws", "x-forwarded-proto": "https", **(headers or {})},
        "requestContext": {"http": {"method": method, "path": path, "sourceIp": "192.0.2.1"}},
        "isBase64Encoded": False,
    }


def ask(
    server: FunctionUrl, path: str, headers: Mapping[str, str] | None = None, method: str = "GET", **query: object
) -> Answer:
    said = server(event(path, headers, method, **query))
    body = base64.b64decode(said["body"]) if said["isBase64Encoded"] else said["body"].encode()
    return Answer(said["statusCode"], said["headers"], body)


def make_secret(account: Account, value: str) -> str:
    name = f"test-{next(_NAMES)}-dashboard-api-key"
    account.root.client("secretsmanager").create_secret(Name=name, SecretString=value)
    return name


def fill(table: Table, *topics: str) -> list[str]:
    """Ids, oldest first; every third is negative."""
    ids = [f"{number:032x}" for number in range(len(topics))]
    for number, (id, topic) in enumerate(zip(ids, topics, strict=True)):
        table.put_new(Article(id=id, topic=topic, title=f"Title {number}", url=f"https://example.com/{number}"))
        label, score = (Label.NEGATIVE, -0.5) if number % 3 == 0 else (Label.POSITIVE, 0.25)
        table.record(id, Sentiment(label=label, score=score, model="mock-1"))
    return ids


class TestItems:
    def test_pages_by_cursor_hold_every_item_once_newest_first(self, table: Table) -> None:
        ids = fill(table, *["energy", "markets"] * 4)
        server, seen, cursor = serving(table), [], ""
        while cursor is not None:
            page = ask(server, "/api/items", limit=3, cursor=cursor).json
            seen += [item["id"] for item in page["items"]]
            cursor = page["cursor"]
        assert seen == ids[::-1]

    def test_an_item_says_what_it_is(self, table: Table) -> None:
        fill(table, "energy")
        [item] = ask(serving(table), "/api/items").json["items"]
        assert item == table.newest(1)[0].public()
        assert {"id", "title", "url", "label", "score", "analyzed_at", "position"} < set(item)

    def test_topic_and_label_choose(self, table: Table) -> None:
        ids = fill(table, *["energy", "markets"] * 4)
        server = serving(table)
        assert [item["id"] for item in ask(server, "/api/items", topic="markets").json["items"]] == ids[1::2][::-1]
        assert [item["id"] for item in ask(server, "/api/items", label="negative").json["items"]] == ids[::3][::-1]
        both = ask(server, "/api/items", topic="markets", label="negative").json
        assert ([item["id"] for item in both["items"]], both["cursor"]) == ([ids[3]], None)

    def test_the_last_page_has_no_cursor_even_when_it_is_full(self) -> None:
        server = serving(Kept([Label.NEUTRAL] * 4))
        assert ask(server, "/api/items", limit=4).json["cursor"] is None
        assert ask(server, "/api/items", limit=3).json["cursor"] is not None

    def test_a_rare_label_is_read_on_for_until_the_page_is_full(self) -> None:
        labels = [Label.POSITIVE if number % 60 == 0 else Label.NEUTRAL for number in range(600)]
        source = Kept(labels)
        page = ask(serving(source), "/api/items", label="positive", limit=5).json
        assert [item["title"] for item in page["items"]] == [f"Title {number}" for number in (540, 480, 420, 360, 300)]
        assert source.reads == 4

    def test_looking_for_a_label_ends_somewhere_and_says_where_to_go_on(self) -> None:
        labels = [Label.POSITIVE] + [Label.NEUTRAL] * (items.BATCH * items.READS)
        source = Kept(labels)
        server = serving(source)
        page = ask(server, "/api/items", label="positive", limit=1).json
        assert (page["items"], source.reads) == ([], items.READS)
        rest = ask(server, "/api/items", label="positive", limit=1, cursor=page["cursor"]).json
        assert ([item["title"] for item in rest["items"]], rest["cursor"]) == (["Title 0"], None)

    @given(
        labels=st.lists(st.sampled_from(Label), max_size=250),
        label=st.none() | st.sampled_from(Label),
        limit=st.integers(1, 100),
    )
    def test_pages_of_any_size_hold_what_fits_once_and_in_order(
        self, labels: list[Label], label: Label | None, limit: int
    ) -> None:
        source, seen, cursor = Kept(labels), list[Item](), ""
        while True:
            page = items.page(source, limit=limit, label=label, cursor=cursor)
            assert len(page.items) <= limit
            seen += page.items
            if page.cursor is None:
                break
            assert items.is_cursor(page.cursor)
            cursor = page.cursor
        assert seen == [_item(at, each) for at, each in enumerate(labels) if label in (None, each)][::-1]

    @pytest.mark.parametrize(
        ("query", "status", "said"),
        [
            ({"limit": "0"}, 422, "limit must be a whole number from 1 to 100."),
            ({"limit": "101"}, 422, "limit must be a whole number from 1 to 100."),
            ({"limit": "many"}, 422, "limit must be a whole number from 1 to 100."),
            ({"label": "happy"}, 422, "label must be one of positive, neutral, negative."),
            ({"topic": "sports"}, 422, "topic must be one of energy, markets."),
            ({"cursor": "yesterday"}, 400, "cursor must be the cursor of an earlier answer."),
            ({"cursor": "2026-11-21T12:00:00.000Z~"}, 400, "cursor must be the cursor of an earlier answer."),
        ],
    )
    def test_a_wrong_parameter_is_told_what_is_allowed(self, query: dict[str, Any], status: int, said: str) -> None:
        answer = ask(serving(Kept()), "/api/items", **query)
        assert (answer.status, answer.json) == (status, {"error": "parameter", "message": said})

    @hypothesis(deadline=None)
    @given(query=st.dictionaries(st.sampled_from(["cursor", "limit", "label", "topic", "hours"]), st.text()))
    @pytest.mark.parametrize("path", ["/api/items", "/api/summary"])
    def test_no_text_at_all_is_an_error_of_the_server(self, path: str, query: dict[str, Any]) -> None:
        assert ask(_DEMO, path, **query).status in (200, 400, 422)

    @hypothesis(deadline=None)
    @given(path=ANY_TEXT, query=ANY_TEXT, header=ANY_TEXT)
    def test_no_address_at_all_is_an_error_of_the_server(self, path: str, query: str, header: str) -> None:
        said = _DEMO(event(f"/{path}", {"x-api-key": header, header: path}) | {"rawQueryString": query})
        assert said["statusCode"] < 500


_DEMO = serving(Demo(SETTINGS.topics, clock=lambda: NOON))


class TestSummary:
    def test_it_counts_by_topic_and_hour(self, account: Account, table_name: str) -> None:
        table = Table(account.root.client("dynamodb"), table_name, keep=timedelta(days=1), clock=lambda: NOON)
        fill(table, "energy", "energy", "markets")
        said = ask(serving(table), "/api/summary", hours=2).json
        assert said["window"] == {"hours": 2, "from": "2026-11-21T11:00:00.000Z", "to": "2026-11-21T12:00:00.000Z"}
        energy = said["topics"]["energy"]
        assert (energy["count"], energy["positive"], energy["negative"], energy["mean_score"]) == (2, 1, 1, -0.125)
        assert [hour["count"] for hour in energy["hours"]] == [0, 2]

    def test_it_is_of_a_day_where_nothing_is_said(self) -> None:
        said = ask(serving(Kept()), "/api/summary").json
        assert said["window"]["hours"] == len(said["topics"]["energy"]["hours"]) == 24

    @pytest.mark.parametrize("hours", ["0", "169", "1.5", "x"])
    def test_hours_are_bounded(self, hours: str) -> None:
        answer = ask(serving(Kept()), "/api/summary", hours=hours)
        assert (answer.status, answer.json["message"]) == (422, "hours must be a whole number from 1 to 168.")


class TestKey:
    @pytest.mark.parametrize("path", ["/api/items", "/api/summary"])
    def test_data_is_for_those_who_have_the_key(self, account: Account, path: str) -> None:
        secret = Secret(account.root.client("secretsmanager"), make_secret(account, "right"))
        server = serving(Kept(), secret=secret)
        for headers in ({}, {"x-api-key": ""}, {"x-api-key": "wrong"}, {"x-api-key": "ri\udcffght"}):
            refused = ask(server, path, headers)
            assert (refused.status, refused.json["error"]) == (401, "key")
            assert refused.headers["cache-control"] == "no-store"
        assert ask(server, path, {"X-Api-Key": "right"}).status == 200

    def test_who_has_no_key_does_not_learn_what_is_allowed(self, account: Account) -> None:
        secret = Secret(account.root.client("secretsmanager"), make_secret(account, "right"))
        assert ask(serving(Kept(), secret=secret), "/api/items", topic="sports", limit=0).status == 401

    def test_a_rotated_key_is_taken_without_a_deployment(self, account: Account) -> None:
        name, at = make_secret(account, "old"), [0.0]
        client = account.root.client("secretsmanager")
        server = serving(Kept(), secret=Secret(client, name, clock=lambda: at[0]))
        assert ask(server, "/api/items", {"x-api-key": "old"}).status == 200
        client.put_secret_value(SecretId=name, SecretString="new")
        at[0] += REREAD + 1
        assert ask(server, "/api/items", {"x-api-key": "new"}).status == 200
        assert ask(server, "/api/items", {"x-api-key": "old"}).status == 401

    def test_the_page_and_health_need_none(self, account: Account) -> None:
        secret = Secret(account.root.client("secretsmanager"), make_secret(account, "right"))
        server = serving(Kept(), secret=secret)
        assert [ask(server, path).status for path in ("/", "/health", "/static/app.js")] == [200, 200, 200]

    def test_a_secret_that_cannot_be_read_makes_data_unavailable(self, account: Account) -> None:
        server = serving(Kept(), secret=Secret(account.root.client("secretsmanager"), "nowhere"))
        assert ask(server, "/api/items", {"x-api-key": "any"}).status == 503
        health = ask(server, "/health")
        assert (health.status, health.json["dependencies"]) == (503, {"table": "ok", "key": "failing"})


class TestHealth:
    def test_it_says_what_runs_here(self, table: Table) -> None:
        said = {
            "ENVIRONMENT": "preprod",
            "AWS_LAMBDA_FUNCTION_VERSION": "7",
            "DIGEST": "sha256:abc",
            "TOPICS": "energy",
        }
        settings = Settings.read(said | {"TABLE": "t", "API_KEY_SECRET": "s"})
        answer = ask(serving(table, settings=settings), "/health")
        assert (answer.status, answer.headers["cache-control"]) == (200, "no-store")
        assert answer.json == {
            "status": "ok", "environment": "preprod", "version": "7", "digest": "sha256:abc",
            "dependencies": {"table": "ok"},
        }  # fmt: skip

    def test_a_table_that_fails_is_said_and_nothing_more(self) -> None:
        answer = ask(serving(Kept(wrong=Unavailable("arn:aws:dynamodb:…:table/inner-name"))), "/health")
        assert (answer.status, answer.json["status"], answer.json["dependencies"]) == (
            503,
            "degraded",
            {"table": "failing"},
        )
        assert b"inner-name" not in answer.body


class TestWhatGoesWrong:
    def test_a_table_that_does_not_answer_is_unavailable(self, account: Account) -> None:
        table = Table(account.root.client("dynamodb"), "nowhere", keep=timedelta(days=1))
        for path in ("/api/items", "/api/summary"):
            answer = ask(serving(table), path)
            assert (answer.status, answer.json["error"]) == (503, "unavailable")
            assert b"nowhere" not in answer.body

    def test_what_nobody_thought_of_is_json_and_no_traceback(self) -> None:
        answer = ask(serving(Kept(wrong=ZeroDivisionError("inner"))), "/api/items")
        assert (answer.status, answer.json["error"]) == (500, "internal")
        assert b"inner" not in answer.body
        assert answer.headers["content-security-policy"]

    @pytest.mark.parametrize(
        "path", ["/docs", "/redoc", "/openapi.json", "/api", "/health/", "/static/", "/é", "/static/x/y/z"]
    )
    def test_what_is_not_there_is_json(self, path: str) -> None:
        answer = ask(serving(Kept()), path)
        assert (answer.status, answer.json["error"]) == (404, "path")

    def test_only_reading_is_offered(self) -> None:
        answer = ask(serving(Kept()), "/api/items", method="POST")
        assert (answer.status, answer.json["error"], answer.headers["allow"]) == (405, "method", "GET")

    @pytest.mark.parametrize(
        "wrong",
        [
            {},
            {"rawPath": "/"},
            {"requestContext": None},
            {"rawPath": "/", "headers": [], "requestContext": {"http": {}}},
        ],
    )
    def test_what_is_no_event_of_a_function_url_is_told_apart(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(NotAnEventError):
            serving(Kept())(wrong)

    def test_a_base64_body_that_is_none_is_no_event(self) -> None:
        with pytest.raises(NotAnEventError):
            serving(Kept())({**event("/"), "body": "é", "isBase64Encoded": True})


class TestPage:
    def test_every_answer_has_the_security_headers(self) -> None:
        server = serving(Kept())
        asked = [
            ("/", "GET"),
            ("/", "HEAD"),
            ("/health", "GET"),
            ("/static/app.js", "GET"),
            ("/nope", "GET"),
            ("/api/items", "PUT"),
        ]
        for path, method in asked:
            headers = ask(server, path, method=method).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert f"connect-src 'self' {STREAM}/;" in headers["content-security-policy"]

    def test_the_policy_allows_our_own_files_and_nothing_inline(self) -> None:
        policy = ask(serving(Kept()), "/").headers["content-security-policy"]
        assert "unsafe" not in policy
        assert {"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"} < set(
            policy.split("; ")
        )

    def test_without_a_stream_the_page_talks_to_its_own_server_alone(self) -> None:
        policy = ask(serving(Kept(), settings=replace(SETTINGS, stream_url="")), "/").headers["content-security-policy"]
        assert "connect-src 'self';" in policy

    def test_it_has_no_code_or_style_of_its_own_and_names_no_foreign_host(self) -> None:
        page = ask(serving(Kept()), "/").body.decode()
        assert not re.findall(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon[a-z]+=", page)
        for file in PAGE.iterdir():
            assert set(re.findall(r"https?://[\w.-]+", file.read_text())) <= {"http://www.w3.org"}, file.name

    def test_settings_in_it_are_text_and_no_markup(self) -> None:
        hostile = replace(SETTINGS, environment='"><script>', topics=("<b>&",))
        page = ask(serving(Kept(), settings=hostile), "/").body.decode()
        assert "<b>" not in page
        assert page.count("<script") == 1
        assert 'data-topic="&lt;b&gt;&amp;"' in page

    def test_its_files_are_kept_for_ever_under_their_version(self) -> None:
        server = serving(Kept())
        page = ask(server, "/").body.decode()
        files = re.findall(r'(?:src|href)="(static/[^"]+)"', page)
        assert len(set(files)) == 9
        for path in files:
            answer = ask(server, f"/{path}")
            assert (answer.status, answer.headers["cache-control"]) == (200, "public, max-age=31536000, immutable")
        assert {Path(path).name for path in files} == {file.name for file in PAGE.iterdir() if file.suffix != ".html"}

    @pytest.mark.parametrize("path", ["/static/style.css", "/static/0123456789abcdef/style.css"])
    def test_a_file_of_another_version_is_todays_and_not_kept(self, path: str) -> None:
        answer = ask(serving(Kept()), path)
        assert (answer.body, answer.headers["cache-control"]) == ((PAGE / "style.css").read_bytes(), "no-cache")
        assert answer.headers["content-type"] == "text/css; charset=utf-8"

    @pytest.mark.parametrize(
        "path", ["/static/index.html", "/static/..%2fapp.py", "/static/../app.py", "/static/x/%2e%2e/app.py"]
    )
    def test_nothing_else_can_be_had_from_there(self, path: str) -> None:
        assert ask(serving(Kept()), path).status == 404

    def test_it_is_compressed_for_who_can_read_that(self) -> None:
        server = serving(Kept())
        plain, packed = ask(server, "/"), ask(server, "/", {"accept-encoding": "gzip"})
        assert packed.headers["content-encoding"] == "gzip"
        assert gzip.decompress(packed.body) == plain.body
        assert len(packed.body) < len(plain.body) / 2

    def test_head_is_answered_without_a_body(self) -> None:
        answer = ask(serving(Kept()), "/", method="HEAD")
        assert (answer.status, answer.body) == (200, b"")

    @pytest.mark.parametrize("theme", ["light", "dark"])
    def test_its_colours_can_be_told_apart(self, theme: str) -> None:
        light, dark = re.findall(r":root \{(.*?)\}", (PAGE / "style.css").read_text(), re.DOTALL)
        colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", light if theme == "light" else dark))
        texts = [(ink, on) for ink in ("ink", "muted") for on in ("paper", "surface", "fresh")]
        texts += [(label, on) for label in Label for on in ("surface", f"{label}-soft", "fresh")]
        texts += [("on-accent", "accent"), ("paper", "ink"), ("ink", "neutral-soft")]
        for ink, on in texts:
            assert _contrast(colours[ink], colours[on]) >= 4.5, (ink, on)
        # Borders of what can be pressed, and lines in a chart.
        assert _contrast(colours["line-strong"], colours["surface"]) >= 3


def _contrast(one: str, other: str) -> float:
    """As WCAG 2 counts it."""
    dark, light = sorted(_luminance(colour) for colour in (one, other))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


class TestSettings:
    def test_dev_needs_nothing(self) -> None:
        settings = Settings.read({})
        assert (settings.environment, settings.table, settings.stream_url) == ("dev", "", "")
        assert settings.topics

    @pytest.mark.parametrize("missing", ["TABLE", "API_KEY_SECRET", "TOPICS"])
    def test_elsewhere_it_is_said_what_is_missing(self, missing: str) -> None:
        said = {"ENVIRONMENT": "prod", "TABLE": "t", "API_KEY_SECRET": "s", "TOPICS": "energy"}
        with pytest.raises(SettingsError, match=missing):
            Settings.read({name: value for name, value in said.items() if name != missing})

    @pytest.mark.parametrize(
        "url",
        [
            "stream.example.com",
            "https://a.b/x y",
            "https://a.b/;x",
            "https://a.b; script-src *",
            "ftp://a.b",
            "https://",
        ],
    )
    def test_a_stream_url_is_one_word_of_a_policy(self, url: str) -> None:
        with pytest.raises(SettingsError, match="STREAM_URL"):
            Settings.read({"STREAM_URL": url})

    def test_the_slash_at_the_end_of_a_function_url_is_no_path(self) -> None:
        assert Settings.read({"STREAM_URL": "https://abc.lambda-url.us-east-1.on.aws/"}).stream_url.endswith(".aws")


def test_its_role_needs_these_actions_and_no_more(account: Account, table_name: str) -> None:
    fill(Table(account.root.client("dynamodb"), table_name, keep=timedelta(days=1)), "energy")
    name = make_secret(account, "right")
    table = account.arn("dynamodb", f"table/{table_name}")
    role = account.user(
        allow(["dynamodb:Query", "dynamodb:GetItem"], table),
        allow("dynamodb:Query", [f"{table}/index/feed", f"{table}/index/topic"]),
        allow("secretsmanager:GetSecretValue", account.arn("secretsmanager", f"secret:{name}-??????")),
    )
    source = Table(role.client("dynamodb"), table_name, keep=timedelta(days=1))
    server = serving(source, secret=Secret(role.client("secretsmanager"), name))
    key = {"x-api-key": "right"}
    asked = [("/health", {}), ("/api/items", {}), ("/api/items", {"topic": "energy"}), ("/api/summary", {})]
    assert [ask(server, path, key, **query).status for path, query in asked] == [200] * 4
