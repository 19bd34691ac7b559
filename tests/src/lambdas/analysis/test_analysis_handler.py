"""The function as Lambda calls it, in the box: under a user who may do what docs say it needs, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis import handler
from analysis.dead_letters import BODY_BYTES, DeadLetters
from analysis.deliveries import Delivery, deliveries
from analysis.models.mock import Mock
from sentiment import clock
from sentiment.articles import Label
from sentiment.errors import SettingsError, Unavailable
from sentiment.table import Table
from tests.awsbox.people import REGION, allow
from tests.src.conftest import make_table
from tests.src.lambdas.analysis.messages import article, event, message
from tests.src.lambdas.analysis.tiny_model import as_setting, files, sha256s

if TYPE_CHECKING:
    from collections.abc import Iterator

    from awsbox.authority.audit import Decision
    from awsbox.faults.switchboard import Switchboard
    from tests.awsbox.people import Account

pytestmark = pytest.mark.slow

_NUMBERS = count(1)
NOON = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Context:
    """What powertools reads of Lambda's."""

    function_name: str = "test-analysis"
    memory_limit_in_mb: int = 128
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:111122223333:function:test-analysis"
    aws_request_id: str = "52fdfc07-2182-154f-163f-5f0f9a621d72"


def handle(*messages: str) -> None:
    call(event(messages))


def call(event: object) -> None:
    context: Any = Context()
    handler.handle(event, context)


@dataclass(frozen=True)
class Queue:
    account: Account
    url: str
    arn: str

    def take(self) -> list[dict[str, Any]]:
        sqs = self.account.root.client("sqs")
        taken = sqs.receive_message(QueueUrl=self.url, MessageAttributeNames=["All"], MaxNumberOfMessages=10)
        return list(taken.get("Messages", []))


def attributes(message: dict[str, Any]) -> dict[str, str]:
    return {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}


@pytest.fixture
def queue(account: Account) -> Queue:
    sqs, name = account.root.client("sqs"), f"analysis-{next(_NUMBERS)}-dlq"
    return Queue(account, sqs.create_queue(QueueName=name)["QueueUrl"], account.arn("sqs", name))


@pytest.fixture
def bucket(account: Account) -> str:
    s3, name = account.root.client("s3"), f"analysis-{next(_NUMBERS)}-models"
    s3.create_bucket(Bucket=name)
    for file, content in files().items():
        s3.put_object(Bucket=name, Key=f"tiny/{file}", Body=content)
    return name


