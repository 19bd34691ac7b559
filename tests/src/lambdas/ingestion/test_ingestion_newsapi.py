"""How NewsAPI is asked: how often, after how long, with which key, and for how long at most."""

from __future__ import annotations

import socket
from datetime import timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.newsapi import FIRST_PAUSE, TRIES, NewsApi, NewsFailed, Problem, retry_after
from sentiment.errors import Unavailable
from tests.fixtures.newsapi_responses import (
    HANGING,
    HAPPY,
    KEY,
    KEY_DISABLED,
    LIMITED_FOR_LONG,
    LIMITED_UNTIL,
    OPENED,
    RATE_LIMITED,
    SERVER_ERROR,
    UNAVAILABLE,
)

if TYPE_CHECKING:
    from tests.src.lambdas.ingestion.world import World

PAUSES = [FIRST_PAUSE * 2**number for number in range(TRIES - 1)]
"""The longest that there may be: jitter makes them shorter."""


def ask(world: World) -> list[object]:
    return world.news.newest("energy", world.left_now, lambda *_: None)


def problem(world: World) -> Problem:
    with pytest.raises(NewsFailed) as failed:
        ask(world)
    return failed.value.problem


def test_what_is_asked_for(world: World) -> None:
    assert len(ask(world)) == 5
    [asked] = world.server.asked
    assert (asked.path, asked.key) == ("/v2/everything", KEY)
    assert asked.parameters == {"q": "energy", "pageSize": "100", "sortBy": "publishedAt", "language": "en"}


def test_pauses_grow_and_are_bounded(world: World) -> None:
    world.server.play(SERVER_ERROR)
    assert problem(world) is Problem.UNEXPECTED_ERROR
    assert world.waits == PAUSES


def test_pauses_have_jitter(world: World) -> None:
    asked: list[tuple[float, float]] = []

    def jitter(least: float, most: float) -> float:
        asked.append((least, most))
        return most / 4

    world.server.play(SERVER_ERROR)
    news = NewsApi(world.http, world.server.url, world.secret, wait=world.wait, jitter=jitter)
    with pytest.raises(NewsFailed):
        news.newest("energy", world.left_now, lambda *_: None)
    assert asked == [(0, pause) for pause in PAUSES]
    assert world.waits == [pause / 4 for pause in PAUSES]


def test_retry_after_in_seconds_is_waited_for(world: World) -> None:
    world.server.play(RATE_LIMITED, HAPPY)
    assert len(ask(world)) == 5
    assert world.waits == [1 + PAUSES[0]]


def test_retry_after_as_a_date_is_waited_for(world: World) -> None:
    world.server.play(LIMITED_UNTIL, HAPPY)
    assert len(ask(world)) == 5
    assert world.waits == [20 + PAUSES[0]]


def test_retry_after_that_is_longer_than_the_function_lives_is_not_waited_for(world: World) -> None:
    world.server.play(LIMITED_FOR_LONG, HAPPY)
    assert problem(world) is Problem.RATE_LIMITED
    assert (world.waits, len(world.server.asked)) == ([], 1)


def test_nobody_waits_for_longer_than_there_is_time(world: World) -> None:
    world.server.play(UNAVAILABLE)
    world.left = PAUSES[0] + PAUSES[1]
    assert problem(world) is Problem.UNEXPECTED_ERROR
    assert world.waits == PAUSES[:1]


def test_without_time_nobody_is_asked(world: World) -> None:
    world.left = 0
    assert problem(world) is Problem.TIMED_OUT
    assert world.server.asked == []


def test_a_try_takes_no_longer_than_there_is_time(world: World) -> None:
    world.server.play(HANGING)
    world.left = 0.5  # and a read may take 8 seconds
    assert problem(world) is Problem.TIMED_OUT


