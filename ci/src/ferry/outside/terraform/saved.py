"""What a saved plan is bound to. Only its file is trusted: terraform keeps the state that it planned from in it."""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ferry.errors import RecordError
from ferry.tfplan import Action, Change, Plan

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

STATE = "tfstate-prev"
"""In the plan's file: the state as it was when terraform planned. `show -json` leaves serial and lineage out of it."""

NOW = "tfstate"
"""And the state as AWS says that it is."""
FORMAT = 4
"""The state's, since terraform 0.12."""
UNTYPED = {"type", "value"}
"""How a state, and only a state, writes a value whose type the provider leaves open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """`lock` is the hash of .terraform.lock.hcl, empty without one; `lineage` is empty before the first apply."""

    path: str
    sha256: str
    lock: str
    serial: int
    lineage: str
    terraform: str


def identity(plan: Path, lock_file: Path, terraform: str) -> Saved:
    """`terraform` is the version that saved it: terraform applies no plan of another one."""
    try:
        with zipfile.ZipFile(plan) as held:
            state = json.loads(held.read(STATE))
        serial, lineage = int(state["serial"]), str(state["lineage"])
    except (OSError, zipfile.BadZipFile, ValueError, LookupError, TypeError) as error:
        raise RecordError(
            "this is no plan that terraform saved",
            where=plan.name,
            why=f"{type(error).__name__}: {error}",
            next="plan again: ferry plan",
        ) from error
    return Saved(
        path=plan.name,
        sha256=digest(plan),
        lock=digest(lock_file) if lock_file.is_file() else "",
        serial=serial,
        lineage=lineage,
        terraform=terraform,
    )


def standing(plan: Path) -> Plan | None:
    """What a plan without changes says, from its file alone; None where only terraform can tell.

    `terraform show` starts the providers for it, and computes more than half of what the plan itself did.
    """
    try:
        with zipfile.ZipFile(plan) as held:
            state = json.loads(held.read(NOW))
        resources = [one for one in state["resources"] if one["mode"] == "managed"]
        found = [_standing(one, instance) for one in resources for instance in one["instances"]]
    except (OSError, zipfile.BadZipFile, ValueError, LookupError, TypeError, AttributeError):
        return None
    if state.get("version") != FORMAT or None in found:
        return None
    return Plan(changes={change.address: change for change in found if change}, applyable=False)


def _standing(resource: Mapping[str, Any], instance: Mapping[str, Any]) -> Change | None:
    attributes = instance["attributes"]
    if attributes is None or instance.get("deposed") or instance.get("status") or _untyped(attributes):
        return None
    module = f"{resource['module']}." if "module" in resource else ""
    address = f"{module}{resource['type']}.{resource['name']}{_index(instance.get('index_key'))}"
    return Change(address=address, type=resource["type"], action=Action.NO_OP, after=attributes, before=attributes)


def _index(key: str | int | None) -> str:
    """As terraform writes it in an address."""
    quoted = json.dumps(key, ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")
    return "" if key is None else f"[{quoted}]"


def _untyped(value: Any) -> bool:
    match value:
        case dict():
            return value.keys() == UNTYPED or any(map(_untyped, value.values()))
        case list():
            return any(map(_untyped, value))
        case _:
            return False


def digest(file: Path) -> str:
    with file.open("rb") as held:
        return hashlib.file_digest(held, "sha256").hexdigest()


def differences(saved: Saved, now: Saved) -> tuple[str, ...]:
    """What is not as it was when the plan was looked at, in words."""
    compared = {
        "the plan's file": (saved.sha256, now.sha256),
        "the provider lock file": (saved.lock, now.lock),
        "the state it was made from": ((saved.serial, saved.lineage), (now.serial, now.lineage)),
        "terraform's version": (saved.terraform, now.terraform),
    }
    return tuple(what for what, (then, found) in compared.items() if then != found)