@pytest.fixture
def function(
    account: Account, table_name: str, queue: Queue, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[pytest.MonkeyPatch]:
    """The mock; further settings are set with what this gives."""
    may = account.user(
        allow(["dynamodb:GetItem", "dynamodb:UpdateItem"], account.arn("dynamodb", f"table/{table_name}")),
        allow("sqs:SendMessage", queue.arn),
        allow("s3:GetObject", f"arn:aws:s3:::{bucket}/tiny/*"),
    )
    said = {"ENVIRONMENT": "preprod", "TABLE": table_name, "DLQ_URL": queue.url, "AWS_ENDPOINT_URL": may.endpoint}
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    # Not by AWS_ACCESS_KEY_ID: the emulator, which is in this process, takes whose key that is for root.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", boto3.Session(may.key, may.secret, region_name=REGION))
    handler.made.cache_clear()
    yield monkeypatch
    handler.made.cache_clear()


@pytest.fixture
def faults(account: Account) -> Iterator[Switchboard]:
    yield account.box.faults
    account.box.faults.clear()


def metrics(printed: str) -> list[dict[str, Any]]:
    """What CloudWatch reads from the log, a call each."""
    return [said for line in printed.splitlines() if '"_aws"' in line and (said := json.loads(line))]


@pytest.mark.usefixtures("function")
def test_what_is_announced_becomes_an_item(table: Table, capsys: pytest.CaptureFixture[str]) -> None:
    bad_news = article(1, "Banking crisis spreads")
    table.put_new(bad_news)
    handle(message(bad_news))
    handle(message(bad_news))
    [item] = table.newest(10)
    assert (item.article, item.sentiment.label, item.sentiment.model) == (bad_news, Label.NEGATIVE, "mock-1")
    told = metrics(capsys.readouterr().out)
    assert [said.get("Analyzed", said.get("AlreadyAnalyzed")) for said in told] == [[1], [1]]
    dimensions = [sorted(names) for names in told[0]["_aws"]["CloudWatchMetrics"][0]["Dimensions"]]
    assert dimensions == [["environment", "service"], ["environment", "model", "service"]]
    assert (told[1]["service"], told[1]["model"]) == ("analysis", "mock-1")


GOOD = json.loads(message(article(1)))
BAD = {
    "the message is not JSON": "{",
    "the message is not a JSON object": "[]",
    "the message is nested too deep": "[" * 200_000,
    "the message's schema is None": "{}",
    "the message's schema is 2: this version reads 1": json.dumps({**GOOD, "schema": 2}),
    "the message's id is None": json.dumps({**GOOD, "id": None}),
    "the message's id is 'x': it must be 32 hexadecimal digits": json.dumps({**GOOD, "id": "x"}),
    "the message's topic is 7: it must be text": json.dumps({**GOOD, "topic": 7}),
    "the message's title is '': it must be text": json.dumps({**GOOD, "title": ""}),
    "the message's title is ' \\n': it must be text": json.dumps({**GOOD, "title": " \n"}),
    "the message's description is None": json.dumps({**GOOD, "description": None}),
    "there is no article 00000000000000000000000000000001 in": message(article(1)),
}


@pytest.mark.parametrize("reason", BAD)
@pytest.mark.usefixtures("function")
def test_a_bad_message_is_kept_with_its_reason_and_not_tried_again(
    queue: Queue, capsys: pytest.CaptureFixture[str], reason: str
) -> None:
    handle(BAD[reason])  # ends well, so Lambda makes no further try
    [kept] = queue.take()
    assert kept["Body"] == BAD[reason]
    said = attributes(kept)
    assert said.pop("reason").startswith(reason)
    assert said == {"message_id": "message-0", "function": "test-analysis"}
    [told] = metrics(capsys.readouterr().out)
    assert told["Rejected"] == [1]


@pytest.mark.usefixtures("function")
def test_what_is_no_event_is_kept_as_it_came(queue: Queue) -> None:
    call({"hello": "there"})
    [kept] = queue.take()
    assert kept["Body"] == '{"hello": "there"}'
    assert attributes(kept)["message_id"] == "unknown"


def test_what_sqs_would_not_take_is_made_so_that_it_does(account: Account, queue: Queue) -> None:
    letters = DeadLetters(account.root.client("sqs"), queue.url, "test-analysis")
    original = "\0\ud800\uffff\t" + "\N{GRINNING FACE}" * BODY_BYTES
    letters.send(Delivery(message=original, id="", original=original), "\0" + "because " * 1000)
    [kept] = queue.take()
    assert kept["Body"].startswith("\ufffd\ufffd\ufffd\t\N{GRINNING FACE}")
    assert BODY_BYTES - 4 < len(kept["Body"].encode()) <= BODY_BYTES
    assert attributes(kept)["reason"].startswith("\ufffdbecause because")
    assert len(attributes(kept)["reason"]) == 500


@pytest.mark.usefixtures("function")
def test_a_queue_that_is_gone_makes_the_call_fail(
    account: Account, queue: Queue, capsys: pytest.CaptureFixture[str]
) -> None:
    account.root.client("sqs").delete_queue(QueueUrl=queue.url)
    with pytest.raises(Unavailable, match=r"not JSON.* could not be put aside: sqs:SendMessage"):
        handle("{")
    assert metrics(capsys.readouterr().out)[0]["Unavailable"] == [1]


@pytest.mark.usefixtures("function")
def test_a_table_that_is_out_of_reach_makes_the_call_fail_and_the_next_try_mends_it(
    table: Table, queue: Queue, faults: Switchboard
) -> None:
    for number in (1, 2):
        table.put_new(article(number))
    denied = faults.add("deny:dynamodb:TransactWriteItems")
    messages = [message(article(1)), "{", message(article(2))]
    with pytest.raises(Unavailable, match=r"dynamodb:TransactWriteItems failed.*; dynamodb:TransactWriteItems failed"):
        handle(*messages)
    assert len(queue.take()) == 1
    faults.clear(denied)
    handle(*messages)
    assert len(table.newest(10)) == 2


def test_an_answer_that_is_lost_counts_nothing_twice(account: Account, table_name: str, faults: Switchboard) -> None:
    table = Table(account.root.client("dynamodb"), table_name, keep=timedelta(days=1), clock=lambda: NOON)
    table.put_new(article(1))
    cut = faults.add("cut:dynamodb:TransactWriteItems:1")
    said = Mock().judge(article(1).title)
    with pytest.raises(Unavailable, match="dynamodb:TransactWriteItems failed"):
        table.record(article(1).id, said)
    assert cut.hits == 1
    assert not table.record(article(1).id, said)
    assert [hour.count for hour in table.hours("markets", clock.hours_until(NOON, 1))] == [1]


@pytest.mark.usefixtures("function")
def test_many_at_once_make_one_item(table: Table) -> None:
    table.put_new(article(1))
    analysis = handler.made("test-analysis")
    announced = deliveries(event([message(article(1))]))
    with ThreadPoolExecutor(8) as threads:
        told = [results[0].outcome for results in threads.map(analysis.run, [announced] * 24)]
    assert sorted(told) == ["AlreadyAnalyzed"] * 23 + ["Analyzed"]
    assert [hour.count for hour in table.hours("markets", clock.hours_until(clock.now(), 2))] == [1]


TITLES = ["Crisis", "Growth", "Report", "War", "Win"]
STORED = [article(number, title, topic=f"topic-{number % 2}") for number, title in enumerate(TITLES)]


@pytest.mark.slow
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    order=st.permutations(STORED),
    again=st.lists(st.sampled_from(STORED), max_size=6),
    size=st.integers(1, 4),
)
@pytest.mark.usefixtures("function")
def test_any_order_and_repetition_gives_the_same_table(
    account: Account, order: list[Any], again: list[Any], size: int
) -> None:
    rows = [everything(account, articles, size) for articles in (STORED, [*order, *again], [*again, *order])]
    assert rows[0] == rows[1] == rows[2]
    assert len(rows[0]) == len(STORED) + 2


