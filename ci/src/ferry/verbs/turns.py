"""turns: of all runs that change one environment one at a time, and what a dead one left is cleared away.

A run writes itself down beside the state before it touches anything, and again every few seconds while it lives. Who
comes later waits. Every write names what it replaces, so of two that want the same turn S3 lets one have it.

A run is over when it says so; when it was of this machine, and its process and its terraform are gone; or, where this
machine cannot know, when nothing was heard of it for LEASE seconds. The last is a guess that nothing fences: a laptop
that falls asleep in an apply goes on calling AWS when it wakes up, and may write its state over a newer one. Its next
heartbeat, due at once by then, finds the turn gone and stops it. What that leaves is mended by the next deployment: the
bucket keeps every version of the state, and what a state does not know is found and adopted.
"""

from __future__ import annotations

import secrets
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import anyio

from ferry.errors import AwsError, Busy, CredentialsError, FerryError, RecordError, TerraformFailed
from ferry.model import Phase, Run, Suspect, from_json, to_json
from ferry.outside import caller, machine
from ferry.outside.terraform import lock
from ferry.report.words import duration

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    from ferry.model import Environment
    from ferry.outside.aws.bucket import Bucket, Seen
    from ferry.outside.terraform import Terraform
    from ferry.outside.terraform.lock import Holder
    from ferry.report import Report
    from ferry.report.stream import Step
    from ferry.verbs.hands import Hands

LEASE = 120.0
"""Seconds of silence after which a run counts as over, where nothing better is known of it."""
SLACK = timedelta(seconds=5)
"""Locks say to the second when they were made, and it is another program that says it."""
TRIES = 5
UNREACHABLE = (AwsError, CredentialsError)
SUCCEEDED = "succeeded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """All in seconds. `look`: between two looks at whether the other is over, or whether our terraform has its lock."""

    beat: float = 15.0
    look: float = 2.0
    lease: float = LEASE
    patience: float = 900.0
    farewell: float = 10.0


PACE = Pace()


def place(environment: Environment, name: str) -> str:
    """The key under which Ferry keeps what it writes down of an environment: beside the state."""
    return f"{environment.state.key}.ferry/{name}"


def stamp(at: float) -> str:
    """A time as records write it."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@asynccontextmanager
async def turn(
    environment: Environment, hands: Hands, report: Report, *, verb: str, release: str = "", pace: Pace = PACE
) -> AsyncIterator[Turn]:
    """Nobody else changes the environment while the block runs. If somebody does, it is cancelled, and Busy raised."""
    mine = Turn(environment, hands.ledger, report, pace)
    await mine.take(verb, release)
    outcome = SUCCEEDED
    try:
        async with _kept(mine):
            yield mine
    except BaseException as error:
        outcome = _ended_by(error)
        raise
    finally:
        await mine.end(outcome)


@asynccontextmanager
async def _kept(mine: Turn) -> AsyncIterator[None]:
    with _alone():
        async with anyio.create_task_group() as tasks:
            with anyio.CancelScope() as block:
                tasks.start_soon(mine.keep, block)
                try:
                    yield
                finally:
                    mine.rest()


@contextmanager
def _alone() -> Iterator[None]:
    """An error of the block comes out as it was raised: a group of tasks makes a group of errors."""
    try:
        yield
    except BaseExceptionGroup as several:
        if len(several.exceptions) > 1:
            raise
        (error,) = several.exceptions
    else:
        return
    raise error


def _ended_by(error: BaseException) -> str:
    if isinstance(error, anyio.get_cancelled_exc_class()):
        return "stopped"
    return f"failed: {type(error).__name__}" if isinstance(error, FerryError) else "failed"


