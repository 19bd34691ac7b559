"""What terraform says while it works: one JSON object a line of `-json`, and its log of errors. Pure.

`-json` keeps the cause of a failure to itself until everything else has ended, minutes later: the event says which
resource, the diagnostic at the end says why. Terraform's own log says it at once, in a line that this module reads too.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Stage(StrEnum):
    STARTED = "started"
    GOES_ON = "goes-on"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Doing:
    """What happens to a resource now. `action` is terraform's word: create, update, delete, read."""

    address: str
    type: str
    action: str
    stage: Stage
    seconds: float = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopting:
    """The plan that is carried out takes something that exists into state: terraform has no event for doing so."""

    address: str
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """`address` and `file` are empty where terraform names none; `at` is when it said so."""

    summary: str
    detail: str = ""
    address: str = ""
    file: str = ""
    line: int = 0
    warning: bool = False
    at: str = field(default="", compare=False)

    @property
    def text(self) -> str:
        return f"{self.summary}\n{self.detail}".strip()


type Event = Doing | Adopting | Diagnostic

STAGES = {
    "apply_start": Stage.STARTED,
    "apply_progress": Stage.GOES_ON,
    "apply_complete": Stage.DONE,
    "apply_errored": Stage.FAILED,
}
WORDS = {
    "create": ("creating", "created"),
    "update": ("changing", "changed"),
    "delete": ("destroying", "destroyed"),
    "read": ("reading", "read"),
}
# A vertex that is about something other than a resource has a name in brackets behind it, or no dot.
VERTEX = re.compile(r'\[ERROR\] vertex (?P<name>"(?:[^"\\]|\\.)*") error: (?P<said>.*)$')
ADDRESS = re.compile(r"(?P<address>[^\s(]*\.[^(]*?)(?: \((?:destroy|expand|deposed|import)[^)]*\))?")


def read(line: str) -> Event | None:
    """What a line says, or None for what nobody here needs: kinds that newer versions know, text among the JSON."""
    try:
        said = json.loads(line)
        return _event(said) if isinstance(said, dict) else None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def _event(said: dict[str, Any]) -> Event | None:
    kind = said["type"]
    if kind in STAGES:
        return _doing(said["hook"], STAGES[kind])
    if kind == "planned_change" and (id := said["change"].get("importing", {}).get("id")):
        return Adopting(address=str(said["change"]["resource"]["addr"]), id=str(id))
    return _diagnostic(said["diagnostic"], str(said.get("@timestamp", ""))) if kind == "diagnostic" else None


def _doing(hook: dict[str, Any], stage: Stage) -> Doing:
    return Doing(
        address=str(hook["resource"]["addr"]),
        type=str(hook["resource"]["resource_type"]),
        action=str(hook["action"]),
        stage=stage,
        seconds=float(hook.get("elapsed_seconds", 0)),
    )


def _diagnostic(said: dict[str, Any], at: str) -> Diagnostic:
    place = said.get("range") or {}
    return Diagnostic(
        summary=str(said["summary"]),
        detail=str(said.get("detail") or ""),
        address=str(said.get("address") or ""),
        file=str(place.get("filename", "")),
        line=int(place["start"]["line"]) if place else 0,
        warning=said["severity"] != "error",
        at=at,
    )


def logged(line: str) -> Diagnostic | None:
    """The error of a resource, of terraform's log of errors: only its summary, but at once."""
    found = VERTEX.search(line)
    place = ADDRESS.fullmatch(json.loads(found["name"])) if found else None
    if found is None or place is None or "provider[" in place["address"]:
        return None
    return Diagnostic(summary=found["said"], address=place["address"])


def type_of(address: str) -> str:
    """aws_sqs_queue, of module.a["b.c"].aws_sqs_queue.dlq[0]; nothing where the address is not a resource's."""
    parts = re.sub(r"\[[^\]]*\]", "", address).removeprefix("data.").split(".")
    return parts[-2] if len(parts) > 1 else ""


def told(event: Event) -> str:
    """For people; nothing where there is nothing to tell."""
    if isinstance(event, Diagnostic):
        return ""
    if isinstance(event, Adopting):
        return f"{event.address}: adopting {event.id}"
    now, then = WORDS.get(event.action, (event.action, f"{event.action} done"))
    return {
        Stage.STARTED: f"{event.address}: {now}",
        Stage.GOES_ON: f"{event.address}: {now}, {event.seconds:.0f} s",
        Stage.DONE: f"{event.address}: {then} in {event.seconds:.0f} s",
        Stage.FAILED: f"{event.address}: {now} failed after {event.seconds:.0f} s",
    }[event.stage]
