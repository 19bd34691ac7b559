"""HostTerraform with terraform itself, against a box: what goes wrong in an apply, and what is left of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from ferry.errors import TerraformFailed
from ferry.outside import machine
from ferry.outside.aws import Access, Credentials
from ferry.outside.terraform import failure, words
from ferry.outside.terraform.failure import Kind
from ferry.outside.terraform.host import HostTerraform
from ferry.outside.terraform.listener import silent
from ferry.tfplan import Action
from tests.awsbox import terraform as real
from tests.living import until_gone

if TYPE_CHECKING:
    from collections.abc import Iterator

    from awsbox import Box

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.slow,
    pytest.mark.skipif(bool(real.absent()), reason=real.absent() or "terraform is here"),
]
BACKEND = 'terraform {\n  backend "s3" {}\n}\n'
QUICK = BACKEND + 'resource "terraform_data" "one" { input = 1 }\n'
SLOW = (
    QUICK
    + """
resource "terraform_data" "slow" {
  depends_on = [terraform_data.one]
  provisioner "local-exec" { command = "sleep 3" }
}
resource "terraform_data" "after" { depends_on = [terraform_data.slow] }
"""
)
FAILING = (
    BACKEND
    + """
resource "aws_ecr_repository" "orphan" { name = "orphan-of-an-apply" }
resource "aws_sns_topic" "slow" { name = "slow-in-an-apply" }
"""
)
CREATED = "2026-11-21T19:38:50.409635844Z"
_NUMBERS = count(1)


@dataclass(frozen=True)
class Account:
    box: Box
    access: Access
    folder: Path
    bucket: str

    @property
    def backend(self) -> dict[str, str]:
        said = words.backend(bucket=self.bucket, key="state", region="us-east-1", stand_in=True)
        return said | {"max_retries": "3"}  # else each time that S3 refuses takes a quarter of a minute

    def terraform(self, text: str) -> HostTerraform:
        place = self.folder / str(next(_NUMBERS))
        place.joinpath("root").mkdir(parents=True)
        place.joinpath("root/main.tf").write_text(text)
        return HostTerraform(place / "root", place / "work", self.access, rescued=self.folder / "kept/preprod")

    async def planned(self, text: str) -> HostTerraform:
        terraform = self.terraform(text)
        if "aws_" in text:  # without a provider to start, terraform is quick
            await terraform.write(words.OVERRIDE_FILE, words.override())
        await terraform.init(self.backend)
        await terraform.plan("")
        return terraform

    async def left(self, text: str) -> dict[str, Action]:
        """What a plan would still do."""
        terraform = self.terraform(text)
        await terraform.init(self.backend)
        return {change.address: change.action for change in (await terraform.plan("")).touched()}


@pytest.fixture
def here(box: Box, tmp_path: Path) -> Iterator[Account]:
    root = box.root()
    keys = Credentials(key=root.key, secret=root.secret)
    access = Access(region="us-east-1", endpoint=box.endpoint, credentials=keys)
    bucket = f"states-of-applies-{next(_NUMBERS)}"
    access.client("s3").create_bucket(Bucket=bucket)
    yield Account(box, access, tmp_path, bucket)
    box.faults.clear()


@pytest.mark.req("P-02")
async def test_an_error_is_told_with_its_cause_while_other_resources_are_still_being_made(here: Account) -> None:
    here.access.client("ecr").create_repository(repositoryName="orphan-of-an-apply")
    terraform = await here.planned(FAILING)
    here.box.faults.add("slow:sns:CreateTopic:4")
    said: list[tuple[float, str]] = []
    with pytest.raises(TerraformFailed) as caught:
        await terraform.apply(await terraform.saved(), lambda text: said.append((time.monotonic(), text)))
    at = {text: when for when, text in said}
    (told,) = (text for text in at if text.startswith("aws_ecr_repository.orphan exists already in AWS"))
    (done,) = (text for text in at if text.startswith("aws_sns_topic.slow: created in"))
    assert at[done] - at[told] > 2
    assert [one.kind for one in failure.of(caught.value)] == [Kind.EXISTS]
    assert caught.value.where == "aws_ecr_repository.orphan"


async def test_a_state_that_s3_refused_is_written_when_it_takes_it_again(here: Account) -> None:
    terraform = await here.planned(QUICK)
    here.box.faults.add("error:s3:PutObject@*state")
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        if "it is kept in" in text:
            here.box.faults.clear()

    took = await terraform.apply(await terraform.saved(), say)
    assert took.keys() == {"terraform_data.one"}
    assert said[-1] == "the state is written"
    assert await here.left(QUICK) == {}
    assert await terraform.lock_holder() is None


async def test_a_state_that_somebody_else_wrote_meanwhile_is_kept_with_a_command_that_works(here: Account) -> None:
    await (first := await here.planned(QUICK)).apply(await first.saved(), silent)
    more = QUICK + 'resource "terraform_data" "two" {}\n'
    terraform = await here.planned(more)
    here.box.faults.add("error:s3:PutObject@*state")
    s3, before = here.access.client("s3"), list[str]()

    def put(state: str) -> None:
        s3.put_object(Bucket=here.bucket, Key="state", Body=state.encode())

    def say(text: str) -> None:
        if "it is kept in" in text:
            here.box.faults.clear()
            state = json.loads(s3.get_object(Bucket=here.bucket, Key="state")["Body"].read())
            before.append(json.dumps(state))
            put(json.dumps(state | {"serial": state["serial"] + 5}))

    with pytest.raises(TerraformFailed, match="it is kept in") as caught:
        await terraform.apply(await terraform.saved(), say)
    (kept,) = (here.folder / "kept").iterdir()
    assert "terraform_data" in kept.read_text()
    assert caught.value.next.endswith(f"state push {kept}")
    assert "serial" in failure.of(caught.value)[0].said
    put(before[0])
    typed = await anyio.run_process(["bash", "-c", caught.value.next], env=terraform.environment, check=False)
    assert typed.returncode == 0, typed.stderr.decode()
    assert await here.left(more) == {}


async def test_of_two_plans_of_one_state_the_second_is_stale(here: Account) -> None:
    first, second = await here.planned(QUICK), await here.planned(QUICK)
    assert (await first.saved()).serial == (await second.saved()).serial
    await first.apply(await first.saved(), silent)
    with pytest.raises(TerraformFailed, match="changed by somebody else") as caught:
        await second.apply(await second.saved(), silent)
    assert failure.is_stale(caught.value)


async def test_who_holds_the_lock_is_known_and_only_their_lock_is_released(here: Account) -> None:
    terraform = await here.planned(QUICK)
    assert await terraform.lock_holder() is None
    text = json.dumps({"ID": "an-id", "Operation": "OperationTypeApply", "Who": "me@vm", "Created": CREATED})
    here.access.client("s3").put_object(Bucket=here.bucket, Key="state.tflock", Body=text.encode())
    holder = await terraform.lock_holder()
    assert holder is not None
    assert (holder.id, holder.who) == ("an-id", "me@vm")
    with pytest.raises(TerraformFailed, match="the state is locked: me@vm holds it since 2026") as caught:
        await terraform.apply(await terraform.saved(), silent)
    assert "force-unlock -force an-id" in caught.value.next
    found = failure.of(caught.value)[0].holder
    assert found is not None
    assert found.id == "an-id"
    with pytest.raises(TerraformFailed, match="force-unlock failed"):
        await terraform.release("another")
    await terraform.release("an-id")
    assert await terraform.lock_holder() is None


async def test_a_cancelled_apply_saves_what_it_did_and_leaves_no_lock(here: Account) -> None:
    terraform = await here.planned(SLOW)
    with anyio.CancelScope() as scope:

        def say(text: str) -> None:
            if text == "terraform_data.slow: creating":
                scope.cancel()

        await terraform.apply(await terraform.saved(), say)
    assert scope.cancelled_caught
    assert await terraform.lock_holder() is None
    left = await here.left(SLOW)
    assert "terraform_data.one" not in left
    assert left["terraform_data.after"] is Action.CREATE


KILLED = """
import sys
from pathlib import Path
import anyio
from ferry.outside.aws import Access, Credentials
from ferry.outside.terraform import words
from ferry.outside.terraform.host import HostTerraform
async def main():
    endpoint, key, secret, bucket, root, work = sys.argv[1:]
    access = Access(region="us-east-1", endpoint=endpoint, credentials=Credentials(key=key, secret=secret))
    terraform = HostTerraform(Path(root), Path(work), access)
    await terraform.init(words.backend(bucket=bucket, key="state", region="us-east-1", stand_in=True))
    await terraform.plan("")
    await terraform.apply(await terraform.saved(), lambda text: print(text, flush=True))
