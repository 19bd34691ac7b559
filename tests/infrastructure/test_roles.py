"""Every function runs under a role of its own, with just its calls: asked for by the functions themselves."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.awsbox.test_authority import DENIED
from tests.infrastructure.world import FUNCTIONS, NAMES, PROJECT, Environment, bucket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.infrastructure.world import World

    type Call = tuple[str, str, dict[str, Any]]

KEY = {"pk": {"S": "article#1"}, "sk": {"S": "article"}}
SETS = {"UpdateExpression": "SET label = :l", "ExpressionAttributeValues": {":l": {"S": "neutral"}}}


class Calls:
    """Calls of AWS on what an environment has."""

    def __init__(self, environment: Environment) -> None:
        self._name, self._arn = environment.name, environment.account.arn
        self._roles = f"arn:aws:iam::{environment.account.box.account}:role"
        self.table = {"TableName": f"{environment.name}-sentiment"}
        self._bucket = bucket(environment.account, environment.name)

    def items(self, *operations: str) -> list[Call]:
        more: dict[str, dict[str, Any]] = {
            "get_item": {"Key": KEY},
            "put_item": {"Item": KEY},
            "delete_item": {"Key": KEY},
            "update_item": {"Key": KEY, **SETS},
            "scan": {},
        }
        return [("dynamodb", operation, self.table | more[operation]) for operation in operations]

    def query(self, *indexes: str) -> list[Call]:
        """By the table's own keys: the empty index."""
        return [
            (
                "dynamodb",
                "query",
                self.table
                | ({"IndexName": index} if index else {})
                | {
                    "KeyConditionExpression": "#k = :v",
                    "ExpressionAttributeNames": {"#k": index or "pk"},
                    "ExpressionAttributeValues": {":v": {"S": "x"}},
                },
            )
            for index in indexes
        ]

    def transaction(self) -> list[Call]:
        update = {"Update": {**self.table, "Key": KEY, **SETS}}
        return [("dynamodb", "transact_write_items", {"TransactItems": [update]})]

    def secret(self, name: str) -> list[Call]:
        return [("secretsmanager", "get_secret_value", {"SecretId": f"{self._name}-{name}"})]

    def publish(self, topic: str) -> list[Call]:
        return [("sns", "publish", {"TopicArn": self._arn("sns", f"{self._name}-{topic}"), "Message": "{}"})]

    def dead_letter(self) -> list[Call]:
        url = f"https://sqs.us-east-1.amazonaws.com/{self._arn('', '').split(':')[4]}/{self._name}-dlq"
        return [("sqs", "send_message", {"QueueUrl": url, "MessageBody": "x"})]

    def receive(self) -> list[Call]:
        ((service, _, said),) = self.dead_letter()
        return [(service, "receive_message", {"QueueUrl": said["QueueUrl"]})]

    def model(self, key: str = "models/tiny/model.onnx") -> list[Call]:
        return [("s3", "get_object", {"Bucket": self._bucket, "Key": key})]

    def raising(self) -> list[Call]:
        """What no function may ever do, to itself or to others."""
        return [
            (
                "iam",
                "put_role_policy",
                {"RoleName": f"{self._name}-ingestion", "PolicyName": "x", "PolicyDocument": "{}"},
            ),
            (
                "sts",
                "assume_role",
                {"RoleArn": f"{self._roles}/{PROJECT}-{self._name}-deployer", "RoleSessionName": "me"},
            ),
            ("lambda", "invoke", {"FunctionName": f"{self._name}-ingestion"}),
            ("lambda", "update_function_configuration", {"FunctionName": f"{self._name}-ingestion", "Timeout": 9}),
            ("kms", "generate_data_key", {"KeyId": f"alias/{self._name}-{PROJECT}", "KeySpec": "AES_256"}),
            ("kms", "describe_key", {"KeyId": f"alias/{self._name}-{PROJECT}"}),
            ("s3", "list_objects_v2", {"Bucket": f"{PROJECT}-{self._name}-state"}),
            ("s3", "put_object", {"Bucket": self._bucket, "Key": "models/tiny/model.onnx"}),
            ("secretsmanager", "put_secret_value", {"SecretId": f"{self._name}-api-key", "SecretString": "x"}),
        ]


def may(function: str, of: Calls) -> list[Call]:
    shown = [*of.items("get_item"), *of.query("", "feed", "topic"), *of.secret("api-key")]
    return {
        "ingestion": [
            *of.items("put_item", "update_item"),
            *of.transaction(),
            *of.query("pending"),
            *of.publish("articles"),
            *of.secret("newsapi-key"),
            *of.dead_letter(),
        ],
        "analysis": [*of.items("get_item", "update_item"), *of.transaction(), *of.dead_letter()],
        "dashboard": shown,
        "sse-streaming": shown,
        "canary": [*of.secret("api-key"), *of.dead_letter()],
    }[function]


