"""One account with both environments in it, for all tests of this folder: it takes minutes to make."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.awsbox import setup, terraform
from tests.infrastructure.world import NAMES, World, published

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.awsbox.people import Account
    from tests.infrastructure.world import Environment

HERE = Path(__file__).parent
# One of everything that a variable can change.
CHANGED: dict[str, Any] = {
    "alarm_emails": ["somebody@example.com"],
    "anomaly_usd": 20,
    "budget_usd": 33,
    "canary_silence_minutes": 60,
    "disposable": True,
    "ingestion_schedule": "rate(3 hours)",
    "kept_images": 60,
    "log_retention_days": 30,
    "memory_mb": {"ingestion": 512, "sse-streaming": 1024},
    "retention_days": 14,
    "tags": {"team": "news"},
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs the account is slow."""
    for item in items:
        if HERE in item.path.parents and "standing" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="package")
def standing(account: Account, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Both environments applied, and released once."""
    if terraform.absent():
        pytest.skip(terraform.absent())
    with setup.emptied(account):
        world = World.bootstrapped(account, tmp_path_factory.mktemp("infrastructure"))
        world.each("apply", lambda environment: environment.apply())
        yield world
        world.forget()


@dataclass
class Life:
    """What plans said in the life of the environments, by environment."""

    world: World
    counts: dict[str, int]
    settled: dict[str, dict[str, list[str]]]
    changing: dict[str, dict[str, list[str]]]
    changed: dict[str, dict[str, list[str]]]
    left: list[str]


@pytest.fixture(scope="package")
def life(standing: World) -> Life:
    """A plan, a change in place, a plan, and the end. Then all is as it was."""
    before = standing.account.box.snapshot()
    counts = standing.each("count", lambda one: one.count())
    settled = standing.each("plan", lambda one: (one.by_role() if one.name == "prod" else one).changes())
    new = {name: _next_release(standing.environments[name]) for name in NAMES}
    changing = standing.each("plan the change", lambda one: one.changes(**new[one.name]))
    standing.each("change", lambda one: one.apply(**new[one.name]))
    changed = standing.each("plan after it", lambda one: one.changes(**new[one.name]))
    with standing.timed("teardown rights"):
        standing.bootstrap(teardown=True)
    standing.each("destroy", lambda one: one.destroy(**new[one.name]))
    left = _left(standing.account)
    standing.account.box.restore(before)
    return Life(standing, counts, settled, changing, changed, left)


def _next_release(environment: Environment) -> dict[str, Any]:
    """Other bytes, other settings, and a key that one deployer administers, and not two."""
    release = published(environment.account, environment.deployer, environment.name, release="second")
    return {**CHANGED, **release, "deployers": [environment.deployer.arn]}


def _left(account: Account) -> list[str]:
    """What an account holds that its environments are gone from."""
    root = account.root
    found = list(root.client("dynamodb").list_tables()["TableNames"])
    found += [one["FunctionName"] for one in root.client("lambda").list_functions()["Functions"]]
    found += [one["repositoryName"] for one in root.client("ecr").describe_repositories()["repositories"]]
    found += [one["TopicArn"] for one in root.client("sns").list_topics()["Topics"]]
    found += root.client("sqs").list_queues().get("QueueUrls", [])
    found += [one["Name"] for one in root.client("events").list_rules()["Rules"]]
    found += [one["AlarmName"] for one in root.client("cloudwatch").describe_alarms()["MetricAlarms"]]
    found += [one["logGroupName"] for one in root.client("logs").describe_log_groups()["logGroups"]]
    buckets = [one["Name"] for one in root.client("s3").list_buckets()["Buckets"]]
    return found + [name for name in buckets if not name.endswith("-state")]
