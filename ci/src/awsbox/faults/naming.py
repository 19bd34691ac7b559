"""Which calls a fault meets."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from awsbox import registry
from awsbox.authority import operations

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from awsbox.calls import Call
    from awsbox.faults.kinds import Fault

SERVICES = {"monitoring": "cloudwatch", "email": "ses"}
"""What the emulator calls otherwise than IAM does."""


@dataclass(frozen=True)
class Named:
    scopes: tuple[tuple[str, str], ...]
    things: tuple[str, ...]
    text: str = ""
    """All that the call says."""


def named(call: Call) -> Named:
    """By AWS's operation, and by IAM's action where that is called otherwise; the registry's paths by IAM's."""
    place = registry.placed(call.method, call.path)
    if place is not None:
        scopes = [(service, action) for service in ("ecr", "registry") for action in place.actions or ("",)]
        return Named(tuple(scopes), (place.repository, place.reference))
    asked = operations.asked(call)
    # As botocore names the operation, and as IAM names the action.
    names = [asked.operation, call.operation] if asked else [call.operation]
    services = [SERVICES.get(call.service, call.service), call.service]
    arguments = asked.arguments if asked else {}
    return Named(
        tuple((service, name) for service in services for name in names),
        tuple(_things(call.path, arguments)),
        json.dumps(arguments, default=str),
    )


def _things(path: str, arguments: Mapping[str, Any]) -> Iterator[str]:
    """Whatever the call names: its arguments, the ends of ARNs in them, and its path."""
    for value in arguments.values():
        if isinstance(value, str):
            yield value
            yield value.rpartition(":")[2].rpartition("/")[2]
    yield path.lstrip("/")
    yield from path.split("/")


def meets(fault: Fault, call: Named) -> bool:
    scope = any(
        fnmatchcase(service, fault.service) and fnmatchcase(operation, fault.operation)
        for service, operation in call.scopes
    )
    return scope and (fault.resource == "*" or any(fnmatchcase(thing, fault.resource) for thing in call.things))