def test_nobody_listens(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    news = NewsApi(world.http, f"http://127.0.0.1:{port}", world.secret, wait=world.wait)
    with pytest.raises(NewsFailed) as failed:
        news.newest("energy", world.left_now, lambda *_: None)
    assert failed.value.problem is Problem.UNREACHABLE
    assert len(world.waits) == TRIES - 1


@pytest.mark.parametrize("url", ["http://[", "http://127.0.0.1:99999", "http://"])
def test_an_address_that_is_none_is_said(world: World, url: str) -> None:
    with pytest.raises(NewsFailed) as failed:
        NewsApi(world.http, url, world.secret, wait=world.wait).newest("energy", world.left_now, lambda *_: None)
    assert failed.value.problem is Problem.UNREACHABLE
    assert "NEWSAPI_URL" in str(failed.value)


@pytest.mark.req("R-10")
def test_a_rotated_key_is_found_without_a_deployment(world: World) -> None:
    ask(world)
    world.server.keys = {"another-key"}
    world.secrets.put_secret_value(SecretId=world.secret_name, SecretString="another-key")
    assert len(ask(world)) == 5
    assert [one.key for one in world.server.asked] == [KEY, KEY, "another-key"]
    ask(world)
    assert world.server.asked[-1].key == "another-key"
    assert len(world.server.asked) == 4


def test_a_key_that_was_switched_off_is_looked_up_again_too(world: World) -> None:
    world.server.play(KEY_DISABLED, HAPPY)
    ask_first = world.secret.value()
    world.secrets.put_secret_value(SecretId=world.secret_name, SecretString="another-key")
    world.server.keys = {ask_first, "another-key"}
    assert len(ask(world)) == 5
    assert [one.key for one in world.server.asked] == [KEY, "another-key"]


def test_a_key_that_is_wrong_twice_is_not_asked_with_for_ever(world: World) -> None:
    world.server.keys = {"nobody-has-this"}
    assert problem(world) is Problem.API_KEY_INVALID
    assert len(world.server.asked) == 1
    world.secrets.put_secret_value(SecretId=world.secret_name, SecretString="wrong-as-well")
    assert problem(world) is Problem.API_KEY_INVALID
    assert [one.key for one in world.server.asked[1:]] == [KEY, "wrong-as-well"]


@pytest.mark.parametrize("key", ["schlüssel", "two\nlines", "a\x00b"])
def test_a_secret_that_cannot_be_a_key_is_named_so(world: World, key: str) -> None:
    world.secrets.put_secret_value(SecretId=world.secret_name, SecretString=key)
    assert problem(world) is Problem.API_KEY_INVALID
    assert world.server.asked == []


def test_no_key_is_in_any_message(world: World) -> None:
    world.server.keys = set()
    with pytest.raises(NewsFailed) as failed:
        ask(world)
    assert KEY not in str(failed.value)
    assert "put-secret-value" in str(failed.value)


def test_a_secret_that_is_not_there_is_said(world: World) -> None:
    world.secrets.delete_secret(SecretId=world.secret_name, ForceDeleteWithoutRecovery=True)
    with pytest.raises(Unavailable, match=world.secret_name):
        ask(world)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 7 ", 7),
        ("Sat, 21 Nov 2026 12:01:00 GMT", 60),
        ("Sat, 21 Nov 2026 11:00:00 GMT", 0),
        ("Saturday, 21-Nov-26 12:00:30 GMT", 30),
        ("Sat, 21 Nov 2026 13:00:30 +0100", 30),
        ("Sat, 21 Nov 2026 12:00:30 -0000", 30),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("9" * 5000, None),
        ("Sat, 99 Nov 2026 12:00:00 GMT", None),
    ],
)
def test_what_retry_after_says(text: str, seconds: float | None) -> None:
    assert retry_after(text, OPENED) == seconds


@given(st.text())
def test_retry_after_may_say_anything(text: str) -> None:
    assert (retry_after(text, OPENED) or 0) >= 0


@given(st.integers(0, 10**6))
def test_retry_after_dates_are_waited_for_to_the_second(seconds: int) -> None:
    assert retry_after(format_datetime(OPENED + timedelta(seconds=seconds), usegmt=True), OPENED) == seconds
