"""The function as Lambda calls it: a process of its own, its environment variables and its own rights."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ingestion.settings import LONGEST_TOPIC, Settings
from sentiment.errors import SettingsError
from sentiment.settings import Reader
from tests.awsbox.people import REGION, allow
from tests.fixtures.newsapi_responses import HAPPY, SERVER_ERROR

if TYPE_CHECKING:
    from tests.src.lambdas.ingestion.world import World

ROOT = Path(__file__).parents[4]
COMPLETE = {
    "TOPICS": "energy, markets",
    "TABLE": "test-sentiment",
    "NEWSAPI_SECRET": "test-newsapi-key",
    "ARTICLES_TOPIC": "arn:aws:sns:us-east-1:111122223333:test-articles",
}
CALLED = """
import json, sys
from ingestion.handler import handle

class Context:
    function_name, memory_limit_in_mb, invoked_function_arn, aws_request_id = "ingestion", 512, "arn", "id"

    def get_remaining_time_in_millis(self):
        return 60_000

for event in json.loads(sys.argv[1]):
    print(json.dumps({"returned": handle(event, Context())}))
"""
NEVER_IMPORTED = {
    "analysis", "awsbox", "canary", "dagger", "dashboard", "fastapi", "ferry", "numpy", "onnxruntime", "pydantic",
    "pytest", "sse_streaming", "starlette", "tokenizers", "uvicorn",
}  # fmt: skip
SCHEDULED = {
    "version": "0",
    "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "time": "2026-11-21T15:00:00Z",
    "resources": ["arn:aws:events:us-east-1:111122223333:rule/test-ingestion"],
    "detail": {},
}


def python(code: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    path = f"{ROOT / 'src'}:{ROOT / 'src/lambdas'}"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={"PYTHONPATH": path, "PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def deployed(world: World) -> dict[str, str]:
    """The environment of a function, with a role that may do just what ingestion does."""
    table = world.account.arn("dynamodb", f"table/{world.table_name}")
    role = world.account.user(
        allow(["dynamodb:PutItem", "dynamodb:UpdateItem"], table),
        allow("dynamodb:Query", f"{table}/index/pending"),
        allow("sns:Publish", world.topic),
        allow("secretsmanager:GetSecretValue", world.account.arn("secretsmanager", f"secret:{world.secret_name}-*")),
    )
    return {
        "AWS_ENDPOINT_URL": role.endpoint,
        "AWS_ACCESS_KEY_ID": role.key,
        "AWS_SECRET_ACCESS_KEY": role.secret,
        "AWS_DEFAULT_REGION": REGION,
        "ENVIRONMENT": "preprod",
        "TOPICS": "energy,markets",
        "TABLE": world.table_name,
        "NEWSAPI_SECRET": world.secret_name,
        "NEWSAPI_URL": world.server.url,
        "ARTICLES_TOPIC": world.topic,
    }


def lines(said: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said.splitlines() if line.startswith("{")]


@pytest.mark.slow
def test_it_runs_from_its_environment_and_under_its_own_rights(world: World) -> None:
    called = python(CALLED, json.dumps([SCHEDULED, {}, None]), **deployed(world))

    assert (called.returncode, called.stderr) == (0, "")
    returned = [line["returned"] for line in lines(called.stdout) if "returned" in line]
    assert [one["ArticlesNew"] for one in returned] == [10, 0, 0]
    assert [one["TopicsDone"] for one in returned] == [2, 2, 2]
    assert len(world.heard()) == 10
    measured = [line for line in lines(called.stdout) if "_aws" in line]
    assert [(one["service"], one["environment"], one["ArticlesAnnounced"]) for one in measured] == [
        ("ingestion", "preprod", [10.0]),
        ("ingestion", "preprod", [0.0]),
        ("ingestion", "preprod", [0.0]),
    ]
    assert not [line for line in lines(called.stdout) if line.get("level") in {"WARNING", "ERROR"}]


@pytest.mark.slow
def test_a_run_that_fails_fails_the_call_and_is_measured_all_the_same(world: World) -> None:
    world.server.play(SERVER_ERROR, HAPPY, topic="energy")
    world.secrets.put_secret_value(SecretId=world.secret_name, SecretString="a-wrong-key")

    called = python(CALLED, json.dumps([SCHEDULED]), **deployed(world))

    assert called.returncode == 1
    assert "RunFailed: none of 2 topics was done" in called.stderr
    [measured] = [line for line in lines(called.stdout) if "_aws" in line]
    assert (measured["TopicsFailed"], measured["NewsApiApiKeyInvalid"]) == ([2.0], [2.0])
    assert "a-wrong-key" not in called.stdout + called.stderr


@pytest.mark.slow
def test_wrong_settings_fail_the_call_and_are_measured() -> None:
    called = python(CALLED, json.dumps([SCHEDULED]), ENVIRONMENT="prod", AWS_DEFAULT_REGION=REGION)

    assert called.returncode == 1
    assert "SettingsError: TOPICS is not set" in called.stderr
    [measured] = [line for line in lines(called.stdout) if "_aws" in line]
    assert (measured["environment"], measured["NotReady"]) == ("prod", [1.0])


@pytest.mark.slow  # an interpreter of its own
def test_nothing_is_imported_that_is_not_used() -> None:
    code = "import sys, ingestion.handler; print(*{name.partition('.')[0] for name in sys.modules})"
    imported = python(code)
    assert imported.returncode == 0, imported.stderr
    assert set(imported.stdout.split()) & NEVER_IMPORTED == set()
    assert {"httpx", "boto3", "ingestion", "sentiment"} <= set(imported.stdout.split())


def test_settings_and_their_defaults() -> None:
    settings = Settings.read(Reader(COMPLETE))
    assert settings.topics == ("energy", "markets")
    assert (settings.environment, settings.newsapi_url) == ("dev", "https://newsapi.org")
    assert (settings.retention.days, settings.pending.total_seconds()) == (30, 900)


@pytest.mark.parametrize("name", COMPLETE)
def test_a_setting_that_is_missing_is_named(name: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} is not set"):
        Settings.read(Reader({**COMPLETE, name: " "}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOPICS", ","),
        ("TOPICS", "energy," + "x" * (LONGEST_TOPIC + 1)),
        ("NEWSAPI_URL", "newsapi.org"),
        ("NEWSAPI_URL", "https://"),
        ("NEWSAPI_URL", "http://["),
        ("NEWSAPI_URL", "http://127.0.0.1:99999"),
        ("RETENTION_DAYS", "0"),
        ("RETENTION_DAYS", "1.5"),
        ("PENDING_MINUTES", "soon"),
    ],
)
def test_a_setting_that_is_wrong_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Settings.read(Reader({**COMPLETE, name: value}))
