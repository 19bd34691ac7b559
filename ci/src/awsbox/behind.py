"""Layers behind the authoriser: what AWS decides only once it knows that the caller may ask.

A layer of the gate sees a call before anybody knows who calls. A rule that refuses a call for what it says (a key
policy that locks its author out, an image that is not there) must not speak to callers who may not even ask, so it
stands at the emulator's own table of services, which is reached after authorisation. There, the emulator's stores
also mean the caller's account and region.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode

from awsbox.authority import operations
from awsbox.calls import Answer, Call

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from awsbox.calls import Layer, Next

    type Query = dict[str, list[str]]
    type Spoken = tuple[int, dict[str, str], Any]
    type Handler = Callable[[str, str, dict[str, str], bytes, Query], Awaitable[Spoken]]

type Rules = Mapping[tuple[str, str], Layer]
"""By the emulator's name of the service and AWS's name of the operation; "*" is any operation of the service."""


@contextmanager
def seated(rules: Rules) -> Iterator[None]:
    """The rules are asked for as long as the block lasts. Services that no rule names are left alone."""
    from ministack import app as emulator  # noqa: PLC0415 - it reads its settings when it is imported

    handlers: dict[str, Handler] = emulator.SERVICE_HANDLERS
    before = {service: handlers[service] for service, _ in rules}
    handlers.update({service: _seat(service, handler, rules) for service, handler in before.items()})
    try:
        yield
    finally:
        handlers.update(before)


def _seat(service: str, handler: Handler, rules: Rules) -> Handler:
    async def seat(method: str, path: str, headers: dict[str, str], body: bytes, query: Query) -> Spoken:
        asked = Call(method, path, urlencode(query, doseq=True), headers, body, service, "", {})
        operation = operation_of(asked)
        rule = rules.get((service, operation)) or rules.get((service, "*"))
        if rule is None:
            return await handler(method, path, headers, body, query)
        answer = await rule(replace(asked, operation=operation), _asking(handler))
        return answer.status, dict(answer.headers), answer.body

    return seat


def _asking(handler: Handler) -> Next:
    async def ask(call: Call) -> Answer:
        query = parse_qs(call.query, keep_blank_values=True)
        status, headers, body = await handler(call.method, call.path, dict(call.headers), call.body, query)
        return Answer(status, tuple(headers.items()), body)

    return ask


def operation_of(call: Call) -> str:
    """AWS's own name; nothing where nobody can say which operation this is."""
    found = operations.asked(call)
    return found.operation if found else ""