def everything(of: Calls) -> list[Call]:
    return [
        *of.items("get_item", "put_item", "update_item", "delete_item", "scan"),
        *of.query("", "feed", "topic", "pending"),
        *of.transaction(),
        *of.secret("newsapi-key"),
        *of.secret("api-key"),
        *of.publish("articles"),
        *of.publish("alarms"),
        *of.dead_letter(),
        *of.receive(),
        *of.model(),
        *of.raising(),
    ]


@pytest.fixture(scope="module")
def filled(standing: World) -> Iterator[World]:
    """People have put the secrets' values."""
    before = standing.account.box.snapshot()
    for name in NAMES:
        for secret in ("newsapi-key", "api-key"):
            client = standing.account.root.client("secretsmanager")
            client.put_secret_value(SecretId=f"{name}-{secret}", SecretString=f"{secret} of {name}")
    yield standing
    standing.account.box.restore(before)


def asked(world: World, name: str, function: str, calls: Sequence[Call]) -> list[str]:
    """What came of them, made by the function itself."""
    said = {"calls": calls}
    if function == "sse-streaming":
        address = world.environments[name].outputs()["urls"][function]
        answer: dict[str, Any] = httpx.post(address + "/", json=said, timeout=60).raise_for_status().json()
    else:
        client = world.account.root.client("lambda")
        done = client.invoke(FunctionName=f"{name}-{function}", Qualifier="live", Payload=json.dumps(said))
        answer = json.loads(json.load(done["Payload"])["body"])
    return list(answer["calls"])


@pytest.mark.req("R-10", "R-11")
@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_may_do_its_own_and_nothing_else(filled: World, function: str) -> None:
    own, other = (Calls(filled.environments[name]) for name in ("preprod", "prod"))
    allowed = may(function, own)
    denied = [call for call in everything(own) if call not in allowed] + everything(other)

    done = asked(filled, "preprod", function, [*allowed, *denied])

    answers = list(zip([*allowed, *denied], done, strict=True))
    assert [answer for answer in answers[: len(allowed)] if answer[1] != "ok"] == []
    assert [answer for answer in answers[len(allowed) :] if answer[1] not in DENIED] == []
    assert len(denied) > 40


@pytest.mark.parametrize("function", ["dashboard", "sse-streaming"])
def test_a_url_is_open_to_everybody_at_the_alias(filled: World, function: str) -> None:
    address = filled.environments["preprod"].outputs()["urls"][function]

    answer = httpx.post(address + "/", json={"calls": []}, timeout=60)

    assert (answer.status_code, answer.json()["calls"]) == (200, [])


def test_what_a_function_says_is_in_the_group_that_was_there_before_it(filled: World) -> None:
    client = filled.account.root.client("lambda")
    client.invoke(FunctionName="preprod-canary", Qualifier="live", Payload=json.dumps({"print": ["well"]}))
    logs = filled.account.root.client("logs")

    found = logs.filter_log_events(logGroupName="/aws/lambda/preprod-canary", filterPattern="well")["events"]

    assert found
    (group,) = logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/preprod-canary")["logGroups"]
    assert group["retentionInDays"] == 14


def runs(world: World, function: str) -> int:
    """How often it ran, by its own log."""
    logs = world.account.root.client("logs")
    return len(logs.filter_log_events(logGroupName=f"/aws/lambda/{function}", filterPattern="START")["events"])


@pytest.mark.parametrize("function", ["ingestion", "canary", "analysis"])
def test_schedules_and_the_topic_reach_their_functions(filled: World, function: str) -> None:
    before, account = runs(filled, f"preprod-{function}"), filled.account

    if function == "analysis":
        account.root.client("sns").publish(TopicArn=account.arn("sns", "preprod-articles"), Message="{}")
    else:
        assert account.portal.call(account.box.fire, f"preprod-{function}-schedule") == 1

    deadline = time.monotonic() + 30
    while runs(filled, f"preprod-{function}") == before:
        assert time.monotonic() < deadline, f"preprod-{function} did not run"
        time.sleep(0.05)


@pytest.mark.req("R-12")
def test_a_role_that_reads_a_model_reads_that_and_no_other(filled: World, make_model: Callable[[str], None]) -> None:
    """With the transformer, of which only the role is new: nothing of the package is."""
    before = filled.account.box.snapshot()
    environment = filled.environments["prod"]
    make_model("models/tiny/model.onnx")
    make_model("models/other/model.onnx")
    environment.apply(model="transformer", model_path="tiny", model_sha256s={"model.onnx": "0" * 64})
    of = Calls(environment)
    calls = [*of.model(), *of.model("models/other/model.onnx"), *of.model("ingestion/x.zip"), *of.items("get_item")]

    done = asked(filled, "prod", "analysis", calls)

    filled.account.box.restore(before)
    assert done == ["ok", "AccessDenied", "AccessDenied", "ok"]


@pytest.fixture
def make_model(filled: World) -> Callable[[str], None]:
    def make(key: str) -> None:
        where = bucket(filled.account, "prod")
        filled.account.root.client("s3").put_object(Bucket=where, Key=key, Body=b"a model")

    return make
