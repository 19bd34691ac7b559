"""The box: the emulator, in this process, behind what makes it behave as AWS does, for as long as a `with` block lasts.

A call goes through the layers in this order: https in front, then faults, the registry's own tokens, the authoriser,
what the box answers itself, the place where functions run, and at last the emulator. `_outfit` puts them together.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import errno
import socket
import threading
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
from anyio import to_thread

from awsbox import answers, behind, emulator, events, household, registry, snapshots, users
from awsbox.addresses import Addresses
from awsbox.answers import alarms, subscriptions
from awsbox.answers.cost_explorer import CostExplorer
from awsbox.authority import Authority
from awsbox.emulator import HOST
from awsbox.faults import Switchboard
from awsbox.gate import Gate
from awsbox.lambdas import Host, Later, seat
from awsbox.news import PREFIX, NewsApi
from awsbox.rules import always, shelves
from awsbox.rules.scans import Scans
from awsbox.users import Keys

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from anyio.abc import TaskStatus

    from awsbox.calls import Answer, Call, Layer, Next
    from awsbox.household import Household
    from awsbox.rules.shelves import Expired
    from awsbox.snapshots import Snapshot, Stateful

ACCOUNT = "111122223333"


class BoxFailed(Exception):
    """The box could not start."""


@dataclass(frozen=True, kw_only=True)
class Box:
    """Where the box answers, and the keys of its root user. Its methods may be called from any thread."""

    endpoint: str
    account: str
    household: Household
    key: str = "test"
    secret: str = "test"  # noqa: S105 - the emulator's root user is called that
    faults: Switchboard = field(default_factory=Switchboard)
    """Faults on demand: `box.faults.add("throttle:ecr:PutImage:3")`."""
    host: Host
    """Where functions of type Image run; `box.host.runs` says how each did."""
    later: Later
    """Asynchronous calls of functions; `box.later.waiting` says how many are not over."""
    news: NewsApi = field(default_factory=NewsApi)
    """What is at `box.news_url`: `box.news.play("rate-limited", times=2)`."""
    scans: Scans = field(default_factory=Scans)
    """What image scans find: `box.scans.find("preprod-page", {"CRITICAL": 1})`."""
    authority: Authority
    """Who may do what; `box.authority.audit` holds every decision."""
    _there: _Thread = field(repr=False)
    parts: list[Stateful] = field(default_factory=list, repr=False)
    """What has state of its own, beside the emulator: in each snapshot."""

    @staticmethod
    @asynccontextmanager
    async def started(account: str = ACCOUNT, layers: Sequence[Layer] = (), *, port: int = 0) -> AsyncIterator[Box]:
        """One box at a time in a process. `layers` come first of all; port 0 is a free one."""
        with _alone(), ExitStack() as owned:
            # The port is ours before the emulator hears of it, so that nobody can take it in between.
            listener = owned.enter_context(_listening(port))
            port = listener.getsockname()[1]
            house = owned.enter_context(household.kept())
            owned.enter_context(household.environment(emulator.settings(port, account, house.folder)))
            endpoint = f"http://{HOST}:{port}"
            host = Host(endpoint, house)
            may = Authority(account)
            box = Box(
                endpoint=endpoint,
                account=account,
                household=house,
                host=host,
                later=Later(host.dice),
                authority=may,
                _there=_Thread(),
            )
            ready, stop = anyio.Event(), anyio.Event()
            try:
                async with anyio.create_task_group() as tasks:
                    await tasks.start(partial(_serve, box, listener, layers, ready=ready, stop=stop))
                    try:
                        yield box
                    finally:
                        stop.set()
            except BaseExceptionGroup as group:
                # What happened in the block, or the one reason why there was none: not a group of one.
                raise _sole(group, started=ready.is_set()) from None

    def root(self, account: str = "") -> Keys:
        """The root user of any account: an account is there as soon as somebody speaks of it."""
        return Keys(account or self.account, "root", account or self.key, self.secret)

    def credentials(self, user: str, account: str = "") -> Keys:
        """New keys for a user that exists, in this account or another; no call is made, and root may be closed."""
        return self._there.run(lambda: users.keys(account or self.account, user))

    def close_root(self) -> None:
        """The account is set up: from now on every call is a user's or a role's, and may do what that may."""
        self.authority.close_root()

    def issue_token(self, *, sub: str, aud: str = "sts.amazonaws.com", exp: float = 0, **claims: Any) -> str:
        """A web identity's token as GitHub issues them, for AssumeRoleWithWebIdentity; `iss=…` for another issuer."""
        return self.authority.issuer.token(sub=sub, aud=aud, exp=exp, **claims)

    def snapshot(self) -> Snapshot:
        """Everything that the box holds now."""
        return self._there.run(lambda: snapshots.take(self.parts))

    def restore(self, snapshot: Snapshot) -> None:
        """Back to that moment; functions start cold."""

        def put_back() -> None:
            # First of all: a function that is killed with what was has not failed.
            self.later.drop()
            snapshots.put_back(snapshot, self.parts)

        self._there.run(put_back)

    @property
    def news_url(self) -> str:
        """What stands before /v2/everything."""
        return self.endpoint + PREFIX

    async def fire(self, rule: str) -> int:
        """Send a scheduled rule's targets what EventBridge sends them. How many they are; functions run later."""
        return await to_thread.run_sync(events.fire, rule)

    async def evaluate_alarms(self) -> None:
        """All of them, now: it is done every few seconds anyway."""
        self._there.run(alarms.evaluate_all)

    def confirm(self, topic: str, address: str) -> None:
        """As if the reader of that address had followed the link in the topic's first mail."""
        self._there.run(lambda: subscriptions.confirm(topic, address))

    def expire(self, days: float = 0) -> list[Expired]:
        """Apply the lifecycle policies of all image repositories, as if so many days had passed."""
        return self._there.run(lambda: shelves.expire(days))


