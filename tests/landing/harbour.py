"""A small system that is deployed as its owner would: `ferry …` in its folder, against the box, as its deployer."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferry import cli
from tests.awsbox.people import allow
from tests.living import saying
from tests.outside.builder.wheels import wheel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

    from awsbox.faults.switchboard import Switched
    from tests.awsbox.people import Account, Caller

ROOT = Path(__file__).parents[2]
SYSTEM = Path(__file__).parent / "system"
FERRY = Path(sys.executable).with_name("ferry")
STATE, KEY = "small-preprod-state", "terraform.tfstate"
LOCK = f"{KEY}.tflock"
LEDGER = f"{KEY}.ferry/"
DEPLOYER = "small-preprod-deployer"
NAME = "preprod-small"
ADDRESSES = (
    "aws_cloudwatch_log_group.app",
    "aws_cloudwatch_metric_alarm.errors",
    "aws_ecr_repository.app",
    "aws_iam_role.app",
    "aws_iam_role_policy.app",
    "aws_kms_alias.data",
    "aws_kms_key.data",
    "aws_lambda_function.app",
    "aws_s3_bucket.files",
    "aws_secretsmanager_secret.token",
    "aws_sns_topic.news",
    "aws_sqs_queue.letters",
)
PATIENCE = 60
"""Seconds for what takes one or two, on a machine that has nothing else to do."""
POLL_SECONDS = 0.01


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str

    @property
    def answer(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        return self.answer["error"]


@dataclass
class Harbour:
    """`temporary` is where its programs keep what they keep: who runs with that name belongs to it."""

    folder: Path
    temporary: Path
    account: Account
    deployer: Caller
    capsys: pytest.CaptureFixture[str]
    secrets: set[str] = field(default_factory=set)
    made_of: set[str] = field(default_factory=lambda: set(ADDRESSES))
    """The addresses of all that its Terraform makes."""

    # What its owner types.

    def ferry(self, *arguments: str) -> Ended:
        """One command line, in this process."""
        self.capsys.readouterr()
        code = cli.run([*arguments, "--env=preprod", "--offline", "--source", str(self.folder), "--json"])
        return self.checked(Ended(code, *self.capsys.readouterr()))

    def deploy(self, *arguments: str) -> Ended:
        return self.ferry("deploy", *arguments)

    def deployed(self, *arguments: str) -> Ended:
        """A deployment that ends as it should."""
        ended = self.deploy(*arguments)
        assert ended.code == 0, ended.err
        return ended

    @contextmanager
    def deploying(self) -> Iterator[Run]:
        """A deployment as programs of their own, which can be stopped. Nothing of it outlives the block."""
        self.temporary.mkdir(exist_ok=True)
        out, err = (Path(tempfile.mkstemp(dir=self.folder.parent)[1]) for _ in range(2))
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = subprocess.Popen(
                [str(FERRY), "deploy", "--env=preprod", "--offline", "--json", f"--source={self.folder}"],
                env={**os.environ, "TMPDIR": str(self.temporary)},
                stdout=stdout,
                stderr=stderr,
            )
        run = Run(process, out, err, self)
        try:
            yield run
        finally:
            run.die()

    def checked(self, ended: Ended) -> Ended:
        """However it ended: no secret, no traceback; and a failure says what happened, where, and what to do."""
        said = ended.out + ended.err
        assert [secret for secret in self.secrets if secret in said] == []
        assert "Traceback" not in said
        if ended.code > 0 and ended.code != cli.CHANGES:
            error = ended.error
            assert error["exit_code"] == ended.code
            assert ended.code == 130 or all(error[part] for part in ("what", "where", "next")), error
        return ended

    # What changes in its folder.

    def change(self, file: str, old: str, new: str) -> None:
        path = self.folder / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def add(self, type: str, rest: str = "") -> str:
        """One more resource, called preprod-small-more. Its address."""
        with (self.folder / "terraform/main.tf").open("a") as file:
            file.write(f'\nresource "{type}" "more" {{\n  name = "${{local.name}}-more"\n  {rest}\n}}\n')
        self.made_of.add(f"{type}.more")
        return f"{type}.more"

    # What is written down in the state's bucket.

    def read(self, key: str) -> Any:
        s3 = self.account.root.client("s3")
        try:
            return json.loads(s3.get_object(Bucket=STATE, Key=key)["Body"].read())
        except s3.exceptions.NoSuchKey:
            return None

    def write(self, key: str, content: Any) -> None:
        self.account.root.client("s3").put_object(Bucket=STATE, Key=key, Body=json.dumps(content).encode())

    @property
    def state(self) -> Any:
        return self.read(KEY)

    @property
    def addresses(self) -> set[str]:
        known = self.state["resources"] if self.state else ()
        return {f"{it['type']}.{it['name']}" for it in known if it["mode"] == "managed" and it["instances"]}

    def forget(self, *addresses: str) -> None:
        """As `terraform state rm` does."""
        state = self.state
        kept = [it for it in state["resources"] if f"{it['type']}.{it['name']}" not in addresses]
        self.write(KEY, {**state, "serial": state["serial"] + 1, "resources": kept})

    @property
    def lock(self) -> Any:
        return self.read(LOCK)

    @property
    def run(self) -> Any:
        return self.read(f"{LEDGER}run.json")

    @property
    def pin(self) -> Any:
        return self.read(f"{LEDGER}current.json")

    @property
    def records(self) -> list[Any]:
        """In the order in which they began."""
        said = self.account.root.client("s3").list_objects_v2(Bucket=STATE, Prefix=f"{LEDGER}deployments/")
        return [self.read(it["Key"]) for it in said.get("Contents", ())]

    @property
    def outcomes(self) -> list[str]:
        return [it["outcome"] for it in self.records]

    # What there is in AWS.

    @property
    def running(self) -> str:
        """The image that the function runs."""
        function = self.account.root.client("lambda").get_function(FunctionName=f"{NAME}-app")
        return str(function["Code"]["ImageUri"])

    @property
    def there(self) -> Counter[str]:
        """How many there are of what the system is made of, by type; the bucket of the state is not counted."""
        root = self.account.root
        kms, iam = root.client("kms"), root.client("iam")
        return Counter(
            {
                "aws_kms_key": len(kms.list_keys()["Keys"]),
                "aws_kms_alias": len([it for it in kms.list_aliases()["Aliases"] if NAME in it["AliasName"]]),
                "aws_ecr_repository": len(root.client("ecr").describe_repositories()["repositories"]),
                "aws_s3_bucket": len(root.client("s3").list_buckets()["Buckets"]) - 1,
                "aws_iam_role": len(iam.list_roles()["Roles"]),
                "aws_iam_role_policy": sum(
                    len(iam.list_role_policies(RoleName=it["RoleName"])["PolicyNames"])
                    for it in iam.list_roles()["Roles"]
                ),
                "aws_cloudwatch_log_group": len(root.client("logs").describe_log_groups()["logGroups"]),
                "aws_lambda_function": len(root.client("lambda").list_functions()["Functions"]),
                "aws_sqs_queue": len(root.client("sqs").list_queues().get("QueueUrls", ())),
                "aws_sns_topic": len(root.client("sns").list_topics()["Topics"]),
                "aws_secretsmanager_secret": len(root.client("secretsmanager").list_secrets()["SecretList"]),
                "aws_cloudwatch_metric_alarm": len(root.client("cloudwatch").describe_alarms()["MetricAlarms"]),
            }
        )

    def fill(self) -> None:
        """Something that people would miss, in everything that can hold something."""
        root = self.account.root
        sqs = root.client("sqs")
        queue = sqs.get_queue_url(QueueName=f"{NAME}-dlq")["QueueUrl"]
        sqs.send_message(QueueUrl=queue, MessageBody="nobody could deal with it")
        root.client("s3").put_object(Bucket=f"{NAME}-files", Key="theirs", Body=b"theirs")
        root.client("secretsmanager").put_secret_value(SecretId=f"{NAME}-token", SecretString="theirs")
        logs = root.client("logs")
        logs.create_log_stream(logGroupName=f"/aws/lambda/{NAME}-app", logStreamName="theirs")

    @property
    def held(self) -> dict[str, Any]:
        """What is in all of that, and who each of it is: something that was made anew has another id."""
        root = self.account.root
        sqs, secrets, logs = root.client("sqs"), root.client("secretsmanager"), root.client("logs")
        queue = sqs.get_queue_url(QueueName=f"{NAME}-dlq")["QueueUrl"]
        number = "ApproximateNumberOfMessages"
        images = root.client("ecr").describe_images(repositoryName=f"{NAME}-app")["imageDetails"]
        secret = secrets.get_secret_value(SecretId=f"{NAME}-token")
        alias = root.client("kms").describe_key(KeyId=f"alias/{NAME}")["KeyMetadata"]
        return {
            "messages": sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=[number])["Attributes"][number],
            "images": {it["imageDigest"]: sorted(it["imageTags"]) for it in images},
            "objects": [it["Key"] for it in root.client("s3").list_objects_v2(Bucket=f"{NAME}-files")["Contents"]],
            "secret": (secret["ARN"], secret["VersionId"], secret["SecretString"]),
            "logs": [
                it["logStreamName"]
                for it in logs.describe_log_streams(logGroupName=f"/aws/lambda/{NAME}-app")["logStreams"]
            ],
            "role": root.client("iam").get_role(RoleName=f"{NAME}-app")["Role"]["RoleId"],
            "key": (alias["KeyId"], alias["KeyState"]),
            "image": self.running,
        }

    # What must be true once a deployment has converged.

    def settled(self) -> None:
        """All is there once, Terraform knows it, nobody holds anything, and what is written down agrees."""
        assert self.there == Counter(address.partition(".")[0] for address in self.made_of)
        assert self.addresses == self.made_of
        assert self.lock is None
        run, records, pin = self.run, self.records, self.pin
        assert (run["phase"], run["outcome"]) == ("ended", "succeeded")
        assert [it for it in records if it["outcome"] == "running"] == []
        (last,) = [it for it in records if it["id"] == pin["deployment"]]
        assert (last["outcome"], last["release"]) == ("succeeded", pin["release"])
        (artifact,) = pin["release"]["artifacts"]
        assert self.running.endswith(artifact["digest"])


@dataclass
class Run:
    """A deployment that goes on beside the test: ferry, its terraform, and what that has started."""

    process: subprocess.Popen[bytes]
    out: Path
    err: Path
    harbour: Harbour

    def until(self, switched: Switched) -> None:
        """The call that is waited for has come; or the program has ended without it."""
        self._wait(lambda: switched.hits > 0)
        assert switched.hits, self.err.read_text()

    def says(self, words: str) -> None:
        self._wait(lambda: words in self.err.read_text())
        said = self.err.read_text()
        assert words in said, said

    def ended(self) -> Ended:
        self.process.wait(timeout=PATIENCE)
        return self.harbour.checked(Ended(self.process.returncode, self.out.read_text(), self.err.read_text()))

    def kill_alone(self) -> None:
        """Ferry dies; what it has started does not hear of it."""
        self.process.kill()
        self.process.wait()

    def die(self) -> None:
        """All of it at once, as with the machine: nobody has time to see that another is gone."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGSTOP)
        while left := saying(str(self.harbour.temporary)) - {self.process.pid}:
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self.kill_alone()

    def _wait(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not done() and self.process.poll() is None and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)


def stock(folder: Path) -> None:
    """What every harbour is a copy of."""
    shutil.copytree(SYSTEM, folder)
    (folder / "wheels").mkdir()
    (folder / "app.lock").write_text(wheel(folder / "wheels", "first"))


def tools(folder: Path) -> str:
    """A PATH with what a deployment needs."""
    folder.mkdir()
    for program in ("uv", "git", "terraform"):
        found = shutil.which(program, path=f"{ROOT / '.tools/uv/bin'}:{os.environ['PATH']}")
        assert found, f"{program} is not on PATH"
        (folder / program).symlink_to(found)
    return f"{folder}:/usr/bin:/bin"


def opened(account: Account) -> Caller:
    """What an admin makes in an empty account: where the state is kept, and a deployer."""
    s3 = account.root.client("s3")
    s3.create_bucket(Bucket=STATE)
    s3.put_bucket_versioning(Bucket=STATE, VersioningConfiguration={"Status": "Enabled"})
    return account.user(allow("*"), name=DEPLOYER)
