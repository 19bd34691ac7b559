"""Whose turn it is: with a ledger in memory and S3's clock in the test's hand; in the box; and with real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from ferry import wiring
from ferry.errors import AwsError, Busy, RecordError, TerraformFailed
from ferry.model import Phase, Run, from_json, to_json
from ferry.outside import machine
from ferry.outside.terraform.lock import Holder
from ferry.report.events import Finished
from ferry.verbs import turns
from ferry.verbs.turns import Pace, Turn, free, stamp, turn
from tests.awsbox import terraform as real
from tests.living import saying, until_gone
from tests.outside.aws.small_aws import as_root
from tests.verbs.fakes import NEW_YEAR, PREPROD, FakeBucket, FakeTerraform, World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from contextlib import AbstractAsyncContextManager

    from anyio.abc import Process

    from tests.awsbox.people import Account

pytestmark = pytest.mark.anyio
KEY = "a/terraform.tfstate.ferry/run.json"
LOCK = "a/terraform.tfstate.tflock"
ELSEWHERE = "other-host 0 pid:[1] 0 1 1"
QUICK = Pace(beat=0.02, look=0.005, patience=5)
_NUMBERS = count(1)
SOURCE = Path(turns.__file__).parents[2]


@dataclass
class Place:
    """A world whose two clocks, ours and S3's, are one that stands still."""

    world: World = field(default_factory=World)

    def __post_init__(self) -> None:
        self.ledger.now = lambda: self.world.now

    @property
    def ledger(self) -> FakeBucket:
        return self.world.ledger

    @property
    def written(self) -> Run:
        return from_json(Run, self.ledger.objects[KEY].decode())

    def put(self, run: Run) -> None:
        self.ledger.objects[KEY], self.ledger.times[KEY] = to_json(run).encode(), self.world.now

    def lock(self, id: str, *, operation: str = "Apply", since: float = NEW_YEAR) -> None:
        created = datetime.fromtimestamp(since, UTC).isoformat()
        said = {"ID": id, "Operation": f"OperationType{operation}", "Who": "me@vm", "Created": created}
        self.ledger.objects[LOCK] = json.dumps(said).encode()

    def turn(self, pace: Pace = QUICK, **what: str) -> AbstractAsyncContextManager[Turn]:
        return turn(PREPROD, self.world.hands, self.world.report, verb="deploy", pace=pace, **what)


async def until(holds: Callable[[], object]) -> None:
    with anyio.fail_after(5):
        while not holds():  # noqa: ASYNC110 - nothing tells of it
            await anyio.sleep(0.001)


@pytest.fixture
def here() -> Place:
    return Place()


def run_of(**what: Any) -> Run:
    said: dict[str, Any] = {
        "token": "0" * 12,
        "environment": "preprod",
        "verb": "deploy",
        "who": "somebody@elsewhere",
        "where": ELSEWHERE,
        "release": "",
        "started": stamp(NEW_YEAR),
        "beaten": stamp(NEW_YEAR),
    }
    return Run(**{**said, **what})


APPLYING = run_of(phase=Phase.APPLYING, applying_since=stamp(NEW_YEAR), plan_hash="p")


@dataclass
class LockingTerraform(FakeTerraform):
    """Its lock is an object in the ledger, as the real one's is."""

    place: Place = field(default_factory=Place)

    async def release(self, id: str) -> None:
        self.history.append(f"release {id}")
        holder = json.loads(self.place.ledger.objects.pop(LOCK))
        assert holder["ID"] == id


async def freed(here: Place, mine: Turn) -> list[str]:
    """What was released."""
    terraform, said = LockingTerraform(place=here), list[str]()
    await free(mine, terraform, said.append)
    assert len(said) == len(terraform.history)
    return [step.removeprefix("release ") for step in terraform.history]


async def test_a_run_is_written_down_while_it_lives_and_when_it_has_ended(here: Place) -> None:
    async with here.turn(release="r-1") as mine:
        begun = here.written
        assert (begun.id, begun.phase, begun.verb, begun.release) == (mine.run.id, Phase.BEGUN, "deploy", "r-1")
        assert begun.where == machine.where()
        await mine.applying("hash")
        assert (here.written.phase, here.written.plan_hash) == (Phase.APPLYING, "hash")
    assert (here.written.phase, here.written.outcome) == (Phase.ENDED, "succeeded")
    assert here.written.id == begun.id


