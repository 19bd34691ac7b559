"""Asynchronous calls: tried again as what was called is configured, and then handed to where failures go."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from tests.awsbox import setup
from tests.awsbox.functions import deployed, image
from tests.awsbox.people import allow, policy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tests.awsbox.people import Account, Statement

pytestmark = pytest.mark.slow

SECONDS = 20
_NAMES = count(1)

# Fails until the file is there that the event, or what carries it, names; and as long as there is none.
ZIPPED = """
import os, re
def handler(event, context):
    found = re.search("/[^\\" ]*/opens", str(event))
    if not found: raise ValueError("on purpose")
    if os.path.exists(found[0]): return {"did": "it"}
    open(found[0], "w").close()
    raise ValueError("once")
"""
# An image that speaks the Runtime API itself, and fails.
FAILING = """
import http.client, json, os
def ask(method, path, body=b""):
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    connection.request(method, "/2018-06-01/runtime/" + path, body)
    answer = connection.getresponse()
    return answer.read(), answer.headers
while True:
    event, headers = ask("GET", "invocation/next")
    id = headers["lambda-runtime-aws-request-id"]
    ask("POST", f"invocation/{id}/error", json.dumps({"errorType": "Own", "errorMessage": "on purpose"}))
"""


@pytest.fixture(autouse=True)
def _soon(account: Account) -> Iterator[None]:
    later, before = account.box.later, account.box.later.pause_seconds
    later.pause_seconds = 0.05
    yield
    later.pause_seconds = before
    assert eventually(lambda: not later.waiting)


def eventually[T](look: Callable[[], T], seconds: float = SECONDS) -> T:
    """The first answer that is something, or the last one."""
    until = time.monotonic() + seconds
    while not (found := look()) and time.monotonic() < until:
        time.sleep(0.05)
    return found


@dataclass(frozen=True)
class Target:
    """A function with an alias, and the queue for its failures."""

    account: Account
    name: str
    queue: str
    url: str

    @property
    def arn(self) -> str:
        return self.account.arn("lambda", f"function:{self.name}")

    @property
    def live(self) -> str:
        return f"{self.arn}:live"

    def configure(self, retries: int, qualifier: str = "live", **destinations: str) -> None:
        self.account.root.client("lambda").put_function_event_invoke_config(
            FunctionName=self.name,
            MaximumRetryAttempts=retries,
            DestinationConfig={when: {"Destination": arn} for when, arn in destinations.items()},
            **({"Qualifier": qualifier} if qualifier else {}),
        )

    def let(self, service: str, source: str) -> None:
        self.account.root.client("lambda").add_permission(
            FunctionName=self.name,
            Qualifier="live",
            StatementId=f"s{next(_NAMES)}",
            Action="lambda:InvokeFunction",
            Principal=service,
            SourceArn=source,
        )

    def tries(self) -> list[str]:
        """The request's id, for each."""
        logs = self.account.root.client("logs")
        if not logs.describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{self.name}")["logGroups"]:
            return []
        lines = logs.filter_log_events(logGroupName=f"/aws/lambda/{self.name}", filterPattern="START")["events"]
        return [line["message"].split()[2] for line in lines]

    def received(self, seconds: int = SECONDS) -> list[Mapping[str, Any]]:
        asked = {"QueueUrl": self.url, "WaitTimeSeconds": min(seconds, 10), "MessageAttributeNames": ["All"]}
        return list(self.account.root.client("sqs").receive_message(**asked).get("Messages", []))

    def record(self) -> Any:
        (message,) = eventually(self.received)
        return json.loads(message["Body"])

    def over(self) -> None:
        """Whatever was sent before this has come to its end."""
        assert eventually(lambda: not self.account.box.later.waiting)


def zipped(account: Account, *rights: Statement, dead_letters: bool = False, code: str = ZIPPED) -> Target:
    name = f"later-{next(_NAMES)}"
    queue = account.arn("sqs", name)
    url = account.root.client("sqs").create_queue(QueueName=name)["QueueUrl"]
    role = account.role(allow("logs:*"), *(rights or [allow("sqs:SendMessage", queue)]))
    more = {"DeadLetterConfig": {"TargetArn": queue}} if dead_letters else {}
    setup.function(account.root, name, role, code, Publish=True, **more)
    account.root.client("lambda").create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    return Target(account, name, queue, url)


