"""Each scenario of the library, from HTTP to the table and the topic."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ingestion.newsapi import TRIES, Limits, Problem
from ingestion.run import RunFailed
from tests.fixtures.newsapi_responses import HAPPY, SCENARIOS
from tests.src.lambdas.ingestion.world import BUSY, ENOUGH, IMPATIENT

if TYPE_CHECKING:
    from tests.src.lambdas.ingestion.world import World

pytestmark = pytest.mark.slow

GOOD = {
    # found, skipped, doubled
    "happy": (5, 0, 0),
    "empty": (0, 0, 0),
    "missing-fields": (9, 3, 0),
    "hundred": (100, 0, 0),
    "partial": (2, 0, 0),
    "duplicates": (4, 0, 2),
    "odd-text": (4, 0, 0),
    "slow": (5, 0, 0),
    "html-titles": (4, 1, 0),
    "bad-dates": (7, 0, 0),
    "very-long": (14, 1, 0),
    "unicode": (4, 0, 0),
    "wrong-types": (9, 6, 0),
    "bad-urls": (12, 11, 0),
}
BAD = {
    # what is wrong, and how often it is tried
    "rate-limited": (Problem.RATE_LIMITED, TRIES),
    "limited-for-long": (Problem.RATE_LIMITED, 1),
    "limited-until": (Problem.RATE_LIMITED, 3),
    "bare-429": (Problem.RATE_LIMITED, TRIES),
    "key-exhausted": (Problem.API_KEY_EXHAUSTED, 1),
    "key-invalid": (Problem.API_KEY_INVALID, 1),
    "key-disabled": (Problem.API_KEY_DISABLED, 1),
    "key-missing": (Problem.API_KEY_MISSING, 1),
    "parameter-invalid": (Problem.PARAMETER_INVALID, 1),
    "parameters-missing": (Problem.PARAMETERS_MISSING, 1),
    "sources-too-many": (Problem.SOURCES_TOO_MANY, 1),
    "source-does-not-exist": (Problem.SOURCE_DOES_NOT_EXIST, 1),
    "server-error": (Problem.UNEXPECTED_ERROR, TRIES),
    "unavailable": (Problem.UNEXPECTED_ERROR, TRIES),
    "error-with-200": (Problem.UNEXPECTED_ERROR, 1),
    "unknown-code": (Problem.UNKNOWN_ERROR, 1),
    "redirect": (Problem.UNKNOWN_ERROR, 1),
    "malformed": (Problem.MALFORMED, TRIES),
    "not-an-object": (Problem.MALFORMED, TRIES),
    "no-articles": (Problem.MALFORMED, TRIES),
    "nested-too-deep": (Problem.MALFORMED, TRIES),
    "too-large": (Problem.MALFORMED, 1),
    "truncated": (Problem.TRUNCATED, TRIES),
    "not-gzip": (Problem.TRUNCATED, TRIES),
    "disconnected": (Problem.TRUNCATED, TRIES),
    "hanging": (Problem.TIMED_OUT, TRIES),
    "dripping": (Problem.TIMED_OUT, TRIES),
}
ENDLESS = {"hanging", "dripping"}


def test_every_scenario_is_in_one_of_the_two_lists() -> None:
    assert sorted([*GOOD, *BAD]) == sorted(SCENARIOS)


@pytest.mark.req("R-09")
@pytest.mark.parametrize("name", GOOD)
def test_what_can_be_used_is_kept_and_announced_once(world: World, name: str) -> None:
    found, skipped, doubled = GOOD[name]
    new = found - skipped - doubled
    world.server.play(SCENARIOS[name])

    counted = world.run()

    said = {
        "TopicsDone": 1, "ArticlesFound": found, "ArticlesSkipped": skipped, "ArticlesDoubled": doubled,
        "ArticlesNew": new, "ArticlesAnnounced": new,
    }  # fmt: skip
    assert counted == {name: value for name, value in said.items() if value}
    assert world.seen.metrics() == counted
    heard = world.heard()
    assert len({one.id for one in heard}) == len(heard) == new
    assert world.pending() == sorted((one.id, 1) for one in heard)
    assert {one.topic for one in heard} <= {"energy"}

    world.run()
    assert (world.heard(), len(world.pending())) == ([], new)  # nothing of it is new


@pytest.mark.req("R-09")
@pytest.mark.parametrize("name", BAD)
def test_what_goes_wrong_has_a_metric_and_says_what_to_do(world: World, name: str) -> None:
    problem, tries = BAD[name]
    world.server.play(SCENARIOS[name])
    world.ticking = True
    world.limits = IMPATIENT if name in ENDLESS else Limits()

    with pytest.raises(RunFailed):
        world.run()

    said = {"TopicsFailed": 1, problem.metric: 1, "NewsApiRetries": tries - 1}
    assert world.seen.metrics() == {name: value for name, value in said.items() if value}
    assert [one.scenario for one in world.server.asked] == [name] * tries
    [line] = [line for line in world.seen.lines if line["level"] == "ERROR"]
    assert (line["topic"], line["problem"]) == ("energy", problem.value)
    assert problem.advice in line["message"]
    assert not world.pending()

    world.server.play(HAPPY)
    world.limits, world.left = Limits(), 2 * ENOUGH
    assert world.run()["ArticlesAnnounced"] == 5


@pytest.mark.req("R-09")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in ENDLESS else [])
        for name, (_, tries) in BAD.items()
        if tries == TRIES
    ],
)
def test_what_passes_is_tried_again_and_done(world: World, name: str) -> None:
    """Such as 500 and then 200."""
    world.server.play(SCENARIOS[name], HAPPY)
    world.ticking = True
    world.limits = BUSY if name in ENDLESS else Limits()

    assert world.run() == {
        "TopicsDone": 1, "ArticlesFound": 5, "ArticlesNew": 5, "ArticlesAnnounced": 5, "NewsApiRetries": 1,
    }  # fmt: skip


def test_a_bad_topic_does_not_stop_the_others(world: World) -> None:
    world.server.play(SCENARIOS["parameter-invalid"], topic="markets")

    counted = world.run("energy", "markets", "ships")

    assert (counted["TopicsDone"], counted["TopicsFailed"], counted["NewsApiParameterInvalid"]) == (2, 1, 1)
    assert {one.topic for one in world.heard()} == {"energy", "ships"}


def test_no_metric_is_shared_and_every_problem_says_what_to_do() -> None:
    assert len({problem.metric for problem in Problem}) == len(Problem)
    assert all(problem.advice for problem in Problem)


def test_articles_of_the_library_have_the_fields_of_newsapi() -> None:
    fields = {"source", "author", "title", "description", "url", "urlToImage", "publishedAt", "content"}
    for name in ("happy", "hundred", "duplicates", "unicode", "html-titles"):
        said = json.loads(SCENARIOS[name].answer("energy").body)
        assert set(said) == {"status", "totalResults", "articles"}
        assert all(set(article) == fields for article in said["articles"])
