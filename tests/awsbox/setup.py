"""What an administrator sets up once: a state bucket, a boundary, and a deployer who may just deploy."""

from __future__ import annotations

import io
import json
import zipfile
from contextlib import contextmanager
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from awsbox import emulator
from ferry.outside.aws import Access, Credentials
from ferry.outside.builder.assemble import assemble
from ferry.outside.builder.layer import layer
from ferry.outside.registry import ecr
from tests.awsbox import pictures
from tests.awsbox.people import REGION, allow, policy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.awsbox.people import Account, Caller

POLICIES = Path(__file__).parent / "stack/deployer"
CODE = "import json\ndef handler(event, context):\n  return {'statusCode': 200, 'body': json.dumps(event)}\n"


@contextmanager
def emptied(account: Account) -> Iterator[None]:
    """Nothing is in it for as long as the block lasts; then everything is back."""
    snapshot = account.box.snapshot()
    account.portal.call(emulator.wipe)
    try:
        yield
    finally:
        account.box.restore(snapshot)


def state_bucket(account: Account) -> str:
    s3, name = account.root.client("s3"), f"terraform-state-{account.box.account}"
    if name not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]:
        s3.create_bucket(Bucket=name)
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


def deployer(account: Account, environment: str) -> Caller:
    """A user under the policies in stack/deployer, which are written for AWS and know nothing of the box."""
    iam = account.root.client("iam")
    boundary = policy(allow(["logs:*", "dynamodb:*", "sqs:*", "kms:*", "secretsmanager:GetSecretValue"]))
    iam.create_policy(PolicyName=f"{environment}-boundary", PolicyDocument=boundary)
    user = account.user(name=f"{environment}-deployer")
    for file in sorted(POLICIES.glob("*.json")):
        text = Template(file.read_text()).substitute(env=environment, account=account.box.account)
        made = iam.create_policy(
            PolicyName=f"{environment}-deployer-{file.stem}", PolicyDocument=json.dumps(json.loads(text))
        )
        iam.attach_user_policy(UserName=f"{environment}-deployer", PolicyArn=made["Policy"]["Arn"])
    return user


def package(code: str = CODE) -> bytes:
    """A zip with one module, main."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as written:
        written.writestr("main.py", code)
    return archive.getvalue()


def function(caller: Caller, name: str, role: str, code: str = CODE, **options: Any) -> None:
    """A zip function that answers with its event; active when this returns."""
    client = caller.client("lambda")
    client.create_function(
        FunctionName=name,
        Role=role,
        Runtime="python3.13",
        Handler="main.handler",
        Code={"ZipFile": package(code)},
        **options,
    )
    client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.1})


async def published(caller: Caller, account: str, repository: str, program: Mapping[str, str], folder: Path) -> str:
    """What the publish step leaves behind: the repository, and an image in it that runs main.py. Its reference."""
    credentials = Credentials(key=caller.key, secret=caller.secret)
    access = Access(region=REGION, endpoint=caller.endpoint, credentials=credentials)
    content = folder / f"{repository}-content"
    content.mkdir()
    for name, text in program.items():
        content.joinpath(name).write_text(text)
    image = assemble(
        (layer(content, "/app", pictures.STORE),),
        base=None,
        command=("python", "main.py"),
        environment={},
        workdir="/app",
        port=8080,
    )
    await ecr.ensure_repository(access, repository)
    async with ecr.registry(access, account) as registry:
        await registry.push(repository, image, ("latest",))
    return f"{account}.dkr.ecr.{REGION}.amazonaws.com/{repository}@{image.digest}"
