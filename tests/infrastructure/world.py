"""An account as its admin sets it up, and two environments in it: the real Terraform, as the real deployers."""

from __future__ import annotations

import hashlib
import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore import UNSIGNED
from botocore.config import Config

from ferry.outside.terraform import words
from tests.awsbox import pictures, terraform
from tests.awsbox.people import REGION, Account, Caller
from tests.infrastructure import programs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from awsbox.authority.audit import Decision

INFRASTRUCTURE = Path(__file__).parents[2] / "infrastructure"
PROJECT = "sentiment-analyzer"
NAMES = ("preprod", "prod")
ZIPS = ("ingestion", "analysis", "dashboard", "canary")
FUNCTIONS = (*ZIPS, "sse-streaming")
REPOSITORY = "an-owner/a-repository"
IDS = {"owner": 123, "repository": 456}


@dataclass(frozen=True)
class Environment:
    """One environment, as its deployer sees it. `variables` are what ferry hands over."""

    name: str
    account: Account
    root: terraform.Root
    deployer: Caller
    variables: Mapping[str, Any]

    def apply(self, **changed: Any) -> None:
        self.root.run("apply", "-no-color", "-auto-approve", *self._said(changed))

    def destroy(self, **changed: Any) -> None:
        self.root.run("destroy", "-no-color", "-auto-approve", *self._said(changed))

    def changes(self, **changed: Any) -> dict[str, list[str]]:
        """What a plan would do, by address; what it only takes over is not in it."""
        self.root.run("plan", "-no-color", "-out=now.tfplan", *self._said(changed))
        plan = json.loads(self.root.run(*words.show("now.tfplan")))
        found = {change["address"]: change["change"]["actions"] for change in plan["resource_changes"]}
        return {address: actions for address, actions in found.items() if actions not in (["no-op"], ["read"])}

    def outputs(self) -> dict[str, Any]:
        return words.outputs(self.root.run(*words.OUTPUTS))

    def count(self) -> int:
        """Resources in the state."""
        lines = self.root.run("state", "list").splitlines()
        return sum(not line.removeprefix("module.").startswith("data.") for line in lines)

    def by_role(self) -> Environment:
        """The same, by a job of GitHub Actions."""
        return replace(self, root=replace(self.root, caller=self.job()))

    def job(self, *, sub: str = "") -> Caller:
        """Who a job of the repository becomes that names the environment."""
        token = self.account.box.issue_token(
            sub=sub or f"repo:{REPOSITORY}:environment:{self.name}", iss="https://token.actions.githubusercontent.com"
        )
        sts = self.account.root.client("sts", config=Config(signature_version=UNSIGNED))
        made = sts.assume_role_with_web_identity(
            RoleArn=f"arn:aws:iam::{self.account.box.account}:role/{PROJECT}-{self.name}-deployer",
            RoleSessionName="job",
            WebIdentityToken=token,
        )["Credentials"]
        return Caller(
            self.account.box.endpoint, made["AccessKeyId"], made["SecretAccessKey"], token=made["SessionToken"]
        )

    def _said(self, changed: Mapping[str, Any]) -> tuple[str, ...]:
        self.root.folder.joinpath("said.tfvars.json").write_text(json.dumps({**self.variables, **changed}))
        return (f"-var-file=environments/{self.name}.tfvars", "-var-file=said.tfvars.json")


