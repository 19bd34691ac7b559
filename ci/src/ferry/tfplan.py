"""Terraform's plan as typed data: read once from `terraform show -json`, looked up by address ever after. Pure."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from ferry.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

INDEX = r'\[(?:\d+|"(?:[^"\\]|\\.)*")\]'
RESOURCE = r"[^.\[]+\.[^.\[]+"
ADDRESS = re.compile(rf"(?P<module>(?:module\.[^.\[]+(?:{INDEX})?\.)*)(?P<resource>{RESOURCE})(?P<index>(?:{INDEX})?)")
REFERENCE = re.compile(
    rf"(?!(?:count|data|each|ephemeral|local|module|path|self|terraform|var)\.)"
    rf"(?P<resource>{RESOURCE})(?P<index>(?:{INDEX})?)(?:\.(?P<attribute>.+))?"
)


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
class Reference:
    """The one resource that an attribute is made from, in the same module: how, the configuration does not say.

    Where its index depends on whose the attribute is, neither index nor `attribute` is known.
    """

    resource: str
    index: str = ""
    attribute: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`applyable`: an apply would do something. Outputs alone may change, which no resource's change shows.

    `references` are those of the configuration: by the address of a resource without its indexes, then by attribute.
    """

    changes: Mapping[str, Change]
    applyable: bool = True
    references: Mapping[str, Mapping[str, Reference]] = field(default_factory=dict, repr=False)

    def reference(self, change: Change, attribute: str) -> Reference | None:
        """What an attribute refers to, if that is one resource and no other."""
        return self.references.get(re.sub(INDEX, "", change.address), {}).get(attribute)

    def referred(self, change: Change, reference: Reference) -> Change | None:
        """The instance that is meant: the one that is named, the one with the key of who refers to it, the only one."""
        own = ADDRESS.match(change.address)
        if own is None:
            return None
        address = own["module"] + reference.resource
        if reference.attribute or reference.index:
            return self.changes.get(address + reference.index)
        found = [one for one in self.changes if one.startswith(address) and re.fullmatch(INDEX, one[len(address) :])]
        only = found[0] if len(found) == 1 else address
        return self.changes.get(address + own["index"]) or self.changes.get(only)

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
        references = dict(_references((said.get("configuration") or {}).get("root_module") or {}))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RecordError(
            "this is not the JSON of a terraform plan",
            where="plan",
            why=f"{type(error).__name__}: {error}",
            next="terraform show -json PLANFILE (not `terraform plan -json`, which is a log)",
        ) from error
    return Plan(
        changes={change.address: change for change in changes},
        applyable=said.get("applyable") is not False,
        references=references,
    )


def _resources(said: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if not str(said["format_version"]).startswith("1."):
        raise ValueError(f"format_version {said['format_version']!r} is not 1.x")
    return list(said.get("resource_changes", []))


def _references(module: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Reference]]]:
    for resource in module.get("resources", []):
        expressions = resource.get("expressions", {}) if resource["mode"] == "managed" else {}
        # Blocks are lists of expressions.
        plain = {name: said for name, said in expressions.items() if isinstance(said, dict)}
        found = {name: _reference(said.get("references", ())) for name, said in plain.items()}
        yield path + resource["address"], {name: reference for name, reference in found.items() if reference}
    for name, call in module.get("module_calls", {}).items():
        yield from _references(call.get("module", {}), f"{path}module.{name}.")


def _reference(said: Iterable[str]) -> Reference | None:
    """Terraform says `a.b[0].id` as that, `a.b[0]` and `a.b`; and of `a.b[count.index].id` only `a.b`."""
    found = [match for match in map(REFERENCE.fullmatch, said) if match]
    resources, indexes, attributes = (
        {match[part] for match in found if match[part]} for part in ("resource", "index", "attribute")
    )
    if len(resources) != 1 or len(indexes) > 1 or len(attributes) > 1:
        return None
    return Reference(resource=resources.pop(), index="".join(indexes), attribute="".join(attributes))


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