class _Thread:
    """The thread that answers calls: what touches the box's state runs there, between two calls."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._id = threading.get_ident()

    def run[T](self, work: Callable[[], T]) -> T:
        if threading.get_ident() == self._id:
            return work()
        done: concurrent.futures.Future[T] = concurrent.futures.Future()

        def there() -> None:
            try:
                done.set_result(work())
            except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
                done.set_exception(error)

        self._loop.call_soon_threadsafe(there)
        return done.result()


def _alone() -> ExitStack:
    """The emulator keeps its state in module globals: two boxes would be one."""
    stack = ExitStack()
    if not _ONLY.acquire(blocking=False):
        raise BoxFailed("this process already runs a box: start the second one in a process of its own")
    stack.callback(_ONLY.release)
    return stack


_ONLY = threading.Lock()


def _listening(port: int) -> socket.socket:
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise BoxFailed(f"port {port} is taken: name another one, or none for a free one") from None
        raise BoxFailed(f"cannot listen on {HOST}:{port}: {error.strerror}") from error


def _sole(group: BaseExceptionGroup[BaseException], *, started: bool) -> BaseException:
    """The first failure."""
    error = group.exceptions[0]
    if isinstance(error, BaseExceptionGroup):
        return _sole(error, started=started)
    if started or not isinstance(error, Exception) or isinstance(error, BoxFailed):
        return error
    return BoxFailed(f"the emulator does not come up: {error!r}")


async def _serve(
    box: Box,
    listener: socket.socket,
    layers: Sequence[Layer],
    *,
    ready: anyio.Event,
    stop: anyio.Event,
    task_status: TaskStatus[None],
) -> None:
    try:
        app = emulator.load()
    except ImportError as error:
        raise BoxFailed(f"the box is not installed ({error.name} is missing): uv sync --extra box") from error
    with ExitStack() as owned:
        owned.callback(emulator.wipe)
        owned.enter_context(emulator.shielded(box.household))
        gate = Gate(app, [_https, *layers, *_outfit(box, owned)])
        # Whoever connects before the server accepts is kept waiting by the socket, and then answered.
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(emulator.serve, gate, listener, stop=stop, ready=ready))
            with anyio.move_on_after(emulator.START_SECONDS):
                await ready.wait()
            if not ready.is_set():
                raise BoxFailed(f"the emulator did not start within {emulator.START_SECONDS} s")
            async with anyio.create_task_group() as beside:
                beside.start_soon(emulator.let_idle_workers_go)
                beside.start_soon(box.host.keep)
                beside.start_soon(alarms.keep_evaluating)
                task_status.started()
                await stop.wait()
                gate.close()
                beside.cancel_scope.cancel()


def _outfit(box: Box, owned: ExitStack) -> list[Layer]:
    """The box's own layers, the first to see a call first. What has state joins `box.parts`."""
    owned.enter_context(behind.seated(always.RULES))
    owned.enter_context(box.scans.seated())
    # The authority decides on deliveries, so it stands around what makes them.
    owned.enter_context(box.later.seated())
    owned.enter_context(box.authority.installed())
    told = Addresses(box.endpoint).layer
    layers: list[Layer] = [box.news.layer, told, box.faults.layer, registry.guarded, box.authority.layer]
    costs = CostExplorer()
    owned.enter_context(answers.seated(costs))
    owned.enter_context(seat.seated(box.host))
    box.parts.extend([costs, box.host, box.news, box.later, box.scans])
    # What a function answers while it runs goes around the emulator: nothing may stand between.
    return [*layers, seat.layer]


async def _https(call: Call, way: Next) -> Answer:
    """Callers reach AWS by TLS, and policies may demand it. Here the loopback device stands in for it."""
    return await way(replace(call, headers={**call.headers, "x-forwarded-proto": "https"}))
