"""The place where functions of type Image run: instances that are started when a call comes, kept warm, and let go."""

from __future__ import annotations

import asyncio
import random
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio
from anyio import to_thread

from awsbox.lambdas import adapter, records
from awsbox.lambdas.functions import NoImage, read
from awsbox.lambdas.image import BadImage, pulled
from awsbox.lambdas.instance import ADAPTER, APPLICATION, InitFailed, Instance
from awsbox.lambdas.invocation import Failure, Invocation
from awsbox.rules import stores

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from anyio.abc import TaskGroup

    from awsbox.household import Household
    from awsbox.lambdas.functions import Function
    from awsbox.lambdas.image import Image

REMEMBERED = 1000
TIMED_OUT = "Sandbox.Timedout"
USER_DELETED = "CodeArtifactUserDeletedException"
OURS = "Box.InternalError"


@dataclass(frozen=True, kw_only=True)
class Run:
    """What happened: for reports, and for tests that ask how something ran."""

    function: str
    version: str
    digest: str
    id: str
    mode: str
    cold: bool
    milliseconds: float
    failure: Failure | None = None


@dataclass
class Host:
    endpoint: str
    house: Household
    idle_seconds: float = 60
    """An instance that no call came for in this time is let go: it is whole processes."""
    init_seconds: float = 30
    """Lambda gives 10; a laptop that does other things as well gets more."""
    freezing: bool = True
    adapter: Path | None = field(default_factory=adapter.elsewhere)
    """For images that bring none that runs here."""
    runs: deque[Run] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    dice: random.Random = field(default_factory=random.Random)
    """For aliases with weights."""

    def __post_init__(self) -> None:
        self._images = self.house.new_folder("images")
        self._unpacking: dict[str, anyio.Lock] = defaultdict(anyio.Lock)
        self._idle: dict[str, list[Instance]] = defaultdict(list)
        self._alive: set[Instance] = set()
        self._open = anyio.Event()
        self._tasks: TaskGroup | None = None
        self._loop = asyncio.get_running_loop()

    @property
    def mode(self) -> str:
        """How an image runs that says nothing else: behind the adapter's own binary, or asked directly."""
        return ADAPTER if self.adapter else APPLICATION

    async def keep(self) -> None:
        """Open until cancelled; no instance outlives it."""
        async with anyio.create_task_group() as self._tasks:
            self._open.set()
            while True:
                await anyio.sleep(min(self.idle_seconds / 4 + 0.05, 1))
                self._sweep(time.monotonic() - self.idle_seconds)

    def call(self, invocation: Invocation, done: Callable[[], None] = lambda: None) -> None:
        """Begin it. It runs to its end whether or not somebody waits for the answer."""

        async def run() -> None:
            try:
                await self._run(invocation)
            except Exception as error:  # noqa: BLE001 - a mistake of ours ends one call, not the box
                invocation.finish(Failure(OURS, repr(error)))
                invocation.written.set()
            finally:
                done()

        self._group.start_soon(run)

    async def opened(self) -> None:
        await self._open.wait()

    def call_from_thread(self, config: Mapping[str, Any], event: bytes, arn: str, id: str) -> tuple[Invocation, bytes]:
        """The emulator's own services call functions from threads of theirs, and wait."""

        async def there() -> tuple[Invocation, bytes]:
            invocation = self.invocation(config, event, arn, id)
            self.call(invocation)
            answer = await invocation.whole()
            # Who waits for a whole answer finds its lines and numbers, too.
            await invocation.written.wait()
            return invocation, answer

        return asyncio.run_coroutine_threadsafe(there(), self._loop).result()

    def invocation(self, config: Mapping[str, Any], event: bytes, arn: str, id: str) -> Invocation:
        """NoImage where the registry no longer has it."""
        return Invocation(read(config), event, arn, id)

    @property
    def instances(self) -> int:
        return len(self._alive)

    # A part of the box that snapshots know: nothing of an instance is kept, functions start cold.

    def save(self) -> None:
        return

    def load(self, saved: None) -> None:  # noqa: ARG002 - there is nothing to put back
        for instance in list(self._alive):
            instance.stop()
        self._idle.clear()

    @property
    def _group(self) -> TaskGroup:
        if self._tasks is None:
            raise RuntimeError("the host is not open")
        return self._tasks

    async def _run(self, invocation: Invocation) -> None:
        function = invocation.function
        try:
            instance, cold = await self._taken(function)
        except InitFailed as error:
            invocation.finish(error.failure)
            invocation.log += _init_lines(invocation.id, error.failure)
            records.write_log(function, records.stream_name(function.version), invocation.log)
            self._written_down(invocation, mode=self.mode, cold=True, milliseconds=0)
            return
        invocation.started, began = time.time(), time.perf_counter()
        instance.say(invocation, f"START RequestId: {invocation.id} Version: {function.version}")
        with anyio.move_on_after(function.timeout) as limit:
            await instance.run(invocation)
        if not invocation.ended:
            why = f"{_now()} {invocation.id} Task timed out after {function.timeout:.2f} seconds"
            instance.say(invocation, why)
            invocation.finish(Failure(TIMED_OUT, why))
        took = (time.perf_counter() - began) * 1000
        report = records.report(function, invocation.id, took, instance.init_ms if cold else None, instance.memory_used)
        instance.say(invocation, f"END RequestId: {invocation.id}", report)
        self._written_down(invocation, mode=instance.mode, cold=cold, milliseconds=took)
        self._put_back(instance, usable=not instance.dead and not limit.cancelled_caught)

    async def _taken(self, function: Function) -> tuple[Instance, bool]:
        """A warm instance, or else a new one. InitFailed where there can be none."""
        idle = self._idle[function.key]
        while idle:
            if not (instance := idle.pop()).dead:
                return instance, False
        self._drop_older(function)
        try:
            image = await self._image(function)
        except NoImage as error:
            raise InitFailed(Failure(USER_DELETED, str(error))) from error
        except BadImage as error:
            raise InitFailed(Failure("InvalidImageException", str(error))) from error
        instance = Instance(function, image, self.house, adapter.in_image(image.root) or self.adapter)
        await self._group.start(self._live, instance)
        return instance, True

    async def _live(self, instance: Instance, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        self._alive.add(instance)
        try:
            given = given_by_lambda(instance.function, self.endpoint)
            await instance.live(given, self.init_seconds, task_status=task_status)
        except InitFailed:
            raise
        except Exception as error:  # noqa: BLE001 - as above
            instance.fail(Failure(OURS, repr(error)))
        finally:
            self._alive.discard(instance)

    async def _image(self, function: Function) -> Image:
        async with self._unpacking[function.image.digest]:
            return await to_thread.run_sync(pulled, function.image, self._images)

    def _put_back(self, instance: Instance, *, usable: bool) -> None:
        if not usable:
            instance.stop()
            return
        if self.freezing:
            instance.freeze()
        self._idle[instance.function.key].append(instance)

    def _drop_older(self, function: Function) -> None:
        """Configured or deployed anew: what is warm of before will not be called again."""
        for key, instances in self._idle.items():
            for instance in instances:
                if key != function.key and instance.function.arn == function.arn:
                    instance.stop()

    def _sweep(self, since: float) -> None:
        for key, instances in list(self._idle.items()):
            for instance in instances:
                if instance.idle_since < since:
                    instance.stop()
            self._idle[key] = [instance for instance in instances if not instance.dead]
            if not self._idle[key]:
                del self._idle[key]

    def _written_down(self, invocation: Invocation, *, mode: str, cold: bool, milliseconds: float) -> None:
        function, failure = invocation.function, invocation.failure
        where = (function.account, function.region, invocation.arn)
        records.count_run(*where, failed=failure is not None, milliseconds=milliseconds)
        self.runs.append(
            Run(
                function=function.name,
                version=function.version,
                digest=function.image.digest,
                id=invocation.id,
                mode=mode,
                cold=cold,
                milliseconds=milliseconds,
                failure=failure,
            )
        )
        invocation.written.set()


def given_by_lambda(function: Function, endpoint: str) -> dict[str, str]:
    """What Lambda sets in every function's environment, with a session of the function's role."""
    with stores.core("responses").request_scope(function.account, function.region):
        config = {**function.config, "FunctionArn": function.arn}
        credentials = stores.core("lambda_runtime").execution_credentials(config)
    return {
        **credentials,
        "AWS_REGION": function.region,
        "AWS_DEFAULT_REGION": function.region,
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": function.version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
        "AWS_LAMBDA_LOG_GROUP_NAME": function.log_group,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_ENDPOINT_URL": endpoint,
        "LAMBDA_TASK_ROOT": "/var/task",
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
    }


def _init_lines(id: str, failure: Failure) -> list[str]:
    said = f"INIT_REPORT Phase: init\tStatus: error\tError Type: {failure.type}"
    return [said, f"START RequestId: {id}", f"RequestId: {id} Error: {failure.message}", f"END RequestId: {id}"]


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
