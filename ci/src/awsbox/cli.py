"""A box on the command line: what is asked of it, what it says, and how long it stays."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import time
from contextlib import AsyncExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from awsbox import users
from awsbox.box import ACCOUNT, Box, BoxFailed
from awsbox.faults import BadFault, Fault
from awsbox.faults.naming import named

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from awsbox.calls import Answer, Call, Layer, Next
    from awsbox.users import Keys

REGION = "us-east-1"
PARENT_SECONDS = 0.5
DEFAULT = "admin"


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What one command line asks for, as it was typed."""

    account: str = ACCOUNT
    port: int = 0
    people: Sequence[str] = ()
    """[ACCOUNT/]NAME=POLICY.json each; NAME alone may do everything. Nobody named: an administrator."""
    faults: Sequence[str] = ()
    """As `awsbox.faults` reads them: throttle:ecr:PutImage:3."""
    closed: bool = False
    """Root is locked away once the users are made."""
    verbose: bool = False
    audit: bool = False
    json: bool = False


@dataclass(frozen=True, kw_only=True)
class Person:
    account: str
    name: str
    policy: str


def checked(wish: Wish) -> tuple[Person, ...]:
    """Whom it asks for. BoxFailed says what is wrong with what was typed, before anything starts."""
    if not re.fullmatch(r"\d{12}", wish.account):
        raise BoxFailed(f"--account {wish.account}: an account is 12 digits")
    if not 0 <= wish.port <= 65535:
        raise BoxFailed(f"--port {wish.port}: ports end at 65535")
    for text in wish.faults:
        try:
            Fault.read(text)
        except BadFault as error:
            raise BoxFailed(f"--faults {error}") from None
    return tuple(_person(text, wish.account) for text in wish.people or (DEFAULT,))


def _person(text: str, account: str) -> Person:
    said, _, file = text.partition("=")
    match = re.fullmatch(r"(?:(?P<account>\d{12})/)?(?P<name>[\w+,.@-]{1,64})", said)
    if not match:
        raise BoxFailed(f"--user {text}: expected [ACCOUNT/]NAME=POLICY.json, or NAME alone for an administrator")
    return Person(account=match["account"] or account, name=match["name"], policy=_policy(text, file))


def _policy(text: str, file: str) -> str:
    if not file:
        return users.ADMIN
    try:
        policy = Path(file).read_text()
        json.loads(policy)
    except OSError as error:
        raise BoxFailed(f"--user {text}: cannot read {file}: {error.strerror}") from None
    except ValueError as error:
        raise BoxFailed(f"--user {text}: {file} is not JSON: {error}") from None
    return policy


async def stay(wish: Wish, say: Callable[[str], None]) -> None:
    """Run a box until it is told to end: Ctrl-C, SIGTERM, a closed terminal, or the end of the program that asked."""
    parent, people = os.getppid(), checked(wish)
    live = _as_long_as_it_is_heard(say)
    layers = [_speaking(live)] if wish.verbose and not wish.json else []
    async with AsyncExitStack() as running:
        # Signals are ours from the beginning: one that comes while the box starts ends it as any other does.
        signals = running.enter_context(anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
        box = await running.enter_async_context(Box.started(wish.account, layers, port=wish.port))
        for fault in wish.faults:
            box.faults.add(fault)
        if wish.audit and not wish.json:
            box.authority.audit.listeners.append(lambda decision: live(f"{_now()}  {decision}"))
        everybody = _move_in(box, people, closed=wish.closed)
        say(as_json(box, everybody) if wish.json else introduction(box, everybody))
        async with anyio.create_task_group() as waiting:
            waiting.start_soon(_until_the_parent_ends, parent, waiting.cancel_scope)
            async for _ in signals:
                break
            waiting.cancel_scope.cancel()


def _move_in(box: Box, people: Sequence[Person], *, closed: bool) -> list[Keys]:
    everybody = [] if closed else [box.root(account) for account in sorted({box.account, *(p.account for p in people)})]
    for person in people:
        try:
            users.create(person.account, person.name, person.policy)
        except users.NoUser as error:
            raise BoxFailed(f"--user {person.name}: {error}") from None
        everybody.append(box.credentials(person.name, person.account))
    if closed:
        box.close_root()
    return everybody


async def _until_the_parent_ends(parent: int, waiting: anyio.CancelScope) -> None:
    """What started a box and crashed, a program or a shell, cannot stop it."""
    while os.getppid() == parent:  # noqa: ASYNC110 - nothing tells us of it
        await anyio.sleep(PARENT_SECONDS)
    waiting.cancel()


def as_json(box: Box, everybody: Sequence[Keys]) -> str:
    """One line for a program."""
    return json.dumps(
        {
            "endpoint": box.endpoint,
            "account": box.account,
            "region": REGION,
            "users": [asdict(person) for person in everybody],
        }
    )


def introduction(box: Box, everybody: Sequence[Keys]) -> str:
    """What a person needs in another terminal: one line per user, whole, to copy."""
    lines = [f"# AWS in a box: account {box.account} at {box.endpoint}", "# Copy one of these into another terminal:"]
    for person in everybody:
        lines += ["", f"# {person.user} of {person.account}", exports(box.endpoint, person)]
    bucket = f"hello-{box.account}"
    return "\n".join(
        [
            *lines,
            "",
            f"# Then: aws sts get-caller-identity; aws s3 mb s3://{bucket}; boto3 and terraform work as they are",
            "# (terraform's aws provider and s3 backend want use_path_style and skip_metadata_api_check set).",
            "# Ctrl-C ends it; nothing is kept.",
        ]
    )


def exports(endpoint: str, person: Keys) -> str:
    """One line for a POSIX shell. A profile or token that is set there would win over the keys: they go first."""
    variables = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": person.key,
        "AWS_SECRET_ACCESS_KEY": person.secret,
    }
    return "unset AWS_PROFILE AWS_SESSION_TOKEN; export " + " ".join(
        f"{name}={shlex.quote(value)}" for name, value in variables.items()
    )


def _speaking(say: Callable[[str], None]) -> Layer:
    """A line a call: when, how it ended, how long it took, what it was."""

    async def layer(call: Call, way: Next) -> Answer:
        started = time.perf_counter()
        answer = await way(call)
        took = (time.perf_counter() - started) * 1000
        what = ":".join(named(call).scopes[0])
        say(f"{_now()}  {answer.status}  {took:5.0f} ms  {what}  {call.path if call.path != '/' else ''}".rstrip())
        return answer

    return layer


def _as_long_as_it_is_heard(say: Callable[[str], None]) -> Callable[[str], None]:
    """A call must not fail because nobody reads what is said of it any more."""

    def live(line: str) -> None:
        with suppress(BrokenPipeError):
            say(line)

    return live


def _now() -> str:
    return time.strftime("%H:%M:%S")