async def test_its_heart_beats(here: Place) -> None:
    async with here.turn():
        await until(lambda: here.written.beats >= 3)


@pytest.mark.req("P-02")
async def test_of_two_at_once_the_second_waits_for_the_first_to_end(here: Place) -> None:
    order: list[str] = []

    async def run(name: str) -> None:
        async with here.turn():
            order.append(f"{name} begins")
            await anyio.sleep(0.05)
            order.append(f"{name} ends")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run, "a")
        tasks.start_soon(run, "b")
    first, second = (order[0][0], order[2][0])
    assert order == [f"{first} begins", f"{first} ends", f"{second} begins", f"{second} ends"]


async def test_who_waits_says_for_whom_once_and_gives_up_in_the_end(here: Place) -> None:
    here.put(run_of(who="ann@laptop"))
    with pytest.raises(Busy, match="another run is deploying to preprod") as caught:
        async with here.turn(Pace(look=0.005, patience=0.05)):
            pytest.fail("it is somebody else's turn")
    assert "ann@laptop: deploy since 2026-01-01T00:00:00Z" in caught.value.why
    assert here.world.said.count("waiting for ann@laptop") == 1
    assert here.written.who == "ann@laptop"


async def test_on_another_machine_a_run_is_over_when_it_was_not_heard_of_for_a_lease(here: Place) -> None:
    here.put(run_of())
    here.world.now += 119
    with pytest.raises(Busy):
        async with here.turn(Pace(look=0.005, patience=0.02)):
            pytest.fail("it may be alive")
    here.world.now += 2
    async with here.turn():
        assert here.written.who != "somebody@elsewhere"
    assert "taken over from somebody@elsewhere" in here.world.said
    assert "last heard of 2 min 01 s ago" in here.world.said


async def test_a_run_that_ended_hinders_nobody(here: Place) -> None:
    here.put(run_of(phase=Phase.ENDED, ended=stamp(NEW_YEAR), outcome="failed"))
    async with here.turn():
        assert here.written.suspects == ()
    assert "taken over" not in here.world.said


