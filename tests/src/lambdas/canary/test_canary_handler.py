"""The deployed canary: what it asks on its schedule, what an event may ask, and the metrics that alarms are on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from canary import handler
from tests.awsbox.people import REGION, allow
from tests.src.lambdas.canary import servers
from tests.src.lambdas.canary.servers import DIGEST, KEY, Good, Served, nobody, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.awsbox.people import Account, Caller

pytestmark = [pytest.mark.req("R-07"), pytest.mark.slow]
type Deploy = Callable[..., None]
SCHEDULED = {"version": "0", "detail-type": "Scheduled Event", "source": "aws.events", "detail": {}}
NUMBERS = count(1)


@dataclass(frozen=True)
class Context:
    """What Lambda says of a call, as far as it is asked."""

    milliseconds: int = 60_000

    def get_remaining_time_in_millis(self) -> int:
        return self.milliseconds


@pytest.fixture
def good() -> Iterator[Served]:
    with serving(Good) as served:
        yield served


@pytest.fixture
def secret(account: Account) -> str:
    name = f"preprod-api-key-{next(NUMBERS)}"
    account.root.client("secretsmanager").create_secret(Name=name, SecretString=KEY)
    return name


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> Deploy:
    """The function with its settings and its role's keys."""

    def deploy(caller: Caller, url: str, **settings: str) -> None:
        said = {"ENVIRONMENT": "preprod", "STREAM_URL": url, "DASHBOARD_URL": url, "EXPECT_DIGEST": DIGEST}
        said |= {"LISTEN_SECONDS": "0.3", "AWS_ENDPOINT_URL": caller.endpoint}
        for name, value in (said | settings).items():
            monkeypatch.setenv(name, value)
        # Not by AWS_ACCESS_KEY_ID: the emulator, which is in this process, takes whose key that is for root.
        session = boto3.Session(caller.key, caller.secret, region_name=REGION)
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", session)
        handler._secrets.cache_clear()
        handler._log.cache_clear()

    return deploy


