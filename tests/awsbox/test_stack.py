"""Terraform itself, as a deployer under policies that are right for AWS: a stack of every type that we deploy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.awsbox import setup, terraform
from tests.awsbox.people import REGION, allow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.awsbox.people import Account, Caller

ENVIRONMENT = "preprod"
STACK = Path(__file__).parent / "stack"
FOUNDING = Path(__file__).parent / "founding"
REPOSITORY = f"{ENVIRONMENT}-sse-streaming-lambda"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(terraform.absent()), reason=terraform.absent()),
]


@pytest.fixture(scope="module")
def deployer(account: Account) -> Iterator[Caller]:
    """In an account that is empty but for its set-up; the other tests get theirs back."""
    with setup.emptied(account):
        setup.state_bucket(account)
        yield setup.deployer(account, ENVIRONMENT)


def root(account: Account, deployer: Caller, folder: Path) -> terraform.Root:
    program = {"main.py": "print('hello')"}
    image = account.portal.call(setup.published, deployer, account.box.account, REPOSITORY, program, folder)
    stack = terraform.Root.of(
        STACK, folder / "stack", deployer, environment=ENVIRONMENT, deployer=deployer.arn, image=image
    )
    stack.folder.joinpath("ingestion.zip").write_bytes(setup.package())
    stack.init(bucket=setup.state_bucket(account), key=f"{ENVIRONMENT}/stack.tfstate", region=REGION)
    return stack


@pytest.mark.thorough  # three minutes: the repository's own root has most of these types, and is applied in make test
@pytest.mark.req("P-07", "R-11")
def test_every_type_applies_settles_changes_and_goes(account: Account, deployer: Caller, tmp_path: Path) -> None:
    stack = root(account, deployer, tmp_path)
    stack.apply()
    changed = {"retention_days": 14, "memory": 256, "threshold": 10, "budget": 20}

    assert stack.changes() == {}

    planned = stack.changes(**changed)

    assert set(map(tuple, planned.values())) == {("update",)}
    assert len(planned) >= 6

    stack.apply(**changed)

    assert stack.changes(**changed) == {}

    stack.destroy()

    assert account.root.client("dynamodb").list_tables()["TableNames"] == []


@pytest.fixture(scope="module")
def founding(account: Account, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What terraform says where a repository is left over and a key's policy forgets its deployer."""
    account.root.client("ecr").create_repository(repositoryName="left-by-a-killed-run")
    rights = allow(["ecr:*", "kms:CreateKey", "kms:DescribeKey", "kms:TagResource"])
    stack = terraform.Root.of(
        FOUNDING, tmp_path_factory.mktemp("founding"), account.user(rights), account=account.box.account
    )
    stack.init()
    with pytest.raises(terraform.Failed) as failed:
        stack.apply()
    return str(failed.value)


@pytest.mark.req("P-02")
def test_terraform_meets_the_orphan_repository(founding: str) -> None:
    assert "creating ECR Repository (left-by-a-killed-run)" in founding
    assert "RepositoryAlreadyExistsException: The repository with name 'left-by-a-killed-run'" in founding


@pytest.mark.req("P-05")
def test_terraform_meets_the_key_that_locks_its_deployer_out(founding: str) -> None:
    assert (
        "MalformedPolicyDocumentException: "
        "The new key policy will not allow you to update the key policy in the future." in founding
    )