@contextmanager
def program(name: str) -> Iterator[str]:
    """Python by another name."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, name).symlink_to(Path(sys.executable).resolve())
        yield str(Path(folder, name))


@asynccontextmanager
async def another(name: str = "python", **environment: str) -> AsyncIterator[Process]:
    """A process by this name, which waits."""
    with program(name) as path:
        waiting = [path, "-c", "import sys; print('here', flush=True); sys.stdin.read()"]
        process = await anyio.open_process(waiting, env=os.environ | environment, start_new_session=True)
        async with process:
            try:
                assert process.stdout is not None
                await process.stdout.receive()
                yield process
            finally:
                if process.returncode is None:
                    process.kill()


@pytest.mark.slow
@pytest.mark.skipif(not machine.where(), reason="no /proc")
async def test_on_this_machine_a_run_is_over_when_its_process_is_gone_and_not_before(here: Place) -> None:
    async with another() as process:
        here.put(run_of(where=machine.where(process.pid)))
        here.world.now += 1000
        with pytest.raises(Busy):
            async with here.turn(Pace(look=0.005, patience=0.02)):
                pytest.fail("silent, and alive")
        process.kill()
        await until_gone(process.pid)
        async with here.turn():
            assert here.written.where == machine.where()


@pytest.mark.slow
@pytest.mark.req("P-02")
@pytest.mark.skipif(not machine.where(), reason="no /proc")
async def test_a_run_is_not_over_while_its_terraform_saves_what_it_did(here: Place) -> None:
    async with another() as dead:
        where = machine.where(dead.pid)
    await until_gone(dead.pid)
    here.put(replace(APPLYING, where=where))
    for other in ("sleep", "terraform-provider-aws_v5.100.0_x5"):  # the second one outlives a terraform that is killed
        async with another(other, **{machine.MARK: where}):
            assert machine.over(where) is True
    async with another("terraform", **{machine.MARK: where}) as terraform:
        with pytest.raises(Busy):
            async with here.turn(Pace(look=0.005, patience=0.02)):
                pytest.fail("its terraform still holds the lock")
    await until_gone(terraform.pid)
    async with here.turn():
        assert [one.run for one in here.written.suspects] == [APPLYING.id]


@pytest.mark.parametrize(
    "where",
    ["", "x", "a b c", f"{machine.where().rsplit(' ', 2)[0]} what 5", machine.where().replace("pid:[", "pid:[9")],
    ids=["nothing", "a word", "words", "no number", "another namespace"],
)
def test_of_a_process_that_is_not_of_this_machine_nothing_is_said(where: str) -> None:
    assert machine.over(where) is None


@pytest.mark.skipif(not machine.where(), reason="no /proc")
def test_a_number_that_is_used_again_is_another_process() -> None:
    assert machine.over(machine.where()) is False
    assert machine.over(machine.where() + "0") is True


async def test_a_turn_that_another_run_took_ends_the_block_and_stays_theirs(here: Place) -> None:
    async def stopped() -> None:
        async with here.turn():
            here.put(run_of(who="bob@desk"))
            await anyio.sleep_forever()
            pytest.fail("the turn was lost")

    with pytest.raises(Busy, match="another run took the turn at preprod") as caught:
        await stopped()
    assert "bob@desk" in caught.value.why
    assert here.written.who == "bob@desk"


async def test_an_error_that_being_stopped_leads_to_does_not_hide_that_the_turn_was_lost(here: Place) -> None:
    async def stopped() -> None:
        async with here.turn():
            here.put(run_of())
            try:
                await anyio.sleep_forever()
            finally:
                raise TerraformFailed("execution halted")

    with pytest.raises(Busy, match="took the turn"):
        await stopped()


async def test_no_apply_begins_in_a_turn_that_is_lost(here: Place) -> None:
    async with here.turn(Pace()) as mine:
        ours = dict(here.ledger.objects)
        here.put(run_of())
        with pytest.raises(Busy, match="took the turn"):
            await mine.applying("hash")
        here.ledger.objects.update(ours)


async def test_no_apply_begins_that_cannot_be_written_down(here: Place) -> None:
    async with here.turn(Pace()) as mine:
        here.ledger.unreachable = True
        with pytest.raises(AwsError, match="could not be reached"):
            await mine.applying("hash")
        assert here.written.phase is Phase.BEGUN


async def test_a_heartbeat_that_does_not_arrive_is_told_once_and_tried_again(here: Place) -> None:
    async with here.turn():
        here.ledger.unreachable = True
        before = len(here.ledger.history)
        await until(lambda: len(here.ledger.history) >= before + 3)
        here.ledger.unreachable = False
        beats = here.written.beats
        await until(lambda: here.written.beats != beats)
    told = [it for it in here.world.report.events if isinstance(it, Finished) and it.step.startswith("heartbeat")]
    assert len(told) == 1
    assert "AWS could not be reached" in told[0].summary
    assert here.written.outcome == "succeeded"


async def test_an_error_comes_out_as_it_was_raised_and_ends_the_run(here: Place) -> None:
    error = TerraformFailed("no such resource")
    with pytest.raises(TerraformFailed) as caught:
        async with here.turn():
            raise error from ZeroDivisionError()
    assert caught.value is error
    assert isinstance(error.__cause__, ZeroDivisionError)
    assert (here.written.phase, here.written.outcome) == (Phase.ENDED, "failed: TerraformFailed")


async def test_a_run_that_is_cancelled_writes_its_end(here: Place) -> None:
    with anyio.CancelScope() as scope:
        async with here.turn():
            scope.cancel()
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert (here.written.phase, here.written.outcome) == (Phase.ENDED, "stopped")


async def test_an_end_that_s3_does_not_take_holds_nobody_up(here: Place) -> None:
    class Silent(FakeBucket):
        silent = False

        async def swap(self, key: str, text: str, seen: Any) -> Any:
            if self.silent:
                await anyio.sleep_forever()
            return await super().swap(key, text, seen)

    here.world.ledger = ledger = Silent("state")
    with anyio.fail_after(5):
        async with here.turn(Pace(farewell=0.02)):
            ledger.silent = True
    assert "S3 did not answer" in here.world.said


async def test_a_record_that_cannot_be_read_stops_whoever_comes(here: Place) -> None:
    here.ledger.objects[KEY] = b'{"schema": "ferry.run/1"'
    with pytest.raises(RecordError, match="this run record cannot be trusted") as caught:
        async with here.turn():
            pytest.fail("nobody knows whose turn it is")
    assert caught.value.where == f"s3://state/{KEY}"


async def test_two_environments_with_one_state_are_told(here: Place) -> None:
    here.put(run_of(environment="prod", phase=Phase.ENDED))
    with pytest.raises(RecordError, match="this is where prod is written down, not preprod"):
        async with here.turn():
            pytest.fail("the state is another's")


async def test_a_record_that_somebody_deleted_is_written_again(here: Place) -> None:
    async with here.turn() as mine:
        del here.ledger.objects[KEY]
        await until(lambda: KEY in here.ledger.objects)
        assert here.written.id == mine.run.id


async def test_the_lock_of_our_own_apply_is_written_down_as_soon_as_it_is_seen(here: Place) -> None:
    async with here.turn(Pace(look=0.005)) as mine:
        await mine.applying("hash")
        here.lock("ours")
        await until(lambda: here.written.lock == "ours")
        asked = here.ledger.history.count(f"look {LOCK}")
        await anyio.sleep(0.05)
        assert here.ledger.history.count(f"look {LOCK}") == asked


@pytest.mark.parametrize("lock", [{"since": NEW_YEAR - 60}, {"operation": "Plan"}])
async def test_somebody_elses_lock_is_not_ours(here: Place, lock: dict[str, Any]) -> None:
    here.lock("theirs", **lock)
    async with here.turn() as mine:
        await mine.applying("hash")
        await until(lambda: here.ledger.history.count(f"look {LOCK}") >= 3)
        assert here.written.lock == ""


@pytest.mark.req("P-02")
@pytest.mark.parametrize(
    ("left", "lock", "released"),
    [
        pytest.param({"lock": "known"}, {"id": "known"}, ["known"], id="its id is known"),
        pytest.param({"lock": "known"}, {"id": "another"}, [], id="another id"),
        pytest.param({}, {"id": "new"}, ["new"], id="made while it applied"),
        pytest.param({}, {"id": "new", "since": NEW_YEAR - 4}, ["new"], id="clocks differ a little"),
        pytest.param({}, {"id": "old", "since": NEW_YEAR - 60}, [], id="made before"),
        pytest.param({}, {"id": "late", "since": NEW_YEAR + 130}, [], id="made after"),
        pytest.param({}, {"id": "plan", "operation": "Plan"}, [], id="not by an apply"),
        pytest.param({"applying_since": "", "phase": Phase.BEGUN}, {"id": "new"}, [], id="it never applied"),
        pytest.param({"applying_since": "", "phase": Phase.APPLIED}, {"id": "new"}, [], id="its apply had ended"),
    ],
)
async def test_the_lock_of_a_dead_run_is_released_and_no_other(
    here: Place, left: dict[str, Any], lock: dict[str, Any], released: list[str]
) -> None:
    here.put(replace(APPLYING, **left))
    here.lock(**lock)
    here.world.now += 1000
    async with here.turn() as mine:
        assert await freed(here, mine) == released
        assert (LOCK in here.ledger.objects) is not bool(released)
        assert mine.run.suspects == ()


async def test_an_apply_that_failed_and_left_its_lock_is_a_suspect_although_it_ended(here: Place) -> None:
    """The user killed terraform with a third Ctrl-C, or the machine had no memory left for it."""

    async def failing() -> None:
        async with here.turn() as mine:
            await mine.applying("hash")
            here.lock("left")
            raise TerraformFailed("killed")

    with pytest.raises(TerraformFailed):
        await failing()
    here.world.now += 60
    async with here.turn() as mine:
        assert await freed(here, mine) == ["left"]


async def test_an_apply_that_ended_well_is_no_suspect(here: Place) -> None:
    async with here.turn() as mine:
        await mine.applying("hash")
    here.lock("by hand")
    async with here.turn() as mine:
        assert await freed(here, mine) == []


@pytest.mark.req("P-02")
@pytest.mark.parametrize("died_applying", [False, True])
async def test_what_a_dead_run_left_is_known_after_the_death_of_the_next_one_too(
    here: Place, *, died_applying: bool
) -> None:
    here.put(replace(APPLYING, lock="first"))
    here.lock("first")
    here.world.now += 1000
    async with here.turn() as mine:
        second = here.written
        assert [one.lock for one in second.suspects] == ["first"]
        dying = replace(second, where=ELSEWHERE, who="second@elsewhere")
        if died_applying:  # and never came so far as to have a lock
            dying = replace(dying, phase=Phase.APPLYING, applying_since=stamp(here.world.now))
        mine.rest()
    here.put(dying)
    here.world.now += 1000
    async with here.turn() as mine:
        assert [one.lock for one in here.written.suspects] == ["first", ""][: 1 + died_applying]
        assert await freed(here, mine) == ["first"]
    async with here.turn() as mine:
        assert mine.run.suspects == ()


async def test_a_lock_that_goes_by_itself_meanwhile_is_no_error(here: Place) -> None:
    class Late(FakeTerraform):
        async def release(self, id: str) -> None:
            del here.ledger.objects[LOCK]
            raise TerraformFailed(f"no lock {id}")

    here.put(replace(APPLYING, lock="first"))
    here.lock("first")
    here.world.now += 1000
    async with here.turn() as mine:
        await free(mine, Late(), lambda _: None)


async def test_without_suspects_nobody_asks_for_the_lock(here: Place) -> None:
    here.lock("theirs")
    async with here.turn(Pace()) as mine:
        assert await freed(here, mine) == []
    assert f"look {LOCK}" not in here.ledger.history


def test_a_holder_says_for_how_long() -> None:
    created = datetime(2026, 1, 1, tzinfo=UTC)
    holder = Holder(id="an-id", who="me@vm", operation="apply", version="1.11.4", created=created)
    assert holder.told("2026-01-01T00:12:03.5Z") == (
        "me@vm holds it since 2026-01-01 00:00:00 UTC (12 min 03 s), for terraform apply (lock an-id)"
    )


@pytest.fixture
def boxed(account: Account) -> World:
    """The ledger is in the box: its conditions, and its clock."""
    bucket = f"turns-{next(_NUMBERS)}"
    environment = replace(PREPROD, account=account.box.account, state=replace(PREPROD.state, bucket=bucket))
    account.root.client("s3").create_bucket(Bucket=bucket)
    world = World()
    world.ledger = wiring.ledger(as_root(account), environment)  # type: ignore[assignment] # the real one
    return world


@pytest.mark.slow
@pytest.mark.req("P-02")
async def test_in_s3_one_of_many_at_once_has_the_turn_at_a_time(boxed: World) -> None:
    inside, most, order = 0, 0, list[int]()

    async def run(number: int) -> None:
        nonlocal inside, most
        async with turn(PREPROD, boxed.hands, boxed.report, verb="deploy", pace=QUICK) as mine:
            inside += 1
            most = max(most, inside)
            await mine.applying("hash")
            await anyio.sleep(0.05)
            order.append(number)
            inside -= 1

    async with anyio.create_task_group() as tasks:
        for number in range(5):
            tasks.start_soon(run, number)
    assert (most, sorted(order)) == (1, [0, 1, 2, 3, 4])


DEPLOYING = """
import sys
import time
import anyio
from ferry import wiring
from ferry.outside.aws import Access, Credentials
from ferry.verbs.turns import turn
from tests.verbs.fakes import PREPROD, World
from dataclasses import replace
async def main():
    endpoint, key, secret, account, bucket = sys.argv[1:]
    access = Access(region="us-east-1", endpoint=endpoint, credentials=Credentials(key=key, secret=secret))
    environment = replace(PREPROD, account=account, state=replace(PREPROD.state, bucket=bucket))
    world = World()
    world.ledger = wiring.ledger(access, environment)
    world.report.clock = time.time
    async with turn(environment, world.hands, world.report, verb="deploy") as mine:
        await mine.applying("hash")
        print(mine.run.id, flush=True)
        await anyio.sleep_forever()
