"""Functions of type Image: pulled, started, called by Invoke and at their URLs.

Each way of running one (behind the web adapter's own binary, or asked directly) has to pass the same tests.
"""

from __future__ import annotations

import json
import os
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3
import httpx
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from awsbox.lambdas import Run, adapter
from tests.awsbox.functions import SERVER, address, deployed, image, server
from tests.awsbox.people import allow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.awsbox.people import Account, Caller

pytestmark = pytest.mark.slow

STREAMING = {"AWS_LWA_INVOKE_MODE": "RESPONSE_STREAM"}


@pytest.fixture(params=["application", "adapter"])
def mode(request: pytest.FixtureRequest, account: Account) -> Iterator[str]:
    found = adapter.elsewhere()
    if request.param == "adapter" and not found:
        pytest.skip(
            f"no web adapter here: python -m awsbox.lambdas.adapter builds one, or name it in {adapter.VARIABLE}"
        )
    with started_anew(account, found if request.param == "adapter" else None):
        yield request.param


@pytest.fixture
def asked_directly(account: Account) -> Iterator[None]:
    with started_anew(account, None):
        yield


@contextmanager
def started_anew(account: Account, binary: Path | None) -> Iterator[None]:
    account.box.restore(account.box.snapshot())
    account.box.host.runs.clear()
    with patched(account.box.host, adapter=binary):
        yield
    account.box.restore(account.box.snapshot())


@pytest.fixture(scope="module")
def plain(account: Account) -> Function:
    name = deployed(account, server())
    return Function(name, address(account, name))


@pytest.fixture(scope="module")
def live(account: Account) -> Function:
    """It streams."""
    name = deployed(account, server(**STREAMING))
    return Function(name, address(account, name, mode="RESPONSE_STREAM"))


class Function(NamedTuple):
    name: str
    url: str


@contextmanager
def patched(thing: Any, **values: Any) -> Iterator[None]:
    before = {name: getattr(thing, name) for name in values}
    vars(thing).update(values)
    yield
    vars(thing).update(before)


def invoked(account: Account, name: str, path: str = "/who", **asked: Any) -> Any:
    """By Invoke, with the event of a function URL."""
    event = {
        "version": "2.0",
        "rawPath": path.partition("?")[0],
        "rawQueryString": path.partition("?")[2],
        "headers": {},
        "requestContext": {"http": {"method": "GET", "path": path, "sourceIp": "127.0.0.1"}, "accountId": "anonymous"},
        "isBase64Encoded": False,
    }
    return account.root.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event), **asked)


def eventually[T](look: Callable[[], T], seconds: float = 10) -> T:
    """What is there when there is something."""
    end = time.monotonic() + seconds
    while not (found := look()) and time.monotonic() < end:
        time.sleep(0.02)
    return found


def ran(account: Account, name: str) -> Run:
    """How the last call of it went: written down a moment after its caller has the answer."""
    found = eventually(lambda: [run for run in account.box.host.runs if run.function == name])
    return found[-1]


def log_lines(account: Account, name: str) -> list[str]:
    logs = account.root.client("logs")
    return [event["message"] for event in logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]]


def test_url_reaches_the_application(account: Account, plain: Function, mode: str) -> None:
    answer = httpx.post(f"{plain.url}/request?a=1&b=2", content=b"hello", headers={"cookie": "c=3; d=4"}, timeout=20)

    assert answer.status_code == 201
    assert answer.headers["x-own"] == "yes"
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
    said = json.loads(answer.text)
    headers = {header.lower(): value for header, value in said["headers"].items()}
    assert (said["method"], said["path"], said["body"]) == ("POST", "/request?a=1&b=2", "hello")
    assert headers["cookie"] == "c=3;d=4"
    assert json.loads(headers["x-amzn-request-context"])["http"]["method"] == "POST"
    assert ran(account, plain.name).mode == mode


def test_chunks_arrive_when_they_are_written(account: Account, live: Function, tmp_path: Path, mode: str) -> None:
    gate = tmp_path / "open"
    with httpx.stream("GET", f"{live.url}/stream?first,{gate}", timeout=20) as answer:
        chunks = answer.iter_raw()
        # The second is not written before this test has read the first.
        assert next(chunks) == b"data: first\n\n"
        gate.touch()
        assert b"".join(chunks) == f"data: {gate}\n\n".encode()

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/event-stream"
    assert "content-length" not in answer.headers
    assert ran(account, live.name).mode == mode


