"""Which faults there are, and how a text says one."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

FOREVER = 0


class BadFault(Exception):
    """A fault that cannot be: the message says what was written, and what may be."""


@dataclass(frozen=True)
class Kind:
    """`reads` are the parts that follow the scope in a text, in their order. `scoped`: it takes service:operation."""

    usage: str
    reads: tuple[str, ...] = ("count",)
    needs: tuple[str, ...] = ()
    scoped: bool = True
    default: Mapping[str, Any] = field(default_factory=dict)


KINDS: dict[str, Kind] = {
    "throttle": Kind("throttle:SERVICE[:OPERATION[@RESOURCE][:COUNT]]"),
    "deny": Kind("deny:SERVICE[:OPERATION[@RESOURCE][:COUNT]]"),
    "error": Kind("error:SERVICE[:OPERATION[@RESOURCE][:COUNT]]"),
    "slow": Kind(
        "slow:SERVICE:OPERATION[@RESOURCE][:SECONDS[:COUNT]] (without SECONDS: until it is cleared)",
        ("seconds", "count"),
    ),
    "reset": Kind("reset:SERVICE[:OPERATION[@RESOURCE][:COUNT]]"),
    "refused": Kind("refused:SERVICE[:OPERATION[@RESOURCE][:COUNT]]"),
    "dns": Kind("dns:SERVICE[:OPERATION[@RESOURCE][:COUNT]]"),
    "cut": Kind("cut:SERVICE[:OPERATION[@RESOURCE][:COUNT]]"),
    "registry-down": Kind("registry-down[:COUNT]", scoped=False, default={"service": "registry"}),
    "registry-expired": Kind("registry-expired[:COUNT]", scoped=False, default={"service": "registry"}),
    "unready": Kind(
        "unready:SECONDS[:CALLS] (new users, roles and keys)", ("seconds", "calls"), ("seconds",), scoped=False
    ),
    "kill-after": Kind("kill-after:SERVICE:OPERATION[@RESOURCE]:NTH:PID", ("nth", "pid"), ("nth", "pid")),
    "kill-before": Kind("kill-before:SERVICE:OPERATION[@RESOURCE]:NTH:PID", ("nth", "pid"), ("nth", "pid")),
}


@dataclass(frozen=True, kw_only=True)
class Fault:
    """`service`, `operation` and `resource` are patterns. A resource is matched by its ARN, its name or its path."""

    name: str
    service: str = "*"
    operation: str = "*"
    resource: str = "*"
    count: int = FOREVER
    seconds: float | None = None
    calls: int = FOREVER
    nth: int = 1
    pid: int = 0
    """Negative: a whole process group."""

    def __post_init__(self) -> None:
        if self.name not in KINDS:
            raise BadFault(f"{self.name!r} is no fault: choose from {', '.join(KINDS)}")
        if self.name.startswith("kill-") and (self.pid in (0, 1, -1) or abs(self.pid) in (os.getpid(), os.getpgrp())):
            raise BadFault(f"{self.name} needs the id of a process that may die, not {self.pid}")
        if self.nth < 1:
            raise BadFault(f"{self.name}: NTH counts from 1")

    @staticmethod
    def read(text: str) -> Fault:
        """From `throttle:ecr:PutImage@preprod-*:3` and the like; see `KINDS` for each."""
        name, *parts = text.split(":")
        kind = KINDS.get(name)
        if kind is None:
            raise BadFault(f"{text!r}: {name!r} is no fault; choose from {', '.join(KINDS)}")
        said: dict[str, Any] = dict(kind.default)
        if kind.scoped:
            said |= {key: part for key, part in zip(("service", "operation"), parts[:2], strict=False) if part}
            said |= _resource(said)
            parts = parts[2:]
        if len(parts) > len(kind.reads) or (kind.scoped and "service" not in said):
            raise BadFault(f"{text!r} is not {kind.usage}")
        for key, part in zip(kind.reads, parts, strict=False):
            said[key] = _number(text, key, part, kind)
        if not set(kind.needs) <= set(said):
            raise BadFault(f"{text!r} is not {kind.usage}")
        return Fault(name=name, **said)


def _resource(said: Mapping[str, str]) -> dict[str, str]:
    operation, _, resource = said.get("operation", "").partition("@")
    return {"operation": operation or "*", "resource": resource} if resource else {}


def _number(text: str, key: str, part: str, kind: Kind) -> float:
    try:
        number = float(part) if key == "seconds" else int(part)
    except ValueError:
        raise BadFault(f"{text!r}: {key.upper()} is a number, not {part!r}; {kind.usage}") from None
    if number < 0 and key != "pid":
        raise BadFault(f"{text!r}: {key.upper()} cannot be below 0")
    return number
