"""Where a rehearsal plays: a box, set up as an admin sets an account up once, and seen as its deployer sees it."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anyio import to_thread

import awsbox
from awsbox.users import NoUser
from ferry import wiring
from ferry.errors import BoxError
from ferry.model import Finding, Severity
from ferry.outside.aws import Access, Credentials, failures
from ferry.outside.terraform import words
from ferry.outside.terraform.host import HostTerraform
from ferry.rehearsal import trial

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from awsbox import Box
    from awsbox.users import Keys
    from ferry.config import Config
    from ferry.model import Environment
    from ferry.report import Report
    from ferry.verbs.hands import Hands

STAND_INS = {
    "AWS": "a box on this machine, which enforces IAM",
    "image": "the base image and the web adapter are left out: the layers are the ones that Ferry adds",
}
"""What a rehearsal does not do for real; its report says each of them."""
NO_DEPLOYER = "ferry.toml names no [rehearsal] bootstrap: the root user deploys, so permissions are not checked"
VARIABLES_FILE = "ferry_rehearsal.auto.tfvars.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """What is rehearsed, and where it may write."""

    config: Config
    environment: Environment
    source: Path
    work: Path
    report: Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    play: Play
    hands: Hands
    """The deployer's."""
    box: Box


@asynccontextmanager
async def opened(play: Play) -> AsyncIterator[Stage]:
    async with _box(play) as box:
        access = await set_up(play, box)
        terraform = HostTerraform(
            play.source / play.config.infrastructure.root,
            play.work / "terraform",
            access,
            rescued=play.source / f".ferry/rescued/{play.environment.name}",
        )
        told = play.config.rehearsal.variables
        variables = {name: said.replace("{news}", box.news_url) for name, said in told.items()}
        await terraform.write(VARIABLES_FILE, json.dumps(variables))
        async with wiring.hands(
            access, play.environment, terraform=terraform, run=trial.run, agree=_agree, stand_in=True
        ) as hands:
            yield Stage(play=play, hands=hands, box=box)


async def _agree(_: str) -> str:
    return "the rehearsal, in place of a person,"


@asynccontextmanager
async def _box(play: Play) -> AsyncIterator[Box]:
    try:
        async with awsbox.Box.started(play.environment.account) as box:
            with play.report.step("box", "Start AWS in a box") as step:
                step.done(box.endpoint)
            for name, what in STAND_INS.items():
                play.report.found(_stand_in(name, what))
            yield box
    except awsbox.BoxFailed as error:
        raise BoxError("AWS in a box failed", where="awsbox", why=str(error), next="make rehearse") from error


async def set_up(play: Play, box: Box) -> Access:
    """What an admin does once, as the account's root; from then on nobody is root. Answers the deployer's access."""
    target = play.environment
    root = _as(box.root(target.account), play, box)
    with play.report.step("set-up", f"Set the account {target.account} up, as an admin does once") as step:
        await to_thread.run_sync(put_secrets, play, root, min(box.news.keys))
        if play.config.rehearsal.bootstrap is None:
            await to_thread.run_sync(_make_state_bucket, root, target.state.bucket)
            play.report.found(_stand_in("deployer", NO_DEPLOYER))
            step.done("root deploys")
            return root
        step.say(f"terraform apply in {play.config.rehearsal.bootstrap}")
        await bootstrap(play, root)
        user = target.deployer.rpartition("/")[2]
        try:
            keys = box.credentials(user, target.account)
        except NoUser as error:
            mend = f"let {play.config.rehearsal.bootstrap} make it, or name another `deployer`"
            raise BoxError("there is no such deployer", where=target.deployer, why=str(error), next=mend) from error
        box.close_root()
        step.done(f"{user} deploys from now on, and nobody is root")
    return _as(keys, play, box)


async def bootstrap(play: Play, root: Access) -> None:
    rehearsal = play.config.rehearsal
    terraform = HostTerraform(play.source / str(rehearsal.bootstrap), play.work / "bootstrap", root)
    await terraform.write(words.OVERRIDE_FILE, words.override())
    await terraform.init({})
    await terraform.plan(rehearsal.bootstrap_variables.replace("{env}", play.environment.name))
    await terraform.apply(await terraform.saved(), lambda _: None)


def put_secrets(play: Play, root: Access, news_key: str) -> None:
    """People put them in, not Terraform: the first deployment adopts them."""
    client = root.client("secretsmanager")
    for name, value in play.config.rehearsal.secrets.items():
        named = name.replace("{env}", play.environment.name)
        with failures.translated(f"secretsmanager:CreateSecret {named}"):
            client.create_secret(Name=named, SecretString=value.replace("{news_key}", news_key))


def _make_state_bucket(access: Access, bucket: str) -> None:
    client = access.client("s3")
    with failures.translated(f"s3:CreateBucket {bucket}"):
        client.create_bucket(Bucket=bucket)
        client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})


def _as(keys: Keys, play: Play, box: Box) -> Access:
    credentials = Credentials(key=keys.key, secret=keys.secret)
    return Access(region=play.environment.region, endpoint=box.endpoint, credentials=credentials)


def _stand_in(name: str, what: str) -> Finding:
    return Finding(guard="rehearsal", severity=Severity.INFO, verdict="stand-in", address=name, what=what)
