"""The service as the image starts it, asked over HTTP: over made-up news, and over the table in the box."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from sentiment.articles import Article, Label, Sentiment
from sse_streaming.settings import Settings
from tests.awsbox.people import REGION
from tests.src.lambdas.sse_streaming.service import ids, summaries
from tests.src.lambdas.sse_streaming.wire import Parser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sentiment.table import Table
    from tests.awsbox.people import Account

SRC = Path(__file__).parents[4] / "src"
HOME = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(map(str, (SRC, SRC / "lambdas")))}
FAST = {"POLL_SECONDS": "0.05", "SETTLE_SECONDS": "0", "HEARTBEAT_SECONDS": "1"}
_SECRETS = count(1)


@dataclass
class Process:
    process: subprocess.Popen[str]
    client: httpx.Client


@contextmanager
def started(**variables: str) -> Iterator[Process]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    said = HOME | {"HOST": "127.0.0.1", "PORT": str(port)} | variables
    process = subprocess.Popen([sys.executable, "-m", "sse_streaming"], env=said, stdout=subprocess.PIPE, text=True)
    try:
        while process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                time.sleep(0.02)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            yield Process(process, client)
    finally:
        process.kill()
        process.communicate()


@contextmanager
def stream(client: httpx.Client, **headers: str) -> Iterator[Callable[[Callable[[Parser], object]], Parser]]:
    """Gives what reads on until something is so."""
    with client.stream("GET", "/api/stream", headers=headers) as answer:
        assert answer.status_code == 200, answer.read()
        parser, chunks = Parser(), answer.iter_raw()

        def until(found: Callable[[Parser], object]) -> Parser:
            while not found(parser):
                parser.feed(next(chunks))
            return parser

        yield until


@pytest.mark.slow
@pytest.mark.req("B-01", "B-07")
def test_without_a_table_dev_has_news_of_its_own_and_ends_streams_when_it_is_told_to_end() -> None:
    with started(**FAST) as service:
        assert service.client.get("/").status_code == 200
        health = service.client.get("/health")
        assert (health.status_code, health.json()["status"], health.json()["environment"]) == (200, "ok", "dev")
        with stream(service.client) as until:
            parser = until(lambda parser: len(ids(parser)) >= 2)
            assert set(summaries(parser)[0]["topics"]) == {"energy", "markets", "technology"}
            assert ids(parser) == sorted(set(ids(parser)))
            service.process.send_signal(signal.SIGTERM)
            until(lambda parser: parser.events[-1].name == "reconnect")
        said, _ = service.process.communicate(timeout=5)
        assert service.process.returncode == -signal.SIGTERM
        assert '"StreamsOpen":[1.0]' in said


def in_box(account: Account, table: str, secret: str) -> dict[str, str]:
    return FAST | {
        "ENVIRONMENT": "preprod",
        "DIGEST": "sha256:abc",
        "TABLE": table,
        "TOPICS": "energy,markets",
        "API_KEY_SECRET": secret,
        "AWS_ENDPOINT_URL": account.root.endpoint,
        "AWS_ACCESS_KEY_ID": account.root.key,
        "AWS_SECRET_ACCESS_KEY": account.root.secret,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_MAX_ATTEMPTS": "1",
    }


@pytest.fixture
def secret(account: Account) -> str:
    name = f"stream-{next(_SECRETS)}-api-key"
    account.root.client("secretsmanager").create_secret(Name=name, SecretString="right")
    return name


def add(table: Table, number: int, topic: str = "energy") -> str:
    article = Article(id=f"{number:032x}", topic=topic, title=f"News {number}: “東京”\r\n", url="https://example.com/")
    table.put_new(article)
    table.record(article.id, Sentiment(label=Label.NEGATIVE, score=-0.5, model="mock-1"))
    return table.newest(1)[0].position


@pytest.mark.slow
def test_what_is_recorded_in_the_table_comes_on_an_open_stream(
    account: Account, table: Table, table_name: str, secret: str
) -> None:
    with started(**in_box(account, table_name, secret)) as service:
        assert service.client.get("/health").json() == {
            "status": "ok",
            "environment": "preprod",
            "version": "local",
            "digest": "sha256:abc",
            "dependencies": {"table": "ok", "key": "ok"},
        }
        for key in ({}, {"x-api-key": "wrong"}):
            assert service.client.get("/api/stream", headers=key).status_code == 401
        with stream(service.client, **{"x-api-key": "right"}) as until:
            place = until(summaries).id
            every = [add(table, number) for number in range(3)]
            parser = until(lambda parser: len(ids(parser)) >= 3)
            assert ids(parser) == every
            until(lambda parser: summaries(parser)[-1]["topics"]["energy"]["count"] == 3)
        for seen in (place, *every[:2]):
            with stream(service.client, **{"x-api-key": "right", "last-event-id": seen}) as until:
                rest = [position for position in every if position > seen]
                assert ids(until(lambda parser: every[-1] in ids(parser))) == rest


@pytest.mark.slow
def test_a_table_that_is_not_there_is_an_error_and_no_stream(account: Account, secret: str) -> None:
    with started(**in_box(account, "no-such-table", secret)) as service:
        answer = service.client.get("/api/stream", headers={"x-api-key": "right"})
        assert (answer.status_code, answer.headers["content-type"]) == (503, "application/json")
        health = service.client.get("/health")
        assert (health.status_code, health.json()["dependencies"]) == (503, {"table": "failing", "key": "ok"})


WRONG = [
    ({"ENVIRONMENT": "preprod"}, "TABLE is not set"),
    ({"ENVIRONMENT": "prod", "TABLE": "t", "TOPICS": "a"}, "API_KEY_SECRET is not set"),
    ({"ENVIRONMENT": "prod", "TABLE": "t", "API_KEY_SECRET": "s"}, "TOPICS is not set"),
    ({"STREAM_SECONDS": "900"}, "STREAM_SECONDS is '900'"),
    ({"POLL_SECONDS": "often"}, "POLL_SECONDS is 'often'"),
    ({"PORT": "80.5"}, "PORT is 80.5"),
    ({"TOPICS": " , "}, "TOPICS holds no word"),
]


@pytest.mark.parametrize(("variables", "said"), WRONG, ids=[said for _, said in WRONG])
def test_a_wrong_setting_is_named(variables: Mapping[str, str], said: str) -> None:
    with pytest.raises(Exception, match=said):
        Settings.read(variables)


def test_a_wrong_setting_ends_the_process_with_one_line() -> None:
    command = [sys.executable, "-m", "sse_streaming"]
    ended = subprocess.run(command, env=HOME | {"POLL_SECONDS": "x"}, capture_output=True, text=True, check=False)
    assert (ended.returncode, len(ended.stderr.splitlines())) == (2, 1)
    assert ended.stderr.startswith("error: POLL_SECONDS is 'x'")


def test_without_a_table_the_sdk_is_not_imported() -> None:
    program = (
        "import sys; from sse_streaming.__main__ import server, Settings; server(Settings.read({}));"
        "print([name for name in ('boto3', 'botocore.client', 'aws_xray_sdk') if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", program], env=HOME, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