anyio.run(main)
"""


@pytest.mark.slow
@pytest.mark.req("P-02")
@pytest.mark.skipif(not machine.where(), reason="no /proc")
async def test_after_a_sigkill_the_next_takes_over_at_once_and_clears_the_lock(account: Account, boxed: World) -> None:
    s3, bucket = account.root.client("s3"), boxed.ledger.name
    words = [account.root.endpoint, account.root.key, account.root.secret, account.box.account, bucket]
    path = f"{SOURCE}{os.pathsep}{SOURCE.parents[1]}"
    killed = await anyio.open_process(
        [sys.executable, "-c", DEPLOYING, *words], env=os.environ | {"PYTHONPATH": path}, stderr=subprocess.DEVNULL
    )
    async with killed:
        assert killed.stdout is not None
        first = (await killed.stdout.receive()).decode().strip()
        killed.kill()
    said = {"ID": "left", "Operation": "OperationTypeApply", "Created": datetime.now(UTC).isoformat()}
    s3.put_object(Bucket=bucket, Key=LOCK, Body=json.dumps(said).encode())
    boxed.report.clock = time.time
    terraform = FakeTerraform()
    with anyio.fail_after(5):
        async with turn(PREPROD, boxed.hands, boxed.report, verb="deploy") as mine:
            assert [one.run for one in mine.run.suspects] == [first]
            await free(mine, terraform, lambda _: None)
    assert terraform.history == ["release left"]


APPLYING_FOR_REAL = """
import sys, time
from pathlib import Path
import anyio
from dataclasses import replace
from ferry import wiring
from ferry.outside.aws import Access, Credentials
from ferry.outside.terraform import words
from ferry.outside.terraform.host import HostTerraform
from ferry.verbs.turns import free, turn
from tests.verbs.fakes import PREPROD, World
async def main():
    endpoint, key, secret, account, bucket, root, work = sys.argv[1:]
    access = Access(region="us-east-1", endpoint=endpoint, credentials=Credentials(key=key, secret=secret))
    environment = replace(PREPROD, account=account, state=replace(PREPROD.state, bucket=bucket))
    world = World()
    world.ledger = wiring.ledger(access, environment)
    world.report.clock = time.time
    terraform = HostTerraform(Path(root), Path(work), access)
    def say(text):
        print(text, flush=True)
    async with turn(environment, world.hands, world.report, verb="deploy") as mine:
        say(world.said)
        key = environment.state.key
        await terraform.init(words.backend(bucket=bucket, key=key, region="us-east-1", stand_in=True))
        await terraform.plan("")
        await free(mine, terraform, say)
        await mine.applying("hash")
        await terraform.apply(await terraform.saved(), say)
        mine.applied()