def test_buffered_url_holds_everything_back(account: Account, tmp_path: Path) -> None:
    url = address(account, deployed(account, server(**STREAMING)), mode="BUFFERED")
    gate = tmp_path / "open"
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(f"{url}/stream?first,{gate}", timeout=1.5)
    gate.touch()
    answer = httpx.get(f"{url}/stream?first,{gate}", timeout=20)

    assert answer.text == f"data: first\n\ndata: {gate}\n\n"
    assert answer.headers["content-length"] == str(len(answer.content))


@pytest.mark.usefixtures("asked_directly")
def test_function_runs_on_when_its_caller_leaves(account: Account, live: Function, tmp_path: Path) -> None:
    gate = tmp_path / "open"
    with httpx.stream("GET", f"{live.url}/stream?first,{gate},last", timeout=20) as answer:
        next(answer.iter_raw())
    assert not [run for run in account.box.host.runs if run.function == live.name]
    gate.touch()

    assert ran(account, live.name).failure is None


@pytest.mark.usefixtures("asked_directly")
def test_answer_that_breaks_off_reaches_its_reader_broken(account: Account) -> None:
    """What the adapter itself makes of an application that dies in the middle is the adapter's: it ends the answer."""
    url = address(account, deployed(account, server(**STREAMING)), mode="RESPONSE_STREAM")
    with (
        httpx.stream("GET", f"{url}/stream?first,exit", timeout=20) as answer,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        answer.read()


# An image that speaks the Runtime API itself: answers, fails, streams, and fails while it streams.
RUNTIME = """
import base64, http.client, json, os
def ask(method, path, body=b"", headers={}):
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    connection.request(method, "/2018-06-01/runtime/" + path, body, headers)
    answer = connection.getresponse()
    return answer.read(), answer.headers
while True:
    event, headers = ask("GET", "invocation/next")
    id, said = headers["lambda-runtime-aws-request-id"], json.loads(event)
    if said["do"] == "answer":
        ask("POST", f"invocation/wrong/response", b"x")
        ask("POST", f"invocation/{id}/response", json.dumps({"arn": headers["lambda-runtime-invoked-function-arn"]}))
    elif said["do"] == "fail":
        ask("POST", f"invocation/{id}/error", json.dumps({"errorType": "Own", "errorMessage": "it says"}))
    else:
        c = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
        c.putrequest("POST", f"/2018-06-01/runtime/invocation/{id}/response")
        c.putheader("Lambda-Runtime-Function-Response-Mode", "streaming")
        c.putheader("Transfer-Encoding", "chunked")
        c.endheaders()
        c.send(b"5\\r\\nhello\\r\\n0\\r\\n")
        if said["do"] == "break":
            kind, body = b"Lambda-Runtime-Function-Error-Type: Own", base64.b64encode(b"in the middle")
            c.send(kind + b"\\r\\nLambda-Runtime-Function-Error-Body: " + body + b"\\r\\n")
        c.send(b"\\r\\n")
        c.getresponse().read()
"""


@pytest.mark.usefixtures("asked_directly")
def test_image_that_speaks_the_runtime_api_itself(account: Account) -> None:
    name = deployed(account, image({"app/main.py": RUNTIME.replace("\\\\", "\\")}, command=("python", "main.py")))
    client = account.root.client("lambda")

    def asked(what: str) -> tuple[Any, Any]:
        answer = client.invoke(FunctionName=name, Payload=json.dumps({"do": what}))
        return answer.get("FunctionError"), answer["Payload"].read().decode()

    arn = account.arn("lambda", f"function:{name}")
    assert asked("answer") == (None, json.dumps({"arn": arn}))
    assert asked("fail") == ("Unhandled", json.dumps({"errorType": "Own", "errorMessage": "it says"}))
    assert asked("stream") == (None, "hello")
    streamed = client.invoke_with_response_stream(FunctionName=name, Payload=json.dumps({"do": "break"}))
    *chunks, end = streamed["EventStream"]
    assert [chunk["PayloadChunk"]["Payload"] for chunk in chunks] == [b"hello"]
    assert end == {"InvokeComplete": {"ErrorCode": "Own", "ErrorDetails": "in the middle"}}
    assert ran(account, name).mode == "runtime"


def test_crash_is_502_and_the_next_call_gets_a_new_instance(account: Account, plain: Function, mode: str) -> None:
    name, url = plain
    before = httpx.get(f"{url}/who").text
    crashed = httpx.get(f"{url}/exit?3", timeout=20)

    assert (crashed.status_code, crashed.text) == (502, "Internal Server Error")
    assert httpx.get(f"{url}/who", timeout=20).text != before
    assert ran(account, name).mode == mode
    assert "going" in log_lines(account, name)


def test_timeout_is_504_and_the_next_call_gets_a_new_instance(account: Account, mode: str) -> None:
    name = deployed(account, server(), Timeout=1)
    url = address(account, name)
    before = httpx.get(f"{url}/who").text

    assert httpx.get(f"{url}/sleep?30", timeout=20).status_code == 504
    assert httpx.get(f"{url}/who", timeout=20).text != before
    assert any("Task timed out after 1.00 seconds" in line for line in log_lines(account, name))
    assert ran(account, name).mode == mode


def test_program_that_ends_at_once_says_so(account: Account) -> None:
    name = deployed(account, image({"app/": ""}, command=("python", "-c", "print('no way'); raise SystemExit(4)")))
    answer = invoked(account, name)

    assert answer["FunctionError"] == "Unhandled"
    assert json.load(answer["Payload"]) == {
        "errorType": "Runtime.ExitError",
        "errorMessage": "Runtime exited with error: exit status 4",
    }
    assert "no way" in log_lines(account, name)


def test_buffered_answer_has_a_limit(plain: Function) -> None:
    url = plain.url
    assert len(httpx.get(f"{url}/big?{4 * 1024 * 1024}", timeout=20).content) == 4 * 1024 * 1024
    assert httpx.get(f"{url}/big?{7 * 1024 * 1024}", timeout=20).status_code == 502


def test_environment_is_the_image_s_the_function_s_and_lambda_s(account: Account) -> None:
    variables = {"Variables": {"MINE": "function", "BOTH": "function", "AWS_REGION": "nowhere"}}
    picture = server(BOTH="image", PYTHONPATH="/opt/packages:/app")
    name = deployed(account, picture, Environment=variables, MemorySize=512)
    said = json.loads(httpx.get(f"{address(account, name)}/environment", timeout=20).text)

    assert (said["MINE"], said["BOTH"], said["AWS_REGION"]) == ("function", "function", "us-east-1")
    assert said["AWS_LAMBDA_FUNCTION_NAME"] == name
    assert said["AWS_LAMBDA_FUNCTION_VERSION"] == "$LATEST"
    assert said["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "512"
    assert said["AWS_LAMBDA_LOG_GROUP_NAME"] == f"/aws/lambda/{name}"
    assert said["AWS_ENDPOINT_URL"] == account.box.endpoint
    assert all(place.startswith(str(account.box.household.folder)) for place in said["PYTHONPATH"].split(":"))
    # Nothing of the user's.
    assert "VIRTUAL_ENV" not in said
    assert said["HOME"] != os.environ["HOME"]


CALLER = """
import boto3, http.server, json, os
class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def do_GET(self):
        said = {}
        if self.path != "/":
            for bucket in ("may", "may-not"):
                try: said[bucket] = [o["Key"] for o in boto3.client("s3").list_objects_v2(Bucket=bucket)["Contents"]]
                except Exception as error: said[bucket] = type(error).__name__
            said["me"] = boto3.client("sts").get_caller_identity()["Arn"]
        self.send_response(200); self.end_headers(); self.wfile.write(json.dumps(said).encode())
http.server.HTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"""


def test_calls_with_the_rights_of_its_role(account: Account) -> None:
    s3 = account.root.client("s3")
    for bucket in ("may", "may-not"):
        s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key="one")
    role = account.role(allow("s3:ListBucket", "arn:aws:s3:::may"), name="reader")
    # The image has no packages of its own: this test's stand in for them.
    path = str(Path(boto3.__file__).parent.parent)
    program = f"import sys; sys.path.append({path!r})\n{CALLER}"
    name = deployed(account, image({"app/main.py": program}, command=("python", "main.py")), role=role)
    said = json.loads(httpx.get(f"{address(account, name)}/x", timeout=20).text)

    assert said["may"] == ["one"]
    assert said["may-not"] == "AccessDenied"
    assert said["me"] == f"arn:aws:sts::{account.box.account}:assumed-role/reader/{name}"


def test_warm_instances_are_used_again_and_calls_at_once_get_one_each(account: Account, tmp_path: Path) -> None:
    name = deployed(account, server(**STREAMING))
    url, gate = address(account, name, mode="RESPONSE_STREAM"), tmp_path / "open"
    first = httpx.get(f"{url}/who", timeout=20).text
    assert httpx.get(f"{url}/who", timeout=20).text == first

    with httpx.stream("GET", f"{url}/stream?first,{gate}", timeout=20) as busy:
        next(busy.iter_raw())
        assert httpx.get(f"{url}/who", timeout=20).text != first
        gate.touch()
    # Written down when they end: the one that was kept busy began third.
    assert eventually(
        lambda: sorted(r.cold for r in account.box.host.runs if r.function == name) == [False] * 2 + [True] * 2
    )


def test_reserved_concurrency_throttles(account: Account, tmp_path: Path) -> None:
    name = deployed(account, server(**STREAMING))
    account.root.client("lambda").put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    url, gate = address(account, name, mode="RESPONSE_STREAM"), tmp_path / "open"
    with httpx.stream("GET", f"{url}/stream?first,{gate}", timeout=20) as busy:
        next(busy.iter_raw())
        refused = httpx.get(f"{url}/who", timeout=20)
        gate.touch()

    assert refused.status_code == 429
    assert refused.json()["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert eventually(lambda: httpx.get(f"{url}/who", timeout=20).status_code == 200)


def test_idle_instances_are_let_go(account: Account, plain: Function) -> None:
    host = account.box.host
    pid = int(json.load(invoked(account, plain.name)["Payload"])["body"].split()[0])
    with patched(host, idle_seconds=0):
        assert eventually(lambda: not host.instances, 15)
    assert eventually(lambda: not _runs(pid))


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_between_calls_nothing_of_it_runs(account: Account, plain: Function) -> None:
    if not Path("/proc").exists():
        pytest.skip("only Linux says in /proc what a process does")
    pid = json.load(invoked(account, plain.name)["Payload"])["body"].split()[0]
    assert eventually(lambda: "State:\tT" in Path(f"/proc/{pid}/status").read_text())


def test_alias_sends_its_share_to_another_version(account: Account) -> None:
    name = deployed(account, server())
    client = account.root.client("lambda")
    versions = [client.publish_version(FunctionName=name)["Version"]]
    client.update_function_configuration(FunctionName=name, Description="another")
    versions.append(client.publish_version(FunctionName=name)["Version"])
    weights = {"AdditionalVersionWeights": {versions[1]: 0.5}}
    client.create_alias(FunctionName=name, Name="live", FunctionVersion=versions[0], RoutingConfig=weights)
    url = address(account, name, qualifier="live")

    seen = {httpx.get(f"{url}/who", timeout=20).text.split()[1] for _ in range(20)}
    assert seen == set(versions)
    assert invoked(account, name, Qualifier="live")["ExecutedVersion"] in versions


def test_invoke_gets_what_the_adapter_answers(account: Account, plain: Function, mode: str) -> None:
    name = plain.name
    answer = invoked(account, name, "/request?x=1", LogType="Tail")
    said = json.load(answer["Payload"])

    assert (answer["StatusCode"], said["statusCode"], said["headers"]["x-own"]) == (200, 201, "yes")
    assert said["cookies"] == ["a=1", "b=2"]
    assert json.loads(said["body"])["path"] == "/request?x=1"
    assert "LogResult" in answer
    assert ran(account, name).mode == mode


def test_other_events_are_posted_to_events(account: Account, plain: Function, mode: str) -> None:
    name = plain.name
    asked = json.dumps({"Records": [{"Sns": {"Message": "news"}}]})
    answer = account.root.client("lambda").invoke(FunctionName=name, Payload=asked)

    assert json.load(answer["Payload"]) == json.loads(asked)
    assert ran(account, name).mode == mode


def test_invoke_streams(account: Account, live: Function, tmp_path: Path) -> None:
    name, gate = live.name, tmp_path / "open"
    event = {
        "version": "2.0",
        "rawPath": "/stream",
        "rawQueryString": f"first,{gate}",
        "requestContext": {"http": {"method": "GET", "path": "/stream"}},
    }
    client = account.root.client("lambda")
    stream = iter(client.invoke_with_response_stream(FunctionName=name, Payload=json.dumps(event))["EventStream"])
    read = b""
    while b"data: first" not in read:
        read += next(stream)["PayloadChunk"]["Payload"]
    gate.touch()
    rest = list(stream)

    assert read.startswith(b'{"')
    assert f"data: {gate}".encode() in b"".join(part["PayloadChunk"]["Payload"] for part in rest[:-1])
    assert rest[-1] == {"InvokeComplete": {}}


def test_lines_and_numbers_are_written_down(account: Account) -> None:
    name = deployed(account, server())
    groups = account.root.client("logs")
    assert not groups.describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{name}")["logGroups"]
    invoked(account, name)
    lines = log_lines(account, name)

    assert [line.split()[0] for line in lines] == ["START", "asked", "END", "REPORT"]
    assert "Init Duration" in lines[-1]
    assert metric(account, name, "Invocations") == 1
    assert metric(account, name, "Errors") == 0
    invoked(account, name, "/exit?1")
    assert (metric(account, name, "Invocations"), metric(account, name, "Errors")) == (2, 1)


def metric(account: Account, name: str, which: str) -> float:
    from datetime import UTC, datetime, timedelta  # noqa: PLC0415

    now = datetime.now(UTC)
    points = account.root.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda",
        MetricName=which,
        Dimensions=[{"Name": "FunctionName", "Value": name}],
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(minutes=1),
        Period=86400,
        Statistics=["Sum"],
    )
    return float(sum(point["Sum"] for point in points["Datapoints"]))


@pytest.mark.usefixtures("asked_directly")
def test_event_invocation_runs_later(account: Account, plain: Function) -> None:
    name = plain.name
    assert invoked(account, name, InvocationType="Event")["StatusCode"] == 202
    assert eventually(lambda: [run for run in account.box.host.runs if run.function == name])


def test_new_code_is_called_and_the_old_instance_let_go(account: Account) -> None:
    name = deployed(account, server())
    client = account.root.client("lambda")
    old = json.load(invoked(account, name)["Payload"])["body"]
    client.update_function_configuration(FunctionName=name, Environment={"Variables": {"NEW": "1"}})
    new = json.load(invoked(account, name)["Payload"])["body"]

    assert old != new
    assert eventually(lambda: not _runs(int(old.split()[0])))


def test_url_with_iam_wants_a_signature_of_somebody_who_may(account: Account) -> None:
    name = deployed(account, server())
    url = address(account, name, auth="AWS_IAM") + "/who"
    function = account.arn("lambda", f"function:{name}")
    may = account.user(allow(["lambda:InvokeFunctionUrl", "lambda:InvokeFunction"], function))

    assert httpx.get(url).status_code == 403
    assert httpx.get(url, headers=signed(account.user(), url)).status_code == 403
    assert httpx.get(url, headers=signed(may, url), timeout=20).status_code == 200


def signed(caller: Caller, url: str) -> dict[str, str]:
    request = AWSRequest("GET", url)
    SigV4Auth(Credentials(caller.key, caller.secret), "lambda", "us-east-1").add_auth(request)
    return dict(request.headers)


def test_image_may_bring_the_adapter(account: Account) -> None:
    found = adapter.elsewhere()
    if not found:
        pytest.skip(f"no web adapter here to put into an image: name it in {adapter.VARIABLE}")
    extension = {adapter.IN_IMAGE: found.read_bytes()}
    picture = image({"app/server.py": SERVER}, extension, command=("python", "server.py"))
    with started_anew(account, None):
        name = deployed(account, picture)
        assert json.load(invoked(account, name)["Payload"])["statusCode"] == 200
        assert ran(account, name).mode == "adapter"


@pytest.mark.usefixtures("asked_directly")
def test_restored_box_starts_functions_cold(account: Account, plain: Function) -> None:
    name = plain.name
    invoked(account, name)
    account.box.restore(account.box.snapshot())
    invoked(account, name)
    assert [run.cold for run in account.box.host.runs if run.function == name] == [True, True]


ZIPPED = b"import json\ndef handler(event, context):\n return {'statusCode': 203, 'body': event['rawPath']}\n"


@pytest.mark.parametrize("invoke_mode", ["BUFFERED", "RESPONSE_STREAM"])
def test_zip_functions_answer_at_their_urls(account: Account, invoke_mode: str) -> None:
    """Python handlers do not stream: with RESPONSE_STREAM the document that they return is the body, as on AWS."""
    import io  # noqa: PLC0415
    import zipfile  # noqa: PLC0415

    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("main.py", ZIPPED)
    name, client = f"zip-{invoke_mode.lower().replace('_', '-')}", account.root.client("lambda")
    client.create_function(
        FunctionName=name,
        Role=account.role(name=f"{name}-role"),
        Runtime="python3.13",
        Handler="main.handler",
        Code={"ZipFile": data.getvalue()},
    )
    answer = httpx.get(f"{address(account, name, mode=invoke_mode)}/path", timeout=20)
    expected = (203, "/path") if invoke_mode == "BUFFERED" else (200, '{"statusCode": 203, "body": "/path"}')

    assert (answer.status_code, answer.text) == expected
    assert (metric(account, name, "Invocations"), metric(account, name, "Errors")) == (1, 0)


def test_calls_from_many_threads(plain: Function) -> None:
    url = plain.url
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda: answers.append(httpx.get(f"{url}/who", timeout=20).status_code))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 4