def by_sns(target: Target, message: str = "x") -> None:
    sns = target.account.root.client("sns")
    topic = sns.create_topic(Name=f"later-{next(_NAMES)}")["TopicArn"]
    target.let("sns.amazonaws.com", topic)
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=target.live)
    sns.publish(TopicArn=topic, Message=message)


def by_event(target: Target, message: str = "x") -> None:
    events, name = target.account.root.client("events"), f"later-{next(_NAMES)}"
    rule = events.put_rule(Name=name, EventPattern=json.dumps({"source": [name]}))["RuleArn"]
    target.let("events.amazonaws.com", rule)
    events.put_targets(Rule=name, Targets=[{"Id": "one", "Arn": target.live}])
    events.put_events(Entries=[{"Source": name, "DetailType": "x", "Detail": json.dumps({"said": message})}])


def by_schedule(target: Target, message: str = "x") -> None:
    events, name = target.account.root.client("events"), f"later-{next(_NAMES)}"
    rule = events.put_rule(Name=name, ScheduleExpression="rate(2 hours)")["RuleArn"]
    target.let("events.amazonaws.com", rule)
    events.put_targets(Rule=name, Targets=[{"Id": "one", "Arn": target.live, "Input": json.dumps({"said": message})}])
    assert target.account.portal.call(target.account.box.fire, name) == 1


def by_invoke(target: Target, message: str = "x") -> str:
    """The id by which the caller knows the event."""
    said = target.account.root.client("lambda").invoke(
        FunctionName=target.name, Qualifier="live", InvocationType="Event", Payload=json.dumps({"said": message})
    )
    assert said["StatusCode"] == 202
    return str(said["ResponseMetadata"]["RequestId"])


WAYS = pytest.mark.parametrize("send", [by_sns, by_event, by_schedule, by_invoke])


@WAYS
def test_an_alias_decides_how_often_and_who_hears_of_it(account: Account, send: Callable[[Target], Any]) -> None:
    target = zipped(account)
    target.configure(1, OnFailure=target.queue)

    send(target)

    record = target.record()
    context = record["requestContext"]
    assert record["version"] == "1.0"
    assert context["functionArn"] == target.live
    assert (context["condition"], context["approximateInvokeCount"]) == ("RetriesExhausted", 2)
    assert record["responseContext"] == {"statusCode": 200, "executedVersion": "1", "functionError": "Unhandled"}
    assert record["responsePayload"]["errorMessage"] == "on purpose"
    assert target.tries() == [context["requestId"]] * 2


def test_the_record_holds_what_was_asked(account: Account) -> None:
    target = zipped(account)
    target.configure(0, OnFailure=target.queue)

    id = by_invoke(target, "this")

    record = target.record()
    assert record["requestPayload"] == {"said": "this"}
    assert record["requestContext"]["requestId"] == id
    by_sns(target, "that")
    assert target.record()["requestPayload"]["Records"][0]["Sns"]["Message"] == "that"


@pytest.mark.parametrize("send", [by_sns, by_event])
def test_images_are_tried_again_as_well(account: Account, send: Callable[[Target], None]) -> None:
    name = f"later-{next(_NAMES)}"
    url = account.root.client("sqs").create_queue(QueueName=name)["QueueUrl"]
    role = account.role(allow("sqs:SendMessage"))
    deployed(account, image({"app/main.py": FAILING}, command=("python", "main.py")), name=name, role=role)
    version = account.root.client("lambda").publish_version(FunctionName=name)["Version"]
    account.root.client("lambda").create_alias(FunctionName=name, Name="live", FunctionVersion=version)
    target = Target(account, name, account.arn("sqs", name), url)
    target.configure(1, OnFailure=target.queue)

    send(target)

    record = target.record()
    assert record["responsePayload"] == {"errorType": "Own", "errorMessage": "on purpose"}
    assert record["requestContext"]["approximateInvokeCount"] == 2
    runs = [run for run in account.box.host.runs if run.function == name]
    assert [(run.version, run.id) for run in runs] == [(version, record["requestContext"]["requestId"])] * 2