anyio.run(main)
"""
SLOW = """
terraform {
  backend "s3" {}
}
resource "terraform_data" "one" { input = 1 }
resource "terraform_data" "slow" {
  depends_on = [terraform_data.one]
  provisioner "local-exec" { command = "sleep ${fileexists("again") ? 0 : 60}" }
}
"""


@pytest.mark.slow
@pytest.mark.req("P-02")
@pytest.mark.skipif(bool(real.absent()) or not machine.where(), reason=real.absent() or "no /proc")
async def test_when_everything_is_killed_in_an_apply_the_next_one_goes_through(
    account: Account, boxed: World, tmp_path: Path
) -> None:
    root, bucket = tmp_path / "root", boxed.ledger.name
    root.mkdir()
    (root / "main.tf").write_text(SLOW)
    known = [account.root.endpoint, account.root.key, account.root.secret, account.box.account, bucket, str(root)]
    environment = os.environ | {"PYTHONPATH": f"{SOURCE}{os.pathsep}{SOURCE.parents[1]}"}

    def command(work: str) -> list[str]:
        return [sys.executable, "-c", APPLYING_FOR_REAL, *known, str(tmp_path / work)]

    async with await anyio.open_process(command("first"), env=environment) as first:
        where, said = machine.where(first.pid), b""
        assert first.stdout is not None
        while b"slow: creating" not in said:
            said += await first.stdout.receive()
        for pid in [*saying(where), first.pid]:
            os.kill(pid, signal.SIGKILL)
    assert account.root.client("s3").get_object(Bucket=bucket, Key=LOCK)["Body"].read()
    (root / "again").touch()
    with anyio.fail_after(60):
        second = await anyio.run_process(command("second"), env=environment, check=False)
    assert second.returncode == 0, second.stderr.decode()
    assert b"taken over from" in second.stdout
    assert b"released the lock that" in second.stdout
    written = await boxed.ledger.read(KEY)
    assert written
    assert from_json(Run, written).outcome == "succeeded"