class Turn:
    """Our run, and what is written down of it."""

    def __init__(self, environment: Environment, ledger: Bucket, report: Report, pace: Pace) -> None:
        self.pace = pace
        self._environment, self._ledger, self._report = environment, ledger, report
        self._key = place(environment, "run.json")
        self._where = f"s3://{ledger.name}/{self._key}"
        self._seen: Seen | None = None
        self._lost: FerryError | None = None
        self._told = False
        self._writing, self._keeping = anyio.Lock(), anyio.CancelScope()
        now = self._now()
        self.run = Run(
            token=secrets.token_hex(6),
            environment=environment.name,
            verb="",
            who=caller.who(),
            where=machine.where(),
            release="",
            started=now,
            beaten=now,
        )

    async def take(self, verb: str, release: str) -> None:
        name, deadline = self._environment.name, anyio.current_time() + self.pace.patience
        self.note(verb=verb, release=release)
        with self._report.step(f"turn {name}", f"Take the turn at {name}") as step:
            heard = ""
            while other := await self._hindered(step):
                if anyio.current_time() >= deadline:
                    raise self._busy(f"another run is deploying to {name}", other)
                if other != heard:
                    step.say(f"waiting for {other}")
                heard = other
                await anyio.sleep(self.pace.look)

    async def _hindered(self, step: Step) -> str:
        """Who has the turn; nobody, once we have it."""
        seen = await self._ledger.look(self._key)
        other = self._read(seen) if seen else None
        if seen and other and not over(other, seen.age, self.pace.lease):
            return described(other)
        now = self._now()
        self.note(started=now, beaten=now, suspects=suspects(other, self.pace.lease) if other else ())
        self._seen = await self._ledger.swap(self._key, to_json(self.run), seen)
        if self._seen is None:
            return "whoever was faster"
        if seen and other and other.phase is not Phase.ENDED:
            step.done(f"taken over from {described(other)}: it is over, and was last heard of {duration(seen.age)} ago")
        else:
            step.done("nobody else is deploying there")
        return ""

    async def applying(self, plan_hash: str) -> None:
        """To be called before an apply begins, which may not begin if this cannot be written down."""
        self.note(phase=Phase.APPLYING, plan_hash=plan_hash, applying_since=self._now(), lock="")
        await self._write()

    def applied(self) -> None:
        """Terraform has ended well, so it has given its lock back: nobody has to look for it. Written by and by."""
        self.note(phase=Phase.APPLIED, applying_since="", lock="")

    async def holder(self) -> Holder | None:
        """Who holds terraform's lock. Read here it costs one call, whichever hands terraform is in."""
        found = await self._ledger.look(self._environment.state.key + lock.SUFFIX)
        return lock.read(found.text) if found else None

    def note(self, **change: Any) -> None:
        self.run = replace(self.run, **change)

    async def keep(self, block: anyio.CancelScope) -> None:
        """The heartbeat. A turn that is lost ends the block; an AWS that cannot be reached is only told."""
        with self._keeping:
            while True:
                self.note(**await self._news())
                try:
                    await self._write()
                except UNREACHABLE as error:
                    self._tell(error)
                except (Busy, RecordError) as error:
                    self._lost = error
                    block.cancel()
                    return
                else:
                    self._told = False

    def rest(self) -> None:
        """No heartbeat any more. Whatever else ended the block: that the turn was lost is what has to be known."""
        self._keeping.cancel()
        if self._lost:
            raise self._lost

    async def end(self, outcome: str) -> None:
        """However the run ended. Where this is not written, the next run finds out, only later."""
        self.note(phase=Phase.ENDED, ended=self._now(), outcome=outcome)
        with anyio.move_on_after(self.pace.farewell, shield=True) as scope:
            try:
                await self._write()
            except UNREACHABLE as error:
                self._tell(error)
            except (Busy, RecordError):
                return  # the turn is another's by now, and they know
        if scope.cancelled_caught:
            self._tell(AwsError(f"S3 did not answer within {duration(self.pace.farewell)}"))

    async def _news(self) -> Mapping[str, str]:
        """Nothing by the next beat; or the id of the lock that our terraform has taken, as soon as it is seen."""
        with anyio.move_on_after(self.pace.beat):
            while True:
                await anyio.sleep(self.pace.look)
                if self.run.phase is Phase.APPLYING and not self.run.lock and (id := await self._lock()):
                    return {"lock": id}
        return {}

    async def _lock(self) -> str:
        try:
            holder = await self.holder()
        except (*UNREACHABLE, RecordError):
            return ""
        return holder.id if holder and _made(holder, self.run.applying_since, self._now()) else ""

    async def _write(self) -> None:
        async with self._writing:
            for _ in range(TRIES):
                self.note(beats=self.run.beats + 1, beaten=self._now())
                if seen := await self._ledger.swap(self._key, to_json(self.run), self._seen):
                    self._seen = seen
                    return
                there = await self._ledger.look(self._key)
                other = self._read(there) if there else self.run
                if other.token != self.run.token:
                    raise self._busy(f"another run took the turn at {self._environment.name}", described(other))
                self._seen = there  # ours, of a write whose answer we did not wait for; or somebody deleted it
        raise AwsError(
            "S3 does not take what is written on a condition that holds",
            where=self._where,
            why=f"tried {TRIES} times, with If-Match",
            next="if this is no S3 of AWS: it has to know conditional writes",
        )

    def _read(self, seen: Seen) -> Run:
        run = from_json(Run, seen.text, where=self._where)
        if run.environment != self._environment.name:
            raise RecordError(
                f"this is where {run.environment} is written down, not {self._environment.name}",
                where=self._where,
                why="two environments of ferry.toml share one state",
                next="give each environment a `state` of its own",
            )
        return run

    def _busy(self, what: str, other: str) -> Busy:
        return Busy(
            what, where=self._where, why=other, next="see that the other run ends well, then run the same command again"
        )

    def _tell(self, error: FerryError) -> None:
        """Once, until it works again."""
        if not self._told:
            name = self._environment.name
            with self._report.step(f"heartbeat {name}", f"Write down that this run at {name} is alive") as step:
                step.skip(f"not written, and tried again: {error.what}{f' ({error.why})' if error.why else ''}")
        self._told = True

    def _now(self) -> str:
        return stamp(self._report.clock())