@WAYS
def test_a_function_that_does_it_at_last_leaves_no_record(
    account: Account, tmp_path: Path, send: Callable[[Target, str], Any]
) -> None:
    target = zipped(account)
    target.configure(1, OnFailure=target.queue)

    send(target, str(tmp_path / "opens"))

    assert eventually(lambda: len(target.tries()) == 2)
    target.over()
    assert not target.received(0)


def test_success_has_a_destination_of_its_own(account: Account, tmp_path: Path) -> None:
    target = zipped(account)
    target.configure(2, OnSuccess=target.queue)

    by_sns(target, str(tmp_path / "opens"))

    record = target.record()
    assert (record["requestContext"]["condition"], record["requestContext"]["approximateInvokeCount"]) == ("Success", 2)
    assert record["responseContext"] == {"statusCode": 200, "executedVersion": "1"}
    assert record["responsePayload"] == {"did": "it"}


@pytest.mark.parametrize("send", [by_sns, by_event, by_invoke])
def test_a_role_that_lost_the_right_sends_nothing(account: Account, send: Callable[[Target], Any]) -> None:
    target = zipped(account)
    target.configure(0, OnFailure=target.queue)
    role = account.root.client("lambda").get_function_configuration(FunctionName=target.name)["Role"]
    # AWS looks when the destination is set; the right may go later.
    account.root.client("iam").put_role_policy(
        RoleName=role.rpartition("/")[2], PolicyName="rights", PolicyDocument=policy(allow("logs:*"))
    )

    send(target)

    def refused() -> list[Any]:
        return [one for one in account.box.authority.audit.denied() if one.resource == target.queue]

    (decision,) = eventually(refused)
    assert (decision.principal, decision.action) == (role, "sqs:SendMessage")
    assert "no identity-based policy allows the sqs:SendMessage action" in decision.why
    target.over()
    assert not target.received(0)


@pytest.mark.parametrize("send", [by_sns, by_event])
def test_a_service_that_may_not_call_is_never_tried(account: Account, send: Callable[[Target], None]) -> None:
    target = zipped(account)
    # The function itself lets it, and nobody asks for that: the alias has a policy of its own.
    target = Closed(account, target.name, target.queue, target.url)

    send(target)

    def decided() -> list[bool]:
        return [one.allowed for one in account.box.authority.audit if one.resource == target.live]

    assert eventually(decided) == [False]
    target.over()
    assert not target.tries()


class Closed(Target):
    def let(self, service: str, source: str) -> None:
        self.account.root.client("lambda").add_permission(
            FunctionName=self.name,
            StatementId="unqualified",
            Action="lambda:InvokeFunction",
            Principal=service,
            SourceArn=source,
        )


@WAYS
def test_without_a_configuration_dead_letters_come_after_three_tries(
    account: Account, send: Callable[[Target], Any]
) -> None:
    target = zipped(account, allow("sqs:SendMessage"), dead_letters=True)
    # Of the function itself: it says nothing of the alias.
    target.configure(0, "", OnFailure=target.queue)

    send(target)

    (message,) = eventually(target.received)
    attributes = {name: said["StringValue"] for name, said in message["MessageAttributes"].items()}
    tries = target.tries()
    assert len(tries) == 3
    assert attributes == {"RequestID": tries[0], "ErrorCode": "200", "ErrorMessage": "on purpose"}
    assert "requestPayload" not in json.loads(message["Body"])


def test_a_function_that_is_called_by_its_name_has_its_own_configuration(account: Account) -> None:
    target = zipped(account)
    target.configure(0, "", OnFailure=target.queue)
    target.configure(2)

    account.root.client("lambda").invoke(FunctionName=target.name, InvocationType="Event", Payload=b"{}")

    record = target.record()
    assert record["requestContext"]["functionArn"] == f"{target.arn}:$LATEST"
    assert record["requestContext"]["approximateInvokeCount"] == 1
    assert record["responseContext"]["executedVersion"] == "$LATEST"