def metrics(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    return [line for line in lines if "_aws" in line]


def failing(said: Any) -> set[str]:
    return {check["name"] for check in said["checks"] if check["ok"] is False}


def undecided(said: Any) -> dict[str, str]:
    return {check["name"]: check["why"] for check in said["checks"] if check["ok"] is None}


@pytest.fixture
def role(account: Account) -> Caller:
    """It may read API keys and nothing else."""
    return account.user(
        allow("secretsmanager:GetSecretValue", account.arn("secretsmanager", "secret:preprod-api-key-*"))
    )


def test_the_schedule_finds_a_healthy_system_healthy_and_counts_it(
    role: Caller, secret: str, good: Served, deployed: Deploy, capsys: pytest.CaptureFixture[str]
) -> None:
    deployed(role, good.url, API_KEY_SECRET=secret)
    said = handler.handle(SCHEDULED, Context())
    assert said["verdict"] == "healthy", said
    assert json.loads(json.dumps(said)) == said
    (counted,) = metrics(capsys)
    assert (counted["service"], counted["environment"]) == ("canary", "preprod")
    assert (counted["CanaryHealthy"], counted["ChecksFailed"], counted["ChecksUndecided"]) == ([1], [0], [0])
    assert counted["FirstByteMs"][0] <= counted["FirstEventMs"][0]
    assert counted["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "SentimentAnalyzer"


def test_a_broken_system_is_counted_by_the_check_that_fails_and_nothing_is_raised(
    role: Caller, secret: str, deployed: Deploy, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(servers.Doubled) as served:
        deployed(role, served.url, API_KEY_SECRET=secret)
        said = handler.handle(SCHEDULED, Context())
    assert (said["verdict"], failing(said)) == ("unhealthy", {"ids"})
    counted, of_check = metrics(capsys)
    assert (counted["CanaryHealthy"], counted["ChecksFailed"]) == ([0], [1])
    assert (of_check["CheckFailed"], of_check["check"], of_check["environment"]) == ([1], "ids", "preprod")


def test_what_was_deployed_is_expected_unless_settings_say_more(
    role: Caller, secret: str, good: Served, deployed: Deploy
) -> None:
    deployed(role, good.url, API_KEY_SECRET=secret, EXPECT_DIGEST="sha256:new", EXPECT_ENVIRONMENT="prod")
    assert failing(handler.handle(SCHEDULED, Context())) == {"digest", "environment"}


def test_a_key_that_cannot_be_read_is_undecided_and_not_healthy(
    account: Account, secret: str, good: Served, deployed: Deploy, capsys: pytest.CaptureFixture[str]
) -> None:
    deployed(account.user(), good.url, API_KEY_SECRET=secret)
    said = handler.handle(SCHEDULED, Context())
    assert said["verdict"] == "undecided"
    assert set(undecided(said)) == {"secret", "items", "summary", "stream"}
    assert "AccessDenied" in undecided(said)["secret"]
    assert metrics(capsys)[0]["CanaryHealthy"] == [0]


def test_a_secret_without_a_key_in_it_is_undecided(
    account: Account, role: Caller, good: Served, deployed: Deploy
) -> None:
    name = f"preprod-api-key-{next(NUMBERS)}"
    account.root.client("secretsmanager").create_secret(Name=name, SecretString=" ")
    deployed(role, good.url, API_KEY_SECRET=name)
    assert "has no text" in undecided(handler.handle(SCHEDULED, Context()))["secret"]


def test_a_rotated_key_is_used_by_the_next_run(
    account: Account, role: Caller, secret: str, good: Served, deployed: Deploy
) -> None:
    deployed(role, good.url, API_KEY_SECRET=secret)
    secrets = account.root.client("secretsmanager")
    secrets.put_secret_value(SecretId=secret, SecretString="not-yet-known")
    assert failing(handler.handle(SCHEDULED, Context())) == {"items", "summary", "stream"}
    secrets.put_secret_value(SecretId=secret, SecretString=KEY)
    assert handler.handle(SCHEDULED, Context())["verdict"] == "healthy"


def test_an_event_may_expect_something_else_and_leaves_the_metrics_alone(
    role: Caller, secret: str, good: Served, deployed: Deploy, capsys: pytest.CaptureFixture[str]
) -> None:
    deployed(role, good.url, API_KEY_SECRET=secret)
    asked = {"urls": [good.url], "digest": "sha256:new", "streams": 3, "seconds": 0.1, "listen": 0.2}
    said = handler.handle(asked, Context())
    assert failing(said) == {"digest"}
    assert {"load_streams": 3, "load_errors": 0}.items() <= dict[str, Any](said["measured"]).items()  # type: ignore[call-overload]
    assert metrics(capsys) == []


def test_the_key_goes_nowhere_but_where_the_settings_say(
    role: Caller, secret: str, good: Served, deployed: Deploy
) -> None:
    deployed(role, nobody(), API_KEY_SECRET=secret)
    said = handler.handle({"urls": [good.url]}, Context())
    assert said["verdict"] == "undecided"
    assert "the key is for those alone" in undecided(said)["secret"]
    assert good.seen
    assert not [headers for _, headers in good.seen if KEY in headers.values()]


def test_it_answers_before_its_own_time_is_over(role: Caller, secret: str, deployed: Deploy) -> None:
    with serving(servers.Hangs) as served:
        deployed(role, served.url, API_KEY_SECRET=secret)
        said = handler.handle(SCHEDULED, Context(milliseconds=3_500))
    assert (said["verdict"], failing(said)) == ("unhealthy", {"health"})


def test_dev_has_no_key(deployed: Deploy, role: Caller) -> None:
    with serving(servers.Dev) as served:
        deployed(role, served.url, ENVIRONMENT="dev", EXPECT_DIGEST="")
        assert handler.handle({}, None)["verdict"] == "healthy"


@pytest.mark.parametrize(
    ("event", "says"),
    [
        ({"url": "http://a"}, "url is not known: an event may name dashboard_digest"),
        ([], "it is no JSON object"),
        ({"urls": "http://a"}, "urls must be a list of texts"),
        ({"urls": []}, "there is no URL to ask"),
        ({"urls": ["ftp://a"]}, "must begin with http"),
        ({"digest": 7}, "digest must be text"),
        ({"listen": "long"}, "listen must be a number"),
        ({"listen": 10**400}, "it must be from"),
        ({"streams": 1.5}, "streams is 1.5: it must be a whole number"),
        ({"streams": float("inf")}, "it must be a whole number"),
        ({"seconds": 5}, "streams is 0"),
        ({"max_errors": True, "streams": 1}, "max_errors must be a number"),
    ],
)
def test_an_event_that_cannot_be_asked_says_why(event: object, says: str, role: Caller, deployed: Deploy) -> None:
    deployed(role, nobody(), API_KEY_SECRET="preprod-api-key")
    said = handler.handle(event, Context())
    assert said["verdict"] == "undecided"
    assert says in undecided(said)["question"]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"STREAM_URL": "", "DASHBOARD_URL": "", "EXPECT_DIGEST": "", "API_KEY_SECRET": "x"}, "there is no URL to ask"),
        ({"API_KEY_SECRET": ""}, "API_KEY_SECRET is not set"),
        ({"API_KEY_SECRET": "x", "LISTEN_SECONDS": "long"}, "LISTEN_SECONDS is 'long'"),
        ({"API_KEY_SECRET": "x", "LISTEN_SECONDS": "-1"}, "listen is -1"),
    ],
)
def test_settings_that_are_wrong_are_counted_as_not_healthy(
    settings: dict[str, str],
    says: str,
    role: Caller,
    deployed: Deploy,
    capsys: pytest.CaptureFixture[str],
) -> None:
    deployed(role, nobody(), **settings)
    said = handler.handle(SCHEDULED, Context())
    assert says in undecided(said)["question"]
    assert metrics(capsys)[0]["CanaryHealthy"] == [0]
