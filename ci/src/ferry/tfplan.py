"""Terraform's plan as typed data: read once from `terraform show -json`, looked up by address ever after. Pure."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from ferry.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Mapping


class Action(StrEnum):
    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DESTROY = "destroy"
    NO_OP = "no-op"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One managed resource. `imports` is the id that it is adopted by; empty when it is not.

    `before` and `after` may hold secrets: terraform writes sensitive values into a plan in the clear. `unknown` has
    the shape of `after`, with True for each value that only the apply will know. `forgets`: it leaves the state alone,
    and the object stays behind. `reason` is terraform's own word for why it replaces or destroys.
    """

    address: str
    type: str
    action: Action
    after: Mapping[str, Any] = field(repr=False)
    before: Mapping[str, Any] = field(default_factory=dict, repr=False)
    unknown: Mapping[str, Any] = field(default_factory=dict, repr=False)
    imports: str = ""
    forgets: bool = False
    reason: str = ""
    replace_paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`applyable`: an apply would do something. Outputs alone may change, which no resource's change shows."""

    changes: Mapping[str, Change]
    applyable: bool = True

    def count(self) -> Counter[str]:
        """How many of each action; an adopted resource counts as adopted and as what else happens to it."""
        kinds = Counter[str](change.action for change in self.changes.values())
        kinds["adopt"] = sum(1 for change in self.changes.values() if change.imports)
        return kinds

    def touched(self) -> list[Change]:
        """Everything that something happens to; an adoption that changes nothing is one of them."""
        return [change for change in self.changes.values() if change.action is not Action.NO_OP or change.imports]

    @property
    def empty(self) -> bool:
        return not self.touched()


def read(text: str) -> Plan:
    """An empty plan has no changes; a document that is no plan is refused."""
    try:
        said = json.loads(text)
        changes = [_change(entry) for entry in _resources(said) if entry["mode"] == "managed"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RecordError(
            "this is not the JSON of a terraform plan",
            where="plan",
            why=f"{type(error).__name__}: {error}",
            next="terraform show -json PLANFILE (not `terraform plan -json`, which is a log)",
        ) from error
    return Plan(changes={change.address: change for change in changes}, applyable=said.get("applyable") is not False)


def _resources(said: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if not str(said["format_version"]).startswith("1."):
        raise ValueError(f"format_version {said['format_version']!r} is not 1.x")
    return list(said.get("resource_changes", []))


def _change(entry: Mapping[str, Any]) -> Change:
    change = entry["change"]
    importing = change.get("importing")
    # What an interrupted replacement left has the address of what replaced it.
    deposed = f" (deposed {entry['deposed']})" if entry.get("deposed") else ""
    return Change(
        address=f"{entry['address']}{deposed}",
        type=str(entry["type"]),
        action=_action(change["actions"]),
        after=dict(change.get("after") or {}),
        before=dict(change.get("before") or {}),
        unknown=dict(change.get("after_unknown") or {}),
        forgets="forget" in change["actions"],
        reason=str(entry.get("action_reason") or ""),
        # Not every import has an id that is known: it is an adoption all the same.
        imports="" if importing is None else str(importing.get("id") or "an id not known yet"),
        replace_paths=tuple(".".join(str(part) for part in path) for path in change.get("replace_paths", [])),
    )


def _action(actions: list[str]) -> Action:
    match sorted(actions):
        case ["create", "delete"] | ["create", "forget"]:
            return Action.REPLACE
        # "forget" leaves the object and drops it from state: to us it is as good as gone.
        case ["delete"] | ["forget"]:
            return Action.DESTROY
        case [("create" | "update" | "no-op") as only]:
            return Action(only)
        case other:
            raise ValueError(f"unknown actions {other}")
