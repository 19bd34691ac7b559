"""The box's NewsAPI, over HTTP: behind the gate of a box, and by a server of its own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest

from awsbox.news import SCENARIOS, NewsApi, NoScenario, served

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.awsbox.people import Account


@pytest.fixture
def news(account: Account) -> Iterator[NewsApi]:
    account.box.news.asked.clear()
    yield account.box.news
    account.box.news.stop()


def asked(account: Account, topic: str = "harbours", key: str = "box-news-key", **more: Any) -> httpx.Response:
    parameters = {"q": topic} | more
    return httpx.get(f"{account.box.news_url}/v2/everything", params=parameters, headers={"X-Api-Key": key}, timeout=10)


@pytest.mark.req("R-09")
def test_happy_path(account: Account, news: NewsApi) -> None:
    answer = asked(account)
    said = answer.json()
    assert (answer.status_code, said["status"], said["totalResults"]) == (200, "ok", 5)
    assert {"source", "author", "title", "description", "url", "urlToImage", "publishedAt", "content"} == set(
        said["articles"][0]
    )
    assert said["articles"][0]["title"].startswith("harbours: ")
    assert said == asked(account).json()
    assert news.counts == {"happy": 2}


@pytest.mark.req("R-09")
@pytest.mark.parametrize(
    ("scenario", "status", "code"),
    [
        ("rate-limited", 429, "rateLimited"),
        ("key-invalid", 401, "apiKeyInvalid"),
        ("key-exhausted", 429, "apiKeyExhausted"),
        ("key-disabled", 401, "apiKeyDisabled"),
        ("parameter-invalid", 400, "parameterInvalid"),
        ("server-error", 500, "unexpectedError"),
    ],
)
def test_errors(account: Account, news: NewsApi, scenario: str, status: int, code: str) -> None:
    news.play(scenario, times=1)
    answer = asked(account)
    assert (answer.status_code, answer.json()["status"], answer.json()["code"]) == (status, "error", code)
    assert ("retry-after" in answer.headers) == (scenario == "rate-limited")
    assert asked(account).status_code == 200


@pytest.mark.req("R-09")
def test_articles_as_they_come(account: Account, news: NewsApi) -> None:
    news.play("empty", times=1)
    assert asked(account).json() == {"status": "ok", "totalResults": 0, "articles": []}
    news.play("hundred", times=1)
    hundred = asked(account, pageSize=100).json()["articles"]
    assert len({article["url"] for article in hundred}) == 100
    assert hundred[0]["publishedAt"] > hundred[99]["publishedAt"]
    news.play("missing-fields", times=1)
    incomplete = asked(account).json()["articles"]
    assert [article for article in incomplete if article["url"] is None or article["title"] is None]
    news.play("partial", times=1)
    assert asked(account).json()["totalResults"] > len(asked(account).json()["articles"])


@pytest.mark.req("R-09")
def test_broken_bodies(account: Account, news: NewsApi) -> None:
    news.play("malformed", times=1)
    with pytest.raises(json.JSONDecodeError):
        asked(account).json()
    news.play("truncated", times=1)
    with pytest.raises(httpx.RemoteProtocolError):
        asked(account)
    news.play("unavailable", times=1)
    assert asked(account).headers["content-type"] == "text/html"


def test_slow_and_hanging(account: Account, news: NewsApi) -> None:
    url, headers = f"{account.box.news_url}/v2/everything?q=a", {"X-Api-Key": "box-news-key"}
    for scenario, seconds in (("slow", 5.0), ("hanging", None)):
        news.play(scenario, times=1, seconds=seconds)
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(url, headers=headers, timeout=0.2)
    news.play("slow", times=1, seconds=0)
    assert asked(account).json()["totalResults"] == 5


@pytest.mark.parametrize(
    ("parameters", "status", "code"),
    [
        ({"key": ""}, 401, "apiKeyMissing"),
        ({"key": "wrong"}, 401, "apiKeyInvalid"),
        ({"topic": ""}, 400, "parametersMissing"),
        ({"pageSize": "101"}, 400, "parameterInvalid"),
    ],
)
def test_requests_are_checked(
    account: Account, news: NewsApi, parameters: dict[str, str], status: int, code: str
) -> None:
    answer = asked(account, **parameters)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert news.asked[-1].status == status


def test_key_may_be_anywhere_and_changed(account: Account, news: NewsApi) -> None:
    url = f"{account.box.news_url}/v2/everything?q=a"
    assert httpx.get(f"{url}&apiKey=box-news-key").status_code == 200
    assert httpx.get(url, headers={"Authorization": "Bearer box-news-key"}).status_code == 200
    before = set(news.keys)
    news.keys.clear()
    news.keys.add("rotated")
    assert asked(account).status_code == 401
    assert asked(account, key="rotated").status_code == 200
    news.keys.update(before)


def test_one_topic_may_go_wrong_alone(account: Account, news: NewsApi) -> None:
    news.play("server-error", topic="ships")
    assert (asked(account, "ships").status_code, asked(account, "harbours").status_code) == (500, 200)
    assert asked(account, "ships").status_code == 500


def test_news_can_be_made(account: Account, news: NewsApi) -> None:
    news.add(topic="ships", title="{topic}: launched", url="https://news.example.com/launched", publishedAt="{ago:0}")
    assert asked(account, "ships").json()["articles"][0]["title"] == "ships: launched"
    assert asked(account, "harbours").json()["totalResults"] == 5


def test_unknown_scenario_names_the_known(news: NewsApi) -> None:
    with pytest.raises(NoScenario, match="happy"):
        news.play("rate-limit")


def test_every_scenario_says_what_it_is() -> None:
    from awsbox.news import _scenario  # noqa: PLC0415

    assert all(_scenario(name)["says"] for name in SCENARIOS)


def test_server_of_its_own() -> None:
    async def ask() -> int:
        async with served(NewsApi()) as url, httpx.AsyncClient() as client:
            return (await client.get(f"{url}/v2/everything?q=a&apiKey=box-news-key")).status_code

    assert anyio.run(ask) == 200
