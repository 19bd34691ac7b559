"""What a fault does to a call that it meets."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio

from awsbox import registry
from awsbox.authority import Decision, words
from awsbox.calls import Answer, Cut, refusal
from awsbox.faults.naming import named
from awsbox.faults.unready import unready
from awsbox.rules import stores

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from awsbox.calls import Call, Next
    from awsbox.faults.switchboard import Switched

    type Effect = Callable[[Switched, Next, Call], Awaitable[Answer]]

POLL_SECONDS = 0.02
DENIAL = "with an explicit deny in an identity-based policy"


def _instead(say: Callable[[Call], Answer]) -> Effect:
    async def effect(switched: Switched, way: Next, call: Call) -> Answer:
        return say(call) if switched.take() else await way(call)

    return effect


def _hanging_up(*, reset: bool) -> Effect:
    async def effect(switched: Switched, way: Next, call: Call) -> Answer:
        if switched.take():
            raise Cut(reset=reset)
        return await way(call)

    return effect


def _worded(call: Call, table: Mapping[str, tuple[int, str, str]], registered: tuple[int, str, str]) -> Answer:
    if registry.placed(call.method, call.path):
        return registry.refused(*registered)
    status, code, message = table.get(call.service, table["form" if call.form else ""])
    return refusal(call, status, code, message)


THROTTLED = {
    "": (400, "ThrottlingException", "Rate exceeded"),
    "form": (400, "Throttling", "Rate exceeded"),
    "s3": (503, "SlowDown", "Please reduce your request rate."),
    "lambda": (429, "TooManyRequestsException", "Rate exceeded"),
    "dynamodb": (400, "ThrottlingException", "Rate of requests exceeds the allowed throughput."),
    "sqs": (400, "RequestThrottled", "Request is throttled."),
    "kms": (
        400,
        "ThrottlingException",
        "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.",
    ),
}
FAILED = {
    "": (500, "InternalFailure", "The request processing has failed because of an unknown error."),
    "form": (500, "InternalFailure", "The request processing has failed because of an unknown error."),
    "s3": (500, "InternalError", "We encountered an internal error. Please try again."),
    "lambda": (500, "ServiceException", "An error occurred and the request cannot be processed."),
    "dynamodb": (500, "InternalServerError", "The request could not be processed because of an internal server error."),
    "ecr": (500, "ServerException", "A server-side issue occurred."),
    "events": (500, "InternalException", "An internal error occurred."),
    "iam": (500, "ServiceFailure", "The request processing has failed because of an unknown error."),
    "kms": (500, "KMSInternalException", "The request was rejected because an internal exception occurred."),
    "secretsmanager": (500, "InternalServiceError", "An error occurred on the server side."),
}


def _throttled(call: Call) -> Answer:
    return _worded(call, THROTTLED, (429, "TOOMANYREQUESTS", "Rate exceeded"))


def _failed(call: Call) -> Answer:
    return _worded(call, FAILED, (500, "UNKNOWN", "Internal Server Error"))


def _denied(call: Call) -> Answer:
    """In the words of the authoriser's own refusals, so that it cannot be told from one."""
    place = registry.placed(call.method, call.path)
    if place:
        asked = f"ecr:{place.actions[0]}" if place.actions else "ecr:GetAuthorizationToken"
        return registry.refused(403, "DENIED", f"User is not authorized to perform: {asked} {DENIAL}")
    service, operation = next(iter(named(call).scopes))
    who = stores.core("iam_evaluator").request_caller_arn(dict(call.headers))
    return words.denied(call, Decision(who, f"{service}:{operation}", "*", allowed=False, why=DENIAL))


async def _slow(switched: Switched, way: Next, call: Call) -> Answer:
    """The call is done and its answer kept back, as a client sees it that gives up too early."""
    answer = await way(call)
    if not switched.take():
        return answer
    with anyio.move_on_after(switched.fault.seconds if switched.fault.seconds is not None else float("inf")):
        while not switched.over.is_set():  # noqa: ASYNC110 - it is set in other threads
            await anyio.sleep(POLL_SECONDS)
    return answer


async def _cut(switched: Switched, way: Next, call: Call) -> Answer:
    """Half of the answer, of which the length was promised."""
    answer = await way(call)
    if not switched.take():
        return answer
    headers = answer.headers
    if isinstance(answer.body, bytes):
        kept = tuple(pair for pair in headers if pair[0].lower() != "content-length")
        headers = (*kept, ("content-length", str(max(len(answer.body), 1))))
    return replace(answer, headers=headers, body=_half(answer.body))


async def _half(body: bytes | AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if isinstance(body, bytes):
        yield body[: len(body) // 2]
    else:
        async for chunk in body:
            yield chunk
            break
    raise Cut


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):  # it was faster
        if pid > 0:
            os.kill(pid, signal.SIGKILL)
        else:
            os.killpg(-pid, signal.SIGKILL)


async def _kill_after(switched: Switched, way: Next, call: Call) -> Answer:
    """The thing is done, and whoever asked for it never hears so."""
    answer = await way(call)
    if answer.status < 400 and switched.take(switched.fault.nth) == switched.fault.nth:
        _kill(switched.fault.pid)
        raise Cut
    return answer


async def _kill_before(switched: Switched, way: Next, call: Call) -> Answer:
    """The n-th call never happens: those before it count when they succeeded."""
    if switched.hits == switched.fault.nth - 1 and switched.take(switched.fault.nth):
        _kill(switched.fault.pid)
        raise Cut
    answer = await way(call)
    if answer.status < 400:
        switched.take(switched.fault.nth - 1)
    return answer


EFFECTS: dict[str, Effect] = {
    "throttle": _instead(_throttled),
    "deny": _instead(_denied),
    "error": _instead(_failed),
    "slow": _slow,
    "reset": _hanging_up(reset=True),
    "refused": _hanging_up(reset=True),
    "dns": _hanging_up(reset=False),
    "cut": _cut,
    "registry-down": _instead(lambda _: registry.refused(503, "UNAVAILABLE", "service unavailable")),
    "registry-expired": _instead(lambda _: registry.refused(403, "DENIED", registry.EXPIRED)),
    "unready": unready,
    "kill-after": _kill_after,
    "kill-before": _kill_before,
}