anyio.run(main)
"""


async def test_when_we_are_killed_terraform_still_saves_what_it_did_and_leaves_no_lock(here: Account) -> None:
    place = here.folder / "killed"
    place.joinpath("root").mkdir(parents=True)
    place.joinpath("root/main.tf").write_text(SLOW)
    keys = here.access.credentials
    words_ = [here.box.endpoint, keys.key, keys.secret, here.bucket, str(place / "root"), str(place / "work")]
    source = str(Path(words.__file__).parents[3])
    killed = await anyio.open_process(
        [sys.executable, "-c", KILLED, *words_], env=os.environ | {"PYTHONPATH": source}, stderr=subprocess.DEVNULL
    )
    async with killed:
        assert killed.stdout is not None
        said = b""
        async for chunk in killed.stdout:
            said += chunk
            if b"terraform_data.slow: creating" in said:
                break
        (child,) = _running(str(place / "work"))
        where = machine.where(killed.pid)
        killed.kill()
        await until_gone(killed.pid)
        assert machine.over(where) is (False if where else None), "its terraform is still there"
    await until_gone(child)
    assert machine.over(where) is (True if where else None)
    terraform = await here.planned(QUICK)
    assert await terraform.lock_holder() is None
    assert "terraform_data.one" not in await here.left(SLOW)


def _running(folder: str) -> list[int]:
    """The terraform that works in this folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            said = (process / "cmdline").read_bytes().split(b"\0")
            if Path(process / "cwd").readlink() == Path(folder) and b"apply" in said:
                found.append(int(process.name))
        except OSError:
            continue
    return found
