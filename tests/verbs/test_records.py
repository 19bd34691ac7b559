"""What was deployed, and what runs now."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ferry import wiring
from ferry.errors import RecordError
from ferry.model import Artifact, Deployment, Kind, Outcome, Release, from_json, to_json
from ferry.verbs.records import current, write
from tests.outside.aws.small_aws import as_root
from tests.verbs.fakes import PREPROD, FakeBucket

if TYPE_CHECKING:
    from tests.awsbox.people import Account

pytestmark = pytest.mark.anyio
FOLDER = "a/terraform.tfstate.ferry/"
PIN = FOLDER + "current.json"
IMAGE = Artifact(name="app", kind=Kind.IMAGE, key="sha256:key", digest=f"sha256:{'1' * 64}", size=1)
FIRST = Deployment(
    environment="preprod",
    release=Release(commit="c" * 40, dirty=False, artifacts=(IMAGE,)),
    plan_hash="hash",
    findings=(),
    outcome=Outcome.SUCCEEDED,
    started="2026-01-01T00:00:00Z",
    finished="2026-01-01T00:05:00Z",
    who="me@vm",
    changes={"create": 2},
    verdict="healthy",
    run="run-0123456789ab",
)
SECOND = replace(FIRST, started="2026-01-02T09:00:00Z", finished="2026-01-02T09:05:00Z", previous=FIRST.id)


@pytest.fixture
def ledger() -> FakeBucket:
    return FakeBucket("state")


async def test_before_the_first_deployment_nothing_is_pinned(ledger: FakeBucket) -> None:
    assert await current(ledger, PREPROD) is None


@pytest.mark.req("B-03")
async def test_a_deployment_that_succeeded_is_kept_and_is_what_runs(ledger: FakeBucket) -> None:
    await write(ledger, PREPROD, FIRST)
    await write(ledger, PREPROD, SECOND)
    pin = await current(ledger, PREPROD)
    assert pin
    assert (pin.deployment, pin.release, pin.since) == (SECOND.id, SECOND.release, SECOND.finished)
    kept = sorted(key for key in ledger.objects if "deployments/" in key)
    assert kept == [
        f"{FOLDER}deployments/20260101T000000Z-{FIRST.id}.json",
        f"{FOLDER}deployments/20260102T090000Z-{SECOND.id}.json",
    ]
    assert [from_json(Deployment, ledger.objects[key].decode()) for key in kept] == [FIRST, SECOND]


async def test_a_deployment_that_failed_is_kept_and_what_ran_before_is_still_named(ledger: FakeBucket) -> None:
    await write(ledger, PREPROD, FIRST)
    await write(ledger, PREPROD, replace(SECOND, outcome=Outcome.FAILED))
    pin = await current(ledger, PREPROD)
    assert pin
    assert pin.deployment == FIRST.id
    assert len(ledger.objects) == 3


async def test_writing_the_same_again_changes_nothing(ledger: FakeBucket) -> None:
    await write(ledger, PREPROD, FIRST)
    before = dict(ledger.objects)
    await write(ledger, PREPROD, FIRST)
    assert ledger.objects == before


async def test_a_record_of_a_deployment_never_changes(ledger: FakeBucket) -> None:
    await write(ledger, PREPROD, FIRST)
    before = dict(ledger.objects)
    with pytest.raises(RecordError, match="was written down before, and otherwise"):
        await write(ledger, PREPROD, replace(FIRST, verdict="degraded"))
    assert ledger.objects == before


async def test_who_was_killed_before_the_pin_finds_the_earlier_one(ledger: FakeBucket) -> None:
    await write(ledger, PREPROD, FIRST)
    await ledger.write(f"{FOLDER}deployments/20260102T090000Z-{SECOND.id}.json", to_json(SECOND), once=True)
    third = replace(SECOND, started="2026-01-03T00:00:00Z")
    await write(ledger, PREPROD, third)
    pin = await current(ledger, PREPROD)
    assert pin
    assert pin.deployment == third.id


async def test_a_run_that_slept_while_another_deployed_does_not_take_the_pin_back(ledger: FakeBucket) -> None:
    await write(ledger, PREPROD, FIRST)
    await write(ledger, PREPROD, SECOND)
    sleeper = replace(SECOND, who="me@laptop")
    with pytest.raises(RecordError, match="another deployment ended while this one ran") as caught:
        await write(ledger, PREPROD, sleeper)
    assert caught.value.where == f"s3://state/{PIN}"
    pin = await current(ledger, PREPROD)
    assert pin
    assert pin.deployment == SECOND.id


@pytest.mark.parametrize("text", ["", "{", '{"schema": "ferry.release/1"}', '{"schema": "ferry.pin/9"}', "[]"])
async def test_a_pin_that_is_damaged_or_foreign_is_refused_with_its_place(ledger: FakeBucket, text: str) -> None:
    ledger.objects[PIN] = text.encode()
    with pytest.raises(RecordError, match="this pin record cannot be trusted") as caught:
        await current(ledger, PREPROD)
    assert caught.value.where == f"s3://state/{PIN}"


async def test_a_pin_that_somebody_changed_is_refused(ledger: FakeBucket) -> None:
    await write(ledger, PREPROD, FIRST)
    ledger.objects[PIN] = json.dumps({**json.loads(ledger.objects[PIN]), "since": "2020-01-01T00:00:00Z"}).encode()
    with pytest.raises(RecordError, match="cannot be trusted"):
        await current(ledger, PREPROD)


async def test_the_pin_of_another_environment_is_refused(ledger: FakeBucket) -> None:
    await write(ledger, replace(PREPROD, name="prod"), replace(FIRST, environment="prod"))
    with pytest.raises(RecordError, match="this is what prod runs, not preprod"):
        await current(ledger, PREPROD)


async def test_a_deployment_that_does_not_say_when_is_refused(ledger: FakeBucket) -> None:
    with pytest.raises(RecordError, match="does not say when it started"):
        await write(ledger, PREPROD, replace(FIRST, started="yesterday"))
    assert ledger.objects == {}


@pytest.mark.slow
async def test_in_s3_it_is_the_same(account: Account) -> None:
    account.root.client("s3").create_bucket(Bucket="records")
    environment = replace(PREPROD, account=account.box.account, state=replace(PREPROD.state, bucket="records"))
    ledger = wiring.ledger(as_root(account), environment)
    assert await current(ledger, environment) is None
    for deployment in (FIRST, SECOND, SECOND):
        await write(ledger, environment, deployment)
    with pytest.raises(RecordError, match="another deployment ended"):
        await write(ledger, environment, replace(SECOND, who="me@laptop"))
    pin = await current(ledger, environment)
    assert pin
    assert pin.deployment == SECOND.id
