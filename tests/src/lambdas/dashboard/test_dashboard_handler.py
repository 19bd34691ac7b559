"""`dashboard.handler.handle`, from settings to telemetry."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools import Metrics

from dashboard import handler

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.awsbox.people import Account

pytestmark = pytest.mark.slow

SRC = Path(__file__).parents[4] / "src"
UNUSED = ("httpx", "httpx2", "uvicorn", "numpy", "requests", "jinja2", "mangum", "starlette.testclient")


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As in a new process."""
    for name in ("ENVIRONMENT", "TABLE", "API_KEY_SECRET", "TOPICS", "STREAM_URL", "DIGEST"):
        monkeypatch.delenv(name, raising=False)
    handler.function.cache_clear()
    yield
    handler.function.cache_clear()
    # Kept by the class, for all of a process.
    Metrics._dimensions.clear()
    Metrics._default_dimensions.clear()


def event(path: str, **headers: str) -> dict[str, Any]:
    http = {"method": "GET", "path": path, "sourceIp": "192.0.2.1"}
    return {"rawPath": path, "rawQueryString": "", "headers": headers, "requestContext": {"http": http}}


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def run(code: str, **environment: str) -> str:
    """In a process of its own, as Lambda would start it."""
    paths = os.pathsep.join([str(SRC), str(SRC / "lambdas")])
    said = {"PATH": os.environ["PATH"], "PYTHONPATH": paths, "PYTHONWARNINGS": "error", **environment}
    return subprocess.run([sys.executable, "-c", code], env=said, check=True, capture_output=True, text=True).stdout


def test_dev_answers_without_anything_in_aws() -> None:
    said = handler.handle(event("/api/items"), None)
    assert said["statusCode"] == 200
    assert json.loads(said["body"])["items"]


def test_with_a_table_and_a_key_it_reads_both(
    account: Account, table_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.root.client("secretsmanager").create_secret(Name=f"{table_name}-key", SecretString="right")
    said = {
        "ENVIRONMENT": "preprod", "TABLE": table_name, "API_KEY_SECRET": f"{table_name}-key", "TOPICS": "energy",
        "AWS_ENDPOINT_URL": account.root.endpoint, "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": account.root.key, "AWS_SECRET_ACCESS_KEY": account.root.secret,
    }  # fmt: skip
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    answer = handler.handle(event("/api/items", **{"x-api-key": "right"}), None)
    assert (answer["statusCode"], json.loads(answer["body"])) == (200, {"items": [], "cursor": None})
    assert handler.handle(event("/api/items"), None)["statusCode"] == 401
    assert json.loads(handler.handle(event("/health"), None)["body"])["dependencies"] == {"table": "ok", "key": "ok"}


def test_each_request_is_a_line_and_counts_and_the_key_is_in_neither() -> None:
    out = run(f"import dashboard.handler as h; h.handle({event('/nope', **{'x-api-key': 'planted-key'})!r}, None)")
    line, metrics = lines(out)
    assert (line["message"], line["path"], line["status"]) == ("answered", "/nope", 404)
    assert (metrics["Requests"], metrics["Failures"], metrics["Refused"]) == ([1.0], [0.0], [0.0])
    assert (metrics["service"], metrics["environment"]) == ("dashboard", "dev")
    assert "planted-key" not in out


def test_a_setting_that_is_missing_is_in_the_log_and_not_in_the_answer() -> None:
    code = f"import json, dashboard.handler as h; print(json.dumps(h.handle({event('/')!r}, None)))"
    line, answer = lines(run(code, ENVIRONMENT="prod"))
    assert (answer["statusCode"], json.loads(answer["body"])["error"]) == (500, "settings")
    assert "TOPICS is not set" in line["message"]
    assert "TOPICS" not in answer["body"]


@pytest.mark.parametrize("wrong", [{}, {"Records": []}, {"rawPath": 7}])
def test_what_comes_from_elsewhere_than_the_url_is_refused(wrong: dict[str, Any]) -> None:
    answer = handler.handle(wrong, None)
    assert (answer["statusCode"], json.loads(answer["body"])["error"]) == (400, "event")


def test_it_imports_nothing_that_it_does_not_use() -> None:
    asked = "import sys, dashboard.handler; print([name for name in sys.argv[1:] if name in sys.modules])"
    assert run(asked.replace("sys.argv[1:]", repr([*UNUSED, "boto3"]))) == "[]\n"


def test_lambda_pays_for_the_first_call_while_it_starts() -> None:
    made = "import dashboard.handler as h; print(h.function.cache_info().currsize)"
    assert run(made, AWS_LAMBDA_FUNCTION_NAME="preprod-dashboard", POWERTOOLS_TRACE_DISABLED="true") == "1\n"
    # What is wrong is said to the first caller, not by dying.
    assert run(made, AWS_LAMBDA_FUNCTION_NAME="preprod-dashboard", ENVIRONMENT="prod") == "0\n"