def test_a_function_that_may_not_run_is_not_tried(account: Account) -> None:
    target = zipped(account)
    target.configure(2, OnFailure=target.queue)
    account.root.client("lambda").put_function_concurrency(FunctionName=target.name, ReservedConcurrentExecutions=0)

    by_sns(target)

    record = target.record()
    assert record["requestContext"]["approximateInvokeCount"] == 0
    assert "responseContext" not in record
    assert not target.tries()


BUSY = "import time\ndef handler(event, context): time.sleep(0.5)\n"


def test_a_throttled_try_does_not_count(account: Account) -> None:
    target = zipped(account, code=BUSY)
    target.configure(0, OnFailure=target.queue)
    account.root.client("lambda").put_function_concurrency(FunctionName=target.name, ReservedConcurrentExecutions=1)

    ids = {by_invoke(target), by_invoke(target), by_invoke(target)}

    target.over()
    assert set(target.tries()) == ids
    assert len(target.tries()) == 3
    assert not target.received(0)


def test_each_try_asks_an_alias_anew(account: Account) -> None:
    """It sends all calls to a second version: the emulator knows nothing of weights."""
    target = zipped(account)
    client = account.root.client("lambda")
    client.update_function_configuration(FunctionName=target.name, Description="another")
    second = client.publish_version(FunctionName=target.name)["Version"]
    weights = {"AdditionalVersionWeights": {second: 1.0}}
    client.update_alias(FunctionName=target.name, Name="live", RoutingConfig=weights)
    target.configure(0, OnFailure=target.queue)

    by_invoke(target)

    record = target.record()
    assert record["requestContext"]["functionArn"] == target.live
    assert record["responseContext"]["executedVersion"] == second


def test_a_record_may_go_to_a_function(account: Account, tmp_path: Path) -> None:
    told = zipped(account, code=f"def handler(event, context): open({str(tmp_path / 'told')!r}, 'w').write(str(event))")
    target = zipped(account, allow("lambda:InvokeFunction", told.arn))
    target.configure(0, OnFailure=told.arn)

    by_event(target)

    assert eventually(lambda: (tmp_path / "told").exists() and (tmp_path / "told").read_text())
    assert "RetriesExhausted" in (tmp_path / "told").read_text()


def test_what_waits_is_part_of_a_snapshot(account: Account) -> None:
    box, target = account.box, zipped(account)
    target.configure(1, OnFailure=target.queue)
    before = box.snapshot()
    box.later.pause_seconds = 2
    by_sns(target)
    assert eventually(target.tries)
    waiting = box.snapshot()

    box.restore(before)
    assert box.later.waiting == 0
    assert not target.tries()

    box.restore(waiting)
    assert box.later.waiting == 1
    record = target.record()
    assert record["requestContext"]["approximateInvokeCount"] == 2
    assert target.tries() == [record["requestContext"]["requestId"]] * 2
    box.restore(before)


SLOW = """
import time
def handler(event, context):
    print("began", flush=True)
    open(event["said"], "w").close()
    time.sleep(30)
"""


def test_a_function_that_is_killed_by_a_restore_has_not_failed(account: Account, tmp_path: Path) -> None:
    target = zipped(account, code=SLOW)
    account.root.client("lambda").update_function_configuration(FunctionName=target.name, Timeout=60)
    version = account.root.client("lambda").publish_version(FunctionName=target.name)["Version"]
    account.root.client("lambda").update_alias(FunctionName=target.name, Name="live", FunctionVersion=version)
    target.configure(0, OnFailure=target.queue)
    before = account.box.snapshot()
    by_invoke(target, str(tmp_path / "began"))
    assert eventually((tmp_path / "began").exists)

    account.box.restore(before)

    assert account.box.later.waiting == 0
    assert not target.received(1)
