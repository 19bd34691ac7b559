"""A box with one environment in use: how much memory, how soon it is there, and what a decision costs.

Linux only: it reads /proc. The cost is a ratio to the bare emulator, side by side on this machine. Run it with
`make bench`.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # the tests know how to put things into a box

from tests.awsbox import setup  # noqa: E402
from tests.awsbox.people import Caller, allow, policy  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ACCOUNT = "111122223333"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/preprod-function"
FUNCTIONS = ("ingestion", "analysis", "dashboard", "canary")
LIMIT_MB, LIMIT_IDLE_MB, LIMIT_SECONDS, LIMIT_RATIO = 600, 300, 3, 3
STARTS, CALLS, IDLE_SECONDS = 5, 300, 90

# What functions of this kind import: the SDK; and, in place of a web framework, what one takes.
HANDLER = "import boto3\ns3 = boto3.client('s3')\ndef handler(event, context):\n  return event"
SERVER = """
import http.server, os
ballast = b"x" * 40_000_000
class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", "5")
        self.end_headers()
        self.wfile.write(b"hello")
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Hello).serve_forever()
"""


@contextmanager
def started(folder: str, *command: str, **more: str) -> Iterator[subprocess.Popen[str]]:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "ci/src"), "TMPDIR": folder, **more}
    process = subprocess.Popen([sys.executable, *command], env=environment, stdout=subprocess.PIPE, text=True)
    with process:
        try:
            yield process
        finally:
            process.terminate()


@contextmanager
def box(folder: str) -> Iterator[Caller]:
    with started(folder, "-m", "awsbox", "--json") as process:
        said = json.loads(process.stdout.readline() if process.stdout else "")
        yield Caller(said["endpoint"], said["users"][0]["key"], said["users"][0]["secret"])


@contextmanager
def bare(folder: str) -> Iterator[Caller]:
    """The emulator alone, deciding by its own lights."""
    settings = {"GATEWAY_PORT": "14566", "AUTH": "true", "IOT_MTLS_ENABLED": "0", "LOG_LEVEL": "ERROR"}
    with started(folder, "-m", "ministack", MINISTACK_ACCOUNT_ID=ACCOUNT, BIND_HOST="127.0.0.1", **settings):
        caller = Caller("http://127.0.0.1:14566", ACCOUNT, "test")
        for _ in range(100):
            try:
                caller.client("sts").get_caller_identity()
            except Exception:  # noqa: BLE001 - whatever it is, it is not up
                time.sleep(0.1)
            else:
                break
        yield caller


def seconds(folder: str) -> float:
    begun = time.perf_counter()
    with box(folder):
        return time.perf_counter() - begun


def deployed(root: Caller, folder: str) -> list[str]:
    """What R-11 lists, without waiting as a provider does; the names of its functions."""
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    root.client("iam").create_role(RoleName="preprod-function", AssumeRolePolicyDocument=policy(trust))
    root.client("kms").create_key()
    root.client("secretsmanager").create_secret(Name="preprod-newsapi-key", SecretString="key")
    root.client("sns").create_topic(Name="preprod-items")
    root.client("sqs").create_queue(QueueName="preprod-dlq")
    root.client("s3").create_bucket(Bucket="preprod-packages")
    root.client("events").put_rule(Name="preprod-schedule", ScheduleExpression="rate(2 hours)")
    root.client("dynamodb").create_table(
        TableName="preprod-items",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for name in FUNCTIONS:
        setup.function(root, f"preprod-{name}", ROLE, HANDLER)
    image = anyio.run(setup.published, root, ACCOUNT, "preprod-sse", {"main.py": SERVER}, Path(folder))
    client = root.client("lambda")
    client.create_function(FunctionName="preprod-sse", PackageType="Image", Role=ROLE, Code={"ImageUri": image})
    client.get_waiter("function_active_v2").wait(FunctionName="preprod-sse", WaiterConfig={"Delay": 0.1})
    return [*(f"preprod-{name}" for name in FUNCTIONS), "preprod-sse"]


def used(root: Caller, functions: list[str]) -> None:
    dynamodb, s3 = root.client("dynamodb"), root.client("s3")
    for number in range(200):
        dynamodb.put_item(TableName="preprod-items", Item={"id": {"S": str(number)}, "text": {"S": "x" * 2000}})
        s3.put_object(Bucket="preprod-packages", Key=f"{number % 5}.zip", Body=b"x" * 100_000)
    request = {"version": "2.0", "rawPath": "/", "requestContext": {"http": {"method": "GET", "path": "/"}}}
    for name in functions:
        answer = root.client("lambda").invoke(FunctionName=name, Payload=json.dumps(request))
        if "FunctionError" in answer:
            sys.exit(f"{name}: {answer['Payload'].read().decode()}")


def megabytes(folder: str) -> tuple[float, int]:
    """Of all processes of the box, each shared page counted once; and how many they are."""
    sizes = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            known = (place / "cmdline").read_bytes() + (place / "environ").read_bytes()
            if folder.encode() in known:
                rollup = (place / "smaps_rollup").read_text()
                sizes.append(int(rollup.partition("\nPss:")[2].split()[0]) / 1024)
        except OSError:
            continue
    return sum(sizes), len(sizes)


def user(root: Caller) -> Caller:
    iam = root.client("iam")
    arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:queue"
    iam.create_user(UserName="user")
    iam.put_user_policy(UserName="user", PolicyName="p", PolicyDocument=policy(allow("sqs:*", arn)))
    made = iam.create_access_key(UserName="user")["AccessKey"]
    root.client("sqs").create_queue(QueueName="queue")
    return Caller(root.endpoint, made["AccessKeyId"], made["SecretAccessKey"])


def cost(callers: list[Caller]) -> list[float]:
    """Milliseconds a call, of each caller; in turns, so that whatever else the machine does falls on all."""
    calls: list[Callable[[], Any]] = []
    for caller in callers:
        sqs = caller.client("sqs")
        url = sqs.get_queue_url(QueueName="queue")["QueueUrl"]
        calls.append(partial(sqs.get_queue_attributes, QueueUrl=url, AttributeNames=["All"]))
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(CALLS):
        for call, took in zip(calls, times, strict=True):
            begun = time.perf_counter()
            call()
            took.append((time.perf_counter() - begun) * 1000)
    return [statistics.median(took) for took in times]


def verdict(what: str, value: float, limit: float) -> bool:
    held = value <= limit
    print(f"{what}: {value:.2f}, limit {limit}: {'held' if held else 'NOT HELD'}")
    return held


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        held = [verdict("start, s", statistics.median(seconds(folder) for _ in range(STARTS)), LIMIT_SECONDS)]
        with box(folder) as root, bare(f"{folder}-bare") as plain:
            ours, theirs = cost([user(root), user(plain)])
            print(f"a call: {ours:.2f} ms, of the bare emulator {theirs:.2f} ms")
            held.append(verdict("a call, ratio to the bare emulator", ours / theirs, LIMIT_RATIO))
        with box(folder) as root:
            functions = deployed(root, folder)
            used(root, functions)
            size, count = megabytes(folder)
            held.append(verdict(f"memory in use, MB in {count} processes", size, LIMIT_MB))
            time.sleep(IDLE_SECONDS)
            size, count = megabytes(folder)
            held.append(verdict(f"memory after {IDLE_SECONDS} s without a call, MB in {count}", size, LIMIT_IDLE_MB))
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
