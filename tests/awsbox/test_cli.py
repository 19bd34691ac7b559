"""A box on the command line, as a person meets it."""

from __future__ import annotations

import json
import queue
import re
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.exceptions import ClientError

from awsbox import cli
from awsbox.users import Keys
from tests.awsbox.people import CONFIG, REGION, Caller, allow, policy
from tests.awsbox.processes import SECONDS, environment, process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

WHO = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"
SAYS = "# Ctrl-C ends it; nothing is kept.\n"


class Terminal:
    """A box that a person started, and what it has printed so far."""

    def __init__(self, started: subprocess.Popen[str]) -> None:
        self.printed = ""
        self._started = started
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()
        self.until(re.escape(SAYS))

    def _listen(self) -> None:
        assert self._started.stdout is not None
        for line in self._started.stdout:
            self._lines.put(line)

    def until(self, pattern: str) -> None:
        """Read on until a line says so."""
        line = ""
        while not re.search(pattern, line):
            try:
                line = self._lines.get(timeout=SECONDS)
            except queue.Empty:
                raise AssertionError(f"{pattern} is not in:\n{self.printed}") from None
            self.printed += line

    def exports(self, user: str) -> str:
        found = re.search(rf"^# {user}\n(.+)$", self.printed, re.MULTILINE)
        assert found, self.printed
        return found[1]

    def caller(self, user: str) -> Caller:
        said = dict(re.findall(r"(\w+)=(\S+)", self.exports(user)))
        return Caller(said["AWS_ENDPOINT_URL"], said["AWS_ACCESS_KEY_ID"], said["AWS_SECRET_ACCESS_KEY"])


@pytest.fixture
def reader(tmp_path: Path) -> Path:
    file = tmp_path / "reader.json"
    file.write_text(policy(allow("s3:ListAllMyBuckets")))
    return file


@pytest.fixture
def terminal(tmp_path: Path, reader: Path) -> Iterator[Terminal]:
    people = ("--user", "admin", "--user", f"reader={reader}", "--user", "444455556666/elsewhere")
    watching = ("--verbose", "--audit", "--faults", "throttle:sns:ListTopics:1")
    with process(tmp_path, "-m", "awsbox", *people, *watching) as started:
        yield Terminal(started)


def test_what_is_printed_works_in_another_shell(terminal: Terminal, tmp_path: Path) -> None:
    """Even in one that has a profile of its own."""
    line = terminal.exports("admin of 111122223333")
    command = ["sh", "-c", f'{line}; exec "{sys.executable}" -c "{WHO}"']
    done = subprocess.run(command, env=environment(tmp_path), capture_output=True, text=True, timeout=SECONDS)  # noqa: PLW1510

    assert done.stdout == "arn:aws:iam::111122223333:user/admin\n", done.stderr


def test_everybody_is_who_they_are(terminal: Terminal) -> None:
    arns = {
        user: terminal.caller(user).client("sts").get_caller_identity()["Arn"]
        for user in ("root of 111122223333", "root of 444455556666", "elsewhere of 444455556666")
    }

    assert arns == {
        "root of 111122223333": "arn:aws:iam::111122223333:root",
        "root of 444455556666": "arn:aws:iam::444455556666:root",
        "elsewhere of 444455556666": "arn:aws:iam::444455556666:user/elsewhere",
    }


def test_a_user_may_what_its_file_says_and_each_decision_is_told(terminal: Terminal) -> None:
    reader = terminal.caller("reader of 111122223333")
    reader.client("s3").list_buckets()

    terminal.until(r"\d\d:\d\d:\d\d  allow arn:aws:iam::111122223333:user/reader s3:ListAllMyBuckets")
    terminal.until(r"\d\d:\d\d:\d\d  200 +\d+ ms  s3:ListBuckets")

    with pytest.raises(ClientError, match="reader is not authorized to perform: sqs:CreateQueue"):
        reader.client("sqs").create_queue(QueueName="queue")

    terminal.until(r"DENY  arn:aws:iam::111122223333:user/reader sqs:CreateQueue")
    terminal.until(r"40\d +\d+ ms  sqs:CreateQueue")


def test_accounts_are_apart(terminal: Terminal) -> None:
    here, there = terminal.caller("admin of 111122223333"), terminal.caller("elsewhere of 444455556666")
    here.client("sqs").create_queue(QueueName="queue")
    there.client("sqs").create_queue(QueueName="other")

    assert [url.rpartition("/")[2] for url in there.client("sqs").list_queues(QueueNamePrefix="")["QueueUrls"]] == [
        "other"
    ]


def test_a_fault_is_switched_on(terminal: Terminal) -> None:
    sns = terminal.caller("admin of 111122223333").client("sns")
    with pytest.raises(ClientError, match="Throttling"):
        sns.list_topics()

    assert sns.list_topics()["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_root_can_be_closed(tmp_path: Path) -> None:
    with process(tmp_path, "-m", "awsbox", "--close-root") as started:
        terminal = Terminal(started)
        admin = terminal.caller("admin of 111122223333")
        root = boto3.client(
            "sts",
            region_name=REGION,
            endpoint_url=admin.endpoint,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=CONFIG,
        )

        assert "# root" not in terminal.printed
        assert admin.client("sts").get_caller_identity()["Arn"].endswith("user/admin")
        with pytest.raises(ClientError):
            root.get_caller_identity()


def test_ferry_says_the_same(tmp_path: Path) -> None:
    with process(tmp_path, "-c", "from ferry.cli import main; main()", "box") as started:
        terminal = Terminal(started)

        assert terminal.caller("admin of 111122223333").client("sts").get_caller_identity()["Account"] == "111122223333"


def test_ferry_says_what_is_wrong_as_it_says_everything(tmp_path: Path) -> None:
    with process(tmp_path, "-c", "from ferry.cli import main; main()", "box", "--faults", "nonsense") as started:
        out, err = started.communicate(timeout=SECONDS)

    assert out == ""
    assert "'nonsense' is no fault" in err
    assert "Traceback" not in err
    assert started.returncode == 50


def test_a_key_that_a_shell_would_read_is_quoted() -> None:
    said = cli.exports("http://127.0.0.1:1", Keys("111122223333", "u", "k", "a b$(c)'d"))

    assert """AWS_SECRET_ACCESS_KEY='a b$(c)'"'"'d'""" in said


def test_for_a_program_it_is_one_line(tmp_path: Path) -> None:
    with process(tmp_path, "-m", "awsbox", "--json", "--user", "admin") as started:
        assert started.stdout is not None
        said = json.loads(started.stdout.readline())

    assert [(person["account"], person["user"]) for person in said["users"]] == [
        ("111122223333", "root"),
        ("111122223333", "admin"),
    ]