@dataclass
class World:
    """`seconds` by what took them, `used` all that deployers asked for and were given."""

    account: Account
    setup: terraform.Root
    folder: Path
    environments: dict[str, Environment] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    used: dict[str, set[str]] = field(default_factory=dict)
    denied: list[Decision] = field(default_factory=list)

    @classmethod
    def bootstrapped(cls, account: Account, folder: Path) -> World:
        setup = terraform.Root.of(INFRASTRUCTURE / "bootstrap", folder / "bootstrap", account.root)
        setup.folder.joinpath(words.OVERRIDE_FILE).write_text(words.override())
        world = cls(account, setup, folder)
        account.box.authority.audit.listeners.append(world._hear)
        setup.init()
        with world.timed("bootstrap"):
            world.bootstrap()
        for name in NAMES:
            world.environments[name] = world._environment(name)
        return world

    def bootstrap(self, *, teardown: bool = False) -> None:
        self.setup.apply(
            environments=json.dumps({name: {"teardown": teardown} for name in NAMES}),
            github_repository=REPOSITORY,
            github_ids=json.dumps(IDS),
        )

    def each[T](self, what: str, work: Callable[[Environment], T]) -> dict[str, T]:
        """All environments side by side, as two pipelines would."""

        def timed(environment: Environment) -> T:
            with self.timed(f"{what} {environment.name}"):
                return work(environment)

        with ThreadPoolExecutor() as pool:
            return dict(zip(NAMES, pool.map(timed, self.environments.values()), strict=True))

    def timed(self, what: str) -> Clock:
        return Clock(self.seconds, what)

    def forget(self) -> None:
        self.account.box.authority.audit.listeners.remove(self._hear)

    def _hear(self, decision: Decision) -> None:
        if "-deployer" not in decision.principal:
            return
        if decision.allowed:
            self.used.setdefault(decision.principal.rpartition("/")[2], set()).add(decision.action)
        else:
            self.denied.append(decision)

    def _environment(self, name: str) -> Environment:
        keys = self.account.box.credentials(f"{PROJECT}-{name}-deployer")
        arn = f"arn:aws:iam::{self.account.box.account}:user/{PROJECT}-{name}-deployer"
        deployer = Caller(self.account.box.endpoint, keys.key, keys.secret, arn)
        root = terraform.Root.of(INFRASTRUCTURE / "terraform", self.folder / name, deployer)
        root.folder.joinpath(words.OVERRIDE_FILE).write_text(words.override())
        root.folder.joinpath(words.IMPORTS_FILE).write_text(words.imports(_left_by_publishing(self.account, name)))
        backend = words.backend(bucket=f"{PROJECT}-{name}-state", key="terraform.tfstate", region=REGION, stand_in=True)
        root.init(**backend)
        deployers = [arn, arn.replace(":user/", ":role/")]
        given = published(self.account, deployer, name) | {
            "environment": name,
            "deployers": deployers,
            "tags": {"desk": "news"},
        }
        return Environment(name, self.account, root, deployer, given)


@dataclass
class Clock:
    kept: dict[str, float]
    what: str
    began: float = 0.0

    def __enter__(self) -> None:
        self.began = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self.kept[self.what] = round(time.monotonic() - self.began, 1)


def bucket(account: Account, environment: str) -> str:
    return f"{environment}-{PROJECT}-packages-{account.box.account}"


def published(account: Account, deployer: Caller, environment: str, release: str = "first") -> dict[str, Any]:
    """A release in the environment's own places, which its deployer makes first. What Terraform is told of it."""
    s3, ecr, where = deployer.client("s3"), deployer.client("ecr"), bucket(account, environment)
    s3.create_bucket(Bucket=where)
    packages = {}
    for name in ZIPS:
        data = programs.package(name, release)
        hash, key = programs.checksum(data), f"{name}/{name}-{hashlib.sha256(data).hexdigest()}.zip"
        version = s3.put_object(Bucket=where, Key=key, Body=data, ChecksumSHA256=hash).get("VersionId", "")
        assert s3.head_object(Bucket=where, Key=key)["ContentLength"] == len(data)
        # A bucket that publishing has just made has no versions yet.
        packages[name] = {"key": key, "hash": hash} | ({"version": version} if version else {})
    repository = f"{environment}-sse-streaming-lambda"
    with suppress(ecr.exceptions.RepositoryAlreadyExistsException):
        ecr.create_repository(repositoryName=repository)
    image = programs.image(release)
    pictures.push(deployer, repository, image, "latest", environment)
    assert pictures.pull(deployer, repository, image.digest).digest == image.digest
    ecr.describe_images(repositoryName=repository)
    with suppress(ecr.exceptions.ScanNotFoundException):
        ecr.describe_image_scan_findings(repositoryName=repository, imageId={"imageDigest": image.digest})
    _cached(deployer, f"{environment}-sse-streaming-cache", release)
    registry = f"{account.box.account}.dkr.ecr.{REGION}.amazonaws.com"
    return {"packages": packages, "images": {"sse-streaming": f"{registry}/{repository}@{image.digest}"}}


def _cached(deployer: Caller, repository: str, release: str) -> None:
    """What an image is made of, kept under its key, and found there again."""
    ecr, dependencies = deployer.client("ecr"), pictures.picture(f"the dependencies of {release}")
    with suppress(ecr.exceptions.RepositoryAlreadyExistsException):
        ecr.create_repository(repositoryName=repository, imageScanningConfiguration={"scanOnPush": False})
    pictures.push(deployer, repository, dependencies, release)
    assert pictures.pull(deployer, repository, release).digest == dependencies.digest
    ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": release}])


def _left_by_publishing(account: Account, environment: str) -> dict[str, str]:
    return {
        "aws_ecr_repository.cache": f"{environment}-sse-streaming-cache",
        "aws_ecr_repository.sse_streaming": f"{environment}-sse-streaming-lambda",
        "aws_s3_bucket.packages": bucket(account, environment),
    }
