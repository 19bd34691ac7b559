"""Nothing of a box is left behind, however it ends, and nothing of the host gets into it. With real processes."""

from __future__ import annotations

import json
import os
import signal
import socket
import tempfile
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from tests.awsbox import setup
from tests.awsbox.processes import SECONDS, box, process, root, until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.awsbox.people import Caller

pytestmark = pytest.mark.slow

ROLE = "arn:aws:iam::111122223333:role/function"
BUSY = "import time\ndef handler(event, context):\n  time.sleep(600)"
HANGS = "import time; time.sleep(600)"
TELL = "import os\ndef handler(event, context):\n  return dict(os.environ)"


def of_the_box(folder: Path) -> list[str]:
    """Command lines of all processes that know the folder: the sweeper by its argument, functions by TMPDIR."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            command, variables = (place / "cmdline").read_bytes(), (place / "environ").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in command + variables:
            found.append(command.replace(b"\0", b" ").decode()[:200])
    return found


def function(caller: Caller, code: str) -> Any:
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    caller.client("iam").create_role(RoleName="function", AssumeRolePolicyDocument=policy)
    setup.function(caller, "function", ROLE, code, Timeout=900, Environment={"Variables": {"OWN": "mine"}})
    return caller.client("lambda")


def busy(folder: Path, caller: Caller) -> None:
    """A function that is in the middle of its work, and has a folder."""
    function(caller, BUSY).invoke(FunctionName="function", InvocationType="Event")
    until(lambda: any("_worker.py" in command for command in of_the_box(folder)), "the function runs")


def busy_image(folder: Path, caller: Caller) -> None:
    """The same of a function that is an image."""
    with tempfile.TemporaryDirectory() as elsewhere:
        image = anyio.run(setup.published, caller, "111122223333", "image", {"main.py": HANGS}, Path(elsewhere))
    client = caller.client("lambda")
    client.create_function(FunctionName="image", PackageType="Image", Role=ROLE, Code={"ImageUri": image}, Timeout=900)
    client.get_waiter("function_active_v2").wait(FunctionName="image", WaiterConfig={"Delay": 0.1})
    client.invoke(FunctionName="image", InvocationType="Event")
    until(lambda: any("main.py" in command for command in of_the_box(folder)), "the image runs")


def nothing_is_left(folder: Path) -> None:
    until(lambda: not of_the_box(folder), "every process is gone")
    until(lambda: not list(folder.iterdir()), "every file is gone")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_nothing_is_left(tmp_path: Path, how: signal.Signals) -> None:
    with box(tmp_path) as (started, caller):
        busy(tmp_path, caller)
        busy_image(tmp_path, caller)
        started.send_signal(how)
        code = started.wait(SECONDS)

        assert code == (-how if how == signal.SIGKILL else 0)
        nothing_is_left(tmp_path)


def test_a_box_ends_with_the_program_that_started_it(tmp_path: Path) -> None:
    """Killed, so that it cannot say so."""
    asks = "import subprocess, sys; subprocess.run([sys.executable, '-m', 'awsbox', '--json'])"
    with process(tmp_path, "-c", asks) as parent:
        busy(tmp_path, root(parent))
        parent.kill()

        nothing_is_left(tmp_path)


def test_a_box_that_is_told_to_end_while_it_starts(tmp_path: Path) -> None:
    with process(tmp_path, "-m", "awsbox", "--json") as started:
        until(lambda: list(tmp_path.iterdir()), "the box has begun to start")
        started.send_signal(signal.SIGTERM)

        assert started.wait(SECONDS) == 0
        nothing_is_left(tmp_path)


def test_functions_see_nothing_of_the_host(tmp_path: Path) -> None:
    with box(tmp_path) as (_, caller):
        told = json.loads(function(caller, TELL).invoke(FunctionName="function")["Payload"].read())

    assert told["OWN"] == "mine"
    assert told["AWS_LAMBDA_FUNCTION_NAME"] == "function"
    assert not {"HOME", "GITHUB_TOKEN", "AWS_PROFILE", "PYTHONPATH"} & set(told)
    assert told["PATH"] == os.defpath


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = failing(tmp_path, "-m", "awsbox", "--port", port)

    assert said == f"awsbox: port {port} is taken: name another one, or none for a free one\n"


def test_a_port_can_be_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    with box(tmp_path, "--port", port) as (_, caller):
        assert caller.endpoint == f"http://127.0.0.1:{port}"
        assert caller.client("sts").get_caller_identity()["Account"] == "111122223333"


def test_a_missing_emulator_is_one_line(tmp_path: Path) -> None:
    said = failing(tmp_path, "-c", "import sys; sys.modules['ministack'] = None; import awsbox.__main__ as m; m.main()")

    assert said.startswith("awsbox: the box is not installed (ministack")
    assert said.endswith("uv sync --extra box\n")


def test_an_emulator_that_does_not_come_up_is_one_line(tmp_path: Path) -> None:
    """An emulator whose app fails as it starts."""
    broken = """
        import os
        os.environ["LOG_LEVEL"] = "ERROR"
        import ministack.app, awsbox.__main__
        async def app(scope, receive, send):
            await receive()
            await send({"type": "lifespan.startup.failed", "message": "the disk is full"})
        ministack.app.app = app
        awsbox.__main__.main()
    """
    said = failing(tmp_path, "-c", textwrap.dedent(broken))

    assert said.startswith("awsbox: the emulator does not come up: ")
    assert "Traceback" not in said


def failing(folder: Path, *words: str) -> str:
    """What it says when it cannot start; and that it leaves nothing."""
    with process(folder, *words) as started:
        out, err = started.communicate(timeout=SECONDS)
    assert out == ""
    nothing_is_left(folder)
    return err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--account", "1"], "--account 1: an account is 12 digits"),
        (["--port", "65536"], "--port 65536: ports end at 65535"),
        (["--user", "a b"], "--user a b: expected [ACCOUNT/]NAME=POLICY.json, or NAME alone for an administrator"),
        (["--user", "a=/nowhere"], "--user a=/nowhere: cannot read /nowhere: No such file or directory"),
        (["--faults", "nonsense"], "--faults 'nonsense': 'nonsense' is no fault; choose from "),
    ],
)
def test_what_is_mistyped_is_said(tmp_path: Path, words: Sequence[str], said: str) -> None:
    assert failing(tmp_path, "-m", "awsbox", *words).startswith(f"awsbox: {said}")


def test_two_boxes_one_after_the_other_in_one_process(tmp_path: Path) -> None:
    """The second knows nothing of the first, and the environment is as it was."""
    twice = """
        import os, anyio, boto3
        del os.environ["AWS_PROFILE"]
        from awsbox import Box, BoxFailed

        def client(box, service):
            keys = {"aws_access_key_id": box.key, "aws_secret_access_key": box.secret}
            return boto3.client(service, endpoint_url=box.endpoint, region_name="us-east-1", **keys)

        def use(box):
            assert not client(box, "sqs").list_queues().get("QueueUrls")
            url = client(box, "sqs").create_queue(QueueName="queue")["QueueUrl"]
            assert url == f"{box.endpoint}/{box.account}/queue", url

        async def main():
            for account in ("111122223333", "444455556666"):
                async with Box.started(account) as box:
                    await anyio.to_thread.run_sync(use, box)
                    try:
                        async with Box.started():
                            raise AssertionError("two boxes")
                    except BoxFailed as error:
                        print(error)

        before = dict(os.environ)
        anyio.run(main)
        assert dict(os.environ) == before
    """
    with process(tmp_path, "-c", textwrap.dedent(twice)) as started:
        out, err = started.communicate(timeout=SECONDS)

    assert err == ""
    assert out == "this process already runs a box: start the second one in a process of its own\n" * 2
    nothing_is_left(tmp_path)


def test_the_box_knows_nothing_of_ferry(tmp_path: Path) -> None:
    """It can be used without; and without the emulator it can still be imported, to say that it is missing."""
    alone = """
        import pkgutil, sys
        sys.modules["ferry"] = sys.modules["ministack"] = None
        import awsbox
        for module in pkgutil.walk_packages(awsbox.__path__, "awsbox."):
            if not module.name.endswith("__main__"):
                __import__(module.name)
    """
    with process(tmp_path, "-c", textwrap.dedent(alone)) as started:
        assert started.communicate(timeout=SECONDS) == ("", "")
