"""Faults on demand, as boto3, Ferry's client and processes meet them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError, HTTPClientError
from botocore.retries.standard import ThrottledRetryableChecker, TransientRetryableChecker

from awsbox.faults import KINDS, BadFault, Fault
from ferry.errors import RegistryDenied
from tests.awsbox.people import allow, policy
from tests.awsbox.pictures import picture, pull, push
from tests.awsbox.processes import until
from tests.awsbox.published import refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from awsbox.faults import Switchboard
    from tests.awsbox.people import Account

pytestmark = pytest.mark.slow  # many calls to the box; tests/awsbox has quicker ones

THROTTLES: frozenset[str] = frozenset(vars(ThrottledRetryableChecker)["_THROTTLED_ERROR_CODES"])
TRANSIENT: frozenset[int] = frozenset(vars(TransientRetryableChecker)["_TRANSIENT_STATUS_CODES"])
CALLS: dict[str, Callable[[Any], Any]] = {
    "cloudwatch": lambda client: client.describe_alarms(),
    "dynamodb": lambda client: client.list_tables(),
    "ecr": lambda client: client.describe_repositories(),
    "events": lambda client: client.list_rules(),
    "iam": lambda client: client.list_roles(),
    "kms": lambda client: client.list_keys(),
    "lambda": lambda client: client.list_functions(),
    "logs": lambda client: client.describe_log_groups(),
    "s3": lambda client: client.list_buckets(),
    "secretsmanager": lambda client: client.list_secrets(),
    "sns": lambda client: client.list_topics(),
    "sqs": lambda client: client.list_queues(),
    "sts": lambda client: client.get_caller_identity(),
}


@pytest.fixture
def faults(account: Account) -> Iterator[Switchboard]:
    """No fault outlives its test: all share one box."""
    yield account.box.faults
    account.box.faults.clear()


@pytest.fixture
def victim() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        yield process
        process.kill()


def told(caught: pytest.ExceptionInfo[ClientError]) -> dict[str, Any]:
    return dict(caught.value.response)


# what a text says


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("throttle:ecr:PutImage:3", Fault(name="throttle", service="ecr", operation="PutImage", count=3)),
        ("deny:s3:PutObject", Fault(name="deny", service="s3", operation="PutObject")),
        ("deny:s3", Fault(name="deny", service="s3")),
        (
            "slow:lambda:CreateFunction:0.5",
            Fault(name="slow", service="lambda", operation="CreateFunction", seconds=0.5),
        ),
        ("cut:ecr:*@preprod-*:1", Fault(name="cut", service="ecr", resource="preprod-*", count=1)),
        ("registry-down:2", Fault(name="registry-down", service="registry", count=2)),
        ("unready:1.5:2", Fault(name="unready", seconds=1.5, calls=2)),
        (
            "kill-after:ecr:CreateRepository:1:-99999",
            Fault(name="kill-after", service="ecr", operation="CreateRepository", nth=1, pid=-99999),
        ),
    ],
)
def test_reads(text: str, fault: Fault) -> None:
    assert Fault.read(text) == fault


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("throtle:ecr", f"'throtle' is no fault; choose from {', '.join(KINDS)}"),
        ("throttle", f"is not {KINDS['throttle'].usage}"),
        ("throttle:ecr:PutImage:often", "COUNT is a number, not 'often'"),
        ("throttle:ecr:PutImage:-1", "COUNT cannot be below 0"),
        ("throttle:ecr:PutImage:1:2", "is not throttle:"),
        ("unready", "is not unready:SECONDS"),
        ("kill-after:ecr:PutImage:1", "is not kill-after:SERVICE"),
        ("kill-after:ecr:PutImage:1:0", "a process that may die, not 0"),
        pytest.param(f"kill-after:ecr:PutImage:1:{os.getpid()}", "a process that may die", id="itself"),
    ],
)
def test_says_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(BadFault) as caught:
        Fault.read(text)
    assert says in str(caught.value)


# what callers see


@pytest.mark.parametrize("service", CALLS)
def test_throttles_in_words_that_botocore_retries(account: Account, faults: Switchboard, service: str) -> None:
    client = account.root.client(service)
    switched = faults.add(f"throttle:{service}::1")

    with pytest.raises(ClientError) as caught:
        CALLS[service](client)

    assert caught.value.response["Error"]["Code"] in THROTTLES
    assert caught.value.response["Error"]["Message"]
    assert CALLS[service](client), "it was to happen once"
    assert switched.hits == 1


@pytest.mark.parametrize("service", CALLS)
def test_fails_with_a_status_that_botocore_retries(account: Account, faults: Switchboard, service: str) -> None:
    faults.add(f"error:{service}::1")

    with pytest.raises(ClientError) as caught:
        CALLS[service](account.root.client(service))

    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] in TRANSIENT
    assert not caught.value.response["Error"]["Code"].isdigit(), "botocore found no code and took the status"


@pytest.mark.parametrize("service", sorted({*CALLS} - {"sts"}))
def test_denies_as_iam_does(account: Account, faults: Switchboard, service: str) -> None:
    nobody = account.user().client(service)
    with pytest.raises(ClientError) as real:
        CALLS[service](nobody)
    faults.add(f"deny:{service}")

    with pytest.raises(ClientError) as caught:
        CALLS[service](account.root.client(service))

    for part, name in (("Error", "Code"), ("ResponseMetadata", "HTTPStatusCode")):
        assert told(caught)[part][name] == told(real)[part][name]


def test_meets_only_the_named_operation_and_resource(account: Account, faults: Switchboard) -> None:
    ecr = account.root.client("ecr")
    switched = faults.add("deny:ecr:CreateRepository@faults-prod-*")

    with refused(ecr, "AccessDeniedException", published=False):
        ecr.create_repository(repositoryName="faults-prod-a")
    assert ecr.create_repository(repositoryName="faults-preprod-a")
    assert ecr.describe_repositories(repositoryNames=["faults-preprod-a"])
    faults.clear(switched)
    assert ecr.create_repository(repositoryName="faults-prod-a")
    assert faults.list() == ()


def test_s3_objects_and_functions_are_met_by_name(account: Account, faults: Switchboard) -> None:
    s3, functions = account.root.client("s3"), account.root.client("lambda")
    s3.create_bucket(Bucket="faults-bucket")
    faults.add("deny:s3:PutObject@faults-bucket/state/*")
    faults.add("throttle:lambda:GetFunction@faults-function")

    with refused(s3, "AccessDenied", published=False):
        s3.put_object(Bucket="faults-bucket", Key="state/a", Body=b"a")
    assert s3.put_object(Bucket="faults-bucket", Key="other", Body=b"a")
    with refused(functions, "TooManyRequestsException"):
        functions.get_function(FunctionName="faults-function")
    with refused(functions, "ResourceNotFoundException"):
        functions.get_function(FunctionName="faults-other")


def test_slow_answers_after_its_seconds(account: Account, faults: Switchboard) -> None:
    faults.add("slow:ecr:CreateRepository:0.3:1")
    began = time.monotonic()

    account.root.client("ecr").create_repository(repositoryName="faults-slow")

    assert time.monotonic() - began >= 0.3


def test_slow_answers_when_it_is_cleared(account: Account, faults: Switchboard) -> None:
    ecr = account.root.client("ecr")
    switched = faults.add("slow:ecr:CreateRepository")
    caller = threading.Thread(target=lambda: ecr.create_repository(repositoryName="faults-held"))
    caller.start()
    caller.join(0.4)
    assert caller.is_alive()
    assert ecr.describe_repositories(repositoryNames=["faults-held"]), "it is done, only the answer is late"

    faults.clear(switched)

    caller.join(5)
    assert not caller.is_alive()


@pytest.mark.parametrize("name", ["refused", "reset", "dns"])
def test_connection_ends_without_an_answer(account: Account, faults: Switchboard, name: str) -> None:
    faults.add(f"{name}:kms::1")

    with pytest.raises((ConnectionClosedError, EndpointConnectionError, HTTPClientError)):
        account.root.client("kms").list_keys()
    assert account.root.client("kms").list_keys()["Keys"] is not None


def test_answer_breaks_off(account: Account, faults: Switchboard) -> None:
    s3 = account.root.client("s3")
    s3.create_bucket(Bucket="faults-cut")
    s3.put_object(Bucket="faults-cut", Key="a", Body=b"x" * 100_000)
    faults.add("cut:s3:GetObject:1")

    url = s3.generate_presigned_url("get_object", {"Bucket": "faults-cut", "Key": "a"})
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(url)
    assert len(s3.get_object(Bucket="faults-cut", Key="a")["Body"].read()) == 100_000


# the registry


def test_registry_down_and_expired(account: Account, faults: Switchboard) -> None:
    account.root.client("ecr").create_repository(repositoryName="faults-registry")
    push(account.root, "faults-registry", picture("a"), "one")

    down = faults.add("registry-down")
    with pytest.raises(Exception, match="503"):
        pull(account.root, "faults-registry", "one")
    faults.clear(down)
    expired = faults.add("registry-expired")
    with pytest.raises(RegistryDenied) as caught:
        pull(account.root, "faults-registry", "one")
    assert "token has expired" in caught.value.why
    faults.clear(expired)
    faults.add("reset:registry::1")

    assert pull(account.root, "faults-registry", "one") == picture("a")


def test_push_meets_faults_by_the_action_that_it_is(account: Account, faults: Switchboard) -> None:
    account.root.client("ecr").create_repository(repositoryName="faults-push")
    switched = faults.add("deny:ecr:PutImage@faults-push:1")

    with pytest.raises(RegistryDenied):
        push(account.root, "faults-push", picture("a"), "one")

    assert switched.hits == 1
    assert push(account.root, "faults-push", picture("a"), "one") == 0, "the blobs had travelled"


# death


@pytest.mark.parametrize("whole_group", [False, True])
def test_kills_after_the_nth_success(account: Account, faults: Switchboard, *, whole_group: bool) -> None:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], process_group=0)
    ecr = account.root.client("ecr")
    faults.add(f"kill-after:ecr:CreateRepository@faults-kill-*:2:{-process.pid if whole_group else process.pid}")
    name = f"faults-kill-{whole_group}".lower()

    ecr.create_repository(repositoryName=f"{name}-1")
    with refused(ecr, "RepositoryAlreadyExistsException"):
        ecr.create_repository(repositoryName=f"{name}-1")
    assert process.poll() is None
    with pytest.raises(ConnectionClosedError):
        ecr.create_repository(repositoryName=f"{name}-2")

    assert process.wait(5) == -9
    assert ecr.describe_repositories(repositoryNames=[f"{name}-2"]), "it is there, and nobody was told"


def test_kills_before_the_nth_call(account: Account, faults: Switchboard, victim: subprocess.Popen[bytes]) -> None:
    ecr = account.root.client("ecr")
    faults.add(f"kill-before:ecr:CreateRepository:2:{victim.pid}")

    ecr.create_repository(repositoryName="faults-before-1")
    with pytest.raises(ConnectionClosedError):
        ecr.create_repository(repositoryName="faults-before-2")

    assert victim.wait(5) == -9
    with refused(ecr, "RepositoryNotFoundException"):
        ecr.describe_repositories(repositoryNames=["faults-before-2"])


# eventual consistency


def test_new_role_is_not_known_at_once(account: Account, faults: Switchboard) -> None:
    functions, kms = account.root.client("lambda"), account.root.client("kms")
    faults.add("unready:0:1")
    role = account.role()
    wanted = {"FunctionName": "faults-young", "Runtime": "python3.13", "Handler": "a.b", "Role": role}
    root = {"Effect": "Allow", "Principal": {"AWS": account.root.arn}, "Action": "kms:*", "Resource": "*"}
    named = policy(root, root | {"Principal": {"AWS": account.role()}})

    with refused(functions, "InvalidParameterValueException", "cannot be assumed by Lambda"):
        functions.create_function(**wanted, Code={"ZipFile": b""})
    with refused(kms, "MalformedPolicyDocumentException", "invalid principals"):
        kms.create_key(Policy=named)
    assert kms.create_key(Policy=named)


def _attached(iam: Any, name: str, arn: str) -> bool:
    try:
        iam.attach_user_policy(UserName=name, PolicyArn=arn)
    except iam.exceptions.NoSuchEntityException:
        return False
    return True


def test_new_key_and_policy_are_not_known_at_once(account: Account, faults: Switchboard) -> None:
    iam = account.root.client("iam")
    faults.add("unready:2")
    caller = account.user(allow("kms:ListKeys"))
    arn = iam.create_policy(PolicyName="faults-young", PolicyDocument=policy(allow("s3:GetObject")))["Policy"]["Arn"]
    name = caller.arn.rpartition("/")[2]

    with refused(caller.client("kms"), "InvalidClientTokenId", published=False):
        caller.client("kms").list_keys()
    with refused(iam, "NoSuchEntity", "does not exist or is not attachable"):
        iam.attach_user_policy(UserName=name, PolicyArn=arn)

    until(lambda: _attached(iam, name, arn), "the policy is known to the rest of AWS")
    assert caller.client("kms").list_keys()["Keys"] is not None
