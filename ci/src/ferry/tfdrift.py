"""What a refresh found, as typed data: read from `terraform show -json` of a refresh-only plan. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ferry.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A resource that is not as the state has it. The values may hold secrets.

    `sensitive` are the masks of both, in their shape: True wherever the provider says that nobody may see it.
    """

    address: str
    type: str
    deleted: bool
    before: Mapping[str, Any] = field(repr=False)
    after: Mapping[str, Any] = field(repr=False)
    sensitive: tuple[object, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A resource that the state has, or had until somebody deleted the thing itself."""

    type: str
    values: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refreshed:
    moved: tuple[Moved, ...]
    held: tuple[Held, ...]


def read(text: str) -> Refreshed:
    try:
        said = json.loads(text)
        moved = [_moved(entry) for entry in said.get("resource_drift", []) if entry["mode"] == "managed"]
        held = list(_held(said.get("prior_state", {}).get("values", {}).get("root_module", {})))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RecordError(
            "this is not the JSON of a terraform plan",
            where="plan -refresh-only",
            why=f"{type(error).__name__}: {error}",
            next="see that terraform is 1.11 or newer",
        ) from error
    held += [Held(type=one.type, values=one.before) for one in moved if one.deleted]
    return Refreshed(moved=tuple(moved), held=tuple(held))


def _moved(entry: Mapping[str, Any]) -> Moved:
    change = entry["change"]
    deposed = f" (deposed {entry['deposed']})" if entry.get("deposed") else ""
    return Moved(
        address=f"{entry['address']}{deposed}",
        type=str(entry["type"]),
        deleted="delete" in change["actions"],
        before=dict(change.get("before") or {}),
        after=dict(change.get("after") or {}),
        sensitive=(change.get("before_sensitive"), change.get("after_sensitive")),
    )


def _held(module: Mapping[str, Any]) -> Iterator[Held]:
    """Those of its modules too."""
    for resource in module.get("resources", []):
        if resource["mode"] == "managed":
            yield Held(type=str(resource["type"]), values=dict(resource.get("values") or {}))
    for child in module.get("child_modules", []):
        yield from _held(child)