def everything(account: Account, articles: list[Any], size: int) -> list[dict[str, Any]]:
    """All of a new table, once these were announced, some in an event; time stands still."""
    client, name = account.root.client("dynamodb"), f"analysis-{next(_NUMBERS)}-same"
    make_table(account.root, name)
    table = Table(client, name, keep=timedelta(days=30), clock=lambda: NOON)
    for stored in STORED:
        table.put_new(stored)
    analysis = replace(handler.made("test-analysis"), items=table)
    for start in range(0, len(articles), size):
        analysis.run(deliveries(event(map(message, articles[start : start + size]))))
    return sorted(client.scan(TableName=name)["Items"], key=lambda row: (row["pk"]["S"], row["sk"]["S"]))


@pytest.fixture
def transformer(function: pytest.MonkeyPatch, bucket: str, tmp_path: Any) -> pytest.MonkeyPatch:
    said = {"MODEL": "transformer", "MODEL_URI": f"s3://{bucket}/tiny/", "MODEL_SHA256S": as_setting(sha256s(files()))}
    for name, value in said.items():
        function.setenv(name, value)
    function.setattr("tempfile.tempdir", str(tmp_path))
    return function


@pytest.fixture
def downloads(account: Account, bucket: str) -> Iterator[list[str]]:
    """What was read of the bucket, as IAM saw it."""
    read: list[str] = []

    def note(decision: Decision) -> None:
        if decision.action == "s3:GetObject" and f":::{bucket}/" in decision.resource:
            read.append(decision.resource.rpartition("/")[2])

    account.box.authority.audit.listeners.append(note)
    yield read
    account.box.authority.audit.listeners.remove(note)


@pytest.mark.req("R-12")
@pytest.mark.usefixtures("transformer")
def test_the_transformer_is_brought_once_and_judges(
    downloads: list[str], table: Table, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, title in enumerate(["Good goodness", "Bad"]):
        table.put_new(article(number, title))
        handle(message(article(number, title)))
    assert downloads == ["model.onnx", "tokenizer.json"]
    told = {item.article.title: (item.sentiment.label, item.sentiment.model) for item in table.newest(10)}
    assert told == {
        "Good goodness": (Label.POSITIVE, "distilbert-sst2"),
        "Bad": (Label.NEGATIVE, "distilbert-sst2"),
    }
    assert {said["model"] for said in metrics(capsys.readouterr().out)} == {"distilbert-sst2"}
    handler.made.cache_clear()  # as when Lambda starts the process again, in the same place
    handle(message(article(0)))
    assert downloads == ["model.onnx", "tokenizer.json"]


@pytest.mark.usefixtures("transformer")
def test_a_text_that_the_model_fails_on_is_put_aside(table: Table, queue: Queue) -> None:
    table.put_new(article(1, "Broken"))
    handle(message(article(1, "Broken")))
    [kept] = queue.take()
    assert attributes(kept)["reason"].startswith("distilbert-sst2 cannot read the text: its output is [nan, nan]")
    assert table.newest(10) == []


@pytest.mark.usefixtures("transformer")
def test_a_wrong_model_judges_nothing_and_loses_nothing(
    account: Account, bucket: str, table: Table, queue: Queue, capsys: pytest.CaptureFixture[str]
) -> None:
    table.put_new(article(1, "Good"))
    s3 = account.root.client("s3")
    s3.put_object(Bucket=bucket, Key="tiny/model.onnx", Body=b"another")
    with pytest.raises(SettingsError, match=r"tiny/model\.onnx is not the file that was chosen"):
        handle(message(article(1, "Good")))
    assert metrics(capsys.readouterr().out)[0]["NotReady"] == [1]
    assert (table.newest(10), queue.take()) == ([], [])
    s3.put_object(Bucket=bucket, Key="tiny/model.onnx", Body=files()["model.onnx"])
    handle(message(article(1, "Good")))
    assert len(table.newest(10)) == 1


HEAVY = ("numpy", "onnxruntime", "tokenizers")
MOCKED = f"""
import sys

sys.path[:0] = sys.argv[1].split(":")
from analysis import handler
assert handler.made("test").model.name == "mock-1"
print([name for name in {HEAVY} if name in sys.modules])
"""


@pytest.mark.req("R-12")
def test_the_mock_does_not_pay_for_the_transformer() -> None:
    said = {"TABLE": "dev-sentiment", "DLQ_URL": "https://sqs/dlq", "AWS_DEFAULT_REGION": REGION}
    process = subprocess.run(
        [sys.executable, "-c", MOCKED, ":".join(sys.path)], env=said, capture_output=True, text=True, check=False
    )
    assert (process.stdout.strip(), process.stderr, process.returncode) == ("[]", "", 0)