def described(run: Run) -> str:
    return f"{run.who}: {run.verb} since {run.started} ({run.id}, {run.phase})"


def over(run: Run, age: float, lease: float = LEASE) -> bool:
    """Whether nothing of this run can happen any more; `age` is that of its last heartbeat."""
    if run.phase is Phase.ENDED:
        return True
    # Of ourselves the machine says that we are alive, whatever became of an earlier run in this process.
    known = None if run.where == machine.where() else machine.over(run.where)
    return age > lease if known is None else known


def suspects(run: Run, lease: float = LEASE) -> tuple[Suspect, ...]:
    """Who may have left a lock, once this run is over: it itself, and those whose turn it took and did not clear up."""
    if not run.applying_since or run.outcome == SUCCEEDED:
        return run.suspects
    until = run.ended or stamp(_time(run.beaten).timestamp() + lease)
    own = Suspect(run=run.id, who=run.who, lock=run.lock, since=run.applying_since, until=until)
    return (*run.suspects, own)


async def free(mine: Turn, terraform: Terraform, say: Callable[[str], None]) -> None:
    """Release the lock that a run left which is over. Any other stays: terraform then says whose it is."""
    if not mine.run.suspects:
        return
    holder = await mine.holder()
    left = next((one for one in mine.run.suspects if holder and left_by(one, holder)), None)
    if holder and left:
        try:
            await terraform.release(holder.id)
        except TerraformFailed:
            now = await mine.holder()
            if now and now.id == holder.id:
                raise
        say(f"released the lock that {left.who} left behind: that run is over ({left.run}, lock {holder.id})")
    mine.note(suspects=())


def left_by(one: Suspect, holder: Holder) -> bool:
    return holder.id == one.lock if one.lock else _made(holder, one.since, one.until)


def _made(holder: Holder, since: str, until: str) -> bool:
    """Whether an apply took this lock in this time."""
    return (
        holder.operation == "apply"
        and holder.created is not None
        and _time(since) - SLACK <= holder.created <= _time(until) + SLACK
    )


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
